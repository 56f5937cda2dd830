//! `velaria.StreamingQuery`.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use velaria::{Error, ErrorCode};

use super::count;
use super::custom_sink::is_called_by;
use super::report::Reports;
use crate::error::{to_py, wrong_type};
use crate::runtime::{Check, enter};
use crate::seconds::seconds;

/// How often a wait looks for Ctrl-C.
const TICK: Duration = Duration::from_millis(50);
/// How many ticks a wait goes on after the query has ended, for callbacks that have not been told yet.
const TICKS_TO_TELL: u32 = 40;

/// A stream query: what it has done, and the means to wait for it and to stop it.
///
///     >>> import velaria
///     >>> session = velaria.Session()
///     >>> batches = [{"key": ["a", "b"], "value": [1, 2]}, {"key": ["a"], "value": [3]}]
///     >>> stream = session.create_stream_from_arrow(batches)
///     >>> query = stream.write_stream_csv("events.csv", trigger_interval_ms=0)
///     >>> query.start().await_termination()
///     2
#[pyclass(frozen, module = "velaria")]
pub(crate) struct StreamingQuery {
    query: velaria::StreamingQuery,
    reports: Arc<Reports>,
}

impl StreamingQuery {
    pub(crate) fn new(query: velaria::StreamingQuery) -> Self {
        Self { query, reports: Arc::default() }
    }

    /// Waits, and lets callbacks of the progress follow.
    fn wait(&self, py: Python<'_>, max_batches: u64, timeout: Option<Duration>) -> PyResult<u64> {
        if self.reports.is_empty() {
            return enter(py, |check| wait(&self.query, max_batches, timeout, check));
        }
        // This starts a query that nobody has started; its callbacks are told from then on.
        let begun = enter(py, |_| self.query.wait(max_batches, Some(Duration::ZERO)));
        self.reports.tell(py, &self.query)?;
        let waited = match begun {
            Ok(Some(batches)) => Ok(batches),
            Err(failed) => Err(failed),
            Ok(None) => enter(py, |check| wait(&self.query, max_batches, timeout, check)),
        };
        enter(py, |check| self.settle(check))?;
        waited
    }

    /// Waits for the callbacks to have been told the end, if there was one.
    fn settle(&self, check: Check<'_>) -> velaria::Result<()> {
        let has_ended = matches!(self.query.progress().status.as_str(), "stopped" | "failed");
        for _ in 0..TICKS_TO_TELL {
            if !has_ended || self.reports.settle(TICK) {
                break;
            }
            check()?;
        }
        Ok(())
    }
}

/// Waits in ticks, so that a signal handler runs in between.
fn wait(
    query: &velaria::StreamingQuery,
    max_batches: u64,
    timeout: Option<Duration>,
    check: Check<'_>,
) -> velaria::Result<u64> {
    // Ticks are counted instead of reading a clock: a wait is never shorter than it was asked for.
    let mut left = timeout;
    loop {
        let tick = left.map_or(TICK, |left| left.min(TICK));
        if let Some(batches) = query.wait(max_batches, Some(tick))? {
            return Ok(batches);
        }
        check()?;
        left = left.map(|left| left.saturating_sub(tick));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Error::new(ErrorCode::Timeout, "the stream query goes on after the timeout")
                .with_hint("wait again, or stop() it"));
        }
    }
}

#[pymethods]
impl StreamingQuery {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.StreamingQuery' instances"))
    }

    /// The name of the query in this process.
    ///
    ///     >>> query.id.startswith("stream-query-")
    ///     True
    #[getter]
    fn id(&self) -> String {
        self.query.id().to_owned()
    }

    /// `created`, `running`, `backpressure`, `restored`, `stopped` or `failed`.
    ///
    ///     >>> query.status
    ///     'stopped'
    #[getter]
    fn status(&self, py: Python<'_>) -> String {
        py.detach(|| self.query.progress().status)
    }

    /// Starts the query on threads of its own, unless it runs already.
    ///
    ///     >>> again = stream.write_stream_csv("again.csv")
    ///     >>> again.status
    ///     'created'
    ///     >>> again.start().await_termination()
    ///     2
    fn start<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let (py, own) = (slf.py(), slf.get());
        enter(py, |_| own.query.start())?;
        own.reports.tell(py, &own.query)?;
        Ok(slf.clone())
    }

    /// Waits until the source ends, `max_batches` more micro-batches are written, or the query is stopped, and gives the
    /// number of micro-batches that were written meanwhile. `timeout` is in seconds, or a `timedelta`.
    ///
    ///     >>> first = stream.write_stream_csv("first.csv", trigger_interval_ms=0)
    ///     >>> first.await_termination(max_batches=1, timeout=60)
    ///     1
    #[pyo3(signature = (max_batches=0, timeout=None))]
    fn await_termination(&self, py: Python<'_>, max_batches: i64, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
        let max_batches = count(py, "max_batches", max_batches)?;
        let timeout = timeout.map(|timeout| seconds(timeout, "timeout")).transpose()?;
        if is_called_by(self.query.id()) {
            let error = Error::new(ErrorCode::InvalidArgument, "the sink of a stream query cannot wait for the query");
            return Err(to_py(py, &error.with_hint("the query waits for its sink; stop() may be called")));
        }
        self.wait(py, max_batches, timeout)
    }

    /// Ends the query after the micro-batch that it works on, and waits for that. In the sink of the query it does not wait.
    ///
    ///     >>> query.stop()
    ///     >>> query.status
    ///     'stopped'
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        if is_called_by(self.query.id()) {
            py.detach(|| self.query.request_stop());
            return Ok(());
        }
        enter(py, |check| {
            while !self.query.stop_within(TICK) {
                check()?;
            }
            Ok(())
        })
    }

    /// Calls `callback` with the progress, a dict, whenever a micro-batch is written or the status changes; gives it back.
    ///
    /// >>> import velaria
    /// >>> query = velaria.Session().read_custom_stream([{"v": 1}]).write_stream_custom(lambda emission: None)
    /// >>> seen = []
    /// >>> callback = query.on_progress(lambda progress: seen.append(progress["status"]))
    /// >>> query.await_termination()
    /// 1
    /// >>> seen[-1]
    /// 'stopped'
    fn on_progress<'py>(&self, callback: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = callback.py();
        if !callback.is_callable() {
            return Err(wrong_type(py, "callback must be callable"));
        }
        self.reports.add(callback.clone().unbind());
        if self.status(py) != "created" {
            self.reports.tell(py, &self.query)?;
        }
        Ok(callback)
    }

    /// What the query has done, as a dict.
    ///
    ///     >>> progress = query.progress()
    ///     >>> progress["batches_processed"], progress["last_source_offset"]
    ///     (2, '2')
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let document = enter(py, |_| velaria::json::to_line(&self.query.progress()))?;
        py.import("json")?.call_method1("loads", (document,))
    }

    /// The same as one line of JSON.
    ///
    ///     >>> import json
    ///     >>> json.loads(query.snapshot_json())["batches_processed"]
    ///     2
    fn snapshot_json(&self, py: Python<'_>) -> PyResult<String> {
        enter(py, |_| self.query.snapshot_json())
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.stop(py)
    }

    // A callback that mentions its query would keep both for ever.
    fn __traverse__(&self, visit: pyo3::pyclass::PyVisit<'_>) -> Result<(), pyo3::pyclass::PyTraverseError> {
        self.reports.visit(&visit)
    }

    fn __clear__(&self) {
        self.reports.clear();
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<velaria.StreamingQuery {} {}>", self.query.id(), self.status(py))
    }
}

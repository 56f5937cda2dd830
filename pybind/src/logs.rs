//! What the engine logs, as records of Python's `logging`.
//!
//! The engine's threads log while they hold locks, and a handler in Python may wait for anything. So no event is handed over
//! where it happens: it waits in a queue for a thread that holds the interpreter lock and no other. That is one that comes
//! back from the engine, or else the thread of this module.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::exit::visit;

/// Events beyond this many are dropped and counted.
const WAITING_MAX: usize = 10_000;

/// How long an event waits for the thread that caused it to come back.
const PATIENCE: Duration = Duration::from_millis(25);

/// One thing that was logged.
struct Event {
    level: Level,
    logger: String,
    message: String,
    file: &'static str,
    line: u32,
    at: SystemTime,
}

struct Queue {
    events: VecDeque<Event>,
    dropped: usize,
    has_thread: bool,
    /// The interpreter ends: nothing more is taken.
    closed: bool,
}

struct Bridge {
    queue: Mutex<Queue>,
    added: Condvar,
    /// Whether the queue has events: asked by every call from Python.
    waiting: AtomicBool,
    /// Held by who hands over.
    delivering: Mutex<()>,
}

static BRIDGE: Bridge = Bridge {
    queue: Mutex::new(Queue { events: VecDeque::new(), dropped: 0, has_thread: false, closed: false }),
    added: Condvar::new(),
    waiting: AtomicBool::new(false),
    delivering: Mutex::new(()),
};

/// Takes what the engine logs, until the interpreter ends.
pub(crate) fn install() {
    // It is set already where the module is loaded a second time.
    let _ = log::set_logger(&BRIDGE);
}

/// Looks up which levels somebody wants. Without the module `logging` nobody does.
///
/// # Errors
/// What a signal handler raises meanwhile; a logger that fails wants nothing.
pub(crate) fn refresh(py: Python<'_>) -> PyResult<()> {
    let level = match level(py) {
        Ok(level) => level.unwrap_or(LevelFilter::Off),
        Err(error) if error.is_instance_of::<PyException>(py) => LevelFilter::Off,
        Err(raised) => return Err(raised),
    };
    if level != log::max_level() {
        log::set_max_level(level);
    }
    Ok(())
}

fn level(py: Python<'_>) -> PyResult<Option<LevelFilter>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = match LOGGER.get(py) {
        Some(logger) => logger,
        None => {
            let modules = MODULES.get_or_try_init(py, || {
                py.import("sys")?.getattr("modules")?.cast_into::<PyDict>().map(Bound::unbind).map_err(PyErr::from)
            });
            let Some(logging) = modules?.bind(py).get_item(intern!(py, "logging"))? else { return Ok(None) };
            let logger = logging.call_method1("getLogger", ("velaria",))?;
            LOGGER.get_or_init(py, || logger.unbind())
        }
    };
    let level = logger.bind(py).call_method0(intern!(py, "getEffectiveLevel"))?.extract::<i64>()?;
    Ok(Some(match level {
        ..=9 => LevelFilter::Trace,
        10..=19 => LevelFilter::Debug,
        20..=29 => LevelFilter::Info,
        30..=39 => LevelFilter::Warn,
        40..=49 => LevelFilter::Error,
        _ => LevelFilter::Off,
    }))
}

/// Hands over what waits. A handler that calls the engine itself, and a second thread, leave it to who does so already.
///
/// # Errors
/// What a signal handler raises meanwhile, after everything was handed over; what a handler of events raises is reported.
pub(crate) fn deliver(py: Python<'_>) -> PyResult<()> {
    if !BRIDGE.waiting.load(Ordering::Acquire) {
        return Ok(());
    }
    let _delivering = match BRIDGE.delivering.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Ok(()),
    };
    let mut raised = Ok(());
    for event in BRIDGE.take() {
        match event.hand_over(py) {
            Ok(()) => {}
            Err(error) if error.is_instance_of::<PyException>(py) => error.write_unraisable(py, None),
            Err(error) => raised = Err(error),
        }
    }
    raised
}

/// Hands over what waits on a thread that no signal handler runs on.
pub(crate) fn deliver_apart(py: Python<'_>) {
    if let Err(error) = deliver(py) {
        error.write_unraisable(py, None);
    }
}

/// Takes no more: the interpreter ends.
pub(crate) fn close() {
    BRIDGE.queue().closed = true;
    BRIDGE.added.notify_all();
}

impl Bridge {
    // Each change is complete before anything that may panic.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&'static self, event: Event) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        if queue.events.len() == WAITING_MAX {
            queue.dropped += 1;
            return;
        }
        queue.events.push_back(event);
        self.waiting.store(true, Ordering::Release);
        if !queue.has_thread {
            // Without it events wait for the next call from Python.
            queue.has_thread = thread::Builder::new().name("velaria-log".to_owned()).spawn(|| self.run()).is_ok();
        }
        drop(queue);
        self.added.notify_one();
    }

    fn take(&self) -> VecDeque<Event> {
        let mut queue = self.queue();
        self.waiting.store(false, Ordering::Release);
        let mut events = std::mem::take(&mut queue.events);
        if queue.dropped > 0 {
            events.push_back(Event::of_dropped(std::mem::take(&mut queue.dropped)));
        }
        events
    }

    /// Hands over what nobody comes back for, such as the events of a stream query.
    fn run(&self) {
        loop {
            let queue = self.added.wait_while(self.queue(), |queue| queue.events.is_empty() && !queue.closed);
            if queue.unwrap_or_else(PoisonError::into_inner).closed {
                return;
            }
            thread::sleep(PATIENCE);
            if visit(deliver_apart).is_none() {
                return;
            }
        }
    }
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("velaria")
    }

    fn log(&self, record: &Record<'_>) {
        // The command line as a program writes its own log.
        if !velaria_cli::log_record(record) && self.enabled(record.metadata()) {
            BRIDGE.push(Event::of(record));
        }
    }

    fn flush(&self) {}
}

impl Event {
    fn of(record: &Record<'_>) -> Self {
        Self {
            level: record.level(),
            logger: record.target().replace("velaria_", "velaria.").replace("::", "."),
            message: record.args().to_string(),
            file: record.file_static().unwrap_or_default(),
            line: record.line().unwrap_or_default(),
            at: SystemTime::now(),
        }
    }

    fn of_dropped(count: usize) -> Self {
        Self {
            level: Level::Warn,
            logger: "velaria".to_owned(),
            message: format!("{count} events were not logged: more happened than the handlers could take"),
            file: file!(),
            line: line!(),
            at: SystemTime::now(),
        }
    }

    fn hand_over(&self, py: Python<'_>) -> PyResult<()> {
        let logger = py.import("logging")?.call_method1("getLogger", (&self.logger,))?;
        let level = match self.level {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug => 10,
            Level::Trace => 5,
        };
        if !logger.call_method1("isEnabledFor", (level,))?.is_truthy()? {
            return Ok(());
        }
        let place = (&self.logger, level, self.file, self.line, &self.message, PyTuple::empty(py), py.None());
        let record = logger.call_method1("makeRecord", place)?;
        let seconds = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        record.setattr("created", seconds)?;
        record.setattr("msecs", (seconds.fract() * 1000.0).floor())?;
        logger.call_method1("handle", (record,)).map(|_| ())
    }
}

//! How a running statement is told to stop: by its deadline or by another thread.
//!
//! The statement looks between its steps and batches, and inside of the joins that compute for long. The thread that
//! waits for it looks as well and returns in any case, so that no operator can hide from a deadline.

use std::future::Future;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use velaria_contract::{Error, ErrorCode, Result};

use crate::background::tell_end_later;
use crate::progress::{ProgressListener, Reading};

const RUNNING: u8 = 0;
const INTERRUPTED: u8 = 1;

/// One running statement, as those see it who may stop it.
#[derive(Debug)]
pub(crate) struct Stop {
    state: AtomicU8,
    deadline: Option<Deadline>,
    /// Who waits for the next batch.
    pub(crate) waiting: AtomicWaker,
    /// What is read, if somebody listens.
    pub(crate) reading: Option<Arc<Reading>>,
}

#[derive(Debug)]
struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Stop {
    fn new(timeout: Option<Duration>, listener: Option<ProgressListener>) -> Self {
        // A deadline that no clock can show never comes.
        let deadline =
            timeout.and_then(|timeout| Instant::now().checked_add(timeout).map(|at| Deadline { at, timeout }));
        let reading = listener.map(|listener| Arc::new(Reading::new(listener)));
        Self { state: AtomicU8::new(RUNNING), deadline, waiting: AtomicWaker::new(), reading }
    }

    /// Whether the statement may go on.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.state.load(Ordering::Relaxed), &self.deadline) {
            (INTERRUPTED, _) => Err(Error::new(ErrorCode::Cancelled, "the statement was interrupted")),
            (RUNNING, Some(deadline)) if Instant::now() >= deadline.at => Err(deadline.passed()),
            _ => Ok(()),
        }
    }

    /// Tells the statement to stop.
    pub(crate) fn interrupt(&self) {
        self.state.store(INTERRUPTED, Ordering::Relaxed);
        self.waiting.wake();
    }

    /// What was read for the statement is all, unless it runs for another one.
    pub(crate) fn end(self: &Arc<Self>) {
        if let Some(reading) = &self.reading
            && !self.is_outer()
        {
            reading.end();
        }
    }

    /// Nobody will ask for the rest of the rows. It may be known on any thread, whatever that holds.
    pub(crate) fn end_later(self: &Arc<Self>) {
        if let Some(reading) = &self.reading
            && !self.is_outer()
        {
            tell_end_later(Arc::clone(reading));
        }
    }

    /// Whether this is the statement that the task runs for.
    fn is_outer(self: &Arc<Self>) -> bool {
        STATEMENT.try_with(|statement| Arc::ptr_eq(statement, self)).unwrap_or(false)
    }

    /// Lets the thread that waits for this future see the statement.
    pub(crate) fn watch(self: &Arc<Self>) {
        // Outside of `wait` nobody watches.
        let _ = WATCH.try_with(|watch| watch.set(self));
    }
}

impl Deadline {
    fn passed(&self) -> Error {
        Error::new(ErrorCode::Timeout, format!("the time limit of {:?} was reached", self.timeout))
            .with_hint("give the query more time, or make it smaller")
    }
}

/// The statements of one session that run now.
#[derive(Debug)]
pub(crate) struct Running {
    timeout: Option<Duration>,
    stops: Mutex<Vec<Weak<Stop>>>,
    listener: Mutex<Option<ProgressListener>>,
}

tokio::task_local! {
    /// The statement that a query runs for, such as an `INSERT`; the query stops with it.
    static STATEMENT: Arc<Stop>;
    /// What the thread that waits for this future looks at.
    static WATCH: Watch;
}

/// Ended statements are forgotten when this many have gathered.
const FORGET_AT: usize = 64;

impl Running {
    pub(crate) fn new(timeout: Option<Duration>, listener: Option<ProgressListener>) -> Self {
        Self { timeout, stops: Mutex::default(), listener: Mutex::new(listener) }
    }

    /// Says who is told of the statements that begin from now on.
    pub(crate) fn listen(&self, listener: Option<ProgressListener>) {
        let former = std::mem::replace(&mut *self.listener.lock().unwrap_or_else(PoisonError::into_inner), listener);
        // Without the lock: it may be code of the program that asks for it.
        drop(former);
    }

    /// Whether somebody is told.
    pub(crate) fn is_heard(&self) -> bool {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// A statement starts now, or a query goes on that runs for one.
    pub(crate) fn begin(&self) -> Arc<Stop> {
        if let Ok(statement) = STATEMENT.try_with(Arc::clone) {
            return statement;
        }
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stop = Arc::new(Stop::new(self.timeout, listener));
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        if stops.len() == stops.capacity() && stops.len() >= FORGET_AT {
            stops.retain(|stop| stop.strong_count() > 0);
        }
        stops.push(Arc::downgrade(&stop));
        drop(stops);
        stop.watch();
        stop
    }

    /// Tells every statement that runs now to stop.
    pub(crate) fn interrupt(&self) {
        let stops = std::mem::take(&mut *self.stops.lock().unwrap_or_else(PoisonError::into_inner));
        stops.iter().filter_map(Weak::upgrade).for_each(|stop| stop.interrupt());
    }
}

/// Runs `future` as a part of the statement `stop`.
pub(crate) async fn within<T>(stop: Arc<Stop>, future: impl Future<Output = T>) -> T {
    stop.watch();
    let result = STATEMENT.scope(Arc::clone(&stop), future).await;
    stop.end();
    result
}

/// Runs `future` as the beginning of the statement `stop`, which goes on after it unless it fails.
pub(crate) async fn beginning<T>(stop: Arc<Stop>, future: impl Future<Output = Result<T>>) -> Result<T> {
    stop.watch();
    let result = STATEMENT.scope(Arc::clone(&stop), future).await;
    if result.is_err() {
        stop.end();
    }
    result
}

/// The statement that a thread waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    stop: Weak<Stop>,
    /// What is read for it, which is told of once more when it has ended.
    reading: Option<Arc<Reading>>,
}

impl Watch {
    fn set(&self, stop: &Arc<Stop>) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ptr::eq(watched.stop.as_ptr(), Arc::as_ptr(stop)) {
            *watched = Watched { stop: Arc::downgrade(stop), reading: stop.reading.clone() };
        }
    }

    /// Tells the listener how far the statement is.
    pub(crate) fn tell(&self) {
        if let Some(reading) = self.reading() {
            reading.tell();
        }
    }

    /// Tells the listener that the statement has ended, however that came.
    pub(crate) fn tell_end(&self) {
        if let Some(reading) = self.reading() {
            reading.end();
            reading.tell();
        }
    }

    /// Does that on a thread that holds no lock.
    pub(crate) fn tell_end_later(&self) {
        if let Some(reading) = self.reading() {
            tell_end_later(reading);
        }
    }

    fn reading(&self) -> Option<Arc<Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reading.clone()
    }

    /// Whether what runs may go on.
    pub(crate) fn check(&self) -> Result<()> {
        self.stop().map_or(Ok(()), |stop| stop.check())
    }

    /// Tells what runs to stop.
    pub(crate) fn interrupt(&self) {
        if let Some(stop) = self.stop() {
            stop.interrupt();
        }
    }

    fn stop(&self) -> Option<Arc<Stop>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stop.upgrade()
    }

    /// Runs `future` so that its statements are seen here.
    pub(crate) async fn over<T>(self, future: impl Future<Output = T>) -> T {
        WATCH.scope(self, future).await
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::context::Spread;
    use crate::{Session, SessionConfig, wait};

    /// Queries that would run for hours, each held up in another operator.
    const ENDLESS: [&str; 19] = [
        "SELECT COUNT(*) FROM range(1000000000000) AS a(v) WHERE v % 7 = 9",
        "SELECT COUNT(*) FROM range(10000000) AS a(v), range(10000000) AS b(w) WHERE (v * w) % 7 = 9",
        "SELECT SUM(v) FROM range(10000000) AS a(v) CROSS JOIN range(10000000) AS b(w)",
        "SELECT COUNT(*) FROM range(10000000) AS a(v) JOIN range(10000000) AS b(w) ON v % 2 = w % 2",
        "SELECT COUNT(*) FROM range(10000000) AS a(v) JOIN range(10000000) AS b(w) ON v % 2 = w % 2 AND v * w = -1",
        "SELECT COUNT(*) FROM range(10000000) AS a(v) LEFT JOIN range(10000000) AS b(w) ON v % 2 = w % 2 AND v * w = -1",
        "SELECT COUNT(*) FROM range(10000000) AS a(v) FULL JOIN range(10000000) AS b(w) ON v * w = -1",
        "SELECT COUNT(*) FROM range(10000000) AS a(v) WHERE EXISTS (SELECT 1 FROM range(10000000) AS b(w) WHERE v * w = -1)",
        "SELECT v FROM range(100000000) AS a(v) ORDER BY v * 7919 % 1000003, v LIMIT 5 OFFSET 90000000",
        "SELECT MAX(r) FROM (SELECT row_number() OVER (ORDER BY v % 1000003) AS r FROM range(50000000) AS a(v))",
        "SELECT MAX(r) FROM (SELECT COUNT(*) OVER (PARTITION BY v % 3) AS r FROM range(100000000) AS a(v))",
        "SELECT MAX(r) FROM (SELECT median(v) OVER (ORDER BY v ROWS BETWEEN 100000 PRECEDING AND CURRENT ROW) AS r \
         FROM range(1000000) AS a(v))",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t",
        "SELECT COUNT(DISTINCT v * 7) FROM range(1000000000000) AS a(v)",
        "SELECT SUM(u) FROM (SELECT unnest(range(0, 100000)) AS u FROM range(100000000) AS a(v))",
        "SELECT MAX(array_length(array_distinct(range(0, 1000 + v % 10)))) FROM range(1000000000) AS a(v)",
        "SELECT COUNT(*) FROM (SELECT v FROM range(1000000000000) AS a(v) UNION SELECT v FROM range(1000000000000) AS b(v))",
        "SELECT t FROM (SELECT repeat('a ', 50) AS t FROM range(1000000000000) AS a(v)) AS s KEYWORD SEARCH (t) QUERY 'b'",
        "SELECT v FROM (SELECT v, [1.0 * v, 2.0] AS e FROM range(1000000000000) AS a(v)) AS s HYBRID SEARCH e QUERY '[1 2]'",
    ];

    #[test]
    fn a_query_that_was_told_to_stop_leaves_nothing_running() {
        for text in ENDLESS {
            let config = SessionConfig::default().with_threads(2).with_memory_limit(1 << 30);
            let session = Session::new(config.with_statement_timeout(Duration::from_millis(300))).unwrap();
            let alive = Arc::downgrade(session.context().state(Spread::Serial).runtime_env());
            let ended = wait(async move { session.sql(text).await?.collect().await }, || Ok(()));
            let error = ended.unwrap_err();
            assert!(matches!(error.code(), ErrorCode::Timeout | ErrorCode::OutOfMemory), "{text}: {}", error.report());
            let told = Instant::now();
            while alive.strong_count() > 0 {
                assert!(told.elapsed() < Duration::from_secs(30), "still running: {text}");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

//! The process-wide threads on which queries run, and the way to wait for one and still be interruptible.
//!
//! A query that was told to stop gives its thread back at its next batch, or inside of a join (`cooperate.rs`). One that
//! does not is left behind on its threads, and the process goes on with new ones.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;
use velaria_contract::{Error, ErrorCode, Result};

use crate::log_target::QUERY;
use crate::stop::Watch;

/// How long an interrupt may go unseen.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// How long an interrupted query may take to give its threads back before it is left behind.
const GRACE: Duration = Duration::from_millis(200);

/// How long threads are kept at least after they were left: somebody may be about to begin a query there.
const LEFT_MIN: Duration = Duration::from_secs(1);

/// How long the caller waits for an interrupted query to let go of what it holds.
const FAREWELL: Duration = Duration::from_millis(50);

/// Planning and expression evaluation recurse; the memory is only reserved, not used.
const STACK_BYTES: usize = 64 << 20;

/// The threads that new queries run on, and the queries on them that were told to stop.
struct Threads {
    current: Option<Runtime>,
    stopping: Vec<(Instant, AbortHandle)>,
    /// Threads with queries that did not stop, and when they were left. Other queries on them still run to their end.
    left_behind: Vec<(Instant, Runtime)>,
}

static THREADS: Mutex<Threads> = Mutex::new(Threads { current: None, stopping: Vec::new(), left_behind: Vec::new() });

/// Runs `future` on the engine's threads and waits for it, calling `check` every 20 ms.
///
/// A compute-bound query keeps its thread busy, so it is never polled on the calling thread: that one stays free to
/// notice an interrupt. [`plan`] is for futures that are short.
///
/// # Errors
/// What the future returns. What `check` returns, after the query was told to stop. `VEL-8003` when the statement runs
/// beyond its time limit and `VEL-8002` when its session was interrupted, even while an operator computes. `VEL-9001` when the query panicked.
pub fn wait<T, F>(future: F, mut check: impl FnMut() -> Result<()>) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    let watch = Watch::default();
    let watched = watch.clone().over(future);
    let task = handle()?.spawn(async move {
        // The receiver is gone only when the caller was interrupted and no longer wants the answer.
        let _ = sender.send(watched.await);
    });
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(result) => {
                watch.tell();
                return result;
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Err(interrupt) = check().and_then(|()| watch.check()) {
                    give_up(&watch, task.abort_handle());
                    // The sender goes with the query: what it holds, such as a half-written file, is nearly always gone
                    // before the caller goes on.
                    let _ = receiver.recv_timeout(FAREWELL);
                    watch.tell_end();
                    return Err(interrupt);
                }
                watch.tell();
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(panicked());
            }
        }
    }
}

/// Waits for `future` like [`wait`], but lets it begin on the calling thread.
///
/// [`crate::Session::sql`] is done there when the statement is a short query, which only has to be planned, and the
/// methods of [`crate::DataFrame`] are when they have a plan at hand that takes a short and bounded time. In all other
/// cases they go on elsewhere before they compute anything.
///
/// # Errors
/// Those of [`wait`].
pub fn plan<T, F>(future: F, check: impl FnMut() -> Result<()>) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut future = Box::pin(future);
    let begun = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    match begun {
        Ok(Poll::Ready(result)) => result,
        Ok(Poll::Pending) => wait(future, check),
        Err(_) => Err(panicked()),
    }
}

/// Tells a query to stop, and remembers that it was told.
pub(crate) fn give_up(watch: &Watch, task: AbortHandle) {
    watch.interrupt();
    task.abort();
    threads().stopping.push((Instant::now(), task));
}

pub(crate) fn panicked() -> Error {
    Error::new(ErrorCode::Internal, "the engine panicked while running the query")
        .with_hint("this is a bug in the engine; please report the statement")
}

/// The threads for the next query.
pub(crate) fn handle() -> Result<Handle> {
    let mut threads = threads();
    threads.let_go();
    while let Some(started) = threads.oldest_stopping() {
        if started.elapsed() > GRACE {
            threads.leave_behind();
        } else {
            // Nearly always the query is gone after a tick; taking new threads at once would waste them.
            thread::sleep(TICK / 4);
        }
    }
    threads
        .current()
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot start threads").with_hint(error.to_string()))
}

// A poisoned lock still holds whole lists.
fn threads() -> MutexGuard<'static, Threads> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    fn oldest_stopping(&mut self) -> Option<Instant> {
        self.stopping.retain(|(_, task)| !task.is_finished());
        self.stopping.iter().map(|(started, _)| *started).min()
    }

    fn leave_behind(&mut self) {
        log::info!(target: QUERY, "a query that was told to stop goes on: its threads are left to it");
        self.stopping.clear();
        self.left_behind.extend(self.current.take().map(|runtime| (Instant::now(), runtime)));
    }

    /// Ends the threads that were left to queries which have ended since.
    fn let_go(&mut self) {
        let is_idle = |(left, runtime): &mut (Instant, Runtime)| {
            left.elapsed() > LEFT_MIN && runtime.metrics().num_alive_tasks() == 0
        };
        for (_, runtime) in self.left_behind.extract_if(.., is_idle) {
            runtime.shutdown_background();
        }
    }

    fn current(&mut self) -> io::Result<Handle> {
        if self.current.is_none() {
            let builder = &mut Builder::new_multi_thread();
            let runtime = builder.thread_name("velaria").thread_stack_size(STACK_BYTES).enable_time().build()?;
            self.current = Some(runtime);
        }
        self.current.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(|| io::Error::other("no threads"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_ends_the_wait_and_a_panic_is_an_error() {
        let forever = async { std::future::pending::<Result<()>>().await };
        let interrupted = || Err(Error::new(ErrorCode::Cancelled, "interrupted"));
        assert_eq!(wait(forever, interrupted).unwrap_err().code(), ErrorCode::Cancelled);

        let panics = async { if true { panic!("on purpose") } else { Ok(()) } };
        assert_eq!(wait(panics, || Ok(())).unwrap_err().code(), ErrorCode::Internal);

        let panics_at_once = async { if true { panic!("on purpose") } else { Ok(()) } };
        assert_eq!(plan(panics_at_once, || Ok(())).unwrap_err().code(), ErrorCode::Internal);
    }

    #[test]
    fn a_query_that_does_not_stop_does_not_keep_others_from_running() {
        for _ in 0..4 {
            let stubborn = async {
                thread::sleep(Duration::from_secs(20));
                Ok(())
            };
            let interrupted = || Err(Error::new(ErrorCode::Cancelled, "interrupted"));
            assert_eq!(wait(stubborn, interrupted).unwrap_err().code(), ErrorCode::Cancelled);
        }
        assert_eq!(wait(async { Ok(2) }, || Ok(())).unwrap(), 2);
    }
}

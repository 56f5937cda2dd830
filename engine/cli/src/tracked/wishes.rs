//! Why a worker shall end before its action does: somebody cancelled the run, its time is over, or nobody waits for it.

use std::io::{self, Read};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{Run, RunStatus};

use super::failed::RunFailure;
use super::{Order, timed_out};

/// How often it is looked for a wish.
const TICK: Duration = Duration::from_millis(20);

/// Why the worker shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Somebody has cancelled the run.
    Cancel,
    /// The command that started it has ended.
    Orphaned,
    /// So many milliseconds are over.
    TimedOut(u64),
}

impl Wish {
    /// The status of a run that ends for this reason.
    pub(super) fn status(self) -> RunStatus {
        match self {
            Self::Cancel | Self::Orphaned => RunStatus::Cancelled,
            Self::TimedOut(_) => RunStatus::TimedOut,
        }
    }

    fn error(self) -> Error {
        match self {
            Self::Cancel => cancelled(),
            Self::Orphaned => Error::new(ErrorCode::Cancelled, "run cancelled: the command that started it has ended"),
            Self::TimedOut(timeout_ms) => timed_out(timeout_ms),
        }
    }
}

/// What is said of a run that somebody has cancelled.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "run cancelled")
}

/// Looks for wishes while an action runs.
pub(super) struct Wishes {
    shared: Arc<Shared>,
}

struct Shared {
    wish: OnceLock<Wish>,
    orphaned: AtomicBool,
    state: State,
}

/// Who says how the run ends: the action that is done, or the watch whose patience is over. The first has it.
#[derive(Default)]
struct State(AtomicU8);

impl State {
    const OPEN: u8 = 0;
    const DONE: u8 = 1;
    const OVER: u8 = 2;

    /// Gives the end to the action; `false` when the watch has it.
    fn done(&self) -> bool {
        self.take(Self::DONE)
    }

    /// Gives the end to the watch; `false` when the action has it.
    fn over(&self) -> bool {
        self.take(Self::OVER)
    }

    fn is_done(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::DONE
    }

    fn take(&self, by: u8) -> bool {
        self.0.compare_exchange(Self::OPEN, by, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Wishes {
    /// Looks for wishes on behalf of `run`, which `order` told to do. An action that does not follow one within `grace` ends
    /// with its process.
    pub(super) fn watch(run: &Run, order: &Order, grace: Duration) -> Self {
        let shared = Shared { wish: OnceLock::new(), orphaned: AtomicBool::new(false), state: State::default() };
        let wishes = Self { shared: Arc::new(shared) };
        if !order.detached {
            wishes.watch_parent();
        }
        wishes.watch_run(run.clone(), order.timeout_ms, grace);
        wishes
    }

    /// An error when the action shall end.
    pub(super) fn check(&self) -> Result<()> {
        self.wish().map_or(Ok(()), |wish| Err(wish.error()))
    }

    /// The first wish, if there was one.
    pub(super) fn wish(&self) -> Option<Wish> {
        self.shared.wish.get().copied()
    }

    /// Ends the watch: the action is done, and what it did is written down next. It does not return when the watch is about to
    /// end the process.
    pub(super) fn done(&self) {
        if !self.shared.state.done() {
            loop {
                thread::park();
            }
        }
    }

    fn watch_parent(&self) {
        let shared = Arc::clone(&self.shared);
        // Without the thread the worker ends when its action does.
        let _ = thread::Builder::new().name("velaria-parent".to_owned()).spawn(move || {
            // Nothing is sent after the order: this returns at the end.
            let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
            shared.orphaned.store(true, Ordering::SeqCst);
        });
    }

    fn watch_run(&self, run: Run, timeout_ms: Option<u64>, grace: Duration) {
        let (shared, began) = (Arc::clone(&self.shared), Instant::now());
        // Without the thread who cancels the run ends the process.
        let _ = thread::Builder::new().name("velaria-wishes".to_owned()).spawn(move || {
            let wish = loop {
                match shared.look(&run, timeout_ms, began) {
                    _ if shared.state.is_done() => return,
                    Some(wish) => break wish,
                    None => thread::sleep(TICK),
                }
            };
            let _ = shared.wish.set(wish);
            thread::sleep(grace);
            if shared.state.over() {
                // There is nobody to tell when that cannot be written down: the next look at the run finds it without a process.
                let mut failure = RunFailure::new(&run, wish.status(), &wish.error());
                if matches!(failure.record(&run), Ok(true)) {
                    let _ = failure.list(&run);
                }
                // An action that does not look at its wishes has to end nevertheless.
                process::exit(1);
            }
        });
    }
}

impl Shared {
    fn look(&self, run: &Run, timeout_ms: Option<u64>, began: Instant) -> Option<Wish> {
        if run.cancel_requested() {
            return Some(Wish::Cancel);
        }
        if self.orphaned.load(Ordering::SeqCst) {
            return Some(Wish::Orphaned);
        }
        let over = |timeout_ms: &u64| began.elapsed() >= Duration::from_millis(*timeout_ms);
        timeout_ms.filter(over).map(Wish::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_belongs_to_one() {
        let state = State::default();
        assert!(!state.is_done() && state.done() && state.is_done());
        assert!(!state.over(), "the action is done");
        let state = State::default();
        assert!(state.over() && !state.done() && !state.is_done());
    }
}

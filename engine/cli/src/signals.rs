//! Signals that end a command: the first one asks, the second one insists.
//!
//! A thread waits for them, so that the second one ends the process whatever the others do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use velaria::{Error, ErrorCode, Result};

#[cfg(unix)]
mod listener;

/// Ctrl-C, everywhere.
const SIGINT: i32 = 2;

/// What a shell adds to the number of the signal that ended a program.
const SHELL_BASE: i32 = 128;

/// The signals that came to this process. Without [`Signals::listen`] there are none, and the caller of the command line
/// has its own way to end a command.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The number of the signal that asks for the end, or zero.
    came: Arc<AtomicI32>,
}

impl Signals {
    /// Takes the signals of this process from now on. For the program whose process it is, and once.
    ///
    /// The first `SIGINT`, `SIGTERM` or `SIGHUP` ends what runs as soon as it can be ended; the next one ends the process.
    /// A signal that was ignored before, as `nohup` has it, stays ignored.
    #[must_use]
    pub fn listen() -> Self {
        let signals = Self::default();
        #[cfg(unix)]
        listener::start(signals.clone());
        signals
    }

    /// Whether what runs may go on.
    pub(crate) fn check(&self) -> Result<()> {
        match self.came() {
            None => Ok(()),
            Some(signal) => Err(Error::new(ErrorCode::Cancelled, word(signal))),
        }
    }

    /// The exit code of a command that ended because of a signal.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        self.came().and_then(|signal| u8::try_from(SHELL_BASE + signal).ok())
    }

    /// The exit code for a signal that is not Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn fatal_exit_code(&self) -> Option<u8> {
        self.came().filter(|signal| *signal != SIGINT).and_then(|_| self.exit_code())
    }

    /// Whether the user pressed Ctrl-C; that is forgotten then, so that a program which goes on can be interrupted again.
    #[must_use]
    pub fn take_interrupt(&self) -> bool {
        self.came.compare_exchange(SIGINT, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn came(&self) -> Option<i32> {
        match self.came.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }
}

/// What a signal does to a command.
#[cfg(unix)]
fn word(signal: i32) -> &'static str {
    match signal {
        signal_hook::consts::SIGTERM => "terminated",
        signal_hook::consts::SIGHUP => "the terminal was closed",
        _ => "interrupted",
    }
}

#[cfg(not(unix))]
fn word(_: i32) -> &'static str {
    "interrupted"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_what_runs_and_says_how() {
        let signals = Signals::default();
        assert!(signals.check().is_ok());
        assert_eq!(signals.exit_code(), None);
        signals.came.store(15, Ordering::SeqCst);
        assert_eq!(signals.check().unwrap_err().code(), ErrorCode::Cancelled);
        assert_eq!(signals.exit_code(), Some(143));
        assert!(!signals.take_interrupt());
        signals.came.store(SIGINT, Ordering::SeqCst);
        assert!(signals.take_interrupt());
        assert!(signals.check().is_ok());
    }
}

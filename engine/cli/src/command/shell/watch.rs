//! What ends the shell while it waits for a key: the line editor does not look at signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Signals;

/// Looks for signals that end the process, as long as it lives and somebody is at the prompt.
pub(super) struct Watch {
    is_at_prompt: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn start(signals: Signals) -> Self {
        let is_at_prompt = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        watcher::start(signals, Arc::downgrade(&is_at_prompt));
        #[cfg(not(unix))]
        drop(signals);
        Self { is_at_prompt }
    }

    /// Waits for what is typed by `read`.
    pub(super) fn at_prompt<T>(&self, read: impl FnOnce() -> T) -> T {
        self.is_at_prompt.store(true, Ordering::SeqCst);
        let typed = read();
        self.is_at_prompt.store(false, Ordering::SeqCst);
        typed
    }
}

#[cfg(unix)]
mod watcher {
    use std::fs::File;
    use std::io::{self, Write};
    use std::sync::Weak;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

    use crate::Signals;

    /// How long a signal may go unseen.
    const TICK: Duration = Duration::from_millis(50);

    /// Ends the mode in which a terminal marks what is pasted, which the line editor has begun.
    const PASTE_OFF: &[u8] = b"\x1b[?2004l\n";

    /// Without the thread a second signal ends the process.
    pub(super) fn start(signals: Signals, is_at_prompt: Weak<AtomicBool>) {
        let before = tcgetattr(io::stdin()).ok();
        let watch = move || {
            while let Some(is_at_prompt) = is_at_prompt.upgrade() {
                if is_at_prompt.load(Ordering::SeqCst)
                    && let Some(code) = signals.fatal_exit_code()
                {
                    leave(before.as_ref(), code);
                }
                drop(is_at_prompt);
                thread::sleep(TICK);
            }
        };
        // Where there can be no thread, there is the second signal.
        drop(thread::Builder::new().name("velaria-prompt".to_owned()).spawn(watch));
    }

    /// Ends the process, with the terminal as it was.
    fn leave(before: Option<&Termios>, code: u8) -> ! {
        if let Some(before) = before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
            let _ = File::options().write(true).open("/dev/tty").and_then(|mut tty| tty.write_all(PASTE_OFF));
        }
        signal_hook::low_level::exit(code.into())
    }
}

//! Results that are longer than the screen go through the pager of the user.

use std::env;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Signals;

/// How long an interrupt may be unanswered while the pager runs: it is the pager's, but comes here as well.
const TICK: Duration = Duration::from_millis(20);

/// What a shell says when there is no such program.
const NOT_FOUND: i32 = 127;

/// The width and height of the terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Screen {
    /// The terminal behind standard output, when it says how large it is.
    #[cfg(unix)]
    pub(super) fn of_terminal() -> Option<Self> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        let screen = Self { columns: size.ws_col.into(), rows: size.ws_row.into() };
        (screen.columns > 0 && screen.rows > 0).then_some(screen)
    }

    #[cfg(not(unix))]
    pub(super) fn of_terminal() -> Option<Self> {
        None
    }

    /// Whether all of `text` can be seen, with the prompt below it.
    pub(super) fn fits(self, text: &str) -> bool {
        let rows = text.lines().map(|line| line.chars().count().div_ceil(self.columns).max(1));
        rows.sum::<usize>() < self.rows
    }
}

/// Shows `text` in the pager; whether there was one.
pub(super) fn show(text: &str, signals: &Signals) -> bool {
    let Ok(mut child) = start() else { return false };
    let Some(mut input) = child.stdin.take() else { return false };
    let code = thread::scope(|scope| {
        scope.spawn(move || {
            // A pager may be left before it has read everything.
            let _ = input.write_all(text.as_bytes());
        });
        wait(&mut child, signals)
    });
    code != Some(NOT_FOUND)
}

/// `$PAGER`, a command line, or `less`, which leaves short results on the screen and does not wrap long lines.
fn start() -> io::Result<Child> {
    let mut command = match env::var("PAGER") {
        Ok(pager) if !pager.trim().is_empty() => {
            let mut command = Command::new("sh");
            command.args(["-c", &pager]);
            command
        }
        _ => Command::new("less"),
    };
    if env::var_os("LESS").is_none() {
        command.env("LESS", "FRSX");
    }
    command.stdin(Stdio::piped()).spawn()
}

fn wait(child: &mut Child, signals: &Signals) -> Option<i32> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.code(),
            Ok(None) => thread::sleep(TICK),
            Err(_) => break None,
        }
        // Taken, so that the next one is not the second.
        let _ = signals.take_interrupt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_take_several_rows_of_the_screen() {
        let screen = Screen { columns: 10, rows: 4 };
        assert!(screen.fits("a\nb\nc\n"));
        assert!(!screen.fits("a\nb\nc\nd\n"));
        assert!(!screen.fits(&format!("a\n{}\n", "x".repeat(21))));
        assert!(screen.fits(""));
    }
}

//! How far a command is, on the terminal of a person and in the record of a run.
//!
//! A bar stands on the last line of standard error while a query runs, and goes with it. Nothing is drawn where standard
//! error is no terminal.

mod follow;
mod line;
mod record;

use std::env;
use std::time::Duration;

use velaria::ProgressListener;

use self::line::Measure;
use crate::screen;

// For the commands of this crate.
pub(crate) use self::follow::Follower;
pub(crate) use self::record::recorder;

/// A query that is done sooner shows nothing.
const DELAY: Duration = Duration::from_millis(500);

/// Whether a bar may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bars {
    Drawn,
    Hidden,
}

impl Bars {
    /// Bars on a terminal, unless the environment says that it cannot or shall not have them.
    pub(crate) fn of(is_terminal: bool) -> Self {
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let refused = env::var_os("VELARIA_PROGRESS").is_some_and(|word| is_no(&word.to_string_lossy()));
        if is_terminal && !is_dumb && !refused { Self::Drawn } else { Self::Hidden }
    }

    /// Who draws how far the statements of a session are.
    pub(crate) fn listener(self) -> Option<ProgressListener> {
        let draw = |progress: &velaria::Progress| {
            if progress.finished {
                screen::clear();
            } else if progress.elapsed >= DELAY {
                screen::show(&Measure::of(progress).line(screen::width()));
            }
        };
        (self == Self::Drawn).then(|| ProgressListener::new(draw))
    }
}

/// The words of Python's `VELARIA_PROGRESS` for no.
fn is_no(word: &str) -> bool {
    ["0", "false", "no", "off"].contains(&word.trim().to_lowercase().as_str())
}

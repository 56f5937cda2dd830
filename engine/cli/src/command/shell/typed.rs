//! Statements that a person types, on a terminal on which lines can be edited.

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Behavior, CompletionType, Config, Editor};
use velaria::{Error, ErrorCode};

use super::helper::Helper;
use super::history::History;
use super::watch::Watch;
use super::{Flow, Shell, ahead, cut, plain};
use crate::args::ShellArgs;
use crate::failure::Failure;
use crate::{Check, Io};

/// What stands before a statement.
pub(super) const PROMPT: &str = "velaria> ";
const HISTORY_ENTRIES_MAX: usize = 10_000;

/// Runs what is typed until Ctrl-D.
pub(super) fn run(shell: &mut Shell, args: &ShellArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    io.complain(&format!(
        "velaria {}: a statement ends with a semicolon, .help lists commands, Ctrl-D leaves\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    if plain::is_wanted() {
        return plain::run(shell, io, check);
    }
    let mut typist = Typist::new(shell, args, io)?;
    let watch = Watch::start(io.signals());
    loop {
        io.flush()?;
        let Some(text) = typist.read(&watch)? else { return Ok(()) };
        if text.trim().is_empty() {
            continue;
        }
        typist.keep(&text, io)?;
        let flow = run_text(shell, &text, io, &mut *check)?;
        if flow == Flow::Leave {
            return Ok(());
        }
        typist.forget_names();
    }
}

/// Whether what was typed can be run.
pub(super) fn is_whole(text: &str) -> bool {
    bare_command(text).is_some() || cut::is_complete(text)
}

/// The command that a word means which everybody tries first.
fn bare_command(text: &str) -> Option<&'static str> {
    match text.trim().trim_end_matches(';').to_ascii_lowercase().as_str() {
        "exit" | "quit" => Some(".quit"),
        "help" => Some(".help"),
        _ => None,
    }
}

/// Runs what was typed, up to the first error, which is told.
pub(super) fn run_text(shell: &mut Shell, text: &str, io: &mut Io<'_>, check: Check<'_>) -> Result<Flow, Failure> {
    // What was pressed while nothing ran is about nothing.
    let _ = io.signals().take_interrupt();
    let command = bare_command(text).map(|command| format!("{command}\n"));
    let (whole, rest) = cut::pieces(command.as_deref().unwrap_or(text));
    for piece in whole.iter().chain(&rest) {
        match shell.run_piece(piece, io, &mut *check) {
            // A result is seen before the next statement begins.
            Ok(Flow::GoOn) => io.flush()?,
            Ok(Flow::Leave) => return Ok(Flow::Leave),
            Err(failure) => {
                tell(failure, io)?;
                break;
            }
        }
    }
    Ok(Flow::GoOn)
}

/// Says what went wrong. Whoever ends the process, or the standard output, ends the shell.
fn tell(failure: Failure, io: &mut Io<'_>) -> Result<(), Failure> {
    io.flush()?;
    match failure {
        Failure::Output(_) => Err(failure),
        Failure::Engine(error) if error.code() == ErrorCode::Cancelled => match io.signals().take_interrupt() {
            true => Ok(io.complain("cancelled\n")?),
            false => Err(error.into()),
        },
        other => Ok(io.complain(&io.stderr_colors().error(&other.text()))?),
    }
}

/// The line editor with its history.
struct Typist {
    editor: Editor<Helper, FileHistory>,
    history: Option<History>,
    /// What was typed while a statement ran.
    ahead: String,
}

impl Typist {
    fn new(shell: &Shell, args: &ShellArgs, io: &mut Io<'_>) -> Result<Self, Failure> {
        let behavior = if io.stdout_is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm };
        let config = Config::builder().max_history_size(HISTORY_ENTRIES_MAX).map_err(|error| unreadable(&error))?;
        let config = config.completion_type(CompletionType::List).history_ignore_space(true).behavior(behavior).build();
        let mut editor = Editor::with_config(config).map_err(|error| unreadable(&error))?;
        editor.set_helper(Some(Helper::new(shell.session.clone())));
        let mut typist = Self { editor, history: None, ahead: String::new() };
        if !args.no_history {
            typist.open_history(io)?;
        }
        Ok(typist)
    }

    /// A shell without a history is better than none.
    fn open_history(&mut self, io: &mut Io<'_>) -> Result<(), Failure> {
        let loaded = History::of_home().map_err(|error| error.to_string()).and_then(|history| {
            history.load(&mut self.editor).map_err(|error| error.to_string())?;
            Ok(history)
        });
        match loaded {
            Ok(history) => self.history = Some(history),
            Err(error) => warn(&format!("there is no history: {error}"), io)?,
        }
        Ok(())
    }

    /// The next text that can be run, or nothing after Ctrl-D. Ctrl-C clears what is typed.
    fn read(&mut self, watch: &Watch) -> Result<Option<String>, Failure> {
        loop {
            self.ahead.push_str(&ahead::read());
            let ahead = std::mem::take(&mut self.ahead);
            if !ahead.is_empty() && is_whole(&ahead) {
                return Ok(Some(ahead));
            }
            let read = watch.at_prompt(|| self.editor.readline_with_initial(PROMPT, (&ahead, "")));
            match read {
                Ok(text) => return Ok(Some(text)),
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(unreadable(&error).into()),
            }
        }
    }

    /// Keeps what was typed for the next time.
    fn keep(&mut self, text: &str, io: &mut Io<'_>) -> Result<(), Failure> {
        let Some(history) = &self.history else {
            self.editor.add_history_entry(text).map_err(|error| unreadable(&error))?;
            return Ok(());
        };
        if let Err(error) = history.keep(&mut self.editor, text.trim_end()) {
            self.history = None;
            warn(&format!("the history is not kept any more: {error}"), io)?;
        }
        Ok(())
    }

    fn forget_names(&mut self) {
        if let Some(helper) = self.editor.helper_mut() {
            helper.forget();
        }
    }
}

fn warn(text: &str, io: &mut Io<'_>) -> Result<(), Failure> {
    Ok(io.complain(&format!("{} {text}\n", io.stderr_colors().warning()))?)
}

fn unreadable(error: &ReadlineError) -> Error {
    Error::new(ErrorCode::Io, "cannot read from the terminal").with_hint(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_everybody_tries_are_commands() {
        assert_eq!(bare_command(" exit; "), Some(".quit"));
        assert_eq!(bare_command("HELP"), Some(".help"));
        assert_eq!(bare_command("help me"), None);
        assert!(is_whole("quit") && !is_whole("quit now"));
    }
}

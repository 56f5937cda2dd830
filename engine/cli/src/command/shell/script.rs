//! Statements that nobody types: from a pipe, or from a file by `.read`. They end at the first error.

use std::fs::File;
use std::io::{BufRead, BufReader};

use velaria::{Error, ErrorCode, Position};

use super::cut::{Cutter, Piece};
use super::{Flow, Shell};
use crate::failure::Failure;
use crate::input::unreadable;
use crate::{Check, Io};

/// So many files may read each other: more read each other for ever.
const DEPTH_MAX: usize = 16;

/// Runs what comes from standard input, each statement when it is whole.
pub(super) fn run_input(shell: &mut Shell, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let mut script = Script::new(None);
    let mut line = String::new();
    while io.stdin().read_line(&mut line).map_err(unreadable)? > 0 {
        if script.take(shell, &line, io, &mut *check)? == Flow::Leave {
            return script.result();
        }
        line.clear();
    }
    script.end(shell, io, check)?;
    script.result()
}

/// Runs the file at `path`.
pub(super) fn run_file(shell: &mut Shell, path: &str, io: &mut Io<'_>, check: Check<'_>) -> Result<Flow, Failure> {
    if shell.depth == DEPTH_MAX {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("files read each other: {path}"))
            .with_hint(format!(".read goes {DEPTH_MAX} files deep"))
            .into());
    }
    let file = File::open(path).map_err(|error| unopened(path, &error))?;
    shell.depth += 1;
    let flow = run_lines(shell, path, BufReader::new(file), io, check);
    shell.depth -= 1;
    flow
}

fn run_lines(
    shell: &mut Shell,
    path: &str,
    mut lines: impl BufRead,
    io: &mut Io<'_>,
    check: Check<'_>,
) -> Result<Flow, Failure> {
    let mut script = Script::new(Some(path.to_owned()));
    let mut line = String::new();
    while lines.read_line(&mut line).map_err(|error| unopened(path, &error))? > 0 {
        if script.take(shell, &line, io, &mut *check)? == Flow::Leave {
            return script.result().map(|()| Flow::Leave);
        }
        line.clear();
    }
    let flow = script.end(shell, io, check)?;
    script.result().map(|()| flow)
}

fn unopened(path: &str, error: &std::io::Error) -> Error {
    let (code, message) = match error.kind() {
        std::io::ErrorKind::NotFound => (ErrorCode::FileNotFound, format!("file not found: {path}")),
        _ => (ErrorCode::Io, format!("cannot read {path}")),
    };
    Error::new(code, message).with_hint(error.to_string())
}

/// A script on its way.
struct Script {
    /// The file that it is in, if it is in one.
    path: Option<String>,
    cutter: Cutter,
    has_failed: bool,
    is_begun: bool,
}

impl Script {
    fn new(path: Option<String>) -> Self {
        Self { path, cutter: Cutter::new(), has_failed: false, is_begun: false }
    }

    /// Runs what is whole with one more line.
    fn take(&mut self, shell: &mut Shell, line: &str, io: &mut Io<'_>, check: Check<'_>) -> Result<Flow, Failure> {
        // Some editors begin a file with a mark that is no character.
        let line = if self.is_begun { line } else { line.trim_start_matches('\u{feff}') };
        self.is_begun = true;
        self.cutter.push(line);
        self.run(shell, io, check)
    }

    /// Runs what is left: the last statement needs no semicolon.
    fn end(&mut self, shell: &mut Shell, io: &mut Io<'_>, check: Check<'_>) -> Result<Flow, Failure> {
        self.cutter.push("\n");
        if self.run(shell, io, &mut *check)? == Flow::Leave {
            return Ok(Flow::Leave);
        }
        match self.cutter.rest() {
            Some(piece) => self.run_one(shell, &piece, io, check),
            None => Ok(Flow::GoOn),
        }
    }

    fn run(&mut self, shell: &mut Shell, io: &mut Io<'_>, check: Check<'_>) -> Result<Flow, Failure> {
        while let Some(piece) = self.cutter.cut() {
            if self.run_one(shell, &piece, io, &mut *check)? == Flow::Leave {
                return Ok(Flow::Leave);
            }
        }
        Ok(Flow::GoOn)
    }

    fn run_one(
        &mut self,
        shell: &mut Shell,
        piece: &Piece,
        io: &mut Io<'_>,
        check: Check<'_>,
    ) -> Result<Flow, Failure> {
        let failure = match shell.run_piece(piece, io, check) {
            Ok(flow) => {
                // A program may wait for this result before it sends the next statement.
                io.flush()?;
                return Ok(flow);
            }
            Err(failure) => failure,
        };
        self.tell(piece, failure, io)?;
        self.has_failed = true;
        if shell.keep_going { Ok(Flow::GoOn) } else { Err(Failure::Told) }
    }

    /// Says what went wrong, and where. An interrupt and a standard output that is gone end everything.
    fn tell(&self, piece: &Piece, failure: Failure, io: &mut Io<'_>) -> Result<(), Failure> {
        let failure = match failure {
            Failure::Told => return Ok(()),
            Failure::Engine(error) if error.code() != ErrorCode::Cancelled => moved(error, piece.line).into(),
            Failure::Usage(message) => Failure::Usage(message),
            ends => return Err(ends),
        };
        io.flush()?;
        io.complain(&io.stderr_colors().error(&failure.text()))?;
        let place = match &self.path {
            Some(path) => format!("at {path}:{}\n", piece.line),
            None => format!("at line {}\n", piece.line),
        };
        Ok(io.complain(&place)?)
    }

    fn result(&self) -> Result<(), Failure> {
        if self.has_failed { Err(Failure::Told) } else { Ok(()) }
    }
}

/// `error` with its place in the script, whose statement begins in `line`.
fn moved(error: Error, line: u64) -> Error {
    let place = error.position().cloned();
    error.with_position(place.map(|place| Position { line: place.line + line - 1, ..place }))
}

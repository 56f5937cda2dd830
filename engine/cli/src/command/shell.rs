//! `shell`: one session for statements that a person types, or that come from a pipe.
//!
//! What is typed is edited by rustyline (`typed.rs`), on a terminal that can do no more than print it is read as it comes
//! (`plain.rs`), and what comes from a pipe or a file is a script (`script.rs`). All of them cut the text into statements
//! and dot commands, which are run here.

mod ahead;
mod commands;
mod complete;
mod cut;
mod dotted;
mod files;
mod helper;
mod highlight;
mod history;
mod keywords;
mod names;
mod pager;
mod plain;
mod scan;
mod script;
mod statement;
mod stream;
mod target;
mod typed;
mod watch;
mod words;

use velaria::{Session, reserve_standard_input};

use self::cut::Piece;
use self::files::Opening;
use self::target::Target;
use crate::args::{LimitArgs, OutputArgs, ShellArgs};
use crate::failure::Failure;
use crate::{Check, Io};

/// The session, and how its results are shown.
struct Shell {
    session: Session,
    limits: LimitArgs,
    output: OutputArgs,
    target: Option<Target>,
    is_timed: bool,
    is_paged: bool,
    /// Whether scripts go on after a statement that fails.
    keep_going: bool,
    /// How many files read each other now.
    depth: usize,
}

/// What comes after a statement or command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Leave,
}

pub(crate) fn run(args: &ShellArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    // It is where the statements come from, and no file.
    reserve_standard_input();
    let mut shell = Shell::new(args)?;
    let is_typed = io.stdin_is_terminal();
    for file in &args.files {
        let done = Opening::of_argument(file).open(&shell.session, &mut *check)?;
        if is_typed {
            io.complain(&done)?;
        }
    }
    if is_typed { typed::run(&mut shell, args, io, check) } else { script::run_input(&mut shell, io, check) }
}

impl Shell {
    fn new(args: &ShellArgs) -> velaria::Result<Self> {
        Ok(Self {
            session: Session::new(args.limits.config())?,
            limits: args.limits.clone(),
            output: args.output.clone(),
            target: None,
            is_timed: false,
            is_paged: true,
            keep_going: args.keep_going,
            depth: 0,
        })
    }

    fn run_piece(&mut self, piece: &Piece, io: &mut Io<'_>, check: Check<'_>) -> Result<Flow, Failure> {
        if piece.is_command() {
            return self.run_command(&piece.text, io, check);
        }
        self.run_statement(&piece.text, io, check)?;
        Ok(Flow::GoOn)
    }
}

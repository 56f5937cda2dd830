//! What the line editor asks while a person types.

use std::borrow::Cow;
use std::cell::RefCell;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Result};
use velaria::Session;

use super::names::Names;
use super::typed::is_whole;
use super::{complete, highlight};

/// Completes, colours, and knows when a statement is whole.
pub(super) struct Helper {
    session: Session,
    /// The names of the session, once they were asked for.
    names: RefCell<Option<Names>>,
}

impl Helper {
    pub(super) fn new(session: Session) -> Self {
        Self { session, names: RefCell::new(None) }
    }

    /// Looks the names up again when they are asked for: a statement may have changed them.
    pub(super) fn forget(&mut self) {
        self.names = RefCell::new(None);
    }
}

impl rustyline::Helper for Helper {}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let mut names = self.names.borrow_mut();
        Ok(complete::offer(line, pos, names.get_or_insert_with(|| Names::of(&self.session))))
    }
}

impl Hinter for Helper {
    type Hint = String;
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(highlight::coloured(line))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

impl Validator for Helper {
    fn validate(&self, typed: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        Ok(if is_whole(typed.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

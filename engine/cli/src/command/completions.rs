//! `completions`.

use crate::args::CompletionsArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(_args: &CompletionsArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("completions is not there yet".to_owned()))
}

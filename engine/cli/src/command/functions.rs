//! `functions`.

use crate::args::FunctionsArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(_args: &FunctionsArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("functions is not there yet".to_owned()))
}

//! `run cancel`.

use crate::args::RunCancelArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunCancelArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run cancel is not there yet".to_owned()))
}

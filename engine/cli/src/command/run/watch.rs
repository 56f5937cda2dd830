//! `run watch`.

use crate::args::RunWatchArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunWatchArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run watch is not there yet".to_owned()))
}

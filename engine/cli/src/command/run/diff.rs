//! `run diff`.

use crate::args::RunDiffArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunDiffArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run diff is not there yet".to_owned()))
}

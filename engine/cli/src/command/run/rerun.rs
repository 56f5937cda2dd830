//! `run rerun`.

use crate::args::RunRerunArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunRerunArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run rerun is not there yet".to_owned()))
}

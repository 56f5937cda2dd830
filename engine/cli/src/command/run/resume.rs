//! `run resume`.

use crate::args::RunResumeArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunResumeArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run resume is not there yet".to_owned()))
}

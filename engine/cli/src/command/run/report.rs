//! `run report`.

use crate::args::RunReportArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunReportArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run report is not there yet".to_owned()))
}

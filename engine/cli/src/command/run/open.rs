//! `run open`.

use crate::args::RunOpenArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &RunOpenArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("run open is not there yet".to_owned()))
}

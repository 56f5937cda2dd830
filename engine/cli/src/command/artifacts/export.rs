//! `artifacts export`.

use crate::args::ArtifactsExportArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &ArtifactsExportArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("artifacts export is not there yet".to_owned()))
}

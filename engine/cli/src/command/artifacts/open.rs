//! `artifacts open`.

use crate::args::ArtifactsOpenArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(super) fn run(_args: &ArtifactsOpenArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("artifacts open is not there yet".to_owned()))
}

//! `ui`.

use crate::args::UiArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(_args: &UiArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("ui is not there yet".to_owned()))
}

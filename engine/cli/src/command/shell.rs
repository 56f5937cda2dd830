//! `shell`.

use crate::args::ShellArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(_args: &ShellArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("shell is not there yet".to_owned()))
}

//! `describe`.

use crate::args::DescribeArgs;
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(_args: &DescribeArgs, _io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("describe is not there yet".to_owned()))
}

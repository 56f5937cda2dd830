//! `man`.

use crate::Io;
use crate::failure::Failure;

pub(crate) fn run(_io: &mut Io<'_>) -> Result<(), Failure> {
    Err(Failure::Usage("man is not there yet".to_owned()))
}

//! `completions`: what makes a shell complete the commands and their options.

use crate::args::{CompletionsArgs, PROGRAM, tree};
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(args: &CompletionsArgs, io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    // Into memory first: what is generated panics where it cannot be written.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tree(), PROGRAM, &mut script);
    Ok(io.stdout().write_all(&script)?)
}

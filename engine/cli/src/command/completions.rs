//! `completions`: what makes a shell complete the commands and their options.

use clap_complete::Shell;

use crate::args::{CompletionsArgs, PROGRAM, tree};
use crate::failure::Failure;
use crate::{Check, Io};

pub(crate) fn run(args: &CompletionsArgs, io: &mut Io<'_>, _check: Check<'_>) -> Result<(), Failure> {
    // Into memory first: what is generated panics where it cannot be written.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tree(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    Ok(io.print(&if args.shell == Shell::Bash { labelled(&script) } else { script.into_owned() })?)
}

/// The script with one spelling of the program's name: where a name has a hyphen, the generator writes the labels of the
/// cases otherwise than the word that it looks up.
fn labelled(script: &str) -> String {
    let name = PROGRAM.replace('-', "__");
    script.replace(&PROGRAM.replace('-', "__subcmd__"), &name)
}

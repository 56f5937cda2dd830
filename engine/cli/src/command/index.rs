//! `index`: the index of runs and artifacts.

use crate::Io;
use crate::args::IndexCommand;
use crate::failure::Failure;

pub(crate) fn run(command: IndexCommand, _io: &mut Io<'_>) -> Result<(), Failure> {
    match command {
        IndexCommand::Rebuild => Err(Failure::Usage("index rebuild is not there yet".to_owned())),
    }
}

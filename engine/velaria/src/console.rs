//! The standard output of the process, for the sinks of `USING console` of a session that was not told another place.

use std::io::{self, Write};

use velaria_connector::ConsoleOutput;

/// The standard output.
#[derive(Debug)]
pub(crate) struct StandardOutput;

impl ConsoleOutput for StandardOutput {
    fn write_text(&self, text: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()
    }
}

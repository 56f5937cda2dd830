//! The `velaria-conformance` binary: arguments in, exit code out. Everything else is in the library.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    velaria_conformance::main(std::env::args_os(), &mut io::stdout().lock(), &mut io::stderr().lock())
}

//! The `velaria-cli` binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut streams = velaria_cli::Streams::standard();
    let mut io = streams.io();
    ExitCode::from(velaria_cli::run(std::env::args_os().skip(1).collect(), &mut io, &mut || Ok(())))
}

//! `sniff`: what a file is and how to read it.

use velaria::{Error, ErrorCode, Probe, ReadOptions, Result, Session, SessionConfig, wait};

use crate::args::{ReportFormat, SniffArgs};
use crate::failure::Failure;
use crate::{Check, Io, output};

pub(crate) fn run(args: &SniffArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let probe = probe(args, check)?;
    match args.format() {
        ReportFormat::Text => Ok(io.print(&probe.to_string())?),
        ReportFormat::Json => output::write_json(&probe, io),
    }
}

fn probe(args: &SniffArgs, check: Check<'_>) -> Result<Probe> {
    let path = args.file.display().to_string();
    let config = SessionConfig::default().with_read_only().with_allowed_paths([args.file.as_path()]);
    let options = args.options.iter().try_fold(ReadOptions::new(), |options, pair| with_pair(options, pair))?;
    wait(async move { Session::new(config)?.probe(&path, &options) }, check)
}

fn with_pair(options: ReadOptions, pair: &str) -> Result<ReadOptions> {
    match pair.split_once('=') {
        Some((name, value)) => Ok(options.with(name, value)),
        None => Err(Error::new(ErrorCode::InvalidArgument, format!("not an option: {pair}"))
            .with_hint("write --option name=value")),
    }
}

//! The options that every command has, before its name or behind it.

use std::ffi::OsString;

use clap::{ArgAction, Args};
use log::LevelFilter;

use crate::failure::Failure;
use crate::logging::{Filter, LogFormat};

const HEADING: &str = "Options of every command";
/// What is logged, where no option says it.
const VARIABLE: &str = "VELARIA_LOG";

/// What is said beside a result.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Log more on standard error: -v what happens, -vv every step [env: VELARIA_LOG]
    #[arg(short = 'v', long, global = true, action = ArgAction::Count, help_heading = HEADING)]
    verbose: u8,
    /// How the log is written: text or json
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value = "text", hide_possible_values = true, hide_default_value = true, help_heading = HEADING)]
    pub(crate) log_format: LogFormat,
    /// Draw no progress bar on a terminal
    #[arg(long, global = true, help_heading = HEADING)]
    pub(crate) no_progress: bool,
}

impl GlobalArgs {
    /// What is logged: warnings, unless an option or the environment says it.
    pub(crate) fn filter(&self) -> Result<Filter, Failure> {
        let variable = std::env::var_os(VARIABLE).filter(|text| !text.is_empty());
        match (self.verbose, variable) {
            (0, None) => Ok(Filter::of(LevelFilter::Warn)),
            (0, Some(text)) => Filter::parse(&text.to_string_lossy()).ok_or_else(|| invalid(&text)),
            (1, _) => Ok(Filter::of(LevelFilter::Info)),
            (2, _) => Ok(Filter::of(LevelFilter::Debug)),
            (_, _) => Ok(Filter::of(LevelFilter::Trace)),
        }
    }

    /// The arguments that let another command log as this one does.
    pub(crate) fn of_log(&self) -> Vec<OsString> {
        let verbose = (0..self.verbose).map(|_| "-v");
        let format = (self.log_format == LogFormat::Json).then_some("--log-format=json");
        verbose.chain(format).map(OsString::from).collect()
    }
}

fn invalid(text: &OsString) -> Failure {
    let text = text.to_string_lossy();
    Failure::Usage(format!(
        "environment variable {VARIABLE}: invalid value: '{text}' (write a level, off, error, warn, info, debug or trace, or \
         target=level, with commas between)"
    ))
}

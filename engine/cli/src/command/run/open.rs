//! `run open`: the report of a run is opened in a browser.

use std::path::Path;

use serde::Serialize;

use super::report::report;
use crate::args::{RunOpenArgs, RunReportArgs};
use crate::command::opener;
use crate::failure::Failure;
use crate::output::write_json;
use crate::{Check, Io};

/// The document of `run open`.
#[derive(Serialize)]
struct OpenedJson<'a> {
    ok: bool,
    run_id: &'a str,
    path: &'a str,
    opened: bool,
}

pub(super) fn run(args: &RunOpenArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    // It is made anew: a run goes on, and a report does not.
    let report = report(&RunReportArgs { run_id: args.run_id.clone(), output: None, force: false }, &mut *check)?;
    if !args.print {
        opener::open(Path::new(&report.path), check)?;
    }
    write_json(&OpenedJson { ok: true, run_id: &args.run_id, path: &report.path, opened: !args.print }, io)
}

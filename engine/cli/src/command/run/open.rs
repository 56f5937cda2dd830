//! `run open`: the report of a run is opened in a browser.

use serde::Serialize;
use velaria_workspace::{Home, Run};

use crate::args::RunOpenArgs;
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
    let run = Run::open(&Home::from_env()?, &args.run_id)?;
    let path = run.dir().join("report.html");
    if !args.print {
        opener::open(&path, check)?;
    }
    write_json(&OpenedJson { ok: true, run_id: &args.run_id, path: &path.to_string_lossy(), opened: !args.print }, io)
}

//! `artifacts open`.

use serde::Serialize;
use velaria_workspace::{ArtifactIndex, Home};

use super::{artifact, path_of};
use crate::args::ArtifactsOpenArgs;
use crate::command::opener;
use crate::failure::Failure;
use crate::output::write_json;
use crate::{Check, Io};

/// The document of `artifacts open`.
#[derive(Serialize)]
struct OpenedJson<'a> {
    ok: bool,
    artifact_id: &'a str,
    path: &'a str,
    opened: bool,
}

pub(super) fn run(args: &ArtifactsOpenArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let home = Home::from_env()?;
    let artifact = artifact(&ArtifactIndex::open(&home)?, &args.artifact_id)?;
    let path = path_of(&home, &artifact)?;
    if !args.print {
        opener::open(&path, check)?;
    }
    let (artifact_id, path) = (args.artifact_id.as_str(), &path.to_string_lossy());
    write_json(&OpenedJson { ok: true, artifact_id, path, opened: !args.print }, io)
}

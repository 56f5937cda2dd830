//! `index`: the index of runs and artifacts.

use serde::Serialize;
use velaria::Result;
use velaria_workspace::{ArtifactIndex, Home, Object};

use crate::Io;
use crate::args::IndexCommand;
use crate::failure::Failure;
use crate::output::write_json;

pub(crate) fn run(command: IndexCommand, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    match command {
        IndexCommand::Rebuild => write_json(&rebuilt()?, io),
    }
}

/// The document of `index rebuild`.
#[derive(Serialize)]
struct RebuiltJson {
    ok: bool,
    #[serde(flatten)]
    rebuilt: Object,
    path: String,
}

fn rebuilt() -> Result<RebuiltJson> {
    let home = Home::from_env()?;
    let rebuilt = ArtifactIndex::rebuild(&home)?.object();
    let path = ArtifactIndex::open(&home)?.sqlite_path().to_string_lossy().into_owned();
    Ok(RebuiltJson { ok: true, rebuilt, path })
}

//! `artifacts`: what tracked runs have made.

mod export;
mod open;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Home, Object, PREVIEW_LIMIT_ROWS, Run, file_path};

use crate::args::{ArtifactsCommand, ArtifactsListArgs, ArtifactsPreviewArgs};
use crate::failure::Failure;
use crate::output::write_json;
use crate::tracked::{check_previewed, read_preview};
use crate::{Check, Io};

pub(crate) fn run(command: ArtifactsCommand, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    match command {
        ArtifactsCommand::List(args) => write_json(&listed(&args)?, io),
        ArtifactsCommand::Preview(args) => write_json(&previewed(&args, check)?, io),
        ArtifactsCommand::Export(args) => export::run(&args, io, check),
        ArtifactsCommand::Open(args) => open::run(&args, io, check),
    }
}

/// The document of `artifacts list`.
#[derive(Serialize)]
struct ListedJson {
    ok: bool,
    artifacts: Vec<Object>,
}

fn listed(args: &ArtifactsListArgs) -> Result<ListedJson> {
    let filter = ArtifactFilter {
        limit: args.limit as usize,
        run_id: args.run_id.clone(),
        tag: args.tag.clone(),
        ..ArtifactFilter::default()
    };
    let artifacts = ArtifactIndex::open(&Home::from_env()?)?.list_artifacts(&filter)?;
    Ok(ListedJson { ok: true, artifacts })
}

/// The newest artifacts of a run.
pub(crate) fn artifacts_of(index: &ArtifactIndex, run_id: &str, limit: u32) -> Result<Vec<Object>> {
    let run_id = Some(run_id.to_owned());
    index.list_artifacts(&ArtifactFilter { limit: limit as usize, run_id, ..ArtifactFilter::default() })
}

/// The document of `artifacts preview`.
#[derive(Serialize)]
struct PreviewedJson {
    ok: bool,
    artifact_id: String,
    preview: Object,
    artifact: Object,
}

fn previewed(args: &ArtifactsPreviewArgs, check: Check<'_>) -> Result<PreviewedJson> {
    let index = ArtifactIndex::open(&Home::from_env()?)?;
    let artifact = artifact(&index, &args.artifact_id)?;
    let (artifact, preview) = preview_of(&index, artifact, args.limit, check)?;
    Ok(PreviewedJson { ok: true, artifact_id: args.artifact_id.clone(), preview, artifact })
}

/// The artifact with the id `id`.
fn artifact(index: &ArtifactIndex, id: &str) -> Result<Object> {
    index.artifact(id)?.ok_or_else(|| Error::new(ErrorCode::ArtifactNotFound, format!("artifact not found: {id}")))
}

/// The first rows of `artifact`, at most `limit`. What is not kept yet is read from the file, and kept.
pub(crate) fn preview_of(
    index: &ArtifactIndex,
    mut artifact: Object,
    limit: u32,
    check: Check<'_>,
) -> Result<(Object, Object)> {
    let whole = match artifact.get("preview_json") {
        Some(Value::Object(kept)) => kept.clone(),
        _ => {
            let text = |name: &str| artifact.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let format = text("format");
            check_previewed(&format)?;
            let path = path_of(&Home::from_env()?, &artifact)?;
            let rows = artifact.get("row_count").and_then(Value::as_u64);
            let whole = read_preview(&path, &format, rows, PREVIEW_LIMIT_ROWS, check)?;
            index.update_artifact_preview(&text("artifact_id"), &whole)?;
            artifact.insert("preview_json".to_owned(), Value::Object(whole.clone()));
            whole
        }
    };
    Ok((artifact, cut(whole, limit as usize)))
}

/// `preview` with at most `limit` rows.
fn cut(mut preview: Object, limit: usize) -> Object {
    if let Some(Value::Array(rows)) = preview.get_mut("rows")
        && rows.len() > limit
    {
        rows.truncate(limit);
        preview.insert("truncated".to_owned(), true.into());
    }
    preview
}

/// The path of `artifact`, which may be read.
pub(crate) fn path_of(home: &Home, artifact: &Object) -> Result<PathBuf> {
    let text = |name: &str| artifact.get(name).and_then(Value::as_str).unwrap_or_default();
    readable(home, text("uri"), text("run_id"))
}

/// The path of an artifact that may be read: a file inside of the home, or the one that its run was told to write.
///
/// An index can be changed by whoever can write to it; that does not make other files readable.
pub(crate) fn readable(home: &Home, uri: &str, run_id: &str) -> Result<PathBuf> {
    let path = file_path(uri)?;
    if home.contains(&path) || !path.exists() || is_output_of(home, run_id, &path) {
        return Ok(path);
    }
    Err(Error::new(
        ErrorCode::AccessDenied,
        format!("artifact is outside of the directory of runs: {}", path.display()),
    )
    .with_hint("its rows can be read with csv-sql or file-sql"))
}

fn is_output_of(home: &Home, run_id: &str, path: &Path) -> bool {
    let Ok(run) = Run::open(home, run_id) else { return false };
    let Ok(record) = run.record() else { return false };
    // The path may be relative to where the run was started.
    let inputs = run.inputs().ok().flatten().unwrap_or_default();
    let from = inputs.get("working_dir").and_then(Value::as_str).map(Path::new).unwrap_or(Path::new(""));
    let told = ["output_path", "sink_path"].iter().filter_map(|name| record.get("cli_args")?.get(name)?.as_str());
    told.filter_map(|told| std::path::absolute(from.join(told)).ok()).any(|told| told == path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preview_is_cut_and_says_so() {
        let Value::Object(whole) =
            json!({ "schema": ["a"], "rows": [{"a": 1}, {"a": 2}], "row_count": 2, "truncated": false })
        else {
            panic!("no object")
        };
        assert_eq!(cut(whole.clone(), 2), whole);
        let cut = cut(whole, 1);
        assert_eq!((&cut["rows"], &cut["row_count"], &cut["truncated"]), (&json!([{"a": 1}]), &json!(2), &json!(true)));
    }
}

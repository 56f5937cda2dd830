//! The actions that read a file and end: a query, and a search for vectors.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use velaria::{DataFrame, Error, ErrorCode, Profile, Result, wait};
use velaria_workspace::{NewArtifact, Object, Run, file_uri};

use super::artifact::{absolute, format_of, write_table};
use super::worker::{Done, Payload};
use crate::Check;
use crate::args::{CsvSqlAction, FileSqlAction, ResultArgs, VectorSearchAction};
use crate::command::{Table, collect_with_profile, csv_sql, file_sql, vector_search};

/// The lines that programs look for at the beginning of the strategy of a tracked query.
const STRATEGY: &str = "selected_mode=single-process
transport_mode=inproc
execution_reason=batch query executed through DataflowSession";

/// Runs `csv-sql`.
pub(super) fn csv_sql<'a>(action: &'a CsvSqlAction, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    let path = result_path(&action.result, &action.input.csv, run)?;
    let frame = csv_sql::frame(&action.input, &action.limits, &mut *check)?;
    let (table, artifact) = query(frame, "csv-sql", path, run, check)?;
    let payload = Payload::Sql { name: &action.input.table, query: &action.input.query, input_type: None, rows: table };
    Ok(Done::whole(payload, vec![artifact]))
}

/// Runs `file-sql`.
pub(super) fn file_sql<'a>(action: &'a FileSqlAction, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    let path = result_path(&action.result, &action.input.input_path, run)?;
    let (frame, input_type) = file_sql::frame(&action.input, &action.limits, &mut *check)?;
    let (table, artifact) = query(frame, "file-sql", path, run, check)?;
    let (name, query) = (&action.input.table, &action.input.query);
    let payload = Payload::Sql { name, query, input_type: Some(input_type), rows: table };
    Ok(Done::whole(payload, vec![artifact]))
}

/// Runs `vector-search`.
pub(super) fn vector_search<'a>(action: &'a VectorSearchAction, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    let path = result_path(&action.result, &action.input.csv, run)?;
    let found = vector_search::found(&action.input, &action.limits, &mut *check)?;
    write_profile(&found.profile, run)?;
    let result = write_table(&found.table, &path, "vector-search", check)?;
    let path = run.artifacts_dir().join("vector_explain.txt");
    fs::write(&path, &found.explain).map_err(|error| {
        Error::new(ErrorCode::Io, format!("cannot write file: {}", path.display())).with_hint(error.to_string())
    })?;
    let tags = vec!["explain".to_owned(), "vector-search".to_owned()];
    let explain = NewArtifact { tags, ..NewArtifact::file(&path, "text")? };
    Ok(Done::whole(Payload::Vector { input: &action.input, found }, vec![result, explain]))
}

/// Where the result goes. A path that cannot be is refused before anything runs, and so is that of `input`, which would be lost.
fn result_path(result: &ResultArgs, input: &Path, run: &Run) -> Result<PathBuf> {
    let path = match (&result.output_path, &result.output_name) {
        (Some(path), _) => absolute(path)?,
        (None, Some(name)) => run.artifacts_dir().join(plain_name(name)?),
        (None, None) => run.artifacts_dir().join("result.parquet"),
    };
    if is_same_file(&path, input) {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("the result would replace its input: {}", path.display()),
        )
        .with_hint("give --output-path another file"));
    }
    format_of(&path).map(|_| path)
}

/// Whether both are there and the same file, whatever links lead to it.
fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// `name`, which names a file in a directory and nothing else.
fn plain_name(name: &str) -> Result<&str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(name),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("not the name of a file: {name}"))
            .with_hint("--output-path puts the result into another directory")),
    }
}

/// Runs a query to its end: its explanation and its rows become files of the run.
fn query(frame: DataFrame, action: &str, path: PathBuf, run: &Run, check: Check<'_>) -> Result<(Table, NewArtifact)> {
    let asked = frame.clone();
    let explain = wait(async move { asked.explain().await }, &mut *check)?.to_json();
    let physical =
        format!("local-batch\nresult_sink={}\nmaterialization=pyarrow-table\n{}", file_uri(&path)?, explain.physical);
    run.write_explain(&sections(explain.logical, physical, strategy(&explain.strategy)))?;
    let (table, profile) = collect_with_profile(frame, &mut *check)?;
    write_profile(&profile, run)?;
    let artifact = write_table(&table, &path, action, check)?;
    Ok((table, artifact))
}

/// Writes down what each operator of the query did.
fn write_profile(profile: &Profile, run: &Run) -> Result<()> {
    let Ok(Value::Object(profile)) = serde_json::to_value(profile) else {
        return Err(Error::new(ErrorCode::Internal, "a profile is not an object"));
    };
    run.write_profile(&profile).map(drop)
}

/// The lines of the contract, then those of the plan that they do not hold.
fn strategy(planned: &str) -> String {
    let more = planned.lines().filter(|line| !STRATEGY.lines().any(|told| told == *line));
    STRATEGY.lines().chain(more).collect::<Vec<_>>().join("\n")
}

/// The three sections as `explain.json` has them.
pub(super) fn sections(logical: String, physical: String, strategy: String) -> Object {
    let sections = [("logical", logical), ("physical", physical), ("strategy", strategy)];
    sections.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_lead_elsewhere() {
        assert_eq!(plain_name("r.csv").unwrap(), "r.csv");
        for name in ["", ".", "..", "/r.csv", "../r.csv", "a/r.csv", "r.csv/", "./r.csv"] {
            assert!(plain_name(name).is_err(), "{name}");
        }
    }
}

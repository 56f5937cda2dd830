//! Every case file of a batch statement or of the command line on its surfaces, against its snapshot.

use std::path::Path;

use insta::assert_snapshot;
use velaria::json::to_pretty;
use velaria_golden::{
    CliCase, CliOutput, Folders, RunCase, StatementCase, cli_error, explain, report, run_calls, run_cli,
};

use crate::snapshots::{Outcome, for_each, sections};

#[test]
fn explain_shows_three_sections() {
    run("explain/*.toml", explain_case);
}

#[test]
fn errors_are_whole_and_the_same_on_every_surface() {
    run("error/*.toml", error_case);
}

#[test]
fn the_command_line_prints_what_it_promises() {
    run("cli/*.toml", cli_case);
}

#[test]
fn tracked_runs_leave_behind_what_they_promise() {
    for_each("run/*.toml", |path| {
        assert_snapshot!("run", run_calls(&RunCase::read(path)?)?);
        Ok(())
    });
}

#[test]
fn every_snapshot_belongs_to_a_case() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(golden.join("snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let case = name.strip_suffix(".snap").and_then(|name| name.split_once('@'));
        let is_case = case.is_some_and(|(kind, case)| golden.join("cases").join(kind).join(case).is_file());
        assert!(is_case, "golden/snapshots/{name} belongs to no case: accept or remove it");
    }
}

fn run(pattern: &str, case: impl Fn(&Path, &Folders) -> Outcome) {
    let folders = Folders::find().unwrap();
    for_each(pattern, |path| case(path, &folders));
}

fn explain_case(path: &Path, folders: &Folders) -> Outcome {
    let explained = explain(&StatementCase::read(path, folders)?)?;
    let json = to_pretty(&explained.to_json())?;
    assert_snapshot!("explain", folders.redact(&sections(&[("text", &explained.to_string()), ("json", &json)])));
    Ok(())
}

fn error_case(path: &Path, folders: &Folders) -> Outcome {
    let case = StatementCase::read(path, folders)?;
    let report = report(&case)?;
    let cli = cli_error(&case)?;
    let shown = [("text", report.to_string()), ("json", to_pretty(&report)?), ("cli", to_pretty(&cli)?)];
    let shown = sections(&shown.each_ref().map(|(name, text)| (*name, text.as_str())));
    assert_snapshot!("error", folders.redact(&shown));
    let engine = serde_json::to_value(&report)?;
    let cli = without_cli_words(cli);
    if cli == engine { Ok(()) } else { Err(format!("the command line says {cli}, the engine says {engine}").into()) }
}

/// The error of the command line in the words of the report: `error` is its message, `ok` and `error_type` are added.
fn without_cli_words(mut cli: serde_json::Value) -> serde_json::Value {
    if let Some(members) = cli.as_object_mut() {
        members.shift_remove("ok");
        members.shift_remove("error_type");
        members.shift_remove("phase");
        let message = members.shift_remove("error").unwrap_or_default();
        members.insert("message".to_owned(), message);
    }
    cli
}

fn cli_case(path: &Path, folders: &Folders) -> Outcome {
    let CliOutput { code, stdout, stderr } = run_cli(&CliCase::read(path, folders)?)?;
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let shown = sections(&[("exit code", &code), ("stdout", &stdout), ("stderr", &stderr)]);
    assert_snapshot!("cli", folders.redact(&shown));
    Ok(())
}

//! Every case file on its surfaces, against its snapshot.

use std::error::Error;
use std::path::Path;

use insta::{Settings, assert_snapshot, glob};
use velaria::json::to_pretty;
use velaria_golden::{CliCase, CliOutput, Folders, StatementCase, cli_error, explain, report, run_cli};

type Outcome = Result<(), Box<dyn Error>>;

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
fn every_snapshot_belongs_to_a_case() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(golden.join("snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let case = name.strip_suffix(".snap").and_then(|name| name.split_once('@'));
        let is_case = case.is_some_and(|(kind, case)| golden.join("cases").join(kind).join(case).is_file());
        assert!(is_case, "golden/snapshots/{name} belongs to no case: accept or remove it");
    }
}

/// Runs every case that fits the pattern; the snapshots lie beside the cases, under their names.
///
/// A case that cannot be run does not hide the next one.
fn run(pattern: &str, case: impl Fn(&Path, &Folders) -> Outcome) {
    let folders = Folders::find().unwrap();
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut failures = Vec::new();
    settings.bind(|| {
        glob!("../../cases", pattern, |path| {
            failures.extend(case(path, &folders).err().map(|error| format!("{}: {error}", path.display())));
        });
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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

fn sections(sections: &[(&str, &str)]) -> String {
    sections.iter().map(|(name, text)| format!("=== {name}\n{}\n", text.trim_end_matches('\n'))).collect()
}

//! What the program says of files, of functions and of itself.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn call(args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(args).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn text(args: &[&str]) -> String {
    let output = call(args, Path::new("."));
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&text(args)).unwrap()
}

/// What `program` says of `input` on its standard input; nothing when it is not on this machine.
fn judged(program: &str, args: &[&str], input: &str) -> Option<Output> {
    let mut judge = Command::new(program);
    judge.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = match judge.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        spawned => spawned.unwrap(),
    };
    judge.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(judge.wait_with_output().unwrap())
}

#[test]
fn the_description_of_a_file_is_that_of_sql() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.csv"), "name;score\nalice;10\nbob;22.5\ncarol;\n").unwrap();
    let output = call(&["describe", "s.csv"], folder.path());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["path", "input_type", "row_count", "columns"]);
    assert_eq!((&document["input_type"], &document["row_count"]), (&"csv".into(), &3.into()));
    let summarize = call(&["sql", "SUMMARIZE 's.csv'"], folder.path());
    let summary: Value = serde_json::from_slice(&summarize.stdout).unwrap();
    assert_eq!(document["columns"], summary["rows"]);
    let missing = call(&["describe", "nosuch.csv"], folder.path());
    let error: Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!((&error["ok"], &error["error_type"]), (&false.into(), &"file_not_found".into()));
}

#[test]
fn functions_are_found_by_each_of_their_names() {
    let all = json(&["functions"])["functions"].as_array().unwrap().len();
    assert!(all > 300);
    let found = json(&["functions", "kahan", "--kind", "spelling"]);
    let function = &found["functions"][0];
    assert_eq!(function["name"], "fsum");
    assert_eq!(function["signature"], "fsum(x)");
    assert_eq!(function["description"], "The sum, as a float.");
    assert_eq!(found["functions"].as_array().unwrap().len(), 1);
    assert_eq!(json(&["functions", "no such function"])["functions"], Value::Array(Vec::new()));
    let table = text(&["functions", "-o", "csv"]);
    assert!(table.starts_with("function,kind,gives,also,example\n") && table.lines().count() > all);
}

#[test]
fn completions_are_scripts_that_their_shells_can_read() {
    for (shell, checks) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = text(&["completions", shell]);
        assert!(
            script.contains("csv-sql") && script.contains("vector-column") && !script.contains("__worker"),
            "{shell}"
        );
        if let Some(said) = judged(shell, checks, &script) {
            assert!(
                said.status.success() && said.stderr.is_empty(),
                "{shell}: {}",
                String::from_utf8_lossy(&said.stderr)
            );
        }
    }
    for shell in ["powershell", "elvish"] {
        assert!(text(&["completions", shell]).contains("csv-sql"), "{shell}");
    }
}

/// What bash offers for the last of `words`; nothing where there is no bash.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let ask = format!(
        "COMP_WORDS=({}); COMP_CWORD={last}; _velaria__cli velaria-cli '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words[last],
        words[last - 1]
    );
    let said = judged("bash", &[], &format!("{}\n{ask}\n", text(&["completions", "bash"])))?;
    Some(String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_options_and_values() {
    for (words, wanted) in [
        (&["velaria-cli", "desc"][..], "describe"),
        (&["velaria-cli", "run", "st"], "start"),
        (&["velaria-cli", "vector-search", "--met"], "--metric"),
        (&["velaria-cli", "vector-search", "--metric", "co"], "cosine"),
        (&["velaria-cli", "artifacts", "ex"], "export"),
    ] {
        if let Some(offers) = offered(words) {
            assert!(offers.iter().any(|offer| offer == wanted), "{words:?}: {offers:?}");
        }
    }
}

#[test]
fn the_manual_page_is_one_that_groff_can_set() {
    let page = text(&["man"]);
    if let Some(said) = judged("groff", &["-man", "-Tutf8", "-ww", "-z"], &page) {
        assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    // An example that is copied from the page is one that works: its quotes are those of the shell.
    let examples = page.lines().filter(|line| line.trim_start().starts_with("velaria"));
    assert!(examples.clone().count() > 20 && examples.into_iter().all(|line| !line.contains('\'')), "{page}");
}

#[test]
fn the_version_is_a_line_or_a_document() {
    let line = text(&["--version"]);
    assert_eq!(line, format!("velaria-cli {}\n", env!("CARGO_PKG_VERSION")));
    for args in [["--version", "--json"], ["--json", "--version"], ["-V", "--json"]] {
        let document = json(&args);
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["name", "version", "commit", "datafusion", "arrow", "target"]);
        assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["target"].as_str().unwrap().contains(std::env::consts::OS));
    }
    let alone = call(&["--json"], Path::new("."));
    assert_eq!(serde_json::from_slice::<Value>(&alone.stdout).unwrap()["error_type"], "usage_error");
}

//! The formats of a result, and what is told of a query beside its rows.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Everything that a format may trip over: delimiters, quotes, line ends, blanks at an end, words that look like NULL.
const ROWS: &str = "SELECT * FROM (VALUES \
    (1, 'a,b;c\td', 1.5, DATE '2024-01-02', true), \
    (2, NULL, NULL, NULL, NULL), \
    (3, 'two\nlines \"quoted\"', -0.25, DATE '1999-12-31', false), \
    (4, ' NA ', 1e300, DATE '2024-02-29', true), \
    (5, 'NA', 2.0, DATE '1970-01-01', false), \
    (6, '<b>&é漢', 0.1, DATE '2030-01-01', true)) AS t(id, name, score, day, flag) ORDER BY id";

fn call(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(args).current_dir(folder).env("VELARIA_HOME", folder.join("home")).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(folder: &Path, args: &[&str]) -> String {
    let output = call(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn document(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&text(folder, args)).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn every_format_of_a_file_reads_back_as_what_it_was() {
    let folder = folder();
    let expected = document(folder.path(), &["sql", ROWS])["rows"].clone();
    for (format, options) in [
        ("csv", &[][..]),
        ("csv", &["--null-value", "NA"]),
        ("tsv", &["--null-value", "\\N"]),
        ("ndjson", &[]),
        ("parquet", &[]),
        ("arrow", &[]),
        ("xlsx", &[]),
    ] {
        let file = folder.path().join(format!("rows.{format}"));
        let args: Vec<&str> = ["sql", ROWS, "-o", format].into_iter().chain(options.iter().copied()).collect();
        let output = call(folder.path(), &args);
        assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(&file, output.stdout).unwrap();
        // JSON has no dates: they come back as text.
        let query = if format == "ndjson" {
            "SELECT id, name, score, CAST(day AS DATE) AS day, flag FROM input_table"
        } else {
            "SELECT * FROM input_table"
        };
        let mut args = vec!["file-sql", "--input-path", file.to_str().unwrap(), "--query", query];
        let null = options.get(1).map(|null| format!("null_values={null}"));
        if let Some(null) = &null {
            args.extend(["--option", null]);
        }
        assert_eq!(document(folder.path(), &args)["rows"], expected, "{format} {options:?}");
    }
}

#[test]
fn formats_for_people_say_null_as_they_are_told() {
    let folder = folder();
    let of =
        |format: &str| text(folder.path(), &["sql", "SELECT NULL AS a, 'x' AS b", "-o", format, "--null-value", "-"]);
    assert_eq!(of("csv"), "a,b\n-,x\n");
    assert_eq!(of("tsv"), "a\tb\n-\tx\n");
    assert_eq!(of("text"), "a  b\n-  x\n");
    assert_eq!(of("vertical"), "-- row 1\na: -\nb: x\n");
    assert_eq!(of("markdown"), "| a | b |\n|---|---|\n| - | x |\n");
    assert!(of("table").contains("│ - ┆ x │"), "{}", of("table"));
    assert!(of("html").contains("<td class=\"null\">-</td><td>x</td>"), "{}", of("html"));
    let refused = call(folder.path(), &["sql", "SELECT 1", "-o", "csv", "--null-value", "a,b"]);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("error: not a text for NULL"));
}

#[test]
fn a_wide_table_is_cut_to_fit() {
    let folder = folder();
    let wide = "SELECT 1 AS first, repeat('é', 200) AS middle, 'a b c' || repeat(' d', 100) AS other, 2 AS last";
    for width in [30, 60, 80] {
        let width_text = width.to_string();
        let table = text(folder.path(), &["sql", wide, "-o", "table", "--max-width", &width_text]);
        assert!(table.lines().all(|line| line.chars().count() <= width), "{table}");
        assert!(table.contains('…') && table.contains("first") && table.contains("last"), "{table}");
    }
    let narrow = text(folder.path(), &["sql", wide, "-o", "table", "--max-width", "30"]);
    assert!(narrow.ends_with("1 row, 4 columns (2 shown)\n"), "{narrow}");
    let whole = text(folder.path(), &["sql", wide, "-o", "table", "--max-width", "0"]);
    assert!(whole.contains(&"é".repeat(200)), "{whole}");
}

#[test]
fn a_terminal_does_not_obey_a_cell() {
    let folder = folder();
    for format in ["table", "text", "vertical", "markdown", "html"] {
        let shown = text(folder.path(), &["sql", "SELECT chr(27) || '[31m' AS a", "-o", format]);
        assert!(!shown.contains('\u{1b}') && shown.contains("\u{241b}[31m"), "{format}: {shown}");
    }
}

#[test]
fn a_document_has_what_is_told_beside_the_rows_at_its_end() {
    let folder = folder();
    fs::write(folder.path().join("s.csv"), "name,score\nalice,10\nbob,22.5\n").unwrap();
    let query = ["--query", "SELECT name FROM input_table ORDER BY score DESC"];
    let csv = ["csv-sql", "--csv", "s.csv"].into_iter().chain(query);
    let file = ["file-sql", "--input-path", "s.csv"].into_iter().chain(query);
    for call in [csv.collect::<Vec<_>>(), file.collect(), vec!["sql", "SELECT name FROM 's.csv' ORDER BY score DESC"]] {
        let plain = text(folder.path(), &call);
        let told = [call.as_slice(), &["--timing", "--profile"]].concat();
        let document = document(folder.path(), &told);
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(keys[keys.len() - 2..], ["timing", "profile"], "{call:?}");
        assert_eq!((document["profile"]["rows"].as_u64(), document["rows"].as_array().unwrap().len()), (Some(2), 2));
        assert_eq!(document["profile"]["operators"][0]["output_rows"], 2);
        let timing = &document["timing"];
        let [planning, execution, total] =
            ["planning_ms", "execution_ms", "total_ms"].map(|key| timing[key].as_f64().unwrap());
        assert!((planning + execution - total).abs() < 0.01, "{timing}");
        let rest: Value = document
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "timing" && *key != "profile")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(rest, serde_json::from_str::<Value>(&plain).unwrap());
    }
}

#[test]
fn elsewhere_it_is_told_on_standard_error() {
    let folder = folder();
    let output = call(folder.path(), &["sql", "SELECT 1 AS one", "-o", "csv", "--timing", "--profile"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\n1\n");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("operator") && told.contains("1 rows in ") && told.contains("\nplanning "), "{told}");
}

#[test]
fn what_is_only_explained_does_not_run() {
    let folder = folder();
    let endless = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9";
    let document = document(folder.path(), &["sql", endless, "--explain"]);
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["query", "schema", "explain"]);
    assert!(document["explain"]["physical"].as_str().unwrap().contains("Aggregate"));
    assert!(text(folder.path(), &["sql", endless, "--explain", "-o", "table"]).starts_with("logical\n"));
    let copy = "COPY (SELECT 1) TO 'made.csv'";
    assert!(!call(folder.path(), &["sql", copy, "--explain"]).status.success());
    assert!(!folder.path().join("made.csv").exists());
}

#[test]
fn a_tracked_run_keeps_its_profile() {
    let folder = folder();
    fs::write(folder.path().join("s.csv"), "name,score\nalice,10\nbob,22.5\n").unwrap();
    fs::write(folder.path().join("v.csv"), "id,v\n1,[1 0]\n2,[0 1]\n").unwrap();
    let search = ["vector-search", "--csv", "v.csv", "--vector-column", "v", "--query-vector", "1,0"];
    for action in [&["csv-sql", "--csv", "s.csv", "--query", "SELECT * FROM input_table ORDER BY name"][..], &search] {
        let run = document(folder.path(), &[&["run", "start", "--"], action].concat());
        let file = Path::new(run["run_dir"].as_str().unwrap()).join("profile.json");
        let profile: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(profile["rows"], 2, "{profile}");
        let keys = ["id", "parent", "name", "detail", "output_rows", "elapsed_ms", "spilled_bytes", "memory_bytes"];
        assert_eq!(profile["operators"][0].as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    }
}

#[test]
fn a_line_that_is_not_text_is_answered_by_one_line_and_the_session_goes_on() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(["sql", "--jsonl"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = command.spawn().unwrap();
    session.stdin.take().unwrap().write_all(b"\xff\n{\"sql\": \"SELECT 7 AS n\"}\n").unwrap();
    let output = session.wait_with_output().unwrap();
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["ok"], &answers[1]["rows"][0][0]), (&false.into(), &7.into()));
}

#[test]
fn an_error_of_usage_stays_out_of_the_result() {
    let folder = folder();
    let output = call(folder.path(), &["csv-sql", "--csv", "s.csv", "-o", "csv"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the following arguments are required: --query"));
}

//! The runner itself, on a corpus of its own: what passes, what fails, and what it says.

use std::path::Path;
use std::process::{Command, Output};

/// A repository with one corpus file and one data file.
fn repository(slt: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sqllogic/select/sample.slt", slt);
    write("sqllogic/data/people.csv", "id,name\n1,Ada\n2,Bo\n");
    write(
        "conformance/suites/core.toml",
        "description = \"sample\"\nfolders = [\"select\"]\nsurfaces = [\"engine-1\", \"python\"]\n",
    );
    write(
        "conformance/suites/replay.toml",
        "description = \"sample\"\nfolders = [\"select\"]\nsurfaces = [\"replay\"]\n",
    );
    root
}

fn run(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_velaria-conformance")).arg("run").args(args).current_dir(root).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn records_pass_and_the_json_holds_the_figures_of_the_table() {
    let root = repository(
        "query IT\nSELECT * FROM people ORDER BY id\n----\n1 Ada\n2 Bo\n\n\
         statement ok\nCREATE TABLE t (a INT)\n\nstatement count 2\nINSERT INTO t VALUES (1), (2)\n",
    );
    let output = run(root.path(), &["--surface", "engine-1", "--json", "report.json"]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("conformance: 3 passed, 0 failed, 0 skipped\n"));
    let json = std::fs::read_to_string(root.path().join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let totals = serde_json::json!({"passed": 3, "failed": 0, "skipped": 0});
    assert_eq!(report["totals"], totals);
    assert_eq!(report["surfaces"][0]["files"][0], serde_json::json!({"file": "select/sample.slt", "totals": totals}));
}

#[test]
fn a_failing_record_does_not_stop_its_file() {
    let root = repository(
        "query I\nSELECT 1\n----\n2\n\nquery T\nSELECT 1\n----\n1\n\nquery T\nSELECT 'a  b'\n----\na b\n\nquery I\nSELECT 3\n----\n3\n",
    );
    let output = run(root.path(), &["--surface", "engine-1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.ends_with("conformance: 1 passed, 3 failed, 0 skipped\n"), "{text}");
    assert!(text.contains("FAILED on engine-1: select/sample.slt:1\n"), "{text}");
    assert!(text.contains("expected:\n    2\ngot:\n    1\n"), "{text}");
    assert!(text.contains("expected:\n    columns T\ngot:\n    columns I\n"), "{text}");
    assert!(text.contains("expected:\n    a b\ngot:\n    a  b\n"), "{text}");
}

#[test]
fn an_error_record_must_hold_the_whole_text() {
    let root = repository("statement error\nSELECT nope\n\nstatement error not found\nSELECT nope\n");
    let output = run(root.path(), &["--surface", "engine-1"]);
    let text = stdout(&output);
    assert!(text.ends_with("conformance: 0 passed, 2 failed, 0 skipped\n"), "{text}");
    assert!(text.contains("expected: the whole text of the error\n"), "{text}");
}

#[test]
fn a_record_skipped_on_a_surface_says_why_in_its_comment() {
    let root = repository(
        "# Threads are none of its business.\nskipif engine\nquery I\nSELECT 1\n----\n2\n\nskipif engine-1\nquery I\nSELECT 1\n----\n2\n",
    );
    let text = stdout(&run(root.path(), &["--surface", "engine-1"]));
    assert!(text.ends_with("conformance: 0 passed, 1 failed, 1 skipped\n"), "{text}");
    assert!(text.contains("skipped on engine-1: 1 records: Threads are none of its business.\n"), "{text}");
    assert!(text.contains("skipped without a reason"), "{text}");
}

#[test]
fn a_surface_that_cannot_start_fails() {
    let root = repository("query I\nSELECT 1\n----\n1\n");
    let output = run(root.path(), &["--surface", "python", "--python", "no-such-python"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("cannot start no-such-python"), "{text}");
    assert!(text.ends_with("conformance: 0 passed, 1 failed, 0 skipped\n"), "{text}");
}

#[test]
fn update_writes_what_the_engine_answers_and_is_idempotent() {
    let root = repository("query T\nSELECT 1, 'a'\n----\n\nstatement error\nSELECT nope\n");
    assert!(run(root.path(), &["--update"]).status.success());
    let path = root.path().join("sqllogic/select/sample.slt");
    let updated = std::fs::read_to_string(&path).unwrap();
    assert!(
        updated.starts_with("query IT\nSELECT 1, 'a'\n----\n1 a\n\nstatement error\nSELECT nope\n----\n"),
        "{updated}"
    );
    assert!(updated.contains("[VEL-2001]\n"), "{updated}");
    let output = run(root.path(), &["--surface", "engine-1"]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert_eq!(stdout(&run(root.path(), &["--update"])), "");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), updated);
}

#[test]
fn records_that_reach_for_the_machine_are_refused() {
    let root = repository("system ok\necho hello\n\nquery I\nSELECT 1\n----\n1\n");
    let text = stdout(&run(root.path(), &["--surface", "engine-1"]));
    assert!(text.ends_with("conformance: 1 passed, 1 failed, 0 skipped\n"), "{text}");
}

#[test]
fn a_line_above_the_sql_makes_a_stream_and_another_runs_it() {
    let root = repository(
        "statement ok\n--@ stream e\nSELECT * FROM (VALUES (1, 'a', 1), (3, 'a', 2)) AS t(batch, k, v)\n\n\
         query TI\n--@ run\nSELECT k, SUM(v) AS s FROM e GROUP BY k\n----\na 1\na 3\n\n\
         query TI\n--@ last\nSELECT k, SUM(v) AS s FROM e GROUP BY k\n----\na 3\n\n\
         query TT\n--@ progress batches_processed, status: max_batches=2\nSELECT v FROM e\n----\n2 stopped\n\n\
         query TI\n--@ run: checkpoint_path={tmp}/c\nSELECT k, v FROM e\n----\na 1\na 2\n",
    );
    let output = run(root.path(), &["--surface", "engine-1"]);
    assert!(stdout(&output).ends_with("conformance: 5 passed, 0 failed, 0 skipped\n"), "{}", stdout(&output));
}

#[test]
fn a_line_that_is_no_directive_fails() {
    let root = repository("query I\n--@ walk\nSELECT 1\n----\n1\n");
    let text = stdout(&run(root.path(), &["--surface", "engine-1"]));
    assert!(text.contains("not a directive of streams: --@ walk"), "{text}");
    assert!(text.ends_with("conformance: 0 passed, 1 failed, 0 skipped\n"), "{text}");
}

#[test]
fn replay_counts_what_ran_as_a_stream_and_finds_what_differs() {
    let root = repository(
        "query I\nSELECT SUM(id) AS s FROM people\n----\n3\n\nquery IT\nSELECT id, name FROM people ORDER BY id\n----\n1 Ada\n2 Bo\n\n\
         query I\nSELECT 1\n----\n1\n\nquery I\nSELECT COUNT(*) AS n FROM people\n----\n9\n",
    );
    let text = stdout(&run(root.path(), &["--suite", "replay"]));
    assert!(text.contains("replay: 3 statements ran as streams (seed 1)\n"), "{text}");
    assert!(text.contains("replay: 1 statements did not: not a SELECT that reads a table by its name\n"), "{text}");
    assert!(text.ends_with("conformance: 3 passed, 1 failed, 0 skipped\n"), "{text}");
}

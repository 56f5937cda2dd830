//! Reports of runs: what is in them, what never is, and which files they replace.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a report takes at the most.
const BYTES_MAX: usize = 300_000;
const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}\"'&";
const SECRET: &str = "canary-3f9c1a7e5b";

/// A home with one run, whose result has hostile cells.
struct Place {
    folder: TempDir,
    run_id: String,
}

impl Place {
    fn new() -> Self {
        let mut place = Self { folder: tempfile::tempdir().unwrap(), run_id: String::new() };
        fs::write(place.file("s.csv"), format!("name,score\n\"{}\",1\nbob,2\n", HOSTILE.replace('"', "\"\""))).unwrap();
        let query = format!("SELECT name, score, '{SECRET}' AS told FROM input_table -- </script><b>");
        let args = ["run", "start", "--run-name", "<b>rich</b>", "--", "csv-sql", "--csv", "s.csv", "--query", &query];
        let document = place.call(&args);
        document["run_id"].as_str().unwrap_or_else(|| panic!("{document}")).clone_into(&mut place.run_id);
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> PathBuf {
        self.file("home").join("runs").join(&self.run_id)
    }

    fn call(&self, args: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
        command.args(args).env("VELARIA_HOME", self.file("home")).env("DEMO_API_TOKEN", SECRET);
        let output = command.current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let failed = document["ok"] == false || document.get("error").is_some_and(Value::is_string);
        assert_eq!(output.status.code(), Some(i32::from(failed)), "{document}");
        document
    }

    fn report(&self, args: &[&str]) -> Value {
        self.call(&[&["run", "report", "--run-id", &self.run_id], args].concat())
    }

    /// The text of a report that is written now.
    fn text(&self) -> String {
        let document = self.report(&[]);
        let text = fs::read_to_string(document["path"].as_str().unwrap_or_else(|| panic!("{document}"))).unwrap();
        assert_eq!(document["bytes"], text.len());
        assert!(text.len() < BYTES_MAX, "{}", text.len());
        text
    }
}

// Proves RC-TRACK-8.
#[test]
fn a_report_is_one_file_without_anything_from_elsewhere() {
    let place = Place::new();
    let document = place.report(&[]);
    let path = place.dir().join("report.html");
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ok", "run_id", "path", "bytes"]);
    assert_eq!((&document["ok"], &document["run_id"]), (&json!(true), &json!(place.run_id)));
    assert_eq!(fs::canonicalize(document["path"].as_str().unwrap()).unwrap(), fs::canonicalize(&path).unwrap());
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("default-src 'none'"));
    // What a browser could be told to fetch or to run stands in an element, or in the style.
    for element in text.split('<').skip(1).map(|part| part.split('>').next().unwrap_or_default()) {
        let name = element.split_whitespace().next().unwrap_or_default();
        assert!(
            !["script", "img", "link", "iframe", "object", "embed", "form", "base", "a"].contains(&name),
            "{element}"
        );
        for absent in [" src=", " href=", " on", "http:", "https:"] {
            assert!(!element.contains(absent), "{element}");
        }
    }
    let style = &text[text.find("<style>").unwrap()..text.find("</style>").unwrap()];
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[test]
fn what_a_run_holds_is_text_in_its_report() {
    let place = Place::new();
    let text = place.text();
    for shown in [
        "&lt;b&gt;rich&lt;/b&gt;",
        "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;<span class=\"odd\">U+202E</span>&quot;'&amp;",
        "-- &lt;/script&gt;&lt;b&gt;",
        "result.parquet",
        "2 rows.",
        "local-batch",
    ] {
        assert!(text.contains(shown), "{shown}");
    }
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn a_secret_is_not_in_a_report() {
    let place = Place::new();
    fs::write(place.dir().join("stderr.log"), format!("cannot log in with {SECRET}\n")).unwrap();
    let snapshot = json!({"status": "failed", "last_error": SECRET, "batches_processed": 1});
    fs::write(place.dir().join("progress.jsonl"), format!("{snapshot}\n")).unwrap();
    let text = place.text();
    assert!(text.contains("cannot log in with ***"));
    assert!(!text.contains(SECRET));
}

#[test]
fn the_operators_of_a_profile_have_bars() {
    let place = Place::new();
    let operator = |id: u64, parent: Option<u64>, name: &str, rows: u64| {
        json!({"id": id, "parent": parent, "name": name, "detail": HOSTILE, "output_rows": rows, "elapsed_ms": 1.5,
               "spilled_bytes": null, "memory_bytes": 4096})
    };
    let operators = [operator(0, None, "SortExec", 2), operator(1, Some(0), "<Scan>", 40)];
    fs::write(
        place.dir().join("profile.json"),
        json!({"elapsed_ms": 12.0, "rows": 2, "operators": operators}).to_string(),
    )
    .unwrap();
    let text = place.text();
    for shown in [">Sort<", "&lt;Scan&gt;", "<svg class=\"bar s1\"", "4.1 kB", "which was 12 ms"] {
        assert!(text.contains(shown), "{shown}");
    }
}

#[test]
fn the_progress_of_a_stream_has_lines() {
    let place = Place::new();
    let mut lines = String::new();
    for batch in 0..50 {
        let snapshot = json!({"status": "running", "batches_pulled": batch + 1, "batches_processed": batch,
            "input_rows": batch * 100, "output_rows": batch * 50, "state_rows": batch, "checkpoint_ms": 1.25});
        writeln!(lines, "{snapshot}").unwrap();
    }
    fs::write(place.dir().join("progress.jsonl"), lines + "{\"cut").unwrap();
    let text = place.text();
    for shown in ["Throughput, rows per micro-batch", "Lag", "State, rows", "Checkpoint, time of a commit"] {
        assert!(text.contains(shown), "{shown}");
    }
}

/// Every file of the run at a size that nobody has thought of, out of letters that take the most room.
#[test]
fn a_report_of_a_huge_run_has_the_size_of_a_report() {
    let place = Place::new();
    let huge = format!("{HOSTILE}{}\n", "<\u{202e}".repeat(40)).repeat(5_000);
    let part = |bytes: usize| &huge[..huge.floor_char_boundary(bytes)];
    let dir = place.dir();
    let mut record: Value = serde_json::from_slice(&fs::read(dir.join("run.json")).unwrap()).unwrap();
    for key in ["error", "run_name", "description", "velaria_version"] {
        record[key] = json!(huge);
    }
    record["tags"] = json!(vec![&huge; 30]);
    for number in 0..100 {
        record["cli_args"][format!("{number}{}", part(200))] = json!(part(5_000));
    }
    record["cli_args"]["query"] = json!(huge);
    fs::write(dir.join("run.json"), record.to_string()).unwrap();
    let explain =
        json!({"logical": part(500_000), "physical": part(500_000), "strategy": part(500_000), "more": part(500_000)});
    fs::write(dir.join("explain.json"), explain.to_string()).unwrap();
    let operators: Vec<Value> = (0..900)
        .map(|id| {
            json!({"id": id, "parent": id - 1, "name": part(2_000), "detail": part(2_000), "output_rows": id,
                         "elapsed_ms": 1e9, "spilled_bytes": 7, "memory_bytes": 9})
        })
        .collect();
    fs::write(dir.join("profile.json"), json!({"operators": operators}).to_string()).unwrap();
    let mut lines = String::new();
    for batch in 0..5_000 {
        let wild = f64::from(batch * 7_919 % 1_000) * 1e9;
        let mut snapshot = json!({"batches_processed": batch, "last_error": part(9_000), "last_warning": part(9_000)});
        for key in [
            "batches_pulled",
            "input_rows",
            "output_rows",
            "state_rows",
            "state_bytes",
            "late_rows",
            "bad_rows",
            "checkpoint_ms",
            "checkpoint_bytes",
            "last_batch_latency_ms",
            "last_sink_latency_ms",
            "last_state_latency_ms",
            "max_backlog_batches",
        ] {
            snapshot[key] = json!(wild);
        }
        writeln!(lines, "{snapshot}").unwrap();
    }
    fs::write(dir.join("progress.jsonl"), lines).unwrap();
    for log in ["stdout.log", "stderr.log"] {
        fs::write(dir.join(log), &huge).unwrap();
    }
    let query =
        "SELECT v, repeat('<', 900) || v AS a, repeat('&', 900) AS b, repeat('\"', 900) AS c FROM range(60) AS t(v)";
    for _ in 0..2 {
        place.call(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", query]);
    }
    assert!(place.text().contains("more operators are not shown"));
}

#[test]
fn a_report_replaces_reports_and_nothing_else() {
    let place = Place::new();
    let path = place.file("out.html");
    let name = path.to_str().unwrap();
    assert_eq!(
        place.report(&["-o", "out.html"])["path"],
        fs::canonicalize(place.folder.path()).unwrap().join("out.html").to_str().unwrap()
    );
    assert_eq!(place.report(&["-o", name])["ok"], true);
    fs::write(&path, "mine").unwrap();
    let refused = place.report(&["-o", name]);
    assert_eq!((&refused["error_type"], &refused["code"]), (&json!("value_error"), &json!("VEL-7001")));
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(place.report(&["-o", name, "--force"])["ok"], true);
    assert!(fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
    for (path, code) in [("-", "VEL-7001"), (".", "VEL-6002"), ("no/such/folder/r.html", "VEL-6003")] {
        assert_eq!(place.report(&["-o", path])["code"], code, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn a_report_in_the_home_is_for_its_user_alone_and_does_not_go_through_a_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    let other = place.file("other");
    fs::write(&other, "other").unwrap();
    symlink(&other, place.dir().join("report.html")).unwrap();
    place.text();
    assert_eq!(fs::read_to_string(&other).unwrap(), "other");
    let meta = fs::symlink_metadata(place.dir().join("report.html")).unwrap();
    assert_eq!((meta.is_file(), meta.permissions().mode() & 0o777), (true, 0o600));
    // A link where another file would be lost is refused.
    symlink(&other, place.file("link.html")).unwrap();
    assert_eq!(place.report(&["-o", "link.html"])["ok"], false);
}

#[test]
fn a_run_that_is_not_there_has_no_report() {
    let place = Place::new();
    for id in ["20200101T000000Z_00000000", "../../etc", "", "."] {
        let document = place.call(&["run", "report", "--run-id", id]);
        assert_eq!((&document["error_type"], &document["code"]), (&json!("value_error"), &json!("VEL-6201")), "{id}");
    }
}

#[test]
fn what_is_damaged_or_gone_does_not_spoil_a_report() {
    let place = Place::new();
    let dir = place.dir();
    for name in ["explain.json", "inputs.json", "profile.json"] {
        fs::write(dir.join(name), "{\"operators\": [7, {}]").unwrap();
    }
    fs::remove_file(dir.join("progress.jsonl")).unwrap();
    fs::remove_file(dir.join("stderr.log")).unwrap();
    remove_files(&dir.join("artifacts"));
    let text = place.text();
    assert!(text.contains("result.parquet") && !text.contains("Operators"));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_neither_followed_nor_waited_for() {
    let place = Place::new();
    let dir = place.dir();
    let secret = place.file("elsewhere");
    fs::write(&secret, "{\"logical\": \"elsewhere\"}").unwrap();
    for name in ["explain.json", "stderr.log", "stdout.log", "progress.jsonl", "profile.json"] {
        let _ = fs::remove_file(dir.join(name));
    }
    std::os::unix::fs::symlink(&secret, dir.join("explain.json")).unwrap();
    std::os::unix::fs::symlink(&secret, dir.join("stderr.log")).unwrap();
    fs::create_dir(dir.join("stdout.log")).unwrap();
    for name in ["progress.jsonl", "profile.json"] {
        assert!(Command::new("mkfifo").arg(dir.join(name)).status().unwrap().success());
    }
    assert!(!place.text().contains("elsewhere"));
}

fn remove_files(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

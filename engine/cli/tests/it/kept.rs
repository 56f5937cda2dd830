//! What can be done with runs that are kept: repeated, compared, followed, opened, exported, and indexed anew.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{ENDLESS, document, wait_for};

const TOTALS: &str = "SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name";

/// A home, and a folder that commands work in.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.work()).unwrap();
        fs::write(place.work().join("s.csv"), "name,score\nalice,10\nbob,22.5\nalice,0.1\nüß,1\n").unwrap();
        place
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
        command.args(args).env("VELARIA_HOME", self.home()).current_dir(self.work()).stdin(Stdio::null());
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn call(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        let document = document(&output);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {document}");
        document
    }

    /// The document of a call that does not work.
    fn refusal(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        let document = document(&output);
        assert_eq!((output.status.code(), &document["ok"]), (Some(1), &json!(false)), "{args:?}: {document}");
        document
    }

    /// The id of a new run of `csv-sql`, whose arguments beside `--csv` are `args`.
    fn run(&self, args: &[&str]) -> String {
        let document = self.call(&[&["run", "start", "--", "csv-sql", "--csv", "s.csv"][..], args].concat());
        text(&document["run_id"])
    }

    fn rerun(&self, id: &str) -> String {
        text(&self.call(&["run", "rerun", "--run-id", id])["run_id"])
    }

    fn dir(&self, id: &str) -> PathBuf {
        self.home().join("runs").join(id)
    }

    fn artifact(&self, run_id: &str) -> String {
        text(&self.call(&["artifacts", "list", "--run-id", run_id])["artifacts"][0]["artifact_id"])
    }

    /// A run that goes on until it is ended, and the command that waits for it.
    fn endless(&self) -> (Child, String) {
        let args = ["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", ENDLESS];
        let command = self.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let id = wait_for(|| {
            let run = fs::read_dir(self.home().join("runs")).ok()?.next()?.ok()?;
            let owner: Value = serde_json::from_slice(&fs::read(run.path().join("_owner.json")).ok()?).ok()?;
            let adopted = owner["pid"].as_u64()? != u64::from(command.id());
            adopted.then(|| run.file_name().to_string_lossy().into_owned())
        });
        (command, id)
    }

    /// Lets the directory of the run `run_id`, and the index after it, say that the file of `artifact` is at `uri`.
    fn tamper(&self, run_id: &str, artifact: &str, uri: &str) {
        let kept = self.dir(run_id).join("_artifacts.jsonl");
        let lines = fs::read_to_string(&kept).unwrap();
        let mut record: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(record["artifact_id"], artifact);
        record["uri"] = json!(uri);
        record["preview_json"] = Value::Null;
        fs::write(&kept, format!("{lines}{record}\n")).unwrap();
        self.call(&["index", "rebuild"]);
        assert_eq!(self.call(&["artifacts", "list", "--run-id", run_id])["artifacts"][0]["uri"], uri);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

#[test]
fn a_repeated_run_makes_the_same_bytes_from_anywhere() {
    let place = Place::new();
    for result in [&[] as &[&str], &["--output-name", "r.csv"], &["--output-name", "r.arrow"]] {
        let first = place.run(&[&["--query", TOTALS, "--threads", "2"][..], result].concat());
        let elsewhere = place.command(&["run", "rerun", "--run-id", &first]).current_dir("/").output().unwrap();
        let again = document(&elsewhere);
        assert_eq!((elsewhere.status.code(), &again["status"]), (Some(0), &json!("succeeded")), "{again}");
        let second = text(&again["run_id"]);
        assert_ne!(second, first);
        let bytes = |id: &str| {
            let mut files = fs::read_dir(place.dir(id).join("artifacts")).unwrap().map(Result::unwrap);
            let file = files.next().unwrap();
            (file.file_name(), fs::read(file.path()).unwrap())
        };
        assert_eq!(bytes(&second), bytes(&first));
        let shown = place.call(&["run", "show", "--run-id", &second]);
        assert_eq!(shown["run"]["details"]["rerun_of"], first.as_str());
        assert_eq!(place.call(&["run", "list", "--query", &second])["runs"][0]["details"]["rerun_of"], first.as_str());
        let inputs = |id: &str| fs::read_to_string(place.dir(id).join("inputs.json")).unwrap();
        assert_eq!(inputs(&second), inputs(&first));
    }
}

#[test]
fn a_home_that_is_relative_is_the_same_for_a_repeated_run() {
    let place = Place::new();
    let first = place.run(&["--query", TOTALS]);
    let output = place.command(&["run", "rerun", "--run-id", &first]);
    let again = { output }.env("VELARIA_HOME", "home").current_dir(place.folder.path()).output().unwrap();
    assert_eq!(document(&again)["status"], "succeeded");
    assert_eq!(place.call(&["run", "list"])["runs"].as_array().unwrap().len(), 2);
    assert!(is_gone(&place.work().join("home")));
}

#[test]
fn what_people_say_about_a_run_is_said_of_the_next_one() {
    let place = Place::new();
    let started = place.call(&[
        "run",
        "start",
        "--run-name",
        "n",
        "--description",
        "d",
        "--tag",
        "a,b",
        "--timeout-ms",
        "60000",
        "--",
        "csv-sql",
        "--csv",
        "s.csv",
        "--query",
        TOTALS,
        "--output-path",
        "out.csv",
    ]);
    fs::write(place.work().join("out.csv"), "edited").unwrap();
    let id = text(&started["run_id"]);
    let again = place.call(&["run", "rerun", "--run-id", &id, "--run-name", "m"]);
    let run = &place.call(&["run", "show", "--run-id", &text(&again["run_id"])])["run"];
    assert_eq!((&run["run_name"], &run["description"], &run["tags"]), (&json!("m"), &json!("d"), &json!(["a", "b"])));
    // The result that a run was told to put somewhere is not replaced by a later one.
    assert_eq!(fs::read_to_string(place.work().join("out.csv")).unwrap(), "edited");
    assert!(text(&again["artifacts"][0]["uri"]).ends_with("/artifacts/out.csv"));
    assert_eq!(again["artifacts"][0]["format"], "csv");
    // And once more: a repeated run is a run.
    assert_eq!(place.call(&["run", "rerun", "--run-id", &text(&again["run_id"])])["status"], "succeeded");
}

#[test]
fn other_actions_are_repeated_too() {
    let place = Place::new();
    fs::write(place.work().join("v.csv"), "id,v\n1,\"[1,0]\"\n2,\"[0,1]\"\n").unwrap();
    fs::create_dir(place.work().join("in")).unwrap();
    fs::write(place.work().join("in/a.csv"), "key,value\nu1,1\nu2,4\n").unwrap();
    let search = ["vector-search", "--csv", "v.csv", "--vector-column", "v", "--query-vector=-1 0"];
    let stream = [
        "stream-sql-once",
        "--source-csv-dir",
        "in",
        "--sink-schema",
        "key STRING, value INT",
        "--sink-path",
        "sink.csv",
        "--query",
        "INSERT INTO output_sink SELECT key, value FROM input_stream",
    ];
    let file = ["file-sql", "--input-path", "s.csv", "--query", TOTALS, "--input-type", "csv"];
    for action in [&search[..], &stream, &file] {
        let first = place.call(&[&["run", "start", "--"][..], action].concat());
        let again = place.call(&["run", "rerun", "--run-id", &text(&first["run_id"])]);
        assert_eq!(again["result"]["rows"], first["result"]["rows"], "{action:?}");
        let run = &place.call(&["run", "show", "--run-id", &text(&again["run_id"])])["run"];
        assert_eq!(run["details"]["rerun_of"], first["run_id"], "{run}");
        assert_eq!(run["details"].get("explain_artifact_id").is_some(), action[0] == "vector-search");
    }
}

#[test]
fn what_cannot_be_repeated_is_refused_before_there_is_a_run() {
    let place = Place::new();
    let secret = [
        "run",
        "start",
        "--",
        "csv-sql",
        "--csv",
        "s.csv",
        "--query",
        "SELECT 'hidden-value' AS x",
        "--param",
        "api_key=v",
    ];
    let started = place.command(&secret).env("DB_PASSWORD", "hidden-value").output().unwrap();
    let id = text(&document(&started)["run_id"]);
    let refused = place.refusal(&["run", "rerun", "--run-id", &id]);
    assert_eq!(refused["error"], "the run cannot be repeated, secrets of it were not kept: query, params");
    assert_eq!((&refused["error_type"], &refused["run_id"]), (&json!("value_error"), &json!(id)));
    let id = place.run(&["--query", TOTALS]);
    let runs = fs::read_dir(place.home().join("runs")).unwrap().count();
    fs::rename(place.work().join("s.csv"), place.work().join("t.csv")).unwrap();
    let refused = place.refusal(&["run", "rerun", "--run-id", &id]);
    assert_eq!(refused["error_type"], "file_not_found");
    assert!(text(&refused["error"]).starts_with("the input of the run is missing: "), "{refused}");
    fs::rename(place.work().join("t.csv"), place.work().join("s.csv")).unwrap();
    let inputs = place.dir(&id).join("inputs.json");
    let whole = fs::read_to_string(&inputs).unwrap();
    for (change, error) in [
        (whole.replace("\"csv-sql\"", "\"teleport\""), "unsupported run action: teleport"),
        (whole.replace("\"table\"", "\"speed\""), "the inputs of the run are not understood"),
        ("{".to_owned(), "is damaged"),
        (whole.replace(&*place.work().to_string_lossy(), "/nowhere"), "the directory of the run is missing: /nowhere"),
    ] {
        fs::write(&inputs, change).unwrap();
        let refused = place.refusal(&["run", "rerun", "--run-id", &id]);
        assert!(text(&refused["error"]).contains(error), "{refused}");
    }
    fs::remove_file(&inputs).unwrap();
    let refused = place.refusal(&["run", "rerun", "--run-id", &id]);
    assert_eq!(refused["error"], format!("the inputs of the run were not kept: {id}"));
    assert_eq!(fs::read_dir(place.home().join("runs")).unwrap().count(), runs);
}

#[test]
fn what_only_looks_like_a_secret_is_repeated() {
    let place = Place::new();
    let id = place.run(&["--query", "SELECT '***' AS stars"]);
    let inputs: Value = serde_json::from_slice(&fs::read(place.dir(&id).join("inputs.json")).unwrap()).unwrap();
    assert_eq!(inputs["redacted"], json!([]));
    let again = place.call(&["run", "rerun", "--run-id", &id]);
    assert_eq!((&again["ok"], &again["result"]["rows"][0]["stars"]), (&json!(true), &json!("***")), "{again}");
    // What was written before it was said which ones are missing.
    fs::write(place.dir(&id).join("inputs.json"), {
        let mut old = inputs;
        old.as_object_mut().unwrap().remove("redacted");
        old.to_string()
    })
    .unwrap();
    let refused = place.refusal(&["run", "rerun", "--run-id", &id]);
    assert_eq!(refused["error"], "the run cannot be repeated, secrets of it were not kept: query");
    let secret = ["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", "SELECT '***hidden-value'"];
    let started = place.command(&secret).env("DB_PASSWORD", "hidden-value").output().unwrap();
    let started = document(&started);
    let inputs = fs::read(place.dir(&text(&started["run_id"])).join("inputs.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&inputs).unwrap()["redacted"], json!(["query"]));
}

#[test]
fn two_runs_are_compared_as_the_contract_says() {
    let place = Place::new();
    let left = place.run(&["--query", TOTALS]);
    let same = place.rerun(&left);
    let equal = &place.call(&["run", "diff", "--run-id", &left, "--other-run-id", &same]);
    let comparison = &equal["result_diff"]["comparison"];
    assert_eq!(keys(equal), ["ok", "left_run", "right_run", "metadata_diff", "result_diff"]);
    assert_eq!(keys(&equal["result_diff"]), ["left_artifact", "right_artifact", "comparison"]);
    assert_eq!(keys(comparison), ["format", "row_count", "schema", "preview", "bytes_equal", "rows"]);
    assert_eq!((&comparison["format"], &comparison["bytes_equal"]), (&Value::Null, &json!(true)));
    assert_eq!(comparison["row_count"], json!({"left": 3, "right": 3, "delta": 0}));
    assert_eq!(
        comparison["rows"],
        json!({"added": 0, "removed": 0, "unchanged": 3, "added_rows": [], "removed_rows": []})
    );
    // They may have taken a different time.
    let fields = keys(&equal["metadata_diff"]);
    assert!(fields.is_empty() || fields == ["duration_ms"], "{fields:?}");

    fs::write(place.work().join("s.csv"), "name,score\nalice,10.1\ncarol,3\n").unwrap();
    let right = place.rerun(&left);
    let changed = place.call(&["run", "diff", "--run-id", &left, "--other-run-id", &right, "--limit", "1"]);
    let comparison = &changed["result_diff"]["comparison"];
    assert_eq!(comparison["row_count"], json!({"left": 3, "right": 2, "delta": -1}));
    assert_eq!(comparison["bytes_equal"], false);
    let rows = &comparison["rows"];
    assert_eq!((&rows["added"], &rows["removed"], &rows["unchanged"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(rows["added_rows"], json!([{"name": "carol", "total": 3.0}]));
    assert_eq!(rows["removed_rows"].as_array().unwrap().len(), 1);
    assert_eq!(comparison["preview"]["left"]["rows"].as_array().unwrap().len(), 1);

    let other = place.run(&["--query", "SELECT 1 AS one", "--output-name", "r.csv"]);
    let different = place.call(&["run", "diff", "--run-id", &left, "--other-run-id", &other]);
    let comparison = &different["result_diff"]["comparison"];
    assert_eq!(comparison["format"], json!({"left": "parquet", "right": "csv"}));
    assert_eq!(comparison["schema"], json!({"left": ["name", "total"], "right": ["one"], "equal": false}));
    assert_eq!(comparison["rows"], Value::Null);

    // Results that are gone are compared by what is known of them.
    fs::remove_dir_all(place.dir(&same).join("artifacts")).unwrap();
    let gone = place.call(&["run", "diff", "--run-id", &left, "--other-run-id", &same]);
    let comparison = &gone["result_diff"]["comparison"];
    assert_eq!((&comparison["bytes_equal"], &comparison["rows"]), (&Value::Null, &Value::Null));
    assert_eq!(comparison["preview"]["left"], comparison["preview"]["right"]);
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_run_without_a_result_cannot_be_compared() {
    let place = Place::new();
    let left = place.run(&["--query", TOTALS]);
    let failed = place.refusal(&[
        "run",
        "start",
        "--",
        "csv-sql",
        "--csv",
        "s.csv",
        "--query",
        "SELECT nosuch FROM input_table",
    ]);
    assert_eq!(failed["phase"], "sql_execute");
    let refused = place.refusal(&["run", "diff", "--run-id", &left, "--other-run-id", &text(&failed["run_id"])]);
    assert_eq!(refused["error"], format!("result artifact not found for run: {}", text(&failed["run_id"])));
    assert_eq!(refused["phase"], "run_result");
}

#[test]
fn a_run_that_has_ended_is_watched_to_its_end() {
    let place = Place::new();
    let id = place.run(&["--query", TOTALS]);
    let mut watched = place.call(&["run", "watch", "--run-id", &id]);
    assert_eq!(watched, place.call(&["run", "status", "--run-id", &id]));
    fs::write(place.dir(&id).join("progress.jsonl"), "{\"n\":1}\n{\"n\":2.50}\n{\"cut").unwrap();
    let output = place.output(&["run", "watch", "--run-id", &id, "--jsonl"]);
    let lines: Vec<&str> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    assert_eq!(lines[..2], ["{\"n\":1}", "{\"n\":2.50}"]);
    let last: Value = serde_json::from_str(lines[2]).unwrap();
    watched["latest_progress"] = json!({"n": 2.5});
    assert_eq!((last, lines.len()), (watched, 3));
    assert_eq!(place.output(&["run", "watch", "--run-id", &id, "--exit-status"]).status.code(), Some(0));
    let failed = place.refusal(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", "SELECT nosuch"]);
    let id = text(&failed["run_id"]);
    assert_eq!(place.call(&["run", "watch", "--run-id", &id])["status"], "failed");
    assert_eq!(place.output(&["run", "watch", "--run-id", &id, "--exit-status"]).status.code(), Some(1));
}

#[test]
fn a_run_is_watched_while_it_goes_on() {
    let place = Place::new();
    let (mut command, id) = place.endless();
    let mut watch =
        place.command(&["run", "watch", "--run-id", &id, "--jsonl"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let progress = place.dir(&id).join("progress.jsonl");
    for number in 0..3 {
        let line = json!({ "n": number }).to_string();
        let mut file = fs::OpenOptions::new().append(true).open(&progress).unwrap();
        std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
        // It comes although the run goes on. A run may have progress of its own.
        assert!(lines.any(|next| next == line));
    }
    command.kill().unwrap();
    command.wait().unwrap();
    let last: Value = serde_json::from_str(&lines.last().unwrap()).unwrap();
    assert_eq!((&last["ok"], &last["run_id"]), (&json!(true), &json!(id)));
    assert!(["cancelled", "aborted"].contains(&last["status"].as_str().unwrap()), "{last}");
    assert!(watch.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_watched_run_that_is_killed_ends_the_watch() {
    let place = Place::new();
    let (mut command, id) = place.endless();
    let watch = place.command(&["run", "watch", "--run-id", &id]).stdout(Stdio::piped()).spawn().unwrap();
    let owner: Value = serde_json::from_slice(&fs::read(place.dir(&id).join("_owner.json")).unwrap()).unwrap();
    command.kill().unwrap();
    assert!(Command::new("kill").args(["-9", &owner["pid"].to_string()]).status().is_ok());
    command.wait().unwrap();
    let ended: Value = serde_json::from_slice(&watch.wait_with_output().unwrap().stdout).unwrap();
    assert!(["cancelled", "aborted"].contains(&ended["status"].as_str().unwrap()), "{ended}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_watch_that_is_interrupted_leaves_the_run_alone() {
    let place = Place::new();
    let (mut command, id) = place.endless();
    let watch = place.command(&["run", "watch", "--run-id", &id]).stdout(Stdio::piped()).spawn().unwrap();
    wait_for(|| {
        let status = fs::read_to_string(format!("/proc/{}/status", watch.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:").map(str::to_owned))?;
        (u64::from_str_radix(mask.trim(), 16).unwrap() & 2 == 2).then_some(())
    });
    assert!(Command::new("kill").args(["-INT", &watch.id().to_string()]).status().unwrap().success());
    let output = watch.wait_with_output().unwrap();
    let refused: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &refused["code"]), (Some(130), &json!("VEL-8002")));
    assert_eq!(place.call(&["run", "status", "--run-id", &id])["status"], "running");
    command.kill().unwrap();
    command.wait().unwrap();
}

/// A program in the place of the one that opens files; it writes down what it was told.
fn opener(place: &Place, code: i32) -> (PathBuf, PathBuf) {
    let (dir, told) = (place.folder.path().join("bin"), place.folder.path().join("told"));
    fs::create_dir_all(&dir).unwrap();
    let program = dir.join(if cfg!(target_os = "macos") { "open" } else { "xdg-open" });
    fs::write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" > '{}'\nexit {code}\n", told.display()))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (dir, told)
}

#[test]
fn an_artifact_and_a_report_are_opened_by_the_program_of_the_system() {
    let place = Place::new();
    let id = place.run(&["--query", TOTALS, "--output-name", "a 'b' $(touch x);.csv"]);
    let artifact = place.artifact(&id);
    let (bin, told) = opener(&place, 0);
    let open = |args: &[&str], path: &Path| document(&place.command(args).env("PATH", path).output().unwrap());
    let opened = open(&["artifacts", "open", "--artifact-id", &artifact], &bin);
    let path = text(&opened["path"]);
    assert_eq!(opened, json!({"ok": true, "artifact_id": artifact, "path": path, "opened": true}));
    assert_eq!(fs::read_to_string(&told).unwrap(), format!("1\n{path}\n"));
    let opened = open(&["run", "open", "--run-id", &id], &bin);
    let report = text(&opened["path"]);
    assert_eq!(opened, json!({"ok": true, "run_id": id, "path": report, "opened": true}));
    assert_eq!(fs::read_to_string(&told).unwrap(), format!("1\n{report}\n"));
    assert!(fs::read_to_string(&report).unwrap().contains(&id));

    fs::remove_file(&told).unwrap();
    for args in [
        &["artifacts", "open", "--print", "--artifact-id", &artifact][..],
        &["run", "open", "--print", "--run-id", &id],
    ] {
        assert_eq!(open(args, &bin)["opened"], false);
        assert!(is_gone(&told));
    }
    let (bin, _) = opener(&place, 3);
    for path in [bin.as_path(), Path::new("/nowhere")] {
        let refused = open(&["artifacts", "open", "--artifact-id", &artifact], path);
        assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!("VEL-6003")), "{refused}");
    }
}

#[test]
fn what_a_desktop_would_run_is_not_opened() {
    let place = Place::new();
    let id = place.run(&["--query", TOTALS]);
    let artifact = place.artifact(&id);
    let (bin, told) = opener(&place, 0);
    let dir = place.dir(&id).join("artifacts");
    for name in ["x.desktop", "x.sh", "x"] {
        fs::write(dir.join(name), "").unwrap();
        place.tamper(&id, &artifact, &format!("file://{}", dir.join(name).display()));
        let output =
            place.command(&["artifacts", "open", "--artifact-id", &artifact]).env("PATH", &bin).output().unwrap();
        assert_eq!(document(&output)["code"], "VEL-6004", "{name}");
        assert!(is_gone(&told));
    }
}

#[test]
fn an_artifact_is_exported_to_every_format_and_reads_back() {
    let place = Place::new();
    let query = "SELECT 1 AS id, 'a,\"b\" ü' AS t, 0.1 AS f, DATE '2026-03-29' AS d, true AS b \
                 UNION ALL SELECT 2, NULL, 1e300, NULL, false ORDER BY id";
    for source in ["r.parquet", "r.arrow", "r.csv"] {
        let id = place.run(&["--query", query, "--output-name", source]);
        let artifact = place.artifact(&id);
        for name in ["e.csv", "e.tsv", "e.parquet", "e.arrow", "e.feather", "e.ndjson", "e.json", "e.xlsx"] {
            let exported = place.call(&["artifacts", "export", "--artifact-id", &artifact, "-o", name, "--force"]);
            let path = place.work().join(name);
            assert_eq!(exported["path"], path.canonicalize().unwrap().to_str().unwrap());
            assert_eq!(exported["bytes"], fs::metadata(&path).unwrap().len());
            assert_eq!((&exported["ok"], &exported["row_count"]), (&json!(true), &json!(2)), "{source} {name}");
            let rows = place.call(&[
                "file-sql",
                "--input-path",
                name,
                "--query",
                "SELECT id, f, t FROM input_table ORDER BY id",
            ]);
            let expected = json!([{"id": 1, "f": 0.1, "t": "a,\"b\" ü"}, {"id": 2, "f": 1e300, "t": null}]);
            let numbers = |row: &Value| row["id"].as_f64().unwrap();
            let read = rows["rows"].as_array().unwrap();
            assert_eq!(read.iter().map(numbers).collect::<Vec<_>>(), [1.0, 2.0], "{source} {name}");
            for (read, expected) in read.iter().zip(expected.as_array().unwrap()) {
                assert_eq!((&read["f"], &read["t"]), (&expected["f"], &expected["t"]), "{source} {name}");
            }
        }
    }
}

#[test]
fn an_export_replaces_nothing_unless_it_is_told_to() {
    let place = Place::new();
    let id = place.run(&["--query", TOTALS, "--output-name", "r.csv"]);
    let artifact = place.artifact(&id);
    let own = place.dir(&id).join("artifacts/r.csv");
    let original = fs::read(&own).unwrap();
    let export = |args: &[&str]| {
        [&["artifacts", "export", "--artifact-id", &artifact][..], args]
            .concat()
            .iter()
            .map(|arg| (*arg).to_owned())
            .collect::<Vec<_>>()
    };
    let refusal = |args: &[&str]| place.refusal(&export(args).iter().map(String::as_str).collect::<Vec<_>>());
    let call = |args: &[&str]| place.call(&export(args).iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(call(&["-o", "e.csv"])["bytes"], original.len());
    assert_eq!(fs::read(place.work().join("e.csv")).unwrap(), original);
    fs::write(place.work().join("e.csv"), "mine").unwrap();
    symlink("e.csv", place.work().join("link.csv")).unwrap();
    symlink("nowhere", place.work().join("dangling.csv")).unwrap();
    for name in ["e.csv", "link.csv", "dangling.csv"] {
        for format in ["csv", "tsv", "arrow", "json"] {
            let refused = refusal(&["-o", name, "--format", format]);
            assert!(text(&refused["error"]).starts_with("file already exists: "), "{refused}");
            assert_eq!(refused["hint"], "--force replaces it");
        }
    }
    assert_eq!(fs::read_to_string(place.work().join("e.csv")).unwrap(), "mine");
    assert!(is_gone(&place.work().join("nowhere")));
    let own = own.to_str().unwrap();
    for (args, error) in [
        (&["-o", "-"][..], "not to standard output"),
        (&["-o", "e.xml"], "unsupported output format for path: e.xml"),
        (&["-o", "none/e.csv"], "cannot write file"),
        (&["-o", "none/e.json"], "cannot write file"),
        (&["-o", ".", "--format", "csv", "--force"], "not a regular file"),
        (&["-o", own, "--format", "json", "--force"], "the artifact is this file"),
        (&["-o", "e.txt"], "rows are not written as text"),
    ] {
        let refused = refusal(args);
        assert!(text(&refused["error"]).contains(error), "{refused}");
    }
    assert_eq!(fs::read(own).unwrap(), original);
    assert_eq!(call(&["-o", "e.csv", "--force"])["format"], "csv");
    assert_eq!(fs::read(place.work().join("e.csv")).unwrap(), original);
    // Nothing half is left behind.
    let mut names: Vec<String> =
        fs::read_dir(place.work()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["dangling.csv", "e.csv", "link.csv", "s.csv"]);
}

#[test]
fn text_is_exported_as_it_is_and_has_no_rows() {
    let place = Place::new();
    fs::write(place.work().join("v.csv"), "id,v\n1,\"[1,0]\"\n").unwrap();
    let search = ["vector-search", "--csv", "v.csv", "--vector-column", "v", "--query-vector", "1 0"];
    let started = place.call(&[&["run", "start", "--"][..], &search[..]].concat());
    let explain = text(&started["artifacts"][1]["artifact_id"]);
    let exported = place.call(&["artifacts", "export", "--artifact-id", &explain, "-o", "e.txt"]);
    assert_eq!((&exported["format"], &exported["row_count"]), (&json!("text"), &Value::Null));
    assert_eq!(fs::read_to_string(place.work().join("e.txt")).unwrap(), text(&started["result"]["explain"]));
    let refused = place.refusal(&["artifacts", "export", "--artifact-id", &explain, "-o", "e.csv"]);
    assert_eq!(refused["error"], "an artifact of this format has no rows: text");
}

#[test]
fn an_index_that_was_lost_is_made_anew() {
    let place = Place::new();
    let ids: Vec<String> = (0..3).map(|_| place.run(&["--query", TOTALS])).collect();
    let lists = || (place.call(&["run", "list"]), place.call(&["artifacts", "list"]));
    let before = lists();
    fs::remove_dir_all(place.home().join("index")).unwrap();
    assert_eq!(place.call(&["run", "list"])["runs"], json!([]));
    let rebuilt = place.call(&["index", "rebuild"]);
    let path = place.home().canonicalize().unwrap().join("index/artifacts.sqlite");
    assert_eq!(
        rebuilt,
        json!({"ok": true, "runs": 3, "artifacts": 3, "skipped": [], "set_aside": null, "path": path.to_str().unwrap()})
    );
    assert_eq!(lists(), before);
    // What was written last may still stand beside the file.
    for entry in fs::read_dir(place.home().join("index")).unwrap().map(Result::unwrap) {
        fs::remove_file(entry.path()).unwrap();
    }
    fs::write(&path, "x".repeat(5000)).unwrap();
    fs::write(place.dir(&ids[0]).join("run.json"), "{").unwrap();
    let rebuilt = place.call(&["index", "rebuild"]);
    assert_eq!((&rebuilt["runs"], &rebuilt["skipped"]), (&json!(2), &json!([ids[0]])));
    assert!(Path::new(&text(&rebuilt["set_aside"])).is_file());
}

/// What lies outside of the home, and must stay there.
const CANARY: &str = "canary-7f3a";

// Proves RC-TRACK-7.
#[test]
fn a_run_of_another_machine_is_given_up_by_force() {
    let place = Place::new();
    let id = place.run(&["--query", TOTALS]);
    let edit = |name: &str, key: &str, value: Value| {
        let path = place.dir(&id).join(name);
        let mut object: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        object[key] = value;
        fs::write(path, object.to_string()).unwrap();
    };
    edit("run.json", "status", json!("running"));
    edit("_owner.json", "host", json!("elsewhere"));
    let cancel = ["run", "cancel", "--grace-ms", "0", "--run-id", &id];
    let refusal = place.refusal(&cancel);
    assert_eq!(refusal["code"], "VEL-6203");
    assert!(text(&refusal["hint"]).contains("run cancel --force"), "{refusal}");
    let cancelled = place.call(&[&cancel[..], &["--force"]].concat());
    assert_eq!((&cancelled["status"], cancelled["reason"].is_string()), (&json!("aborted"), true), "{cancelled}");
    assert_eq!(place.call(&["run", "cleanup", "--keep-last", "0"])["deleted_run_ids"], json!([id]));
}

#[test]
fn a_damaged_index_is_no_end_of_runs() {
    let place = Place::new();
    let first = place.run(&["--query", TOTALS]);
    let path = place.home().join("index/artifacts.sqlite");
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(path.with_file_name(format!("artifacts.sqlite{end}")));
    }
    fs::write(&path, "no index ".repeat(1000)).unwrap();
    let output = place.output(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", TOTALS]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &told["status"]), (Some(0), &json!("succeeded")), "{told}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("index rebuild"), "{output:?}");
    let failed = place.output(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", "SELECT nothing"]);
    assert_eq!(serde_json::from_slice::<Value>(&failed.stdout).unwrap()["status"], "failed");
    for args in [&["run", "list"][..], &["artifacts", "list"], &["run", "cleanup", "--keep-last", "0"]] {
        let refusal = place.refusal(args);
        assert_eq!(refusal["code"], "VEL-5008", "{refusal}");
        assert!(text(&refusal["hint"]).contains("velaria-cli index rebuild"), "{refusal}");
    }
    assert!(!place.home().join("index/artifacts.jsonl").exists());
    assert_eq!(place.call(&["index", "rebuild"])["runs"], 3);
    let ids: Vec<Value> =
        place.call(&["run", "list"])["runs"].as_array().unwrap().iter().map(|run| run["run_id"].clone()).collect();
    assert!(ids.len() == 3 && ids.contains(&json!(first)) && ids.contains(&told["run_id"]), "{ids:?}");
    assert_eq!(place.call(&["run", "result", "--run-id", &text(&told["run_id"])])["ok"], true);
}

#[test]
fn no_command_leads_out_of_the_home() {
    let place = Place::new();
    let id = place.run(&["--query", TOTALS]);
    let artifact = place.artifact(&id);
    let outside = place.folder.path().join("outside");
    fs::create_dir_all(outside.join("artifacts")).unwrap();
    fs::write(outside.join("secret.csv"), format!("a\n{CANARY}\n")).unwrap();
    let record = json!({"run_id": id, "status": "succeeded", "action": "csv-sql", "error": CANARY, "details": {}});
    fs::write(outside.join("run.json"), record.to_string()).unwrap();
    fs::write(outside.join("inputs.json"), fs::read(place.dir(&id).join("inputs.json")).unwrap()).unwrap();
    let linked = "20261121T073807Z_00000001";
    symlink(&outside, place.home().join("runs").join(linked)).unwrap();
    symlink(&outside, place.dir(&id).join("artifacts/link")).unwrap();
    symlink(outside.join("secret.csv"), place.dir(&id).join("artifacts/secret.csv")).unwrap();
    let tree = || {
        let mut names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = tree();
    let mut attempts = 0;
    let mut attempt = |args: &[&str]| {
        let output = place.output(args);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(!said.contains(CANARY), "{args:?}: {said}");
        assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["ok"], false, "{args:?}: {said}");
        assert_eq!(tree(), before, "{args:?}");
        attempts += 1;
    };
    let climbs =
        ["", "..", "../../outside", "/etc", outside.to_str().unwrap(), &format!("{id}/../../../outside"), linked];
    for bad in climbs {
        for command in ["show", "status", "result", "watch", "report", "open", "rerun", "cancel", "resume"] {
            attempt(&["run", command, "--run-id", bad]);
        }
        attempt(&["run", "diff", "--run-id", &id, "--other-run-id", bad]);
        attempt(&["artifacts", "preview", "--artifact-id", bad]);
    }
    let home = place.home().display().to_string();
    let run = place.dir(&id).display().to_string();
    for uri in [
        format!("file://{}/secret.csv", outside.display()),
        format!("{}/secret.csv", outside.display()),
        format!("file://{home}/../outside/secret.csv"),
        format!("file://{home}/%2e%2e/outside/secret.csv"),
        format!("file://{run}/artifacts/link/secret.csv"),
        format!("file://{run}/artifacts/secret.csv"),
        format!("file://localhost{run}/artifacts/secret.csv"),
        "file:///etc/passwd".to_owned(),
        "http://localhost/secret.csv".to_owned(),
        "../outside/secret.csv".to_owned(),
    ] {
        place.tamper(&id, &artifact, &uri);
        attempt(&["artifacts", "preview", "--artifact-id", &artifact]);
        attempt(&["artifacts", "export", "--artifact-id", &artifact, "-o", "e.csv"]);
        attempt(&["artifacts", "export", "--artifact-id", &artifact, "-o", "e.json"]);
        attempt(&["artifacts", "open", "--artifact-id", &artifact, "--print"]);
        attempt(&["run", "result", "--run-id", &id]);
        assert!(is_gone(&place.work().join("e.csv")) && is_gone(&place.work().join("e.json")), "{uri}");
    }
    for name in ["../x.csv", "/x.csv", "a/x.csv", "..", ""] {
        attempt(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", "SELECT 1", "--output-name", name]);
    }
    assert!(attempts >= 60, "{attempts}");
    place.call(&["run", "cleanup", "--keep-last", "0", "--delete-files"]);
    assert_eq!(tree(), before);
}

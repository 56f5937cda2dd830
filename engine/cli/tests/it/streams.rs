//! Streams that run until they are stopped, and runs that are stopped from outside.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ENDLESS, document, wait_for};

const COPY: &str = "INSERT INTO output_sink SELECT n FROM input_stream";

/// A home with a directory of files beside it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("s.csv"), "a\n1\n").unwrap();
        Self { folder }
    }

    /// A file with the numbers `from..to`.
    fn file(&self, name: &str, from: u64, to: u64) {
        let rows: String = (from..to).map(|number| format!("{number}\n")).collect();
        let part = self.folder.path().join("in").join(format!("{name}.part"));
        fs::write(&part, format!("n\n{rows}")).unwrap();
        fs::rename(&part, part.with_extension("")).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
        command.args(args).env("VELARIA_HOME", self.folder.path().join("home")).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn call(&self, args: &[&str]) -> Value {
        document(&self.command(args).output().unwrap())
    }

    fn stream(&self, start: &[&str], action: &[&str]) -> Command {
        let stream = ["--", "stream-sql", "--source-dir", "in", "--sink-schema", "n INT", "--query", COPY];
        self.command(&[&["run", "start"], start, &stream, action].concat())
    }

    /// A stream that goes on by itself.
    fn released(&self, action: &[&str]) -> Run<'_> {
        let document = document(&self.stream(&["--detach"], action).output().unwrap());
        assert_eq!((&document["ok"], &document["status"]), (&true.into(), &"running".into()));
        Run { place: self, id: text(&document["run_id"]) }
    }

    /// A command that waits for its run, once a worker has made the run its own.
    fn attended(&self, mut command: Command) -> (Child, Run<'_>) {
        let command = command.spawn().unwrap();
        let parent = u64::from(command.id());
        let id = wait_for(|| {
            let run = fs::read_dir(self.folder.path().join("home/runs")).ok()?.next()?.ok()?.path();
            (owner(&run)? != parent).then(|| run.file_name().unwrap().to_string_lossy().into_owned())
        });
        (command, Run { place: self, id })
    }
}

/// A run of a place. Its worker is ended when the test is over.
struct Run<'a> {
    place: &'a Place,
    id: String,
}

impl Run<'_> {
    fn dir(&self) -> PathBuf {
        self.place.folder.path().join("home/runs").join(&self.id)
    }

    fn worker(&self) -> u64 {
        owner(&self.dir()).unwrap()
    }

    fn about(&self, words: &[&str]) -> Value {
        self.place.call(&[&["run"], words, &["--run-id", &self.id]].concat())
    }

    fn status(&self) -> Value {
        self.about(&["status"])["status"].clone()
    }

    /// The numbers in the sink.
    fn numbers(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.dir().join("artifacts/stream_result.csv")).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().skip(1).map(|line| line.parse().unwrap()).collect()
    }

    fn wait_for_numbers(&self, count: usize) {
        wait_for(|| (self.numbers().len() >= count).then_some(()));
    }

    fn progress(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir().join("progress.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // Most often it has ended.
        let _ = self.place.command(&["run", "cancel", "--run-id", &self.id, "--grace-ms", "0"]).output();
    }
}

fn owner(run: &Path) -> Option<u64> {
    let owner: Value = serde_json::from_slice(&fs::read(run.join("_owner.json")).ok()?).ok()?;
    owner["pid"].as_u64()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[cfg(unix)]
fn signal(name: &str, pid: u64) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// Whether the process is there, and no corpse.
#[cfg(target_os = "linux")]
fn is_there(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

// Proves RC-TRACK-5.
#[test]
fn a_stream_is_cancelled_from_another_shell_and_resumed() {
    let place = Place::new();
    let (command, run) = place.attended(place.stream(&["--run-name", "copy"], &[]));
    place.file("a.csv", 0, 100);
    run.wait_for_numbers(100);
    let cancelled = run.about(&["cancel"]);
    assert_eq!((&cancelled["ok"], &cancelled["status"]), (&true.into(), &"cancelled".into()));
    assert_eq!(cancelled["latest_progress"]["status"], "stopped");
    let output = command.wait_with_output().unwrap();
    let ended = document(&output);
    assert_eq!((&ended["ok"], &ended["status"], output.status.code()), (&true.into(), &"cancelled".into(), Some(0)));
    assert_eq!((&ended["result"]["processed_batches"], &ended["artifacts"][0]["row_count"]), (&1.into(), &100.into()));

    place.file("b.csv", 100, 200);
    let resumed = run.about(&["resume", "--detach"]);
    assert_eq!((&resumed["status"], &resumed["run_id"]), (&"running".into(), &run.id.clone().into()));
    run.wait_for_numbers(200);
    assert_eq!(run.about(&["cancel"])["status"], "cancelled");
    assert_eq!(run.numbers(), (0..200).collect::<Vec<_>>());
    let shown = run.about(&["show"]);
    assert_eq!((&shown["run"]["run_name"], &shown["run"]["details"]["resumed"]), (&"copy".into(), &1.into()));
    // The sink is one artifact, however often the run went on.
    assert_eq!(shown["artifacts"].as_array().unwrap().len(), 1);
    assert_eq!(shown["artifacts"][0]["artifact_id"], ended["artifacts"][0]["artifact_id"]);
    assert_eq!(shown["artifacts"][0]["row_count"], 200);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_whose_processes_were_killed_loses_and_repeats_nothing() {
    let place = Place::new();
    for number in 0..40 {
        place.file(&format!("{number:03}.csv"), number * 50, (number + 1) * 50);
    }
    let (command, run) = place.attended(place.stream(&[], &["--trigger-interval-ms", "20"]));
    let mut command = Some(command);
    for count in [200, 700, 1200] {
        run.wait_for_numbers(count);
        // The command that waits does not see the end of its worker. A stopped worker would be woken by that of the command.
        if let Some(mut command) = command.take() {
            signal("-STOP", u64::from(command.id()));
            signal("-KILL", run.worker());
            command.kill().unwrap();
            command.wait().unwrap();
        } else {
            signal("-KILL", run.worker());
        }
        let status = wait_for(|| Some(run.status()).filter(|status| status != "running"));
        assert_eq!(status, "aborted");
        assert_eq!(run.about(&["resume", "--detach"])["ok"], true);
    }
    run.wait_for_numbers(2000);
    assert_eq!(run.about(&["cancel"])["status"], "cancelled");
    let numbers = run.numbers();
    assert_eq!(numbers.len(), 2000);
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), (0..2000).collect());
}

#[cfg(unix)]
#[test]
fn a_signal_stops_a_stream_between_two_micro_batches() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let place = Place::new();
        let (command, run) = place.attended(place.stream(&[], &[]));
        place.file("a.csv", 0, 10);
        run.wait_for_numbers(10);
        signal(name, u64::from(command.id()));
        let output = command.wait_with_output().unwrap();
        let ended = document(&output);
        assert_eq!(
            (&ended["ok"], &ended["status"], output.status.code()),
            (&true.into(), &"cancelled".into(), Some(code))
        );
        assert_eq!(run.status(), "cancelled");
        assert_eq!(run.progress().last().unwrap()["status"], "stopped");
        assert_eq!(run.about(&["show"])["artifacts"][0]["row_count"], 10);
    }
}

#[cfg(unix)]
#[test]
fn a_stream_outlives_no_command_that_was_killed() {
    let place = Place::new();
    let (mut command, run) = place.attended(place.stream(&[], &[]));
    place.file("a.csv", 0, 10);
    run.wait_for_numbers(10);
    command.kill().unwrap();
    command.wait().unwrap();
    assert_eq!(wait_for(|| Some(run.status()).filter(|status| status != "running")), "cancelled");
    assert_eq!(run.about(&["show"])["run"]["error"], "run cancelled: the command that started it has ended");
}

#[test]
fn a_stream_with_a_secret_is_refused() {
    let place = Place::new();
    let query = "INSERT INTO output_sink SELECT n FROM input_stream WHERE 's3cret-of-a-stream' <> ''";
    let stream = ["run", "start", "--", "stream-sql", "--source-dir", "in", "--sink-schema", "n INT", "--query", query];
    let refused =
        document(&place.command(&stream).env("FEISHU_BITABLE_APP_SECRET", "s3cret-of-a-stream").output().unwrap());
    assert_eq!((&refused["ok"], &refused["error_type"]), (&false.into(), &"value_error".into()));
    assert!(!refused.to_string().contains("s3cret") && !place.folder.path().join("home").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_released_stream_has_a_session_of_its_own() {
    let place = Place::new();
    let run = place.released(&[]);
    let worker = run.worker();
    let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!((fields[2], fields[3]), (worker.to_string().as_str(), worker.to_string().as_str()), "group and session");
    place.file("a.csv", 0, 5);
    run.wait_for_numbers(5);
    assert_eq!(run.about(&["cancel"])["status"], "cancelled");
    assert!(!is_there(worker));
}

#[test]
fn progress_is_written_while_a_stream_runs() {
    let place = Place::new();
    let run = place.released(&[]);
    for number in 0..3 {
        place.file(&format!("{number}.csv"), number, number + 1);
        let seen = |lines: Vec<Value>| lines.last().is_some_and(|last| last["batches_processed"] == number + 1);
        wait_for(|| seen(run.progress()).then_some(()));
    }
    assert_eq!(run.status(), "running");
    assert_eq!(run.progress()[0]["batches_processed"], 0);
    run.about(&["cancel"]);
}

#[test]
fn the_time_of_a_stream_is_over_between_two_micro_batches() {
    let place = Place::new();
    place.file("a.csv", 0, 7);
    let output = place.stream(&["--timeout-ms", "1500"], &[]).output().unwrap();
    let ended = document(&output);
    assert_eq!((&ended["ok"], &ended["status"], output.status.code()), (&false.into(), &"timed_out".into(), Some(1)));
    assert_eq!(ended["error"], "run timed out after 1500 ms");
    assert_eq!(ended["artifacts"][0]["row_count"], 7);
    let run = Run { place: &place, id: text(&ended["run_id"]) };
    assert_eq!(run.about(&["resume", "--detach"])["ok"], true);
    place.file("b.csv", 7, 9);
    run.wait_for_numbers(9);
    run.about(&["cancel"]);
    assert_eq!(run.numbers(), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_stream_can_have_enough() {
    let place = Place::new();
    place.file("a.csv", 0, 2);
    place.file("b.csv", 2, 4);
    let ended = document(&place.stream(&[], &["--max-batches", "2"]).output().unwrap());
    assert_eq!((&ended["ok"], &ended["status"]), (&true.into(), &"succeeded".into()));
    let run = Run { place: &place, id: text(&ended["run_id"]) };
    assert_eq!(run.numbers(), [0, 1, 2, 3]);
    assert_eq!(run.about(&["resume"])["error"], format!("run has succeeded: {}", run.id));
}

#[test]
fn files_of_other_formats_become_files_of_other_formats() {
    let place = Place::new();
    fs::write(place.folder.path().join("in/a.ndjson"), "{\"n\": 1}\n{\"n\": 2}\n").unwrap();
    for format in ["json", "parquet"] {
        let ended = document(
            &place
                .stream(&[], &["--source-format", "json", "--sink-format", format, "--max-batches", "1"])
                .output()
                .unwrap(),
        );
        let artifact = &ended["artifacts"][0];
        assert_eq!((&artifact["format"], &artifact["row_count"]), (&format.into(), &2.into()), "{ended}");
        assert_eq!(artifact["preview_json"]["rows"][1]["n"], 2);
    }
}

#[test]
fn a_stream_with_declared_columns_waits_for_its_first_file() {
    let place = Place::new();
    let (command, run) = place.attended(place.stream(&[], &["--source-schema", "n INT", "--max-batches", "1"]));
    wait_for(|| (!run.progress().is_empty()).then_some(()));
    place.file("a.csv", 3, 4);
    assert_eq!(document(&command.wait_with_output().unwrap())["status"], "succeeded");
    assert_eq!(run.numbers(), [3]);
}

#[test]
fn a_stream_that_has_no_file_yet_can_be_cancelled_and_resumed() {
    let place = Place::new();
    let run = place.released(&[]);
    assert_eq!(run.about(&["cancel"])["status"], "cancelled");
    place.file("a.csv", 0, 3);
    run.about(&["resume", "--detach"]);
    run.wait_for_numbers(3);
    assert_eq!(run.about(&["resume"])["error"], format!("run has not ended: {}", run.id));
    run.about(&["cancel"]);
}

#[cfg(target_os = "linux")]
// Proves RC-TRACK-4.
#[test]
fn a_batch_run_is_cancelled_from_another_shell() {
    let place = Place::new();
    let start = place.command(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", ENDLESS]);
    let (command, run) = place.attended(start);
    let worker = run.worker();
    let cancelled = run.about(&["cancel"]);
    assert_eq!((&cancelled["ok"], &cancelled["status"]), (&true.into(), &"cancelled".into()));
    assert!(!is_there(worker));
    let output = command.wait_with_output().unwrap();
    let ended = document(&output);
    assert_eq!((&ended["ok"], &ended["status"], output.status.code()), (&false.into(), &"cancelled".into(), Some(1)));
    assert_eq!(ended["error"], "run cancelled");
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_does_not_answer_is_ended() {
    let place = Place::new();
    let start = place.command(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", ENDLESS]);
    let (command, run) = place.attended(start);
    let worker = run.worker();
    signal("-STOP", worker);
    let cancelled = run.about(&["cancel", "--grace-ms", "0"]);
    assert_eq!((&cancelled["ok"], &cancelled["status"]), (&true.into(), &"cancelled".into()), "{cancelled}");
    assert!(!is_there(worker));
    assert_eq!(document(&command.wait_with_output().unwrap())["status"], "cancelled");
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_was_killed_has_failed() {
    let place = Place::new();
    let (command, run) = place.attended(place.stream(&[], &[]));
    signal("-KILL", run.worker());
    let ended = document(&command.wait_with_output().unwrap());
    assert_eq!((&ended["status"], &ended["error"]), (&"failed".into(), &"action process exited with code -9".into()));
    assert_eq!(run.status(), "failed");
}

#[test]
fn what_has_ended_is_not_cancelled_and_what_is_no_stream_not_resumed() {
    let place = Place::new();
    let ended = place.call(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", "SELECT 1 AS one"]);
    let run = Run { place: &place, id: text(&ended["run_id"]) };
    for (command, error) in [
        ("cancel", format!("run has ended already: {}", run.id)),
        ("resume", format!("a run of csv-sql cannot be resumed: {}", run.id)),
    ] {
        let refused = run.about(&[command]);
        assert_eq!((&refused["error_type"], &refused["error"]), (&"value_error".into(), &error.into()));
    }
    let error = place.call(&["run", "cancel", "--run-id", "../../etc"])["error"].clone();
    assert_eq!(error, "run not found: ../../etc");
    assert_eq!(run.status(), "succeeded");
}

#[test]
fn a_run_that_cannot_be_listed_is_not_resumed() {
    let place = Place::new();
    place.file("1.csv", 1, 2);
    let run = place.released(&[]);
    run.wait_for_numbers(1);
    run.about(&["cancel"]);
    let record = fs::read_to_string(run.dir().join("run.json")).unwrap();
    // Byte 60 and the three after it say the version of the index.
    let index = place.folder.path().join("home/index/artifacts.sqlite");
    let bytes = fs::read(&index).unwrap();
    let mut later = bytes.clone();
    later[63] = 99;
    fs::write(&index, later).unwrap();
    assert_eq!(run.about(&["resume", "--detach"])["code"], "VEL-3001");
    assert_eq!(fs::read_to_string(run.dir().join("run.json")).unwrap(), record);
    fs::write(&index, bytes).unwrap();
    assert_eq!(run.about(&["resume", "--detach"])["status"], "running");
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_slept_leaves_a_run_alone_that_was_resumed_meanwhile() {
    let place = Place::new();
    let (command, run) = place.attended(place.stream(&[], &[]));
    place.file("a.csv", 0, 10);
    run.wait_for_numbers(10);
    signal("-STOP", u64::from(command.id()));
    assert_eq!(run.about(&["cancel", "--grace-ms", "0"])["ok"], true);
    assert_eq!(run.about(&["resume", "--detach"])["ok"], true);
    signal("-CONT", u64::from(command.id()));
    let output = command.wait_with_output().unwrap();
    let told = document(&output);
    assert_eq!((&told["ok"], &told["status"], output.status.code()), (&false.into(), &"running".into(), Some(1)));
    assert_eq!(told["error"], format!("the run was resumed by another command: {}", run.id));
    assert_eq!(run.status(), "running");
    place.file("b.csv", 10, 20);
    run.wait_for_numbers(20);
    assert_eq!(run.about(&["cancel"])["status"], "cancelled");
}

#[test]
fn progress_that_cannot_be_written_ends_no_stream() {
    let place = Place::new();
    let run = place.released(&[]);
    place.file("a.csv", 0, 10);
    run.wait_for_numbers(10);
    let progress = run.dir().join("progress.jsonl");
    fs::remove_file(&progress).unwrap();
    fs::create_dir(&progress).unwrap();
    place.file("b.csv", 10, 20);
    run.wait_for_numbers(20);
    // Somebody has tried to write a line by then.
    wait_for(|| fs::read_to_string(run.dir().join("stderr.log")).ok().filter(|log| log.contains("progress of run")));
    place.file("c.csv", 20, 30);
    run.wait_for_numbers(30);
    fs::remove_dir(&progress).unwrap();
    assert_eq!(run.about(&["cancel"])["status"], "cancelled");
}

#[test]
fn what_cannot_be_is_said_before_a_file_is_waited_for() {
    let start = ["run", "start", "--timeout-ms", "20000", "--", "stream-sql", "--source-dir", "in", "--query", COPY];
    for (action, hint) in [
        (&["--sink-schema", "n INT", "--source-option", "no_such_option=1"][..], "no_such_option"),
        (&["--sink-schema", "n NOTHING_LIKE_IT"], "NOTHING_LIKE_IT"),
        (&["--sink-schema", "n INT", "--stream-option", "no_such_option=1"], "no_such_option"),
    ] {
        let place = Place::new();
        let ended = place.call(&[&start[..], action].concat());
        assert_eq!((&ended["ok"], &ended["status"]), (&false.into(), &"failed".into()), "{ended}");
        assert!(ended["error"].to_string().to_lowercase().contains(&hint.to_lowercase()), "{ended}");
    }
}

/// Puts a file where the directory of the index was: nobody can open it.
fn take_index_away(place: &Place) {
    let index = place.folder.path().join("home/index");
    fs::rename(&index, index.with_extension("away")).unwrap();
    fs::write(&index, "").unwrap();
}

#[test]
fn a_result_is_told_also_where_the_index_cannot_be_written() {
    let place = Place::new();
    let (command, run) = place.attended(place.stream(&[], &["--max-batches", "1"]));
    take_index_away(&place);
    place.file("a.csv", 0, 3);
    let output = command.wait_with_output().unwrap();
    let ended = document(&output);
    assert_eq!((&ended["ok"], &ended["status"], output.status.code()), (&true.into(), &"succeeded".into(), Some(0)));
    assert_eq!(ended["artifacts"][0]["row_count"], 3);
    let index = place.folder.path().join("home/index");
    fs::remove_file(&index).unwrap();
    fs::rename(index.with_extension("away"), &index).unwrap();
    assert_eq!(run.status(), "succeeded");
    assert_eq!(place.call(&["index", "rebuild"])["ok"], true);
    assert_eq!(run.about(&["show"])["artifacts"][0]["artifact_id"], ended["artifacts"][0]["artifact_id"]);
}

#[test]
fn an_error_is_told_also_where_the_index_cannot_be_written() {
    let place = Place::new();
    let once = ["run", "start", "--", "stream-sql-once", "--source-csv-dir", "in", "--sink-schema", "n INT", "--query"];
    let query = "INSERT INTO output_sink SELECT no_such_column FROM input_stream";
    let (command, run) = place.attended(place.command(&[&once[..], &[query]].concat()));
    take_index_away(&place);
    place.file("a.csv", 0, 3);
    let output = command.wait_with_output().unwrap();
    let ended = document(&output);
    assert_eq!((&ended["ok"], &ended["status"], output.status.code()), (&false.into(), &"failed".into(), Some(1)));
    assert!(ended["error"].to_string().contains("no_such_column"), "{ended}");
    let record: Value = serde_json::from_slice(&fs::read(run.dir().join("run.json")).unwrap()).unwrap();
    assert_eq!((&record["status"], &record["error"]), (&ended["status"], &ended["error"]));
}

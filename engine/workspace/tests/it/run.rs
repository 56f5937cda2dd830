//! The directory of a run.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use velaria_contract::ErrorCode;
use velaria_workspace::{NewRun, Outcome, Redactor, Run, RunStatus};

use crate::support::{TestHome, new_run, object};

#[test]
fn a_new_run_has_its_files_and_its_record() {
    let test = TestHome::new();
    let run = Run::create(&test.home, &new_run("csv-sql")).unwrap();
    let dir = run.dir().to_str().unwrap();
    let id = run.id();
    assert!(id.as_str().starts_with("20261121T073807Z_"), "{id}");
    assert_eq!(run.dir(), test.home.runs_dir().join(id.as_str()));
    let expected = format!(
        r#"{{
  "run_id": "{id}",
  "created_at": "2026-11-21T07:38:07Z",
  "action": "csv-sql",
  "cli_args": {{
    "csv": "a.csv",
    "output_path": null
  }},
  "velaria_version": "0.1.0",
  "run_dir": "{dir}",
  "status": "running",
  "finished_at": null,
  "run_name": null,
  "error": null,
  "details": {{}}
}}
"#
    );
    assert_eq!(fs::read_to_string(run.file()).unwrap(), expected);
    for path in [run.progress_path(), run.stdout_path(), run.stderr_path()] {
        assert_eq!(fs::read(&path).unwrap(), b"", "{}", path.display());
    }
    assert!(run.artifacts_dir().is_dir());
}

#[test]
fn what_people_say_about_a_run_stands_after_its_name() {
    let test = TestHome::new();
    let new = NewRun {
        run_name: Some("名".to_owned()),
        description: Some("why".to_owned()),
        tags: vec!["a".to_owned(), "b".to_owned()],
        ..new_run("csv-sql")
    };
    let record = Run::create(&test.home, &new).unwrap().record().unwrap();
    let keys: Vec<&str> = record.keys().map(String::as_str).collect();
    assert_eq!(keys[7..], ["finished_at", "run_name", "description", "tags", "error", "details"]);
    assert_eq!((&record["run_name"], &record["tags"]), (&json!("名"), &json!(["a", "b"])));
}

#[test]
fn a_run_ends_once_it_is_finalized() {
    let test = TestHome::new();
    let run = test.run();
    test.clock.advance(std::time::Duration::from_secs(5));
    let details = object(json!({"explain_artifact_id": "artifact_1"}));
    let ended = run
        .finalize(&Outcome { error: Some("boom".to_owned()), details: Some(details), ..Outcome::of(RunStatus::Failed) })
        .unwrap();
    assert_eq!(ended, run.record().unwrap());
    assert_eq!(ended["status"], "failed");
    assert_eq!(ended["finished_at"], "2026-11-21T07:38:12Z");
    assert_eq!(ended["error"], "boom");
    assert_eq!(ended["details"]["explain_artifact_id"], "artifact_1");
    assert_eq!(velaria_workspace::duration_ms(&ended), Some(5000));
    // What is not given stays.
    let again = run.finalize(&Outcome {
        finished_at: Some("2027-01-01T00:00:00Z".to_owned()),
        ..Outcome::of(RunStatus::Succeeded)
    });
    let again = again.unwrap();
    assert_eq!((&again["error"], &again["finished_at"]), (&json!("boom"), &json!("2027-01-01T00:00:00Z")));
}

#[test]
fn an_update_skips_nulls_and_keeps_the_order() {
    let test = TestHome::new();
    let run = test.run();
    let before: Vec<String> = run.record().unwrap().keys().cloned().collect();
    let updated = run.update(&object(json!({"run_name": "x", "action": null, "extra": [1]}))).unwrap();
    assert_eq!(
        (&updated["run_name"], &updated["action"], &updated["extra"]),
        (&json!("x"), &json!("csv-sql"), &json!([1]))
    );
    let mut expected = before;
    expected.push("extra".to_owned());
    assert_eq!(updated.keys().cloned().collect::<Vec<_>>(), expected);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let test = TestHome::new();
    let run = test.run();
    let before = run.record().unwrap();
    for updates in [json!({"run_id": "x"}), json!({"status": "done"}), json!({"status": 1})] {
        assert_eq!(run.update(&object(updates)).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    assert_eq!(run.finalize(&Outcome::of(RunStatus::Running)).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(run.append_progress_snapshot("{").unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(Run::create(&test.home, &new_run(" ")).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(run.record().unwrap(), before);
}

#[test]
fn a_run_that_is_not_there_is_not_found() {
    let test = TestHome::new();
    let secret = test.dir.path().join("run.json");
    fs::write(&secret, "{}").unwrap();
    let run = test.run();
    let linked = test.home.runs_dir().join("20261121T073807Z_00000000");
    symlink(run.dir(), &linked).unwrap();
    let empty = test.home.runs_dir().join("20261121T073807Z_00000001");
    fs::create_dir(&empty).unwrap();
    for id in [
        "missing-run",
        "..",
        "../..",
        "20261121T073807Z_ffffffff",
        "20261121T073807Z_00000000",
        "20261121T073807Z_00000001",
    ] {
        let error = Run::open(&test.home, id).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::RunNotFound, format!("run not found: {id}").as_str()));
    }
    fs::remove_dir_all(run.dir()).unwrap();
    for error in [
        run.record().unwrap_err(),
        run.update(&object(json!({}))).unwrap_err(),
        run.write_inputs(&object(json!({}))).unwrap_err(),
        run.append_stdout("x").unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::RunNotFound, "{error}");
    }
}

#[test]
fn a_damaged_record_is_said_to_be_damaged() {
    let test = TestHome::new();
    let run = test.run();
    for text in ["", "{\"run_id\": ", "[]", "\u{0}"] {
        fs::write(run.file(), text).unwrap();
        let error = run.record().unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedFile, "{error}");
        assert!(error.message().contains("run.json"), "{error}");
    }
}

#[test]
fn progress_is_one_line_for_each_snapshot() {
    let test = TestHome::new();
    let run = test.run();
    assert_eq!(run.latest_progress().unwrap(), None);
    run.append_progress_snapshot("{\"status\":\"running\",\"b\":1}\n").unwrap();
    run.append_progress_snapshot("{\n  \"status\": \"stopped\"\n}").unwrap();
    assert_eq!(
        fs::read_to_string(run.progress_path()).unwrap(),
        "{\"status\":\"running\",\"b\":1}\n{\"status\":\"stopped\"}\n"
    );
    assert_eq!(run.latest_progress().unwrap(), Some(json!({"status": "stopped"})));
}

#[test]
fn progress_without_its_secrets_is_still_json() {
    let mut test = TestHome::new();
    let secrets = ["running\"}".to_owned(), "\":\"running".to_owned(), "12345678".to_owned(), "succeeded".to_owned()];
    test.home = test.home.with_redactor(Redactor::default().with_values(secrets));
    let run = test.run();
    let whole = r#"{"status": "running", "rows": 12345678, "x": 1.50}"#;
    run.append_progress_snapshot(whole).unwrap();
    run.append_progress_snapshot(r#"{"status": "succeeded", "error": "a 12345678", "token": "t", "x": 0.1}"#).unwrap();
    let progress = fs::read_to_string(run.progress_path()).unwrap();
    let redacted = r#"{"status":"succeeded","error":"a ***","token":"***","x":0.1}"#;
    assert_eq!(progress.lines().collect::<Vec<_>>(), [whole, redacted]);
}

#[test]
fn a_secret_with_the_text_of_a_status_leaves_the_record_whole() {
    let mut test = TestHome::new();
    let secrets = ["succeeded", "20261121", "2026-11-21T07:38:07Z", "csv-sql-", "artifact_"].map(str::to_owned);
    test.home = test.home.with_redactor(Redactor::default().with_values(secrets));
    let run = Run::create(&test.home, &new_run("csv-sql-1")).unwrap();
    let details = object(json!({"explain_artifact_id": "artifact_1"}));
    let ended = run.finalize(&Outcome { details: Some(details), ..Outcome::of(RunStatus::Succeeded) }).unwrap();
    assert_eq!(
        (&ended["status"], &ended["finished_at"], &ended["details"]["explain_artifact_id"]),
        (&json!("succeeded"), &json!("2026-11-21T07:38:07Z"), &json!("artifact_1"))
    );
    test.index().upsert_run(&ended).unwrap();
    let row = test.index().run(run.id().as_str()).unwrap().unwrap();
    for key in ["run_id", "created_at", "finished_at", "status", "action", "run_dir"] {
        assert_eq!(row[key], ended[key], "{key}");
    }
}

#[test]
fn a_version_that_is_not_known_is_null() {
    let test = TestHome::new();
    let run = Run::create(&test.home, &NewRun { velaria_version: String::new(), ..new_run("csv-sql") }).unwrap();
    assert_eq!(run.record().unwrap()["velaria_version"], Value::Null);
}

#[test]
fn a_line_that_a_crash_has_cut_is_passed_over() {
    let test = TestHome::new();
    let run = test.run();
    fs::write(run.progress_path(), "{\"n\":1}\n\n{\"n\":2").unwrap();
    assert_eq!(run.latest_progress().unwrap(), Some(json!({"n": 1})));
    run.append_progress_snapshot("{\"n\":3}").unwrap();
    assert_eq!(fs::read_to_string(run.progress_path()).unwrap(), "{\"n\":1}\n\n{\"n\":2\n{\"n\":3}\n");
    assert_eq!(run.latest_progress().unwrap(), Some(json!({"n": 3})));
}

#[test]
fn logs_grow_by_what_is_appended() {
    let test = TestHome::new();
    let run = test.run();
    assert_eq!(run.append_stdout("a").unwrap(), run.stdout_path());
    run.append_stdout("b\n").unwrap();
    assert_eq!(run.append_stderr("北\n").unwrap(), run.stderr_path());
    assert_eq!(fs::read_to_string(run.stdout_path()).unwrap(), "ab\n");
    assert_eq!(fs::read_to_string(run.stderr_path()).unwrap(), "北\n");
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let test = TestHome::new();
    let run = test.run();
    let outside = test.dir.path().join("outside");
    fs::write(&outside, "keep").unwrap();
    for path in [run.stdout_path(), run.progress_path(), run.dir().join("inputs.json")] {
        let _ = fs::remove_file(&path);
        symlink(&outside, &path).unwrap();
    }
    assert!(run.append_stdout("x").is_err());
    assert!(run.append_progress_snapshot("{}").is_err());
    // A file that is replaced is replaced, and the link with it.
    run.write_inputs(&object(json!({"a": 1}))).unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "keep");
}

#[test]
fn a_secret_is_nowhere_in_the_home() {
    const CANARY: &str = "canary-5f8a1c";
    let mut test = TestHome::new();
    test.home = test.home.with_redactor(Redactor::default().with_values([CANARY.to_owned()]));
    let args = object(json!({"app_secret": CANARY, "url": format!("https://h/?x={CANARY}"), "plain": "stays"}));
    let new = NewRun { args: args.clone(), description: Some(CANARY.to_owned()), ..new_run("csv-sql") };
    let run = Run::create(&test.home, &new).unwrap();
    run.write_inputs(&args).unwrap();
    run.write_explain(&args).unwrap();
    run.append_stdout(CANARY).unwrap();
    run.append_stderr(CANARY).unwrap();
    run.append_progress_snapshot(&format!("{{\"error\":\"{CANARY}\"}}")).unwrap();
    run.finalize(&Outcome { error: Some(format!("bad {CANARY}")), ..Outcome::of(RunStatus::Failed) }).unwrap();
    let mut record = run.record().unwrap();
    assert_eq!((&record["cli_args"]["app_secret"], &record["cli_args"]["plain"]), (&json!("***"), &json!("stays")));
    assert_eq!(record["error"], Value::String("bad ***".to_owned()));
    record.insert("error".to_owned(), json!(CANARY));
    test.index().upsert_run(&record).unwrap();
    let mut dirs = vec![test.home.root().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            if entry.metadata().unwrap().is_dir() {
                dirs.push(entry.path());
            } else {
                let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                assert!(!text.contains(CANARY), "{}", entry.path().display());
            }
        }
    }
}

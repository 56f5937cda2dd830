//! Runs whose process is gone.

use std::fs;
use std::time::{Duration, SystemTime};

use velaria_workspace::{Cleanup, Outcome, Run, RunFilter, RunStatus};

use crate::support::{TestHome, new_run, process, task, texts};

const TASK: &str = "VELARIA_TEST_STALE";

/// The process that the tests below start: it dies in the middle of a run.
#[test]
fn dies() {
    let Some((task, home)) = task(TASK) else { return };
    let run = Run::create(&home, &new_run("csv-sql")).unwrap();
    velaria_workspace::ArtifactIndex::open(&home).unwrap().upsert_run(&run.record().unwrap()).unwrap();
    if task == "ends" {
        run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap();
    }
    println!("run={}", run.id());
    std::process::abort();
}

fn run_of_a_dead_process(test: &TestHome, task: &str) -> Run {
    let home = test.home.root().to_str().unwrap();
    let output = process("stale::dies", &[(TASK, task), ("VELARIA_HOME", home)]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let id = text.lines().find_map(|line| line.split_once("run=")).unwrap_or_else(|| panic!("{text}")).1;
    Run::open(&test.home, id).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_without_a_process_is_aborted_wherever_it_is_looked_at() {
    let test = TestHome::new();
    let runs = [0; 3].map(|_| run_of_a_dead_process(&test, "crashes"));
    let record = runs[0].record().unwrap();
    assert_eq!((&record["status"], record["finished_at"].is_string()), (&"aborted".into(), true));
    assert_eq!(record["error"], "the process of the run ended without a result");
    let index = test.index();
    assert_eq!(index.run(runs[1].id().as_str()).unwrap().unwrap()["status"], "aborted");
    let listed = index.list_runs(&RunFilter { status: Some("aborted".to_owned()), ..RunFilter::default() }).unwrap();
    assert_eq!(listed.len(), 3);
    assert!(fs::read_to_string(runs[2].file()).unwrap().contains("aborted"));
    let report = index.cleanup_runs(&Cleanup { keep_last_n: Some(0), ..Cleanup::default() }).unwrap();
    assert_eq!(report.deleted_run_ids.len(), 3);
}

#[test]
fn a_run_that_has_ended_or_has_a_process_stays_as_it_is() {
    let test = TestHome::new();
    let ended = run_of_a_dead_process(&test, "ends");
    let running = test.run();
    assert_eq!(ended.record().unwrap()["status"], "succeeded");
    assert_eq!(running.record().unwrap()["status"], "running");
    // The row was written before the end.
    let rows = test.index().list_runs(&RunFilter::default()).unwrap();
    assert_eq!(rows.len(), 2);
    assert!(!texts(&rows, "status").contains(&"aborted".to_owned()));
}

#[test]
fn a_run_of_nobody_that_was_silent_for_a_day_is_aborted() {
    let test = TestHome::new();
    let [fresh, missing, torn, owned] = [0; 4].map(|_| test.run());
    for run in [&fresh, &missing] {
        fs::remove_file(run.dir().join("_owner.json")).unwrap();
    }
    fs::write(torn.dir().join("_owner.json"), "{\"pid\"").unwrap();
    let statuses = || [&fresh, &missing, &torn, &owned].map(|run| run.record().unwrap()["status"].clone());
    assert_eq!(statuses(), ["running"; 4]);
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    for run in [&missing, &torn, &owned] {
        for entry in fs::read_dir(run.dir()).unwrap() {
            fs::File::open(entry.unwrap().path()).unwrap().set_modified(yesterday).unwrap();
        }
        fs::File::open(run.dir()).unwrap().set_modified(yesterday).unwrap();
    }
    assert_eq!(statuses(), ["running", "aborted", "aborted", "running"]);
}

#[test]
fn another_process_can_go_on_with_a_run() {
    let test = TestHome::new();
    let run = run_of_a_dead_process(&test, "crashes");
    run.adopt().unwrap();
    assert_eq!(run.record().unwrap()["status"], "running");
    assert_eq!(run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap()["status"], "succeeded");
}

#[test]
fn a_run_whose_directory_was_removed_does_not_run_for_ever() {
    let test = TestHome::new();
    let run = test.run();
    test.row("20261121T073807Z_0a0b0c0d", "2026-01-01T00:00:00Z", "running");
    fs::remove_dir_all(run.dir()).unwrap();
    let row = test.index().run(run.id().as_str()).unwrap().unwrap();
    assert_eq!((&row["status"], &row["error"]), (&"aborted".into(), &"the directory of the run was removed".into()));
    // The directory of this one is of another home.
    assert_eq!(test.index().run("20261121T073807Z_0a0b0c0d").unwrap().unwrap()["status"], "running");
}

//! Runs that are ended from outside, and runs that go on.

use std::io::Read;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;
use velaria_contract::ErrorCode;
use velaria_workspace::{End, Outcome, Run, RunStatus};

use crate::support::{TestHome, new_run, process, task};

const TASK: &str = "VELARIA_TEST_CANCEL";
/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process that the tests below start: it has a run, and waits for the wish to end it, or for nothing.
#[test]
fn works() {
    let Some((task, home)) = task(TASK) else { return };
    let run = Run::create(&home, &new_run("csv-sql")).unwrap();
    if task != "program" {
        run.adopt_as_worker().unwrap();
    }
    println!("run={}", run.id());
    while task == "deaf" || task == "program" || !run.cancel_requested() {
        std::thread::sleep(Duration::from_millis(5));
    }
    run.finalize(&Outcome::of(RunStatus::Cancelled)).unwrap();
}

/// Such a process, and its run.
struct Worker {
    child: Child,
    run: Run,
}

impl Worker {
    fn new(test: &TestHome, task: &str) -> Self {
        let home = test.home.root().to_str().unwrap();
        let mut command = process("cancel::works", &[(TASK, task), ("VELARIA_HOME", home)]);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().unwrap();
        let mut text = String::new();
        let id = loop {
            let mut bytes = [0; 256];
            let count = child.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
            assert!(count > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            if let Some(id) = text.lines().find_map(|line| line.split_once("run=")).filter(|_| text.ends_with('\n')) {
                break id.1.to_owned();
            }
        };
        Self { child, run: Run::open(&test.home, &id).unwrap() }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(run: &Run) -> Value {
    run.record().unwrap()["status"].clone()
}

#[test]
fn a_worker_ends_the_run_itself() {
    let test = TestHome::new();
    let mut worker = Worker::new(&test, "obeys");
    let record = worker.run.cancel(PATIENCE, &mut || Ok(())).unwrap();
    assert_eq!((&record["status"], &record["error"]), (&"cancelled".into(), &Value::Null));
    assert!(worker.child.wait().unwrap().success());
    assert_eq!(test.index().run(worker.run.id().as_str()).unwrap().unwrap()["status"], "cancelled");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_does_not_follow_is_ended() {
    let test = TestHome::new();
    let worker = Worker::new(&test, "deaf");
    assert!(worker.run.has_worker());
    let record = worker.run.cancel(Duration::ZERO, &mut || Ok(())).unwrap();
    assert_eq!((&record["status"], record["finished_at"].is_string()), (&"cancelled".into(), true));
    assert_eq!(record["error"], "run cancelled: its process was ended");
    assert!(!worker.run.kill_worker(), "it is gone");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_was_killed_meanwhile_is_no_hindrance() {
    let test = TestHome::new();
    let mut worker = Worker::new(&test, "deaf");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    // Whoever looks at it says that it was aborted: nobody had asked for its end.
    let error = worker.run.cancel(PATIENCE, &mut || Ok(())).unwrap_err();
    assert_eq!((error.code(), status(&worker.run)), (ErrorCode::InvalidArgument, "aborted".into()));
}

#[test]
fn a_program_that_has_a_run_is_not_ended() {
    let test = TestHome::new();
    let mut worker = Worker::new(&test, "program");
    let error = worker.run.cancel(Duration::ZERO, &mut || Ok(())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RunActive);
    assert!(worker.child.try_wait().unwrap().is_none(), "it goes on");
    assert!(!worker.run.has_worker());
    assert!(worker.run.cancel_requested() && status(&worker.run) == "running");
}

#[test]
fn a_wait_can_be_left() {
    let test = TestHome::new();
    let run = test.run();
    let mut left = || Err(velaria_contract::Error::new(ErrorCode::Cancelled, "enough"));
    assert_eq!(run.cancel(PATIENCE, &mut left).unwrap_err().message(), "enough");
    assert!(run.cancel_requested());
}

#[test]
fn a_run_that_has_ended_cannot_be_cancelled() {
    let test = TestHome::new();
    for end in RunStatus::ALL.into_iter().filter(|status| *status != RunStatus::Running) {
        let run = test.run();
        run.finalize(&Outcome::of(end)).unwrap();
        let error = run.cancel(PATIENCE, &mut || Ok(())).unwrap_err();
        assert_eq!(error.message(), format!("run has ended already: {}", run.id()));
        assert!(!run.cancel_requested() && status(&run) == end.as_str());
    }
}

#[test]
#[cfg(unix)]
fn a_wish_that_is_a_link_reaches_nothing() {
    let test = TestHome::new();
    let (run, elsewhere) = (test.run(), test.dir.path().join("elsewhere"));
    std::os::unix::fs::symlink(&elsewhere, run.dir().join("_cancel")).unwrap();
    assert!(run.request_cancel().is_err());
    assert!(!elsewhere.exists());
}

#[test]
fn a_run_goes_on_once() {
    let test = TestHome::new();
    let run = test.run();
    assert_eq!(run.reopen().unwrap_err().code(), ErrorCode::RunActive);
    run.request_cancel().unwrap();
    std::fs::write(run.action_result_path(), "{}").unwrap();
    run.finalize(&Outcome { error: Some("why".to_owned()), ..Outcome::of(RunStatus::Cancelled) }).unwrap();
    let record = run.reopen().unwrap();
    assert_eq!(
        (&record["status"], &record["finished_at"], &record["error"]),
        (&"running".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(record["details"]["resumed"], 1);
    assert!(!run.cancel_requested() && !run.action_result_path().exists());
    assert_eq!(run.reopen().unwrap_err().code(), ErrorCode::RunActive);
}

#[test]
fn a_run_that_has_succeeded_does_not_go_on() {
    let test = TestHome::new();
    let run = test.run();
    run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap();
    assert_eq!(run.reopen().unwrap_err().message(), format!("run has succeeded: {}", run.id()));
    assert_eq!(status(&run), "succeeded");
}

#[test]
fn of_many_who_go_on_with_a_run_one_does() {
    let test = TestHome::new();
    let run = test.run();
    run.finalize(&Outcome::of(RunStatus::Cancelled)).unwrap();
    let reopened = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| run.reopen().is_ok())).collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|got| *got).count()
    });
    assert_eq!(reopened, 1);
}

/// Makes `run` one of another machine.
fn move_away(run: &Run) {
    let path = run.dir().join("_owner.json");
    let mut owner: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    owner["host"] = "elsewhere".into();
    std::fs::write(path, owner.to_string()).unwrap();
}

#[test]
fn a_run_whose_process_cannot_be_seen_is_aborted_by_force() {
    let test = TestHome::new();
    let [away, torn, unknown] = [0; 3].map(|_| test.run());
    move_away(&away);
    std::fs::write(torn.dir().join("_owner.json"), "{\"pid\"").unwrap();
    std::fs::remove_file(unknown.dir().join("_owner.json")).unwrap();
    for run in [away, torn, unknown] {
        let error = run.cancel(Duration::ZERO, &mut || Ok(())).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RunActive);
        assert!(error.hint().unwrap().contains("run cancel --force"), "{error}");
        let record = run.cancel_by_force(Duration::ZERO, &mut || Ok(())).unwrap();
        assert_eq!((&record["status"], record["error"].is_string()), (&"aborted".into(), true));
        assert_eq!(status(&run), "aborted");
        assert_eq!(test.index().run(run.id().as_str()).unwrap().unwrap()["status"], "aborted");
        assert_eq!(run.cancel_by_force(Duration::ZERO, &mut || Ok(())).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_is_there_is_not_given_up_by_force() {
    let test = TestHome::new();
    let worker = Worker::new(&test, "program");
    let error = worker.run.cancel_by_force(Duration::ZERO, &mut || Ok(())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RunActive);
    assert!(!error.hint().unwrap().contains("--force"), "{error}");
    assert_eq!(status(&worker.run), "running");
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_does_not_go_on_beside_its_old_process() {
    let test = TestHome::new();
    let mut worker = Worker::new(&test, "deaf");
    worker.run.finalize(&Outcome::of(RunStatus::Failed)).unwrap();
    let error = worker.run.reopen().unwrap_err();
    assert_eq!(error.code(), ErrorCode::RunActive, "{error}");
    assert_eq!(status(&worker.run), "failed");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    assert_eq!(worker.run.reopen().unwrap()["status"], "running");
}

#[test]
fn who_did_a_run_before_it_went_on_does_not_end_it() {
    let test = TestHome::new();
    let before = test.run();
    before.finalize(&Outcome::of(RunStatus::Cancelled)).unwrap();
    let record = before.reopen().unwrap();
    assert!(!before.is_in_turn().unwrap());
    assert_eq!(before.end(&Outcome::of(RunStatus::Failed)).unwrap(), End::Kept(record.clone()));
    assert_eq!(before.adopt_as_worker().unwrap_err().code(), ErrorCode::RunActive);
    assert_eq!(before.record().unwrap(), record);
    let now = before.in_turn(velaria_workspace::times_resumed(&record));
    now.adopt_as_worker().unwrap();
    assert!(
        matches!(now.end(&Outcome::of(RunStatus::Failed)).unwrap(), End::Written(record) if record["status"] == "failed")
    );
}

#[test]
fn the_first_word_about_the_end_of_a_run_stays() {
    let test = TestHome::new();
    for first in [RunStatus::Succeeded, RunStatus::Failed, RunStatus::TimedOut, RunStatus::Cancelled] {
        for later in RunStatus::ALL.into_iter().filter(|status| ![first, RunStatus::Running].contains(status)) {
            let run = test.run();
            assert!(matches!(run.end(&Outcome::of(first)).unwrap(), End::Written(_)));
            let record = run.record().unwrap();
            assert_eq!(run.end(&Outcome::of(later)).unwrap(), End::Kept(record.clone()));
            assert_eq!(run.record().unwrap(), record);
            assert_eq!(run.adopt_as_worker().unwrap_err().code(), ErrorCode::RunActive);
        }
    }
    // That a process is gone is said by who has looked; who has waited for it knows why.
    let run = test.run();
    run.end(&Outcome::of(RunStatus::Aborted)).unwrap();
    assert!(matches!(run.end(&Outcome::of(RunStatus::TimedOut)).unwrap(), End::Written(_)));
    assert_eq!(run.end(&Outcome::of(RunStatus::Running)).unwrap_err().code(), ErrorCode::InvalidArgument);
}

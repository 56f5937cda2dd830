//! What a query says of a checkpoint that is not its own, in use, or damaged.

use std::path::Path;

use velaria_connector::DurableFs;
use velaria_connector::testing::SimulatedFs;
use velaria_contract::ErrorCode;
use velaria_stream::{NodeKind, StreamPlan};

use super::case::{CHECKPOINT, Case, Ledger, Promise, Shape, Target};

fn ended(case: &Case) -> SimulatedFs {
    let fs = SimulatedFs::default();
    case.run(&fs, &mut Ledger::default()).unwrap();
    fs.killed()
}

fn refused(case: &Case, fs: &SimulatedFs) -> velaria_contract::Error {
    let before = case.content(fs);
    let error = case.query(fs).await_termination(0, None).unwrap_err();
    assert_eq!(case.content(fs), before, "nothing was touched");
    error
}

/// RC-STREAM-7
#[test]
fn the_checkpoint_of_another_query_is_refused_with_what_differs() {
    let limited = Case::new(Shape::Limited, Target::Csv, Promise::ExactlyOnce);
    let fs = ended(&limited);
    let longer = |plan: &mut StreamPlan| plan.nodes[1].kind = NodeKind::Limit { skip: 5, fetch: Some(61) };
    let renamed = |plan: &mut StreamPlan| plan.inputs[0].name = "other".to_owned();
    type Change<'a> = &'a dyn Fn(&mut StreamPlan);
    let changes: [(&str, Change<'_>); 2] = [("step 2", &longer), ("other", &renamed)];
    for (part, change) in changes {
        let mut other = limited.clone();
        change(&mut other.plan);
        let error = refused(&other, &fs.killed());
        assert_eq!(error.code(), ErrorCode::CheckpointMismatch);
        assert!(error.message().contains(part), "{error} names {part}");
    }
    let parts = Case::new(Shape::Limited, Target::CsvParts, Promise::ExactlyOnce);
    let error = parts.query(&fs).await_termination(0, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CheckpointMismatch);
    assert!(error.message().contains("sink"), "{error}");
}

#[test]
fn a_second_query_on_the_same_checkpoint_is_refused() {
    let case = Case::new(Shape::Rows, Target::Csv, Promise::AtLeastOnce);
    let fs = SimulatedFs::default();
    fs.create_dir_all(Path::new(CHECKPOINT)).unwrap();
    let held = fs.lock(&Path::new(CHECKPOINT).join("LOCK")).unwrap();
    let error = case.query(&fs).await_termination(0, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CheckpointLocked);
    drop(held);
    case.finish(&fs, Ledger::default(), &case.undisturbed(), || "after the other one has ended".to_owned());
}

#[test]
fn what_was_cut_off_is_told_in_progress() {
    let case = Case::new(Shape::Totals, Target::Csv, Promise::BestEffort);
    let whole = case.undisturbed();
    let fs = ended(&case);
    let log = Path::new(CHECKPOINT).join("00000000000000000000.log");
    let content = fs.read(&log).unwrap();
    fs.put(&log, &content[..content.len() - 10]);
    let progress = case.run(&fs, &mut Ledger { forgot: true, ..Ledger::default() }).unwrap();
    let warning = progress.last_warning.unwrap();
    assert!(warning.contains("cut off after commit 7"), "{warning}");
    assert_eq!((progress.restored_from_epoch, progress.epoch), (Some(whole.epoch - 1), whole.epoch));
    assert_eq!(case.content(&fs), whole.content);
}

#[test]
fn rows_that_a_power_failure_took_are_written_again_and_told() {
    // The file that grows leaves a note when it is closed: two more operations behind the last commit.
    for (target, operations_left) in [(Target::Csv, 8), (Target::CsvParts, 6)] {
        let case = Case::new(Shape::Totals, target, Promise::Seldom);
        let whole = case.undisturbed();
        let fs = SimulatedFs::default();
        fs.crash_after(whole.operations - operations_left);
        let mut ledger = Ledger::default();
        assert!(case.run(&fs, &mut ledger).is_err());
        let warned = (0..40).filter(|seed| {
            let progress = case.run(&fs.power_loss(*seed), &mut ledger.clone()).unwrap();
            progress.last_warning.is_some_and(|warning| warning.contains("a power failure took rows"))
        });
        assert!(warned.count() > 3, "{}", case.name());
    }
}

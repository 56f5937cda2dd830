//! The process is killed, or the power fails, after every operation.

use velaria_connector::testing::SimulatedFs;

use super::case::{Case, Ledger, PROMISES, Promise, SHAPES, Target, Undisturbed};

/// Power failures after each operation: together with the cases more than 20,000.
const POWER_FAILURES: u64 = 7;

/// The disk after `operations` of a run, and what was told to the source.
fn crashed(case: &Case, operations: u64) -> (SimulatedFs, Ledger) {
    let (fs, mut ledger) = (SimulatedFs::default(), Ledger::default());
    fs.crash_after(operations);
    assert!(case.run(&fs, &mut ledger).is_err(), "{} does not see that the disk is gone", case.name());
    (fs, ledger)
}

fn crash_everywhere(case: &Case, whole: &Undisturbed) -> u64 {
    let mut simulations = 0;
    for operations in 0..whole.operations {
        let (fs, ledger) = crashed(case, operations);
        case.finish(&fs.killed(), ledger, whole, || format!("killed after {operations}"));
        for number in 0..POWER_FAILURES {
            let seed = operations * 1_000_003 + number;
            let (fs, ledger) = case.power_loss(&fs, seed, ledger);
            case.finish(&fs, ledger, whole, || format!("power loss after {operations}, seed {seed}"));
            simulations += 1;
        }
    }
    simulations
}

fn crash_everywhere_in_all(target: Target) {
    let mut simulations = 0;
    for (shape, promise) in SHAPES.into_iter().flat_map(|shape| PROMISES.map(|promise| (shape, promise))) {
        let case = Case::new(shape, target, promise);
        simulations += crash_everywhere(&case, &case.undisturbed());
    }
    assert!(simulations > 6_000, "{simulations}");
}

/// RC-STREAM-5, RC-STREAM-6
#[test]
fn a_csv_file_is_the_same_after_any_crash() {
    crash_everywhere_in_all(Target::Csv);
}

#[test]
fn csv_parts_are_the_same_after_any_crash() {
    crash_everywhere_in_all(Target::CsvParts);
}

#[test]
fn parquet_parts_are_the_same_after_any_crash() {
    crash_everywhere_in_all(Target::ParquetParts);
}

#[test]
fn crashes_while_recovering_change_nothing() {
    for (target, promise) in [Target::Csv, Target::CsvParts].into_iter().flat_map(|t| PROMISES.map(|p| (t, p))) {
        let case = Case::new(SHAPES[1], target, promise);
        let whole = case.undisturbed();
        for first in (promise as u64..whole.operations).step_by(9) {
            let (fs, ledger) = crashed(&case, first);
            for second in (0..30).step_by(2) {
                let (fs, mut ledger) = match second % 4 {
                    0 => (fs.killed(), ledger),
                    _ => case.power_loss(&fs, second, ledger),
                };
                fs.crash_after(second);
                // There may be fewer operations left than that.
                let _ = case.run(&fs, &mut ledger);
                let how = |after: &str| format!("crashed after {first}, then {second}, then {after}");
                case.finish(&fs.killed(), ledger, &whole, || how("killed"));
                let (fs, ledger) = case.power_loss(&fs, second, ledger);
                case.finish(&fs, ledger, &whole, || how("power loss"));
            }
        }
    }
}

#[test]
fn what_exactly_once_has_ended_with_is_on_the_disk() {
    for target in [Target::Csv, Target::CsvParts, Target::ParquetParts] {
        let case = Case::new(SHAPES[1], target, Promise::ExactlyOnce);
        let whole = case.undisturbed();
        let fs = SimulatedFs::default();
        case.run(&fs, &mut Ledger::default()).unwrap();
        for seed in 0..50 {
            assert_eq!(case.content(&fs.power_loss(seed)), whole.content, "{} seed {seed}", case.name());
        }
    }
}

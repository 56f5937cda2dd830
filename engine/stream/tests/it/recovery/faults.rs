//! A disk that fails once, at every operation: the query is `failed` with an error that says so, and the next start ends right.

use velaria_connector::testing::{Fault, SimulatedFs};
use velaria_contract::ErrorCode;

use super::case::{Case, Ledger, PROMISES, Shape, Target};

const FAULTS: [Fault; 4] = [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::ShortWrite];

fn fail_everywhere(case: &Case) -> u64 {
    let whole = case.undisturbed();
    let mut failed = 0;
    for (operation, fault) in (1..=whole.operations).flat_map(|n| FAULTS.map(|fault| (n, fault))) {
        let how = || format!("{fault:?} at operation {operation}");
        let (fs, mut ledger) = (SimulatedFs::default(), Ledger::default());
        fs.fail(operation, fault);
        match case.run(&fs, &mut ledger) {
            Ok(_) => assert_eq!(case.content(&fs), whole.content, "{}: {}", case.name(), how()),
            Err(error) => {
                failed += 1;
                assert_eq!(error.code(), ErrorCode::Io, "{}: {}: {error}", case.name(), how());
            }
        }
        // The disk may say later that it has what it lost when it failed.
        let fs = fs.killed();
        case.finish(&fs, ledger, &whole, how);
        for seed in 0..2 {
            let (fs, ledger) = case.power_loss(&fs, seed, ledger);
            case.finish(&fs, ledger, &whole, || format!("{}, then power loss {seed}", how()));
        }
    }
    failed
}

#[test]
fn a_csv_file_is_the_same_after_any_fault() {
    for (shape, promise) in [Shape::Totals, Shape::Windows].into_iter().flat_map(|s| PROMISES.map(|p| (s, p))) {
        assert!(fail_everywhere(&Case::new(shape, Target::Csv, promise)) > 30);
    }
}

#[test]
fn parts_are_the_same_after_any_fault() {
    for promise in PROMISES {
        assert!(fail_everywhere(&Case::new(Shape::Totals, Target::CsvParts, promise)) > 30);
    }
}

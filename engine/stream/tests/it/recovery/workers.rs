//! Another number of local workers after a crash changes nothing.

use velaria_connector::testing::SimulatedFs;

use super::case::{Case, Ledger, Promise, Shape, Target};

/// RC-STREAM-8
#[test]
fn a_restart_with_other_workers_goes_on_the_same() {
    for shape in [Shape::Totals, Shape::Windows] {
        let of = |workers: u64| Case::new(shape, Target::Csv, Promise::ExactlyOnce).on(workers);
        let whole = of(1).undisturbed();
        for (before, after) in [(1, 2), (2, 3), (3, 1), (2, 2)] {
            for operations in (before..whole.operations).step_by(5) {
                let (fs, mut ledger) = (SimulatedFs::default(), Ledger::default());
                fs.crash_after(operations);
                assert!(of(before).run(&fs, &mut ledger).is_err());
                let how = || format!("crashed after {operations} with {before} workers");
                of(after).finish(&fs.killed(), ledger, &whole, how);
                let (fs, ledger) = of(after).power_loss(&fs, operations, ledger);
                of(after).finish(&fs, ledger, &whole, how);
            }
        }
    }
}

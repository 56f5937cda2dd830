//! Crashes, power failures and failing disks, at every operation.

use velaria_connector::testing::{Fault, SimulatedFs};
use velaria_contract::ErrorCode;

use super::model::{COMMITS, Ledger, Syncing, checked_epoch, open, run, whole};

const MODES: [Syncing; 3] = [Syncing::Always, Syncing::EveryThird, Syncing::Never];

/// All that may be found after a crash: nothing lost, or as several seeds will have it.
fn aftermaths(fs: &SimulatedFs, seed: u64, seeds: u64) -> Vec<SimulatedFs> {
    let lost = (0..seeds).map(|n| fs.power_loss(seed * 1_000_003 + n));
    std::iter::once(fs.killed()).chain(lost).collect()
}

/// Goes on to the end and looks once more.
fn finish(fs: &SimulatedFs, syncing: Syncing, mut ledger: Ledger) {
    run(fs, syncing, &mut ledger).unwrap();
    let (_, recovered) = open(&fs.killed()).unwrap();
    assert_eq!(checked_epoch(recovered.as_ref()), COMMITS);
}

fn crashed_after(operations: u64, syncing: Syncing) -> (SimulatedFs, Ledger) {
    let (fs, mut ledger) = (SimulatedFs::default(), Ledger::default());
    fs.crash_after(operations);
    assert!(run(&fs, syncing, &mut ledger).is_err());
    (fs, ledger)
}

/// The operations of a run that nothing disturbs.
fn operations(syncing: Syncing) -> u64 {
    let fs = SimulatedFs::default();
    run(&fs, syncing, &mut Ledger::default()).unwrap();
    fs.operations()
}

#[test]
fn no_crash_takes_what_was_synced() {
    for syncing in MODES {
        for operations in 0..operations(syncing) {
            let (fs, ledger) = crashed_after(operations, syncing);
            for fs in aftermaths(&fs, operations, 8) {
                finish(&fs, syncing, ledger);
            }
        }
    }
}

#[test]
fn no_crash_while_recovering_takes_what_was_synced() {
    let crashes =
        (0..).zip(MODES).flat_map(|(first, mode)| (first..operations(mode)).step_by(5).map(move |n| (n, mode)));
    for (operations, syncing) in crashes {
        let (fs, ledger) = crashed_after(operations, syncing);
        let opening = {
            let fs = fs.killed();
            drop(open(&fs).unwrap());
            fs.operations()
        };
        for again in 0..opening + 3 {
            let fs = fs.power_loss(again);
            fs.crash_after(again);
            let mut ledger = ledger;
            // After an early power failure there is less to recover, and it may come to its end.
            drop(run(&fs, syncing, &mut ledger));
            for fs in aftermaths(&fs, again, 3) {
                finish(&fs, syncing, ledger);
            }
        }
    }
}

#[test]
fn a_failing_disk_is_an_error_and_the_next_start_goes_on() {
    for operation in 1..=operations(Syncing::Always) {
        for fault in [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::ShortWrite] {
            let (fs, mut ledger) = (SimulatedFs::default(), Ledger::default());
            fs.fail(operation, fault);
            if let Err(error) = run(&fs, Syncing::Always, &mut ledger) {
                assert_eq!(error.code(), ErrorCode::Io, "{error}");
            }
            // A later sync may lie about what the failed one was to write.
            let fs = fs.killed();
            run(&fs, Syncing::Always, &mut ledger).unwrap();
            for fs in aftermaths(&fs, operation, 3) {
                finish(&fs, Syncing::Always, ledger);
            }
        }
    }
}

#[test]
fn after_an_error_nothing_is_committed_until_the_next_start() {
    let fs = whole(Syncing::Always);
    let (mut store, _) = open(&fs).unwrap();
    let (next, after) = (super::model::head(COMMITS + 1), super::model::head(COMMITS + 2));
    fs.fail(fs.operations() + 2, Fault::Io);
    let durability = velaria_connector::Durability::Now;
    assert_eq!(store.commit(&next, &[], durability).unwrap_err().code(), ErrorCode::Io);
    for head in [&next, &after] {
        let error = store.commit(head, &[], durability).unwrap_err();
        assert!(error.message().contains("input/output error"), "{error}");
    }
    assert!(store.rotate(&super::model::head(COMMITS), &[]).is_err());
}

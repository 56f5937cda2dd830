//! The engine alone on every workload file.
//!
//! The data is cut to `VELARIA_BENCH_ROWS` rows (1,000,000 unless told), so that a whole run takes minutes; `bench/cross`
//! measures at full size.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot run says why by ending")]

use std::env;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use velaria::{Session, SessionConfig, wait};
use velaria_conformance::workload::{Failure, Workload};

const ROWS_DEFAULT: u64 = 1_000_000;

fn rows_max() -> u64 {
    env::var("VELARIA_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS_DEFAULT)
}

fn workloads(criterion: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut group = criterion.benchmark_group("workload");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for workload in Workload::read_all(&root).expect("the workload files are readable") {
        let folder = tempfile::tempdir().expect("a folder for data files");
        let rows = workload.rows.min(rows_max());
        let session = Session::new(SessionConfig::default()).expect("a session");
        let frame = match workload.open(&session, rows, folder.path()) {
            Ok(frame) => frame,
            // Criterion has no skip: the name says why there is no figure.
            Err(Failure::NoData(reason)) => {
                group.bench_function(format!("{} (no data: {reason})", workload.name), |bencher| bencher.iter(|| ()));
                continue;
            }
            Err(failure) => panic!("{}: {failure}", workload.name),
        };
        session.create_temp_view("t", &frame).expect("a view");
        group.throughput(Throughput::Elements(rows));
        group.bench_function(&workload.name, |bencher| bencher.iter(|| run(&session, &workload.sql)));
    }
    group.finish();
}

fn run(session: &Session, sql: &str) -> usize {
    let (session, sql) = (session.clone(), sql.to_owned());
    let batches = wait(async move { session.sql(&sql).await?.collect().await }, || Ok(()));
    batches.expect("the workload runs").iter().map(|batch| batch.num_rows()).sum()
}

criterion_group!(benches, workloads);
criterion_main!(benches);

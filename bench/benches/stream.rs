//! The kernel of streams alone: what micro-batches, state, workers and checkpoints cost.
//!
//! Streams are in memory and the sink counts rows and forgets them. The input is cut to `VELARIA_BENCH_ROWS` rows (1,000,000
//! unless told); every run is checked for the number of its rows.

#![expect(clippy::expect_used, reason = "a bench that cannot run says why by ending")]

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use velaria::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use velaria::stream::{
    Epoch, MemoryStream, Prepared, SinkContext, SinkDescription, SinkGuarantee, SinkTable, StreamSink,
};
use velaria::{Result, Session, SessionConfig, StreamOptions, StreamingDataFrame, StreamingQuery, wait};

const ROWS_DEFAULT: u64 = 1_000_000;
const LARGE: u64 = 65_536;
const SMALL: u64 = 8_192;
const TINY_BATCHES: u64 = 20_000;
const TOTALS: &str = "SELECT key, SUM(value) AS s, COUNT(*) AS n, AVG(value) AS a FROM t GROUP BY key";

fn rows_max() -> u64 {
    env::var("VELARIA_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS_DEFAULT)
}

/// A sink that counts.
#[derive(Debug, Clone, Default)]
struct Counter {
    rows: Arc<AtomicU64>,
}

impl SinkTable for Counter {
    fn description(&self) -> SinkDescription {
        let guarantee = SinkGuarantee::AtLeastOnce;
        SinkDescription { name: "memory".to_owned(), blocking: false, guarantee, schema: None }
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        Ok(Box::new(self.clone()))
    }
}

impl StreamSink for Counter {
    fn open(&mut self, _: &SinkContext) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, _: Epoch, batch: &RecordBatch) -> Result<()> {
        self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn prepare(&mut self, _: Epoch) -> Result<Prepared> {
        Ok(Prepared::default())
    }
}

/// `rows` events of `keys` keys in micro-batches of `batch_rows`.
fn events(rows: u64, batch_rows: u64, keys: u64) -> Vec<RecordBatch> {
    let starts = (0..rows).step_by(usize::try_from(batch_rows).expect("a number of rows"));
    starts.map(|start| batch(start..rows.min(start + batch_rows), keys)).collect()
}

fn batch(rows: std::ops::Range<u64>, keys: u64) -> RecordBatch {
    let key: Int64Array = rows.clone().map(|row| (mixed(row) % keys).cast_signed()).collect();
    let value: Float64Array = rows.map(|row| (mixed(row + 1) % 100_000) as f64 / 100.0).map(Some).collect();
    let columns: [(&str, ArrayRef); 2] = [("key", Arc::new(key)), ("value", Arc::new(value))];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// One step of splitmix64 from `number`.
fn mixed(number: u64) -> u64 {
    let state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn options(more: &[(&str, &str)]) -> StreamOptions {
    let mut options = StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() };
    for (name, value) in more {
        options.set(name, value).expect("an option");
    }
    options
}

fn checkpointed(folder: &Path, mode: &str) -> StreamOptions {
    options(&[("checkpoint_path", &folder.to_string_lossy()), ("checkpoint_delivery_mode", mode)])
}

/// `sql` over the stream `t` of `batches`.
fn frame(batches: &[RecordBatch], sql: &'static str) -> StreamingDataFrame {
    let session = Session::new(SessionConfig::default()).expect("a session");
    let schema = batches.first().expect("a micro-batch").schema();
    let stream = MemoryStream::new(schema, batches.to_vec()).expect("a stream");
    let stream = session.read_stream_table("t", Arc::new(stream)).expect("a frame");
    session.create_stream_view("t", &stream).expect("a name");
    wait(async move { session.stream_sql(sql, &StreamOptions::default()).await }, || Ok(())).expect("a plan")
}

/// Runs to the end; the query that ran.
fn run(frame: &StreamingDataFrame, options: &StreamOptions) -> StreamingQuery {
    let sink = Counter::default();
    let query = frame.write(Arc::new(sink.clone()), options).expect("a query");
    query.await_termination(0, None).expect("the query runs");
    let progress = query.progress();
    // Progress goes on counting where a checkpoint left off.
    let before = if progress.restored_from_epoch.is_some() { progress.output_rows } else { 0 };
    assert_eq!(before + sink.rows.load(Ordering::Relaxed), progress.output_rows);
    query
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream batches");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    let tiny = events(TINY_BATCHES.min(rows_max()), 1, 1_000);
    group.throughput(Throughput::Elements(tiny.len() as u64));
    for (name, sql) in [("filter of 1 row", "SELECT * FROM t WHERE value > 500"), ("totals of 1 row", TOTALS)] {
        let frame = frame(&tiny, sql);
        group.bench_function(name, |bencher| bencher.iter(|| run(&frame, &options(&[]))));
    }
    let frame = frame(&events(rows_max(), SMALL, 1_000), TOTALS);
    group.throughput(Throughput::Elements(rows_max()));
    group.bench_function("totals of 8,192 rows", |bencher| bencher.iter(|| run(&frame, &options(&[]))));
    group.finish();
}

fn workers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream workers");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(rows_max()));
    let frame = frame(&events(rows_max(), LARGE, 1_000_000), TOTALS);
    for count in ["1", "2"] {
        let options = options(&[("execution_mode", "local-workers"), ("local_workers", count)]);
        group.bench_function(count, |bencher| bencher.iter(|| run(&frame, &options)));
    }
    group.finish();
}

fn checkpoints(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream checkpoint");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(rows_max()));
    let frame = frame(&events(rows_max(), LARGE, 1_000), TOTALS);
    group.bench_function("none", |bencher| bencher.iter(|| run(&frame, &options(&[]))));
    let folder = || tempfile::tempdir().expect("a folder");
    for mode in ["best-effort", "at-least-once"] {
        let run = |folder: tempfile::TempDir| run(&frame, &checkpointed(folder.path(), mode));
        group.bench_function(mode, |bencher| bencher.iter_batched(folder, run, BatchSize::PerIteration));
    }
    group.finish();
}

/// A query whose input was read to its end: what is left to do is to take its state back.
fn restore(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream restore");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(rows_max()));
    let frame = frame(&events(rows_max(), LARGE, u64::MAX >> 1), TOTALS);
    let folder = tempfile::tempdir().expect("a folder");
    let options = checkpointed(folder.path(), "at-least-once");
    let keys = run(&frame, &options).progress().state_rows;
    group.bench_function("a key for each row", |bencher| {
        bencher.iter(|| assert_eq!(run(&frame, &options).progress().state_rows, keys));
    });
    group.finish();
}

criterion_group!(benches, batches, workers, checkpoints, restore);
criterion_main!(benches);

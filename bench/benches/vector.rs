//! The kernels of vector search alone: one query, with and without the compressed copy, and many; every metric, each set of
//! instructions, on one thread and two; beside them the plainest scan and how fast the memory is read at all.
//!
//! Throughputs are bytes of vectors a second. The larger matrix has `VELARIA_BENCH_ROWS` rows (1,000,000 unless told) of 128
//! dimensions, the other one a tenth of 768. The rows that a search finds are held to the full sort before it is measured.

#![expect(clippy::expect_used, reason = "a bench that cannot run says why by ending")]

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use velaria::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array};
use velaria::arrow::datatypes::{DataType, Field};
use velaria_vector::column::Components;
use velaria_vector::exact::ExactQuery;
use velaria_vector::{
    Backend, CompressedColumn, Hit, Metric, Part, Queries, SearchOptions, TopK, VectorColumn, search,
};

const ROWS_DEFAULT: usize = 1_000_000;
const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
const THREADS: [usize; 2] = [1, 2];
const MANY: usize = 64;
const TOP_K: usize = 10;
/// Numbers from here on make queries, those before it rows.
const QUERIES_FIRST: u64 = 1 << 60;

fn rows_max() -> usize {
    env::var("VELARIA_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS_DEFAULT)
}

/// A matrix as one part of a table, and queries for it.
struct Table {
    name: String,
    parts: Vec<Part>,
    queries: Vec<Vec<f64>>,
    bytes: u64,
}

impl Table {
    fn new(rows: usize, dimension: usize) -> Self {
        let numbers = |first: u64, count: usize| (first..).take(count).map(component);
        let items: Float32Array = numbers(0, rows * dimension).collect();
        let field = Arc::new(Field::new("item", DataType::Float32, true));
        let width = i32::try_from(dimension).expect("a length of vectors");
        let array: ArrayRef = Arc::new(FixedSizeListArray::new(field, width, Arc::new(items), None));
        let column = VectorColumn::try_new(&array).expect("a column of vectors");
        let query =
            |query: usize| numbers(QUERIES_FIRST + (query * dimension) as u64, dimension).map(f64::from).collect();
        Self {
            name: format!("{rows} x {dimension}"),
            parts: vec![Part { column, selected: None }],
            queries: (0..MANY).map(query).collect(),
            bytes: (rows * dimension * size_of::<f32>()) as u64,
        }
    }

    fn values(&self) -> &[f32] {
        match self.parts.first().map(|part| part.column.components()) {
            Some(Components::F32(values)) => values,
            Some(Components::F16(_) | Components::F64(_)) | None => &[],
        }
    }

    /// The first `count` queries.
    fn queries(&self, count: usize) -> Queries {
        let dimension = self.queries.first().map_or(1, Vec::len);
        let values = self.queries.iter().take(count).flatten().copied().collect();
        Queries::try_new(values, dimension).expect("finite queries")
    }

    fn search(&self, queries: &Queries, kind: Kind) -> Vec<Vec<Hit>> {
        search(&self.parts, queries, &kind.options()).expect("a search").hits
    }

    fn compressed(&self) -> CompressedColumn {
        CompressedColumn::build(&self.parts, 1, &|| Ok(())).expect("a compressed copy")
    }

    /// The same search, which reads the vectors of few rows only.
    fn search_codes(&self, codes: &CompressedColumn, queries: &Queries, kind: Kind) -> Vec<Vec<Hit>> {
        codes.search(&self.parts, queries, &kind.options()).expect("a search").hits
    }

    /// Every score, and nothing else: what all searches are held to.
    fn naive(&self, query: &[f64], metric: Metric) -> Vec<Hit> {
        let (exact, mut nearest) = (ExactQuery::new(metric, query.to_vec()), TopK::new(metric, TOP_K));
        for (row, vector) in self.values().chunks_exact(query.len()).enumerate() {
            nearest.push(row as u64, exact.score(vector));
        }
        nearest.into_sorted()
    }
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    metric: Metric,
    backend: Backend,
    threads: usize,
}

impl Kind {
    fn options(self) -> SearchOptions<'static> {
        let Self { metric, backend, threads } = self;
        SearchOptions { metric, top_k: TOP_K, backend, threads, check: &|| Ok(()) }
    }

    fn id(self, table: &Table) -> BenchmarkId {
        let Self { metric, backend, threads } = self;
        BenchmarkId::new(format!("{} {} {threads}", metric.name(), backend.name()), &table.name)
    }
}

/// A number of about normal distribution, from -2 to 2: two steps of splitmix64.
fn component(number: u64) -> f32 {
    let sum: u64 =
        [mixed(2 * number), mixed(2 * number + 1)].iter().map(|word| (word >> 34) + (word << 32 >> 34)).sum();
    (sum as f64 / f64::from(1_u32 << 30) - 2.0) as f32
}

fn mixed(number: u64) -> u64 {
    let state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn tables() -> [Table; 2] {
    [Table::new(rows_max(), 128), Table::new(rows_max() / 10, 768)]
}

/// Every combination; sets of instructions other than the best one on one thread only.
fn kinds() -> impl Iterator<Item = Kind> {
    let all = METRICS.into_iter().flat_map(|metric| {
        let of = move |backend: &Backend| THREADS.map(|threads| Kind { metric, backend: *backend, threads });
        Backend::available().iter().flat_map(of)
    });
    all.filter(|kind| kind.threads == 1 || kind.backend == Backend::best())
}

/// The bytes of `values` read once, and nothing done with them that takes longer than reading.
fn read(values: &[f32]) -> u32 {
    let (blocks, _) = values.as_chunks::<64>();
    let mut lanes = [0_u32; 64];
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, value)| *lane |= value.to_bits());
    }
    lanes.iter().fold(0, |all, lane| all | lane)
}

fn memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memory read");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    let table = Table::new(rows_max(), 128);
    group.throughput(Throughput::Bytes(table.bytes));
    for threads in THREADS {
        group.bench_function(BenchmarkId::new(threads.to_string(), &table.name), |bencher| {
            bencher.iter(|| read_together(table.values(), threads));
        });
    }
    group.finish();
}

fn read_together(values: &[f32], threads: usize) {
    thread::scope(|scope| {
        for part in values.chunks(values.len().div_ceil(threads).max(1)) {
            scope.spawn(move || black_box(read(part)));
        }
    });
}

fn one_query(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one query");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    for table in tables() {
        let queries = table.queries(1);
        group.throughput(Throughput::Bytes(table.bytes));
        for kind in kinds() {
            let right = table.queries.first().map(|query| table.naive(query, kind.metric));
            assert_eq!(table.search(&queries, kind).first(), right.as_ref(), "{kind:?}");
            group.bench_function(kind.id(&table), |bencher| bencher.iter(|| table.search(&queries, kind)));
        }
        naive(&mut group, &table);
    }
    group.finish();
}

fn naive(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, table: &Table) {
    let query = table.queries.first().expect("a query");
    group.bench_function(BenchmarkId::new("cosine, every score", &table.name), |bencher| {
        bencher.iter(|| table.naive(query, Metric::Cosine));
    });
}

fn compressed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compressed, one query");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    for table in tables() {
        let (codes, queries) = (table.compressed(), table.queries(1));
        group.throughput(Throughput::Bytes(table.bytes));
        group.bench_function(BenchmarkId::new("build", &table.name), |bencher| bencher.iter(|| table.compressed()));
        for kind in kinds() {
            assert_eq!(table.search_codes(&codes, &queries, kind), table.search(&queries, kind), "{kind:?}");
            group.bench_function(kind.id(&table), |bencher| {
                bencher.iter(|| table.search_codes(&codes, &queries, kind));
            });
        }
    }
    group.finish();
}

fn many_queries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("64 queries");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    for table in tables() {
        let queries = table.queries(MANY);
        group.throughput(Throughput::Bytes(table.bytes));
        for kind in kinds().filter(|kind| kind.backend == Backend::best()) {
            let alone: Vec<_> = queries
                .iter()
                .map(|query| table.search(&Queries::one(query.to_vec()).expect("a query"), kind))
                .collect();
            let alone: Vec<_> = alone.into_iter().flatten().collect();
            assert_eq!(table.search(&queries, kind), alone, "{kind:?}");
            group.bench_function(kind.id(&table), |bencher| bencher.iter(|| table.search(&queries, kind)));
        }
    }
    group.finish();
}

/// A small table, where what counts is the way there.
fn small(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("small");
    let table = Table::new(1_000, 128);
    let queries = table.queries(1);
    let kind = Kind { metric: Metric::Cosine, backend: Backend::best(), threads: 2 };
    group.bench_function(kind.id(&table), |bencher| bencher.iter(|| table.search(&queries, kind)));
    group.finish();
}

criterion_group!(benches, memory, one_query, compressed, many_queries, small);
criterion_main!(benches);

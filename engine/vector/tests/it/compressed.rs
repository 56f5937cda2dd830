//! Searches through the compressed copy against the full sort of all scores.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float16Array, Float32Array, Float64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Field};
use half::f16;
use proptest::prelude::*;
use velaria_contract::{Error, ErrorCode};
use velaria_vector::exact::ExactQuery;
use velaria_vector::{Backend, CompressedColumn, Figures, Hit, Metric, Part, Queries, SearchOptions, VectorColumn};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn signed(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 4_503_599_627_370_496.0 - 1.0
    }
}

/// The kinds of tables that are hard for bounds.
#[derive(Debug, Clone, Copy)]
enum Data {
    Plain,
    Duplicates,
    NearTies,
    Magnitudes,
    NotFinite,
    Sparse,
    OneHot,
    Constant,
    Sorted,
}

const DATA: [Data; 9] = [
    Data::Plain,
    Data::Duplicates,
    Data::NearTies,
    Data::Magnitudes,
    Data::NotFinite,
    Data::Sparse,
    Data::OneHot,
    Data::Constant,
    Data::Sorted,
];

/// The rows of a table, and a query that fits them.
fn table(random: &mut Random, data: Data, rows: usize, dimension: usize) -> (Vec<Vec<f32>>, Vec<f32>) {
    let mut plain = |_| (0..dimension).map(|_| random.signed() as f32).collect::<Vec<_>>();
    let mut all: Vec<Vec<f32>> = (0..rows).map(&mut plain).collect();
    let query = plain(0);
    for (row, values) in all.iter_mut().enumerate() {
        let hot = random.below(dimension);
        match data {
            Data::Plain => {}
            Data::Duplicates => values.iter_mut().for_each(|value| *value = (*value * 1.5).round()),
            Data::NearTies => {
                values.copy_from_slice(&query);
                values[hot] = f32::from_bits(values[hot].to_bits() ^ (random.next() % 8) as u32);
            }
            Data::Magnitudes => {
                let scale = 10.0_f32.powi(random.below(77) as i32 - 38);
                values.iter_mut().for_each(|value| *value *= scale);
            }
            Data::NotFinite => {
                if row % 3 == 0 {
                    values[hot] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.0][random.below(5)];
                }
            }
            Data::Sparse => values.iter_mut().for_each(|value| *value = value.clamp(0.9, 1.0) - 0.9),
            Data::OneHot => {
                values.fill(0.0);
                values[hot] = 1.0;
            }
            Data::Constant => values.fill((row % 4) as f32 - 1.0),
            Data::Sorted => {
                let near = row as f32 / rows as f32;
                values.iter_mut().zip(&query).for_each(|(value, query)| *value += near * (query - *value));
            }
        }
    }
    (all, query)
}

#[derive(Debug, Clone, Copy)]
enum Width {
    F16,
    F32,
    F64,
}

/// Rows and which of them are there, as a column of a type.
fn column(rows: &[Vec<f32>], there: &[bool], dimension: usize, width: Width) -> ArrayRef {
    let values = || rows.iter().flatten().copied();
    let (item, items): (DataType, ArrayRef) = match width {
        Width::F16 => (DataType::Float16, Arc::new(Float16Array::from_iter_values(values().map(f16::from_f32)))),
        Width::F32 => (DataType::Float32, Arc::new(Float32Array::from_iter_values(values()))),
        Width::F64 => {
            (DataType::Float64, Arc::new(Float64Array::from_iter_values(values().map(|value| f64::from(value) * 1.1))))
        }
    };
    let field = Arc::new(Field::new("item", item, true));
    let nulls = there.contains(&false).then(|| NullBuffer::from(there.to_vec()));
    Arc::new(FixedSizeListArray::new(field, dimension as i32, items, nulls))
}

fn part(array: &ArrayRef, selected: &[bool], rows: Range<usize>) -> Part {
    let column = VectorColumn::try_new(&array.slice(rows.start, rows.len())).unwrap();
    let selected = selected.contains(&false).then(|| BooleanBuffer::from(selected).slice(rows.start, rows.len()));
    Part { column, selected }
}

/// The rows of one part that a full sort finds.
fn sorted(part: &Part, query: &[f64], metric: Metric, top_k: usize) -> Vec<Hit> {
    let all = SearchOptions { metric, top_k: usize::MAX, backend: Backend::Portable, threads: 1, check: &|| Ok(()) };
    let queries = Queries::one(query.to_vec()).unwrap();
    let mut hits = velaria_vector::search(std::slice::from_ref(part), &queries, &all).unwrap().hits.remove(0);
    hits.truncate(top_k);
    hits
}

fn bits(hits: &[Hit]) -> Vec<(u64, u64)> {
    hits.iter().map(|hit| (hit.row_id, if hit.score.is_nan() { u64::MAX } else { hit.score.to_bits() })).collect()
}

/// The rows cut at random.
fn cuts(random: &mut Random, rows: usize) -> Vec<Range<usize>> {
    let mut ends: Vec<usize> = (0..random.below(4)).map(|_| random.below(rows + 1)).collect();
    ends.extend([0, rows]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| ends[0]..ends[1]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn the_compressed_copy_finds_what_the_full_sort_finds_bit_for_bit(
        seed: u64,
        data in prop::sample::select(DATA.to_vec()),
        metric in prop::sample::select(METRICS.to_vec()),
        width in prop::sample::select(vec![Width::F32, Width::F32, Width::F16, Width::F64]),
        backend in prop::sample::select(Backend::available().to_vec()),
        (rows, dimension, top_k) in (1_usize..260, 1_usize..40, 1_usize..12),
        (queries, threads) in (1_usize..7, 1_usize..3),
    ) {
        let mut random = Random(seed);
        let (vectors, query) = table(&mut random, data, rows, dimension);
        let mut flags = |rate| (0..rows).map(|_| rate == 0 || random.below(rate) > 0).collect::<Vec<_>>();
        let (there, selected) = (flags(if seed % 3 == 0 { 7 } else { 0 }), flags(if seed % 5 == 0 { 2 } else { 0 }));
        let array = column(&vectors, &there, dimension, width);
        let parts: Vec<Part> = cuts(&mut random, rows).into_iter().map(|rows| part(&array, &selected, rows)).collect();

        let mut values: Vec<f64> = query.iter().map(|value| f64::from(*value)).collect();
        values.extend((1..queries).flat_map(|_| (0..dimension).map(|_| random.signed()).collect::<Vec<_>>()));
        let queries = Queries::try_new(values, dimension).unwrap();
        let compressed = CompressedColumn::build(&parts, threads, &|| Ok(())).unwrap();
        let options = SearchOptions { metric, top_k, backend, threads, check: &|| Ok(()) };
        let found = compressed.search(&parts, &queries, &options).unwrap();
        let whole = part(&array, &selected, 0..rows);
        prop_assert_eq!(found.hits.len(), queries.count());
        for (query, hits) in queries.iter().zip(&found.hits) {
            prop_assert_eq!(bits(hits), bits(&sorted(&whole, query, metric, top_k)));
        }
        let candidates = there.iter().zip(&selected).filter(|(there, selected)| **there && **selected).count();
        prop_assert_eq!(found.figures.candidates, candidates as u64);
    }
}

fn plain(rows: usize, dimension: usize) -> (Vec<Part>, Queries) {
    let (vectors, query) = table(&mut Random(7), Data::Plain, rows, dimension);
    let array = column(&vectors, &vec![true; rows], dimension, Width::F32);
    let query = query.iter().map(|value| f64::from(*value)).collect();
    (vec![part(&array, &[], 0..rows)], Queries::one(query).unwrap())
}

#[test]
fn most_rows_are_never_scored() {
    let (parts, queries) = plain(20_000, 64);
    let compressed = CompressedColumn::build(&parts, 2, &|| Ok(())).unwrap();
    for metric in METRICS {
        let options = SearchOptions { metric, top_k: 10, backend: Backend::best(), threads: 1, check: &|| Ok(()) };
        let Figures { candidates, scored } = compressed.search(&parts, &queries, &options).unwrap().figures;
        assert_eq!(candidates, 20_000);
        assert!(scored < 1_000, "{metric:?} scored {scored}");
    }
}

#[test]
fn a_copy_takes_a_quarter_of_the_memory_and_a_little_for_each_row() {
    let (parts, _) = plain(20_000, 128);
    let compressed = CompressedColumn::build(&parts, 1, &|| Ok(())).unwrap();
    assert!(compressed.bytes() <= CompressedColumn::bytes_for(20_000, 128));
    assert!(compressed.bytes() < 20_000 * 128 * 4 * 3 / 10);
}

#[test]
fn many_chunks_are_found_in_by_any_number_of_threads() {
    let (parts, queries) = plain(40_000, 96);
    let compressed = CompressedColumn::build(&parts, 3, &|| Ok(())).unwrap();
    for metric in METRICS {
        let expected = sorted(&parts[0], queries.iter().next().unwrap(), metric, 20);
        for threads in [1, 2, 5] {
            let options = SearchOptions { metric, top_k: 20, backend: Backend::best(), threads, check: &|| Ok(()) };
            let found = compressed.search(&parts, &queries, &options).unwrap();
            assert_eq!(bits(&found.hits[0]), bits(&expected), "{metric:?} {threads}");
        }
    }
}

#[test]
fn a_query_of_any_size_finds_the_same() {
    let (parts, _) = plain(500, 8);
    let compressed = CompressedColumn::build(&parts, 1, &|| Ok(())).unwrap();
    for size in [0.0, 1e-45, 1e-38, 1.0, 3e38] {
        for metric in METRICS {
            let query: Vec<f64> = (0..8).map(|place| if place < 4 { size } else { -size }).collect();
            let options = SearchOptions { metric, top_k: 9, backend: Backend::best(), threads: 1, check: &|| Ok(()) };
            let found = compressed.search(&parts, &Queries::one(query.clone()).unwrap(), &options).unwrap();
            assert_eq!(bits(&found.hits[0]), bits(&sorted(&parts[0], &query, metric, 9)), "{metric:?} {size}");
        }
    }
}

#[test]
fn what_does_not_fit_the_copy_is_refused() {
    let (parts, queries) = plain(100, 4);
    let compressed = CompressedColumn::build(&parts, 1, &|| Ok(())).unwrap();
    let options =
        SearchOptions { metric: Metric::L2, top_k: 1, backend: Backend::best(), threads: 1, check: &|| Ok(()) };
    let code = |parts: &[Part], queries: &Queries| compressed.search(parts, queries, &options).unwrap_err().code();
    assert_eq!(code(&plain(101, 4).0, &queries), ErrorCode::Internal);
    assert_eq!(code(&parts, &Queries::one(vec![1.0; 5]).unwrap()), ErrorCode::TypeMismatch);
    assert_eq!(code(&parts, &Queries::one(vec![1e39; 4]).unwrap()), ErrorCode::InvalidArgument);
    let wide = column(&[vec![1.0; 70_000]], &[true], 70_000, Width::F32);
    let refused = CompressedColumn::build(&[part(&wide, &[], 0..1)], 1, &|| Ok(())).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}

#[test]
fn nothing_is_found_in_nothing() {
    let options =
        SearchOptions { metric: Metric::L2, top_k: 3, backend: Backend::best(), threads: 2, check: &|| Ok(()) };
    let queries = Queries::one(vec![1.0; 3]).unwrap();
    let nulls = column(&[vec![0.0; 3], vec![0.0; 3]], &[false, false], 3, Width::F32);
    for parts in [vec![], vec![part(&nulls, &[], 0..2)]] {
        let compressed = CompressedColumn::build(&parts, 2, &|| Ok(())).unwrap();
        assert_eq!(compressed.bytes(), 0);
        assert_eq!(compressed.search(&parts, &queries, &options).unwrap().hits, vec![Vec::<Hit>::new()]);
    }
}

#[test]
fn a_search_ends_when_it_is_asked_to() {
    let (parts, queries) = plain(60_000, 64);
    let compressed = CompressedColumn::build(&parts, 1, &|| Ok(())).unwrap();
    let asked = AtomicUsize::new(0);
    let check = || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(Error::new(ErrorCode::Cancelled, "enough")),
    };
    let options = SearchOptions { metric: Metric::Dot, top_k: 1, backend: Backend::best(), threads: 2, check: &check };
    assert_eq!(compressed.search(&parts, &queries, &options).unwrap_err().code(), ErrorCode::Cancelled);
    let refused = CompressedColumn::build(&parts, 2, &|| Err(Error::new(ErrorCode::Cancelled, "enough")));
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Cancelled);
}

#[test]
fn scores_are_those_of_the_specification() {
    let (parts, queries) = plain(300, 16);
    let compressed = CompressedColumn::build(&parts, 1, &|| Ok(())).unwrap();
    let options =
        SearchOptions { metric: Metric::Cosine, top_k: 5, backend: Backend::best(), threads: 1, check: &|| Ok(()) };
    let exact = ExactQuery::new(Metric::Cosine, queries.iter().next().unwrap().to_vec());
    let velaria_vector::column::Components::F32(values) = parts[0].column.components() else { unreachable!() };
    for hit in &compressed.search(&parts, &queries, &options).unwrap().hits[0] {
        let row = hit.row_id as usize;
        assert_eq!(hit.score.to_bits(), exact.score(&values[row * 16..(row + 1) * 16]).to_bits());
    }
}

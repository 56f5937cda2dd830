//! The search, however the work is cut and whoever does it.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array};
use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use velaria_contract::{Error, ErrorCode};

use super::*;
use crate::noise::{Noise, any_kind, finite, numbers};

fn part(values: Vec<f32>, dimension: usize) -> Part {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let array: ArrayRef =
        Arc::new(FixedSizeListArray::new(item, dimension as i32, Arc::new(Float32Array::from(values)), None));
    Part { column: VectorColumn::try_new(&array).unwrap(), selected: None }
}

fn options(metric: Metric, top_k: usize) -> SearchOptions<'static> {
    SearchOptions { metric, top_k, backend: Backend::best(), threads: 1, check: &|| Ok(()) }
}

/// Hits as bits, so that NaN equals NaN.
fn bits(found: &Found) -> Vec<(u64, u64)> {
    found.hits.iter().flatten().map(|hit| (hit.row_id, hit.score.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn threads_tasks_and_parts_do_not_matter(
        seed: u64, kind in any_kind(), dimension in 1_usize..24, counts in prop::collection::vec(0_usize..50, 0..4),
        most in 1_usize..40, threads in 1_usize..4, top_k in 1_usize..40,
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
    ) {
        let mut noise = Noise::new(seed);
        let queries = Queries::one(finite(&mut noise, kind, dimension).into_iter().map(f64::from).collect()).unwrap();
        let parts: Vec<_> =
            counts.iter().map(|rows| part(numbers(&mut noise, kind, dimension, *rows), dimension)).collect();
        let options = options(metric, top_k);
        let whole = search(&parts, &queries, &options).unwrap();
        let tasks = tasks::cut(counts.iter().copied(), NonZero::new(most).unwrap());
        let cut = search_tasks(&parts, &queries, &options, &tasks, threads).unwrap();
        prop_assert_eq!(bits(&whole), bits(&cut));
        prop_assert_eq!(whole.figures.candidates, cut.figures.candidates);
    }
}

#[test]
fn large_tables_are_searched_by_threads_with_one_result() {
    let mut noise = Noise::new(7);
    let queries = Queries::one(vec![0.25; 16]).unwrap();
    let kind = crate::noise::Kind::Plain;
    let parts = [part(numbers(&mut noise, kind, 16, 70_000), 16), part(numbers(&mut noise, kind, 16, 5), 16)];
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let one = search(&parts, &queries, &options(metric, 25)).unwrap();
        let four = search(&parts, &queries, &SearchOptions { threads: 4, ..options(metric, 25) }).unwrap();
        assert_eq!(bits(&one), bits(&four));
        assert!(one.figures.scored < 2_000, "{:?}", one.figures);
    }
}

#[test]
fn a_search_can_be_stopped_every_few_megabytes() {
    let parts = [part(vec![1.0; 4 << 20], 4)];
    let asked = AtomicUsize::new(0);
    let check = || match asked.fetch_add(1, Ordering::Relaxed) {
        5 => Err(Error::new(ErrorCode::Cancelled, "stopped")),
        _ => Ok(()),
    };
    let options = SearchOptions { check: &check, threads: 2, ..options(Metric::L2, 3) };
    let error = search(&parts, &Queries::one(vec![0.0; 4]).unwrap(), &options).unwrap_err();
    assert_eq!(error.message(), "stopped");
}

#[test]
fn nothing_is_found_in_nothing() {
    let found = search(&[], &Queries::one(vec![1.0]).unwrap(), &options(Metric::Cosine, 3)).unwrap();
    assert_eq!(found.hits, vec![Vec::new()]);
    let error = search(&[], &Queries::one(vec![1.0]).unwrap(), &options(Metric::Cosine, 0)).unwrap_err();
    assert_eq!(error.message(), "top_k must be a positive integer");
}

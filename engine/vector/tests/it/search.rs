//! Searches against the full sort of all scores.

use arrow::array::Array;
use arrow::buffer::BooleanBuffer;
use proptest::prelude::*;
use velaria_contract::ErrorCode;
use velaria_vector::{Backend, Metric, Queries, Scanner, VectorColumn};

use crate::data::{Bits, any_make, any_metric, bits, fixed, full_sort, nearest, numbers, part, plain, query};

fn rows(values: &[f32], dimension: usize) -> impl Iterator<Item = (u64, Vec<f32>)> {
    (0..).zip(values.chunks_exact(dimension).map(<[f32]>::to_vec))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// RC-VECTOR-1, RC-VECTOR-2
    #[test]
    fn the_nearest_are_the_first_of_all_scores_sorted(
        seed: u64, make in any_make(), asked in any_make(), dimension in 1_usize..40, count in 0_usize..200,
        top_k in 1_usize..30, metric in any_metric(),
    ) {
        let (values, query) = (numbers(seed, make, dimension * count), query(seed, asked, dimension));
        let sorted = full_sort(rows(&values, dimension), &query, metric, top_k);
        let parts = [part(&fixed(values, dimension))];
        for backend in Backend::available() {
            prop_assert_eq!(&nearest(&parts, &query, metric, top_k, *backend), &sorted, "{:?}", backend);
        }
    }

    #[test]
    fn batches_slices_and_choices_are_found_by_the_numbers_of_the_whole(
        seed: u64, make in any_make(), dimension in 1_usize..12, sizes in prop::collection::vec(0_usize..90, 0..5),
        every in 1_u64..9, top_k in 1_usize..30, metric in any_metric(),
    ) {
        let count: usize = sizes.iter().sum();
        let (values, query) = (numbers(seed, make, dimension * count), query(seed, make, dimension));
        let chosen = |id: u64| seed.rotate_left((id % 64) as u32) % every == 0;
        let sorted = full_sort(rows(&values, dimension).filter(|(id, _)| chosen(*id)), &query, metric, top_k);
        let whole = fixed(values, dimension);
        let queries = Queries::one(query).unwrap();
        let mut scanners = [(); 2].map(|()| Scanner::new(&queries, metric, top_k, Backend::best()).unwrap());
        let mut first = 0;
        for (number, size) in sizes.iter().enumerate() {
            let column = VectorColumn::try_new(&whole.slice(first, *size)).unwrap();
            let selected = BooleanBuffer::collect_bool(*size, |row| chosen((first + row) as u64));
            scanners[number % 2].push(&column, first as u64, Some(&selected)).unwrap();
            first += size;
        }
        let [mut left, right] = scanners;
        left.merge(right);
        prop_assert_eq!(bits(&left.finish()), sorted);
    }
}

fn push(query: Vec<f64>, array: &arrow::array::ArrayRef) -> Result<Bits, ErrorCode> {
    let mut scanner = Scanner::new(&Queries::one(query).unwrap(), Metric::L2, 3, Backend::best()).unwrap();
    let column = VectorColumn::try_new(array).unwrap();
    scanner.push(&column, 0, None).map_err(|error| error.code())?;
    Ok(bits(&scanner.finish()))
}

#[test]
fn a_query_that_is_infinite_in_32_bits_is_refused_by_such_columns() {
    assert_eq!(push(vec![1e39], &fixed(vec![1.0], 1)), Err(ErrorCode::InvalidArgument));
    assert_eq!(push(vec![1e39], &fixed(vec![], 1)), Ok(vec![]));
}

#[test]
fn a_query_of_another_length_is_refused() {
    assert_eq!(push(vec![1.0, 2.0], &fixed(vec![1.0], 1)), Err(ErrorCode::TypeMismatch));
}

#[test]
fn a_choice_of_another_number_of_rows_is_refused() {
    let mut scanner = Scanner::new(&Queries::one(vec![1.0]).unwrap(), Metric::L2, 3, Backend::best()).unwrap();
    let column = VectorColumn::try_new(&fixed(vec![1.0, 2.0], 1)).unwrap();
    let error = scanner.push(&column, 0, Some(&BooleanBuffer::new_set(3))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn most_rows_are_proven_to_be_too_far() {
    let values = numbers(3, plain, 64 * 20_000);
    let column = VectorColumn::try_new(&fixed(values, 64)).unwrap();
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let queries = Queries::one(query(5, plain, 64)).unwrap();
        let mut scanner = Scanner::new(&queries, metric, 10, Backend::best()).unwrap();
        scanner.push(&column, 0, None).unwrap();
        let figures = scanner.finish().figures;
        assert_eq!(figures.candidates, 20_000);
        // Of random rows, row n is among the nearest k so far with probability k/n.
        assert!(figures.scored < 300, "{metric:?} {figures:?}");
    }
}

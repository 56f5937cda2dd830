//! The Arrow types that vectors come in: one result.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float16Array, Float32Array, Float64Array, LargeListArray, ListArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Float32Type};
use half::f16;
use proptest::prelude::*;
use velaria_vector::{Backend, Metric, VectorColumn};

use crate::data::{Bits, any_make, any_metric, full_sort, nearest, numbers, part, query};

/// The same vectors in each type of list; rows that are null hold what `items` has for them.
fn lists(items: &ArrayRef, dimension: usize, nulls: Option<&NullBuffer>) -> [ArrayRef; 3] {
    let item = Arc::new(Field::new("item", items.data_type().clone(), true));
    let rows = items.len() / dimension;
    let (items, nulls) = (|| Arc::clone(items), || nulls.cloned());
    let small = OffsetBuffer::from_lengths(std::iter::repeat_n(dimension, rows));
    let large = OffsetBuffer::from_lengths(std::iter::repeat_n(dimension, rows));
    [
        Arc::new(FixedSizeListArray::new(Arc::clone(&item), dimension as i32, items(), nulls())),
        Arc::new(ListArray::new(Arc::clone(&item), small, items(), nulls())),
        Arc::new(LargeListArray::new(item, large, items(), nulls())),
    ]
}

fn search(array: &ArrayRef, query: &[f64], metric: Metric) -> Vec<Bits> {
    Backend::available().iter().map(|backend| nearest(&[part(array)], query, metric, 9, *backend)).collect()
}

fn items(values: &[f32], bits: u8) -> ArrayRef {
    match bits {
        16 => Arc::new(Float16Array::from_iter_values(values.iter().map(|value| f16::from_f32(*value)))),
        32 => Arc::new(Float32Array::from(values.to_vec())),
        _ => Arc::new(Float64Array::from_iter_values(values.iter().map(|value| f64::from(*value) / 3.0))),
    }
}

/// What the search must find among rows `skip..`, by their own numbers.
fn expected(array: &ArrayRef, dimension: usize, query: &[f64], metric: Metric) -> Bits {
    let list = array.as_any().downcast_ref::<FixedSizeListArray>().unwrap();
    let there = |row: usize| list.is_valid(row).then(|| (row as u64, list.value(row)));
    let wide = |items: ArrayRef| -> Vec<f64> {
        let wide = arrow::compute::cast(&items, &DataType::Float64).unwrap();
        wide.as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
    };
    assert_eq!(list.value_length() as usize, dimension);
    let rows = (0..list.len()).filter_map(there).map(|(id, items)| (id, wide(items)));
    let narrow: Vec<f64> = query.iter().map(|value| f64::from(*value as f32)).collect();
    let is_wide = list.value_type() == DataType::Float64;
    full_sort(rows, if is_wide { query } else { &narrow }, metric, 9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn lists_of_every_type_and_slice_give_the_scores_of_their_values(
        seed: u64, make in any_make(), dimension in 1_usize..20, count in 1_usize..80, skip in 0_usize..5,
        bits in prop::sample::select(vec![16_u8, 32, 64]), holes: bool, metric in any_metric(),
    ) {
        let values = numbers(seed, make, dimension * count);
        let query: Vec<f64> = query(seed, make, dimension).into_iter().map(|value| value * 0.7).collect();
        let nulls = holes.then(|| NullBuffer::from_iter((0..count).map(|row| seed.rotate_left(row as u32) % 3 > 0)));
        let lists = lists(&items(&values, bits), dimension, nulls.as_ref());
        let skip = skip.min(count);
        let lists = lists.map(|list| list.slice(skip, count - skip));
        let expected = expected(&lists[0], dimension, &query, metric);
        for list in &lists {
            for found in search(list, &query, metric) {
                prop_assert_eq!(&found, &expected, "{}", list.data_type());
            }
        }
    }
}

#[test]
fn a_null_inside_of_a_vector_is_refused_and_one_below_a_null_row_is_not() {
    let items: ArrayRef =
        Arc::new(Float32Array::from(vec![Some(1.0), Some(2.0), Some(3.0), None, Some(5.0), Some(6.0)]));
    let nulls = NullBuffer::from(vec![true, false, true]);
    for list in lists(&items, 2, Some(&nulls)) {
        assert_eq!(nearest(&[part(&list)], &[5.0, 6.0], Metric::L2, 1, Backend::best())[0].0, 2);
    }
    for list in lists(&items, 2, None) {
        let error = VectorColumn::try_new(&list).unwrap_err();
        assert_eq!(error.message(), "the vector in row 1 has a null at position 1");
        assert!(VectorColumn::try_new(&list.slice(2, 1)).is_ok());
    }
}

#[test]
fn null_rows_of_lists_need_no_items() {
    let rows = [Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![Some(3.0), Some(4.0)])];
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
    assert_eq!(nearest(&[part(&list)], &[3.0, 4.0], Metric::L2, 1, Backend::best()), [(2, 0)]);
    assert_eq!(nearest(&[part(&list.slice(1, 2))], &[3.0, 4.0], Metric::L2, 5, Backend::best()), [(1, 0)]);
}

#[test]
fn vectors_of_different_lengths_are_refused() {
    let rows = [Some(vec![Some(1.0)]), None, Some(vec![Some(3.0), Some(4.0)])];
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
    let error = VectorColumn::try_new(&list).unwrap_err();
    assert_eq!(error.message(), "fixed vector length mismatch in vector column cache: 1 and 2 dimensions");
}

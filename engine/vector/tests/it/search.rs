//! Searches against the full sort of all scores.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray};
use arrow::datatypes::Float32Type;
use proptest::prelude::*;
use velaria_vector::exact::ExactQuery;
use velaria_vector::{Backend, Metric, Part, Queries, SearchOptions, VectorColumn, search};

fn part(rows: &[Option<Vec<f32>>], dimension: i32) -> Part {
    let rows = rows.iter().map(|row| row.as_ref().map(|row| row.iter().map(|value| Some(*value)).collect::<Vec<_>>()));
    let array: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, dimension));
    Part { column: VectorColumn::try_new(&array).unwrap(), selected: None }
}

proptest! {
    #[test]
    fn the_nearest_are_the_first_of_all_scores_sorted(
        rows in prop::collection::vec(prop::option::weighted(0.9, prop::collection::vec(-2_i8..3, 3)), 0..40),
        query in prop::collection::vec(-2_i8..3, 3),
        top_k in 1_usize..50,
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
    ) {
        let rows: Vec<Option<Vec<f32>>> =
            rows.into_iter().map(|row| row.map(|row| row.into_iter().map(f32::from).collect())).collect();
        let query: Vec<f64> = query.into_iter().map(f64::from).collect();
        let options = SearchOptions { metric, top_k, backend: Backend::best(), threads: 1, check: &|| Ok(()) };
        let found = search(&[part(&rows, 3)], &Queries::one(query.clone()).unwrap(), &options).unwrap();
        let exact = ExactQuery::new(metric, query);
        let mut all: Vec<(usize, f64)> =
            rows.iter().enumerate().filter_map(|(id, row)| Some((id, exact.score(row.as_ref()?)))).collect();
        all.sort_by(|left, right| metric.order(left.1, right.1).then(left.0.cmp(&right.0)));
        all.truncate(top_k);
        let found: Vec<(usize, f64)> = found.hits[0].iter().map(|hit| (hit.row_id as usize, hit.score)).collect();
        prop_assert_eq!(found, all);
    }
}

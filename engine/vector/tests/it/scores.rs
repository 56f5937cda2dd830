//! The laws of the scores themselves.

use proptest::prelude::*;
use velaria_vector::Metric;
use velaria_vector::exact::{self, ExactQuery};

use crate::data::{any_make, any_metric, numbers, plain, query};

/// The sum with what each addition loses carried along (Kahan and Babuška's, as improved by Neumaier in 1974).
fn compensated(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

fn score(metric: Metric, row: &[f32], query: &[f64]) -> f64 {
    ExactQuery::new(metric, query.to_vec()).score(row)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_score_is_within_its_bound_of_a_compensated_sum(seed: u64, make in any_make(), dimension in 1_usize..1026) {
        let (row, query) = (narrow(&query(!seed, make, dimension)), query(seed, make, dimension));
        let pairs = || row.iter().map(|value| f64::from(*value)).zip(query.iter().copied());
        let bound = (dimension as f64 / 8.0 + 4.0) / 2.0_f64.powi(53) * 1.01;
        let square = compensated(pairs().map(|(a, _)| a * a));
        let norms = (square * compensated(query.iter().map(|b| b * b))).sqrt();
        let off = (exact::dot(&row, &query) - compensated(pairs().map(|(a, b)| a * b))).abs();
        prop_assert!(off <= bound * norms);
        prop_assert!((exact::squared_norm(&row) - square).abs() <= bound * square);
        let distance = compensated(pairs().map(|(a, b)| (a - b) * (a - b)));
        prop_assert!((exact::squared_l2(&row, &query) - distance).abs() <= bound * distance);
    }

    #[test]
    fn the_score_of_two_vectors_is_that_of_the_two_exchanged(
        seed: u64, make in any_make(), dimension in 1_usize..100, metric in any_metric(),
    ) {
        let (left, right) = (query(seed, make, dimension), query(seed ^ 0xff, make, dimension));
        let there = score(metric, &narrow(&left), &right);
        prop_assert_eq!(there.to_bits(), score(metric, &narrow(&right), &left).to_bits());
    }

    #[test]
    fn powers_of_two_change_no_cosine_and_scale_the_others(
        seed: u64, dimension in 1_usize..100, left in -20_i32..20, right in -20_i32..20,
    ) {
        let (row, query) = (numbers(seed, plain, dimension), query(seed, plain, dimension));
        let (left, right) = (2.0_f64.powi(left), 2.0_f64.powi(right));
        let larger: Vec<f32> = row.iter().map(|value| value * left as f32).collect();
        let scaled = |by: f64| query.iter().map(|value| value * by).collect::<Vec<_>>();
        let cosine = score(Metric::Cosine, &larger, &scaled(right));
        prop_assert_eq!(cosine.to_bits(), score(Metric::Cosine, &row, &query).to_bits());
        let dot = score(Metric::Dot, &larger, &scaled(right));
        prop_assert_eq!(dot.to_bits(), (score(Metric::Dot, &row, &query) * left * right).to_bits());
        let l2 = score(Metric::L2, &larger, &scaled(left));
        prop_assert_eq!(l2.to_bits(), (score(Metric::L2, &row, &query) * left).to_bits());
    }

    #[test]
    fn a_way_is_not_longer_than_another_by_a_third_vector(seed: u64, make in any_make(), dimension in 1_usize..100) {
        let [a, b, c] = [1, 2, 3].map(|number| query(seed ^ number, make, dimension));
        let way = |from: &[f64], to: &[f64]| score(Metric::L2, &narrow(from), to);
        prop_assert!(way(&a, &c) <= (way(&a, &b) + way(&b, &c)) * (1.0 + 1e-13));
        prop_assert_eq!(way(&a, &a), 0.0);
    }

    #[test]
    fn a_vector_is_its_own_nearest_direction(seed: u64, make in any_make(), dimension in 1_usize..100) {
        let vector = query(seed, make, dimension);
        prop_assume!(vector.iter().any(|value| *value != 0.0));
        prop_assert!(score(Metric::Cosine, &narrow(&vector), &vector) < 1e-13);
        let other: Vec<f64> = vector.iter().map(|value| -value).collect();
        prop_assert!(score(Metric::Cosine, &narrow(&vector), &other) > 2.0 - 1e-13);
    }
}

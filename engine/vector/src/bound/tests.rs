//! No row is left out that may be among the nearest; and most of the others are.

use proptest::prelude::*;

use super::*;
use crate::backend::Backend;
use crate::noise::{Kind, Noise, any_kind, finite, numbers};

/// Scores that are the row's own, nearly so, or another.
fn thresholds(score: f64, other: f64) -> [f64; 7] {
    let (near, far) = (score * (1.0 - 1e-7), score * (1.0 + 1e-7));
    [score, score.next_up(), score.next_down(), near, far, other, -score]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_row_that_is_left_out_is_strictly_farther(
        seed: u64, rows in any_kind(), query in any_kind(), dimension in 1_usize..140,
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
    ) {
        let mut noise = Noise::new(seed);
        let query = finite(&mut noise, query, dimension);
        let rows = numbers(&mut noise, rows, dimension, 9);
        let query = ExactQuery::new(metric, query.into_iter().map(f64::from).collect());
        let Some(filter) = Filter::new(&query) else { return Ok(()) };
        for backend in Backend::available() {
            let mut block = Block::new();
            filter.measure(Kernel::new(*backend), &rows, &mut block);
            let scores: Vec<f64> = rows.chunks_exact(dimension).map(|row| query.score(row)).collect();
            for (row, score) in scores.iter().enumerate() {
                for threshold in thresholds(*score, scores[0]).into_iter().filter(|score| !score.is_nan()) {
                    let farther = metric.order(*score, threshold).is_gt();
                    let excluded = filter.limit(threshold).excludes(block.dots[row], block.squares[row]);
                    prop_assert!(farther || !excluded, "{metric:?} {backend:?} {score:e} {threshold:e}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_is_clearly_farther_is_left_out(
        seed: u64, dimension in 1_usize..300,
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
    ) {
        let mut noise = Noise::new(seed);
        let query = finite(&mut noise, Kind::Plain, dimension);
        let row = numbers(&mut noise, Kind::Plain, dimension, 1);
        let query = ExactQuery::new(metric, query.into_iter().map(f64::from).collect());
        let filter = Filter::new(&query).unwrap();
        let mut block = Block::new();
        filter.measure(Kernel::new(Backend::best()), &row, &mut block);
        let step = 1e-4 * (query.norm() * exact_norm(&row)).max(1.0);
        let nearer = query.score(&row) + if metric.is_distance() { -step } else { step };
        let possible = metric != Metric::L2 || nearer >= 0.0;
        prop_assert!(!possible || filter.limit(nearer).excludes(block.dots[0], block.squares[0]));
    }
}

fn exact_norm(row: &[f32]) -> f64 {
    crate::exact::squared_norm(row).sqrt()
}

#[test]
fn approximations_that_are_not_numbers_leave_nothing_out() {
    let limits = [
        Limit::NOTHING,
        Limit::Products { target: 1e300, factor: 0.0 },
        Limit::Products { target: 0.0, factor: -1.0 },
        Limit::Distances { above: 0.0 },
    ];
    for limit in limits {
        for (dot, square) in [(f32::NAN, 1.0), (0.0, f32::NAN), (f32::INFINITY, 1.0), (-1.0, f32::INFINITY)] {
            let measured = matches!(limit, Limit::Distances { .. }) && square == 1.0;
            assert!(measured || !limit.excludes(dot, square), "{limit:?} {dot} {square}");
        }
    }
}

#[test]
fn what_the_theory_does_not_cover_is_not_filtered() {
    assert!(gamma(1 << 22).is_infinite());
    assert!(Filter::new(&ExactQuery::new(Metric::Dot, vec![0.0; 3])).is_none());
}

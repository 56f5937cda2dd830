//! Many queries at once against one search for each: the same rows and the same bits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Field, Float16Type, Float32Type, Float64Type};
use half::f16;
use proptest::prelude::*;
use velaria_contract::Result;
use velaria_vector::exact::ExactQuery;
use velaria_vector::{Backend, Found, Hit, Metric, Part, Queries, SearchOptions, TopK, VectorColumn, search};

/// The width of the items of a column.
#[derive(Debug, Clone, Copy)]
enum Width {
    Half,
    Single,
    Double,
}

/// A table and the queries.
#[derive(Debug, Clone)]
struct Case {
    dimension: usize,
    width: Width,
    rows: Vec<f64>,
    there: Vec<bool>,
    selected: Option<Vec<bool>>,
    queries: Vec<f64>,
    metric: Metric,
    top_k: usize,
    backend: Backend,
    threads: usize,
    cut: usize,
}

fn items<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

impl Case {
    fn array(&self) -> ArrayRef {
        let rows = self.rows.iter().copied();
        let items = match self.width {
            Width::Half => items::<Float16Type>(rows.map(f16::from_f64)),
            Width::Single => items::<Float32Type>(rows.map(|value| value as f32)),
            Width::Double => items::<Float64Type>(rows),
        };
        let field = Arc::new(Field::new("item", items.data_type().clone(), true));
        let nulls = Some(NullBuffer::from(self.there.clone()));
        Arc::new(FixedSizeListArray::new(field, i32::try_from(self.dimension).unwrap(), items, nulls))
    }

    /// The table in two parts.
    fn parts(&self) -> Vec<Part> {
        let array = self.array();
        let cut = self.cut.min(array.len());
        let part = |start: usize, rows: usize| Part {
            column: VectorColumn::try_new(&array.slice(start, rows)).unwrap(),
            selected: self.selected.as_ref().map(|chosen| BooleanBuffer::from(chosen[start..start + rows].to_vec())),
        };
        vec![part(0, cut), part(cut, array.len() - cut)]
    }

    /// Every score by the specification.
    fn expected(&self) -> Vec<Vec<(u64, u64)>> {
        let narrow = |value: f64| if matches!(self.width, Width::Double) { value } else { f64::from(value as f32) };
        let rows: Vec<Vec<f64>> =
            self.rows.chunks(self.dimension).map(|row| row.iter().map(|v| self.stored(*v)).collect()).collect();
        let one = |query: &[f64]| {
            let query = ExactQuery::new(self.metric, query.iter().map(|value| narrow(*value)).collect());
            let mut nearest = TopK::new(self.metric, self.top_k);
            for (id, row) in rows.iter().enumerate() {
                if self.there[id] && self.selected.as_ref().is_none_or(|chosen| chosen[id]) {
                    nearest.push(id as u64, query.score(row));
                }
            }
            bits(&nearest.into_sorted())
        };
        self.queries.chunks(self.dimension).map(one).collect()
    }

    fn stored(&self, value: f64) -> f64 {
        match self.width {
            Width::Half => f16::from_f64(value).to_f64(),
            Width::Single => f64::from(value as f32),
            Width::Double => value,
        }
    }

    fn try_search(&self) -> Result<Found> {
        let queries = Queries::try_new(self.queries.clone(), self.dimension).unwrap();
        let Self { metric, top_k, backend, threads, .. } = *self;
        let options = SearchOptions { metric, top_k, backend, threads, check: &|| Ok(()) };
        search(&self.parts(), &queries, &options)
    }

    fn search(&self) -> Found {
        self.try_search().unwrap()
    }

    fn found(&self) -> Vec<Vec<(u64, u64)>> {
        self.search().hits.iter().map(|hits| bits(hits)).collect()
    }
}

fn bits(hits: &[Hit]) -> Vec<(u64, u64)> {
    let bits = |score: f64| if score.is_nan() { u64::MAX } else { score.to_bits() };
    hits.iter().map(|hit| (hit.row_id, bits(hit.score))).collect()
}

/// A component: few values so that there are ties, near ties, and magnitudes at the ends of the range.
fn component(kind: u8) -> BoxedStrategy<f64> {
    let small = || (-2_i8..3).prop_map(f64::from);
    let near = || (0_u8..4).prop_map(|step| 1.0 + f64::from(step) * f64::from(f32::EPSILON));
    match kind {
        0 => small().boxed(),
        1 => (-1.0..1.0_f64).prop_map(|value| f64::from(value as f32)).boxed(),
        2 => near().boxed(),
        3 => prop_oneof![8 => small(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)].boxed(),
        4 => (-2_i8..3, prop::sample::select(vec![-44, -38, -30, -20, 0, 17, 19, 30, 37]))
            .prop_map(|(digit, power)| f64::from((f64::from(digit) * 10_f64.powi(power)) as f32))
            .boxed(),
        5 => (-2_i8..3, prop::sample::select(vec![-300, -160, -30, 0, 20, 150, 300]))
            .prop_map(|(digit, power)| f64::from(digit) * 10_f64.powi(power))
            .boxed(),
        6 => (0_u8..4).prop_map(|step| 1000.0 + f64::from(step) * 1e-10).boxed(),
        _ => prop_oneof![9 => Just(0.0), 1 => small()].boxed(),
    }
}

fn finite(component: BoxedStrategy<f64>) -> BoxedStrategy<f64> {
    component.prop_map(|value| if value.is_finite() { value } else { 1.0 }).boxed()
}

prop_compose! {
    fn shape(rows_max: usize, queries_max: usize)(
        dimension in 1_usize..20,
        rows in 0..rows_max,
        queries in 1..queries_max,
        kind in 0_u8..8,
        width in 0_u8..3,
    ) -> (usize, usize, usize, u8, Width) {
        // What is huge for 32 bits is in 64-bit columns only, and half of it is finite in 16 bits.
        let width = match (width, kind) {
            (_, 5) | (2, _) => Width::Double,
            (0, 0..=3 | 6 | 7) => Width::Half,
            _ => Width::Single,
        };
        (dimension, rows, queries, kind, width)
    }
}

prop_compose! {
    fn case(rows_max: usize, queries_max: usize)(
        (dimension, rows, queries, kind, width) in shape(rows_max, queries_max),
    )(
        components in prop::collection::vec(component(kind), rows * dimension),
        there in prop::collection::vec(prop::bool::weighted(0.9), rows),
        selected in prop::option::of(prop::collection::vec(prop::bool::weighted(0.6), rows)),
        queries in prop::collection::vec(finite(component(kind)), queries * dimension),
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
        top_k in 1_usize..12,
        backend in prop::sample::select(Backend::available()),
        threads in 1_usize..3,
        cut in 0..rows + 1,
        dimension in Just(dimension),
        width in Just(width),
    ) -> Case {
        Case { dimension, width, rows: components, there, selected, queries, metric, top_k, backend, threads, cut }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn many_queries_find_what_the_specification_says(case in case(60, 10)) {
        prop_assert_eq!(case.found(), case.expected());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn panels_of_every_width_find_what_the_specification_says(case in case(80, 201)) {
        prop_assert_eq!(case.found(), case.expected());
    }
}

/// Numbers between -1 and 1 from a fixed sequence.
fn noise(count: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        f64::from((state >> 40) as f32 / 8_388_608.0 - 1.0)
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn most_rows_are_left_out_without_a_score() {
    let (dimension, rows, queries) = (40, 3_000, 70);
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for width in [Width::Half, Width::Single, Width::Double] {
            for backend in Backend::available() {
                let case = Case {
                    dimension,
                    width,
                    rows: noise(rows * dimension),
                    there: vec![true; rows],
                    selected: None,
                    queries: noise(queries * dimension),
                    metric,
                    top_k: 3,
                    backend: *backend,
                    threads: 1,
                    cut: 1_000,
                };
                let figures = case.search().figures;
                assert_eq!(figures.candidates, rows as u64);
                assert!(figures.scored < (rows * queries / 50) as u64, "{metric:?} {width:?} {backend:?}: {figures:?}");
            }
        }
    }
}

#[test]
fn threads_and_cuts_change_nothing() {
    let (dimension, rows, queries) = (16, 12_000, 70);
    // Few values, so that rows tie across threads.
    let coarse = |count| noise(count).into_iter().map(|value| (value * 2.0).round()).collect::<Vec<_>>();
    let mut case = Case {
        dimension,
        width: Width::Single,
        rows: coarse(rows * dimension),
        there: (0..rows).map(|row| row % 11 != 3).collect(),
        selected: Some((0..rows).map(|row| row % 7 != 2).collect()),
        queries: coarse(queries * dimension),
        metric: Metric::L2,
        top_k: 20,
        backend: Backend::best(),
        threads: 1,
        cut: 0,
    };
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        case.metric = metric;
        let expected = case.expected();
        for (threads, cut) in [(1, 0), (2, 5_000), (3, 11_999), (8, 1)] {
            (case.threads, case.cut) = (threads, cut);
            assert_eq!(case.found(), expected, "{metric:?} {threads} {cut}");
        }
    }
}

#[test]
fn a_query_too_large_for_the_column_is_refused_among_many() {
    let mut case = Case {
        dimension: 1,
        width: Width::Single,
        rows: vec![1.0],
        there: vec![true],
        selected: None,
        queries: vec![1.0, 1e300],
        metric: Metric::L2,
        top_k: 1,
        backend: Backend::best(),
        threads: 1,
        cut: 0,
    };
    let error = case.try_search().unwrap_err();
    assert_eq!(error.code().to_string(), "VEL-7001");
    case.width = Width::Double;
    assert_eq!(case.found(), case.expected());
}

//! Vectors for the laws, and the full sort that every search must equal.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array};
use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use velaria_vector::exact::{Component, ExactQuery};
use velaria_vector::{Backend, Found, Metric, Part, Queries, SearchOptions, VectorColumn, search};

/// One of the metrics.
pub(crate) fn any_metric() -> impl Strategy<Value = Metric> {
    prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2])
}

/// Makes a number out of a seed and a position.
type Make = fn(u64) -> f32;

/// What the components of vectors are like.
pub(crate) fn any_make() -> impl Strategy<Value = Make> {
    prop::sample::select(vec![plain as Make, whole, huge, tiny, spread, nasty, nearly_one])
}

/// Numbers of one kind; every column of seeds is another vector.
pub(crate) fn numbers(seed: u64, make: Make, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        make(state >> 11)
    };
    (0..count).map(step).collect()
}

/// As [`numbers`], those that are finite.
pub(crate) fn query(seed: u64, make: Make, dimension: usize) -> Vec<f64> {
    let finite = |value: f32| if value.is_finite() { f64::from(value) } else { 0.5 };
    numbers(!seed, make, dimension).into_iter().map(finite).collect()
}

pub(crate) fn plain(bits: u64) -> f32 {
    (bits & 0xff_ffff) as f32 / 8_388_608.0 - 1.0
}

fn whole(bits: u64) -> f32 {
    (bits % 5) as f32 - 2.0
}

fn huge(bits: u64) -> f32 {
    plain(bits) * 1e38
}

fn tiny(bits: u64) -> f32 {
    plain(bits) * 1e-41
}

fn spread(bits: u64) -> f32 {
    plain(bits) * 2.0_f32.powi((bits >> 30) as i32 % 60 - 30)
}

fn nearly_one(bits: u64) -> f32 {
    f32::from_bits(0x3f80_0000 + u32::from(bits.is_multiple_of(64)))
}

fn nasty(bits: u64) -> f32 {
    match bits >> 32 & 0x1ff {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        3 => f32::MAX,
        _ => plain(bits),
    }
}

/// A column of 32-bit vectors, one after the other.
pub(crate) fn fixed(values: Vec<f32>, dimension: usize) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    Arc::new(FixedSizeListArray::new(item, dimension as i32, Arc::new(Float32Array::from(values)), None))
}

pub(crate) fn part(array: &ArrayRef) -> Part {
    Part { column: VectorColumn::try_new(array).unwrap(), selected: None }
}

/// Hits as bits, so that NaN equals NaN.
pub(crate) type Bits = Vec<(u64, u64)>;

pub(crate) fn bits(found: &Found) -> Bits {
    found.hits.iter().flatten().map(|hit| (hit.row_id, hit.score.to_bits())).collect()
}

pub(crate) fn nearest(parts: &[Part], query: &[f64], metric: Metric, top_k: usize, backend: Backend) -> Bits {
    let options = SearchOptions { metric, top_k, backend, threads: 2, check: &|| Ok(()) };
    bits(&search(parts, &Queries::one(query.to_vec()).unwrap(), &options).unwrap())
}

/// All rows that are there scored, sorted and cut.
pub(crate) fn full_sort<T: Component>(
    rows: impl Iterator<Item = (u64, Vec<T>)>,
    query: &[f64],
    metric: Metric,
    top_k: usize,
) -> Bits {
    let exact = ExactQuery::new(metric, query.to_vec());
    let mut all: Vec<(u64, f64)> = rows.map(|(id, row)| (id, exact.score(&row) + 0.0)).collect();
    all.sort_by(|left, right| metric.order(left.1, right.1).then(left.0.cmp(&right.0)));
    all.truncate(top_k);
    all.into_iter().map(|(id, score)| (id, score.to_bits())).collect()
}

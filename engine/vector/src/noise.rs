//! Vectors for tests: cheap to make, and as unpleasant as asked for.

use proptest::prelude::*;

/// Pseudo-random bits (xorshift), the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 20) as usize % end.max(1)
    }

    /// Between -1 and 1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// What the components of vectors are like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Between -1 and 1.
    Plain,
    /// Of magnitudes `2^-n` to `2^n`.
    Spread(u8),
    /// Whole numbers from -2 to 2: many equal scores, and zero vectors.
    Whole,
    /// One vector, with a last bit changed here and there.
    NearTies,
    /// About 1e38: squares overflow in 32 bits.
    Huge,
    /// About 1e-41: squares vanish in 32 bits.
    Tiny,
    /// NaN, infinities and the rest between plain vectors.
    Nasty,
}

pub(crate) fn any_kind() -> impl Strategy<Value = Kind> {
    use Kind::{Huge, Nasty, NearTies, Plain, Spread, Tiny, Whole};
    prop::sample::select(vec![Plain, Spread(10), Spread(60), Whole, NearTies, Huge, Tiny, Nasty])
}

/// So many numbers.
pub(crate) fn numbers(noise: &mut Noise, kind: Kind, dimension: usize, rows: usize) -> Vec<f32> {
    let base: Vec<f32> = (0..dimension).map(|_| noise.unit()).collect();
    let one = |at: usize| match kind {
        Kind::Plain => noise.unit(),
        Kind::Spread(most) => noise.unit() * 2.0_f32.powi(noise.below(2 * usize::from(most)) as i32 - i32::from(most)),
        Kind::Whole => noise.below(5) as f32 - 2.0,
        Kind::NearTies => f32::from_bits(base[at % dimension].to_bits() ^ u32::from(noise.below(dimension * 2) == 0)),
        Kind::Huge => noise.unit() * 1e38,
        Kind::Tiny => noise.unit() * 1e-41,
        Kind::Nasty => match noise.below(40 * dimension) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => f32::MAX,
            4 => f32::MIN_POSITIVE,
            _ => noise.unit(),
        },
    };
    (0..dimension * rows).map(one).collect()
}

/// As [`numbers`], all finite.
pub(crate) fn finite(noise: &mut Noise, kind: Kind, dimension: usize) -> Vec<f32> {
    numbers(noise, kind, dimension, 1).into_iter().map(|value| if value.is_finite() { value } else { 0.5 }).collect()
}

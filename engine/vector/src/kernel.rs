//! Row kernels: what 32-bit arithmetic says about one query and many rows, fast and nearly right.
//!
//! Every backend runs the same loop ([`block`]) over its own sixteen [`Lanes`]: element `i` goes to lane `i % 16`, and the
//! lanes are added as a tree. So [`crate::bound`] has one error bound for all of them, and the portable lanes, which are
//! the specification, stand in for the others in tests on any machine.
#![expect(unsafe_code, reason = "instructions of one processor are called only where the processor has them")]

use crate::backend::Backend;
use crate::exact::{Component, ExactQuery};

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Elements that are added independently of each other.
pub(crate) const LANES: usize = 16;

/// Rows that are measured at once, at most.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Sixteen sums. The methods of those with special instructions are called only from functions compiled for them.
trait Lanes: Copy {
    /// Rows that are measured together, so that additions of one need not wait for those of the other.
    const ROWS: usize;

    fn zero() -> Self;

    /// # Safety
    /// Sixteen floats can be read from `from`.
    unsafe fn load(from: *const f32) -> Self;

    /// The rest is zero.
    ///
    /// # Safety
    /// `count` floats can be read from `from`; `count` is less than sixteen.
    unsafe fn load_part(from: *const f32, count: usize) -> Self;

    fn minus(self, other: Self) -> Self;

    /// `self + left * right`, rounded once or twice.
    fn plus_product(self, left: Self, right: Self) -> Self;

    /// The lanes added in four rounds: eight apart, four, two, one.
    fn sum(self) -> f32;

    /// Asks for memory that is read soon; any address will do.
    fn prefetch(address: *const f32);
}

/// How the rows of a block lie to a query.
#[derive(Debug)]
pub(crate) struct Block {
    /// Inner products with the query; meaningless after [`Kernel::distances`].
    pub(crate) dots: [f32; BLOCK_ROWS],
    /// Squared norms, or squared distances after [`Kernel::distances`].
    pub(crate) squares: [f32; BLOCK_ROWS],
}

impl Block {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        Self { dots: [0.0; BLOCK_ROWS], squares: [0.0; BLOCK_ROWS] }
    }
}

/// A query as the kernels read it: in whole chunks, the rest zero.
#[derive(Debug, Clone)]
pub(crate) struct KernelQuery {
    chunks: Vec<[f32; LANES]>,
    dimension: usize,
}

impl KernelQuery {
    /// The values rounded to 32 bits.
    pub(crate) fn new(values: impl ExactSizeIterator<Item = f64>) -> Self {
        let dimension = values.len();
        let mut chunks = vec![[0.0; LANES]; dimension.div_ceil(LANES)];
        chunks.as_flattened_mut().iter_mut().zip(values).for_each(|(to, value)| *to = value as f32);
        Self { chunks, dimension }
    }

    /// The number of components.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }
}

/// The instructions of a search. Holds only a backend that the machine has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    backend: Backend,
}

impl Kernel {
    /// With the instructions of `backend`, or the portable ones where the machine does not have them.
    pub(crate) fn new(backend: Backend) -> Self {
        let there = Backend::available().contains(&backend);
        Self { backend: if there { backend } else { Backend::Portable } }
    }

    /// The inner products and squared norms of `rows`, which lie one after the other, at most [`BLOCK_ROWS`].
    pub(crate) fn products(self, rows: &[f32], query: &KernelQuery, out: &mut Block) {
        match self.backend {
            Backend::Portable => portable::products(rows, query, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx2 => unsafe { x86_64::products_avx2(rows, query, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx512 => unsafe { x86_64::products_avx512(rows, query, out) },
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => aarch64::products(rows, query, out),
            #[allow(unreachable_patterns, reason = "the backends of other processors, which `new` does not keep")]
            _ => portable::products(rows, query, out),
        }
    }

    /// The squared distances of `rows`, which lie one after the other, at most [`BLOCK_ROWS`].
    pub(crate) fn distances(self, rows: &[f32], query: &KernelQuery, out: &mut Block) {
        match self.backend {
            Backend::Portable => portable::distances(rows, query, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx2 => unsafe { x86_64::distances_avx2(rows, query, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx512 => unsafe { x86_64::distances_avx512(rows, query, out) },
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => aarch64::distances(rows, query, out),
            #[allow(unreachable_patterns, reason = "the backends of other processors, which `new` does not keep")]
            _ => portable::distances(rows, query, out),
        }
    }

    /// The score by the specification, whose loop is compiled for the instructions: the bits are the same.
    pub(crate) fn score<T: Component>(self, query: &ExactQuery, row: &[T]) -> f64 {
        match self.backend {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx2 => unsafe { x86_64::score_avx2(query, row) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx512 => unsafe { x86_64::score_avx512(query, row) },
            _ => query.score(row),
        }
    }
}

/// [`Kernel::products`] with these lanes.
#[inline(always)]
fn products<L: Lanes>(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    let step = |[dot, square]: [L; 2], row: L, query: L| [dot.plus_product(row, query), square.plus_product(row, row)];
    let Block { dots, squares } = out;
    block::<L, 2, _>(rows, query, step, dots.iter_mut().zip(squares), |(dot, square), sums| [*dot, *square] = sums);
}

/// [`Kernel::distances`] with these lanes.
#[inline(always)]
fn distances<L: Lanes>(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    let step = |[sum]: [L; 1], row: L, query: L| {
        let difference = row.minus(query);
        [sum.plus_product(difference, difference)]
    };
    block::<L, 1, _>(rows, query, step, out.squares.iter_mut(), |square, [sum]| *square = sum);
}

/// Folds each row together with the query into `S` sums and puts them to its place in `out`.
#[inline(always)]
fn block<L: Lanes, const S: usize, P>(
    rows: &[f32],
    query: &KernelQuery,
    step: impl Fn([L; S], L, L) -> [L; S] + Copy,
    mut out: impl Iterator<Item = P>,
    put: impl Fn(P, [f32; S]) + Copy,
) {
    let mut rest = rows;
    if L::ROWS == 4 {
        rest = groups::<L, S, 4, P>(rest, query, step, &mut out, put);
    }
    if L::ROWS >= 2 {
        rest = groups::<L, S, 2, P>(rest, query, step, &mut out, put);
    }
    groups::<L, S, 1, P>(rest, query, step, &mut out, put);
}

/// The rows in groups of `R`; returns those that are left.
#[inline(always)]
fn groups<'a, L: Lanes, const S: usize, const R: usize, P>(
    rows: &'a [f32],
    query: &KernelQuery,
    step: impl Fn([L; S], L, L) -> [L; S] + Copy,
    out: &mut impl Iterator<Item = P>,
    put: impl Fn(P, [f32; S]) + Copy,
) -> &'a [f32] {
    let groups = rows.chunks_exact((query.dimension * R).max(1));
    let rest = groups.remainder();
    for group in groups {
        let sums: [[f32; S]; R] = group_sums::<L, S, R>(group, query, step);
        out.by_ref().zip(sums).take(R).for_each(|(place, sums)| put(place, sums));
    }
    rest
}

/// The sums of `R` rows, which `group` holds exactly.
#[inline(always)]
fn group_sums<L: Lanes, const S: usize, const R: usize>(
    group: &[f32],
    query: &KernelQuery,
    step: impl Fn([L; S], L, L) -> [L; S],
) -> [[f32; S]; R] {
    let dimension = query.dimension;
    let start = group.as_ptr();
    let mut sums = [[L::zero(); S]; R];
    for (chunk, part) in query.chunks.iter().enumerate() {
        let done = chunk * LANES;
        // SAFETY: a chunk has sixteen floats.
        let part = unsafe { L::load(part.as_ptr()) };
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: chunks begin inside of a row, and the group has `R` rows.
            let from = unsafe { start.add(row * dimension + done) };
            L::prefetch(from.wrapping_add(PREFETCH_FLOATS));
            let left = dimension - done;
            // SAFETY: `left` floats of the row are there.
            let values = unsafe { if left >= LANES { L::load(from) } else { L::load_part(from, left) } };
            *sums = step(*sums, values, part);
        }
    }
    sums.map(|sums| sums.map(L::sum))
}

/// How far ahead memory is asked for.
const PREFETCH_FLOATS: usize = 2048;

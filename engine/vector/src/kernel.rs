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
pub(crate) mod code;
mod portable;
#[cfg(test)]
mod tests;
pub(crate) mod tile;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Elements that are added independently of each other.
pub(crate) const LANES: usize = 16;

/// Rows that are measured at once, at most.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Sixteen sums. The methods of those with special instructions are called only from functions compiled for them.
trait Lanes: Copy {
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
            // Those of other processors, which `new` does not keep.
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
            // Those of other processors, which `new` does not keep.
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

/// What a row and a query are folded into.
trait Fold<L: Lanes>: Copy {
    fn new() -> Self;

    fn step(&mut self, row: L, query: L);

    /// The inner product, if there is one, and the square.
    fn finish(self) -> (f32, f32);
}

/// The inner product and the squared norm.
#[derive(Clone, Copy)]
struct Products<L>(L, L);

impl<L: Lanes> Fold<L> for Products<L> {
    #[inline(always)]
    fn new() -> Self {
        Self(L::zero(), L::zero())
    }

    #[inline(always)]
    fn step(&mut self, row: L, query: L) {
        self.0 = self.0.plus_product(row, query);
        self.1 = self.1.plus_product(row, row);
    }

    #[inline(always)]
    fn finish(self) -> (f32, f32) {
        (self.0.sum(), self.1.sum())
    }
}

/// The squared distance.
#[derive(Clone, Copy)]
struct Distances<L>(L);

impl<L: Lanes> Fold<L> for Distances<L> {
    #[inline(always)]
    fn new() -> Self {
        Self(L::zero())
    }

    #[inline(always)]
    fn step(&mut self, row: L, query: L) {
        let difference = row.minus(query);
        self.0 = self.0.plus_product(difference, difference);
    }

    #[inline(always)]
    fn finish(self) -> (f32, f32) {
        (0.0, self.0.sum())
    }
}

/// Folds each row together with the query. One row after the other: memory is read in order, which the processor foresees;
/// several rows at once, or asking for memory ahead, were measured and are slower.
#[inline(always)]
fn block<L: Lanes, F: Fold<L>>(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    let rows = rows.chunks_exact(query.dimension.max(1));
    for ((row, dot), square) in rows.zip(&mut out.dots).zip(&mut out.squares) {
        (*dot, *square) = fold::<L, F>(row, query).finish();
    }
}

#[inline(always)]
fn fold<L: Lanes, F: Fold<L>>(row: &[f32], query: &KernelQuery) -> F {
    let mut sums = F::new();
    let (chunks, rest) = row.as_chunks::<LANES>();
    for (row, query) in chunks.iter().zip(&query.chunks) {
        // SAFETY: chunks have sixteen floats.
        let (row, query) = unsafe { (L::load(row.as_ptr()), L::load(query.as_ptr())) };
        sums.step(row, query);
    }
    if let Some(query) = query.chunks.get(chunks.len()) {
        // SAFETY: what is left of a row is less than a chunk.
        let (row, query) = unsafe { (L::load_part(rest.as_ptr(), rest.len()), L::load(query.as_ptr())) };
        sums.step(row, query);
    }
    sums
}

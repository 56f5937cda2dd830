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
pub(crate) mod tile;
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

/// What a row and a query are folded into.
trait Fold<L: Lanes>: Copy {
    fn new() -> Self;

    fn step(&mut self, row: L, query: L);

    /// Puts the result to row `row` of `out`; rows beyond its end are not asked for.
    fn finish(self, out: &mut Block, row: usize);
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
    fn finish(self, out: &mut Block, row: usize) {
        put(&mut out.dots, row, self.0.sum());
        put(&mut out.squares, row, self.1.sum());
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
    fn finish(self, out: &mut Block, row: usize) {
        put(&mut out.squares, row, self.0.sum());
    }
}

#[inline(always)]
fn put(out: &mut [f32; BLOCK_ROWS], row: usize, value: f32) {
    if let Some(place) = out.get_mut(row) {
        *place = value;
    }
}

/// Folds each row together with the query: in groups, then those that are left.
#[inline(always)]
fn block<L: Lanes, F: Fold<L>>(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    let count = rows.len() / query.dimension.max(1);
    let mut row = 0;
    while L::ROWS == 4 && row + 4 <= count {
        group::<L, F, 4>(rows, row, query, out);
        row += 4;
    }
    while L::ROWS >= 2 && row + 2 <= count {
        group::<L, F, 2>(rows, row, query, out);
        row += 2;
    }
    while row < count {
        group::<L, F, 1>(rows, row, query, out);
        row += 1;
    }
}

/// `R` rows, beginning with number `row`, all of which `rows` holds.
#[inline(always)]
fn group<L: Lanes, F: Fold<L>, const R: usize>(rows: &[f32], row: usize, query: &KernelQuery, out: &mut Block) {
    let dimension = query.dimension;
    let start = rows.as_ptr().wrapping_add(row * dimension);
    let from: [*const f32; R] = std::array::from_fn(|row| start.wrapping_add(row * dimension));
    let mut sums = [F::new(); R];
    let (chunks, rest) = (dimension / LANES, dimension % LANES);
    for (number, part) in query.chunks.iter().take(chunks).enumerate() {
        // SAFETY: a chunk has sixteen floats.
        let part = unsafe { L::load(part.as_ptr()) };
        for (from, sums) in from.iter().zip(&mut sums) {
            let from = from.wrapping_add(number * LANES);
            L::prefetch(from.wrapping_add(PREFETCH_FLOATS));
            // SAFETY: the rows have so many whole chunks.
            sums.step(unsafe { L::load(from) }, part);
        }
    }
    if let Some(part) = query.chunks.get(chunks) {
        // SAFETY: a chunk has sixteen floats.
        let part = unsafe { L::load(part.as_ptr()) };
        for (from, sums) in from.iter().zip(&mut sums) {
            // SAFETY: behind the whole chunks so many floats are left of each row.
            sums.step(unsafe { L::load_part(from.wrapping_add(chunks * LANES), rest) }, part);
        }
    }
    sums.into_iter().enumerate().for_each(|(place, sums)| sums.finish(out, row + place));
}

/// How far ahead memory is asked for.
const PREFETCH_FLOATS: usize = 2048;

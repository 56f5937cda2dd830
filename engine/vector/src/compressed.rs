//! A compressed copy of a column of vectors, which proves of most rows that they are not among the nearest.
//!
//! Each component is kept as a code of one byte, with a scale, a norm and a bound of the residual for each row. They give
//! an upper bound of every inner product (see [`bound`]) from a quarter of the bytes; only the rows whose bound reaches
//! the threshold are scored, from the original components. So the rows and scores that are found are those of
//! [`search`](crate::search::search), bit for bit.

mod bound;
mod encode;
mod scan;

use std::num::NonZero;

use velaria_contract::{Error, ErrorCode, Result};

use crate::column::{Components, VectorColumn};
use crate::kernel::code::{Header, Pair, ROWS, Unit};
use crate::query::Queries;
use crate::search::{Found, Part, SearchOptions};
use crate::tasks::{self, Task};

/// The most dimensions that the proof of the bounds, and sums of codes in 32 bits, have room for.
pub const COMPRESSED_DIMENSIONS_MAX: usize = 65_536;

/// About what one task of a search reads.
const CHUNK_BYTES: usize = 1 << 20;

/// The compressed copy of the vectors of a table.
#[derive(Debug)]
pub struct CompressedColumn {
    chunks: Vec<Chunk>,
}

/// Consecutive rows of a part: the work of one task.
#[derive(Debug)]
struct Chunk {
    task: Task,
    /// `dimension / 2`, rounded up, for each unit.
    pairs: Vec<Pair>,
    /// One for each unit.
    headers: Vec<Header>,
}

impl CompressedColumn {
    /// Reads all rows of `parts` once, on at most `threads` threads. `check` is asked often; its error ends the work.
    ///
    /// # Errors
    /// `VEL-7001` for vectors of more than [`COMPRESSED_DIMENSIONS_MAX`] dimensions; those of `check`.
    pub fn build(parts: &[Part], threads: usize, check: &(dyn Fn() -> Result<()> + Sync)) -> Result<Self> {
        check_dimensions(parts)?;
        let chunks = tasks::run(
            &tasks(parts),
            threads,
            || Ok(Vec::new()),
            |chunks, task| {
                check()?;
                chunks.extend(parts.get(task.part).map(|part| Chunk::new(task, &part.column)));
                Ok(())
            },
        )?;
        let mut chunks: Vec<Chunk> = chunks.into_iter().flatten().collect();
        chunks.sort_unstable_by_key(|chunk| (chunk.task.part, chunk.task.rows.start));
        Ok(Self { chunks })
    }

    /// The memory that the copy of `rows` vectors of `dimension` components needs, at most.
    #[must_use]
    pub fn bytes_for(rows: usize, dimension: usize) -> usize {
        rows.div_ceil(ROWS).saturating_mul(dimension.div_ceil(2) * size_of::<Pair>() + size_of::<Header>())
    }

    /// The memory of the copy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| size_of_val(&*chunk.pairs) + size_of_val(&*chunk.headers)).sum()
    }

    /// Finds the rows of `parts`, those that this copy was built from, that are nearest to each of `queries`.
    ///
    /// # Errors
    /// Those of [`search`](crate::search::search); `VEL-9001` for other parts.
    pub fn search(&self, parts: &[Part], queries: &Queries, options: &SearchOptions<'_>) -> Result<Found> {
        scan::search(&self.chunks, parts, queries, options)
    }
}

/// How the rows are cut into chunks. Parts without a vector have none.
fn tasks(parts: &[Part]) -> Vec<Task> {
    let dimension = parts.iter().map(|part| part.column.dimension()).max().unwrap_or(0);
    let rows = NonZero::new((CHUNK_BYTES / dimension.max(1)).next_multiple_of(ROWS)).unwrap_or(NonZero::<usize>::MIN);
    let mut tasks = tasks::cut(parts.iter().map(|part| part.column.rows()), rows);
    tasks.retain(|task| parts.get(task.part).is_some_and(|part| part.column.vectors() > 0));
    tasks
}

fn check_dimensions(parts: &[Part]) -> Result<()> {
    let dimensions = parts.iter().map(|part| part.column.dimension());
    let Some(dimension) = dimensions.max().filter(|dimension| *dimension > COMPRESSED_DIMENSIONS_MAX) else {
        return Ok(());
    };
    let message = format!("vectors of {dimension} dimensions have no compressed copy");
    let hint = format!("at most {COMPRESSED_DIMENSIONS_MAX} dimensions");
    Err(Error::new(ErrorCode::InvalidArgument, message).with_hint(hint))
}

impl Chunk {
    fn new(task: &Task, column: &VectorColumn) -> Self {
        let dimension = column.dimension();
        let items = task.rows.start * dimension..task.rows.end * dimension;
        let (pairs, headers) = match column.components() {
            Components::F16(values) => encode::encode(values.get(items).unwrap_or_default(), dimension),
            Components::F32(values) => encode::encode(values.get(items).unwrap_or_default(), dimension),
            Components::F64(values) => encode::encode(values.get(items).unwrap_or_default(), dimension),
        };
        Self { task: task.clone(), pairs, headers }
    }

    fn units(&self) -> impl Iterator<Item = Unit<'_>> {
        let pairs = self.pairs.chunks_exact((self.pairs.len() / self.headers.len().max(1)).max(1));
        pairs.zip(&self.headers).map(|(pairs, header)| Unit { pairs, header })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::metric::Metric;

    pub(crate) const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

    /// Numbers from a seed (splitmix64), and vectors of every kind that may be hard.
    pub(crate) struct Random(pub(crate) u64);

    impl Random {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        }

        /// From 0 to 1.
        pub(crate) fn unit(&mut self) -> f64 {
            (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
        }

        pub(crate) fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
        }

        pub(crate) fn vector(&mut self, dimension: usize) -> Vec<f32> {
            let kind = self.next() % 8;
            let scale = match self.next() % 4 {
                0 => 10.0_f64.powf(self.unit() * 70.0 - 35.0),
                _ => 1.0,
            };
            let hot = self.next() as usize % dimension;
            let component = |place| match kind {
                0 => self.unit(),
                1 => f64::from(u8::from(place == hot)),
                2 => 1.0,
                3 if !self.next().is_multiple_of(10) => 0.0,
                4 => (self.next() % 5) as f64 - 2.0,
                5 if place == hot => 1e4,
                6 => (self.next() % 255) as f64 - 127.0,
                _ => self.normal(),
            };
            (0..dimension).map(component).map(|value| (value * scale) as f32).collect()
        }

        /// A query near the row, opposite to it or of another kind.
        pub(crate) fn query(&mut self, row: &[f32]) -> Vec<f32> {
            let factor = self.unit() as f32;
            match self.next() % 5 {
                0 => row.to_vec(),
                1 => row.iter().map(|value| value * factor).collect(),
                2 => row.iter().map(|value| -value).collect(),
                3 => row.iter().map(|value| value * (1.0 + 1e-6 * self.normal() as f32)).collect(),
                _ => self.vector(row.len()),
            }
        }
    }
}

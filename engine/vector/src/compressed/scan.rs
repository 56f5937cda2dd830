//! The search that reads the compressed copy and scores what it cannot leave out.

use velaria_contract::{Error, ErrorCode, Result};

use super::Chunk;
use super::bound::CodedQuery;
use crate::column::{Components, VectorColumn};
use crate::exact::{Component, ExactQuery};
use crate::kernel::Kernel;
use crate::kernel::code::{ROWS, TILE, Test, Tile};
use crate::query::Queries;
use crate::scanner::findable;
use crate::search::{Figures, Found, Part, SearchOptions};
use crate::tasks::{self, Task};
use crate::top_k::{TopK, check_top_k};

/// See [`super::CompressedColumn::search`].
pub(super) fn search(
    chunks: &[Chunk],
    parts: &[Part],
    queries: &Queries,
    options: &SearchOptions<'_>,
) -> Result<Found> {
    check_top_k(options.top_k)?;
    check_parts(chunks, parts, queries)?;
    let sets = QuerySets::new(parts, queries, options)?;
    let start = || Scan::new(options, queries.count());
    let scans = tasks::run(
        chunks,
        options.threads,
        || Ok(start()),
        |scan, chunk| {
            (options.check)()?;
            parts.get(chunk.task.part).map_or(Ok(()), |part| scan.chunk(chunk, part, &sets))
        },
    )?;
    Ok(scans.into_iter().reduce(Scan::merged).unwrap_or_else(start).finish())
}

/// Refuses queries of another length, and parts that the copy is not of.
fn check_parts(chunks: &[Chunk], parts: &[Part], queries: &Queries) -> Result<()> {
    for part in parts.iter().filter(|part| part.column.vectors() > 0) {
        queries.check_dimension(part.column.dimension())?;
    }
    let pairs = queries.dimension().div_ceil(2);
    let same_tasks = super::tasks(parts).iter().eq(chunks.iter().map(|chunk| &chunk.task));
    if same_tasks && chunks.iter().all(|chunk| chunk.pairs.len() == chunk.headers.len() * pairs) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Internal, "the compressed copy is of other vectors"))
}

/// The queries as columns of each type see them; empty where no part is of the type.
struct QuerySets {
    narrow: QuerySet,
    wide: QuerySet,
}

impl QuerySets {
    fn new(parts: &[Part], queries: &Queries, options: &SearchOptions<'_>) -> Result<Self> {
        let is_wide = |part: &Part| matches!(part.column.components(), Components::F64(_));
        let mut sets = Self { narrow: QuerySet::default(), wide: QuerySet::default() };
        if parts.iter().any(|part| !is_wide(part) && part.column.vectors() > 0) {
            sets.narrow = QuerySet::new(&queries.narrowed()?, options);
        }
        if parts.iter().any(is_wide) {
            sets.wide = QuerySet::new(queries, options);
        }
        Ok(sets)
    }
}

#[derive(Default)]
struct QuerySet {
    exact: Vec<ExactQuery>,
    coded: Vec<CodedQuery>,
    tiles: Vec<Tile>,
}

impl QuerySet {
    fn new(queries: &Queries, options: &SearchOptions<'_>) -> Self {
        let exact: Vec<_> = queries.iter().map(|query| ExactQuery::new(options.metric, query.to_vec())).collect();
        let coded: Vec<_> = exact.iter().map(|query| CodedQuery::new(options.metric, query)).collect();
        let pairs = queries.dimension().div_ceil(2);
        let tiles = match coded.as_slice() {
            [one] => vec![Tile::One((0..pairs).map(|pair| [one.pair(pair)]).collect())],
            many => many.chunks(TILE).map(|queries| tile(queries, pairs)).collect(),
        };
        Self { exact, coded, tiles }
    }
}

/// Queries side by side; where there are fewer than a tile has room for, zeros.
fn tile(queries: &[CodedQuery], pairs: usize) -> Tile {
    let codes = |pair, place| queries.get(place).map_or([0; 2], |query: &CodedQuery| query.pair(pair));
    Tile::Many((0..pairs).map(|pair| std::array::from_fn(|place| codes(pair, place))).collect())
}

/// What one thread has found.
struct Scan {
    kernel: Kernel,
    nearest: Vec<TopK>,
    figures: Figures,
}

impl Scan {
    fn new(options: &SearchOptions<'_>, queries: usize) -> Self {
        let nearest = vec![TopK::new(options.metric, options.top_k); queries];
        Self { kernel: Kernel::new(options.backend), nearest, figures: Figures::default() }
    }

    fn chunk(&mut self, chunk: &Chunk, part: &Part, sets: &QuerySets) -> Result<()> {
        let there = there(part, &chunk.task)?;
        match part.column.components() {
            Components::F16(values) => self.rows(values, &part.column, chunk, &sets.narrow, &there),
            Components::F32(values) => self.rows(values, &part.column, chunk, &sets.narrow, &there),
            Components::F64(values) => self.rows(values, &part.column, chunk, &sets.wide, &there),
        }
        Ok(())
    }

    /// `there` says of each unit which rows may be found.
    fn rows<T: Component>(
        &mut self,
        values: &[T],
        column: &VectorColumn,
        chunk: &Chunk,
        queries: &QuerySet,
        there: &[u64],
    ) {
        let mut tests = self.tests(queries);
        for ((place, unit), there) in chunk.units().enumerate().zip(there) {
            self.figures.candidates += u64::from(there.count_ones());
            if *there == 0 {
                continue;
            }
            let first_row = chunk.task.rows.start + place * ROWS;
            let rows = Rows { values, dimension: column.dimension(), first_row, part_start: chunk.task.first_row };
            let tiles = queries.tiles.iter().zip(&mut tests).enumerate();
            for (index, (tile, tests)) in tiles {
                let masks = match tests.iter().all(Test::keeps_all) {
                    true => [u64::MAX; TILE],
                    false => self.kernel.contenders(unit, tile, tests),
                };
                for (query, (mask, test)) in masks.iter().zip(tests).enumerate() {
                    self.score(&rows, queries, TILE * index + query, mask & there, test);
                }
            }
        }
    }

    /// The tests of each tile, by what was found so far.
    fn tests(&self, queries: &QuerySet) -> Vec<[Test; TILE]> {
        let tests: Vec<Test> =
            queries.coded.iter().zip(&self.nearest).map(|(query, nearest)| query.test(nearest.threshold())).collect();
        tests
            .chunks(TILE)
            .map(|tests| std::array::from_fn(|query| tests.get(query).copied().unwrap_or(Test::KEEP)))
            .collect()
    }

    /// Scores the rows of `mask` for one query.
    fn score<T: Component>(
        &mut self,
        rows: &Rows<'_, T>,
        queries: &QuerySet,
        query: usize,
        mask: u64,
        test: &mut Test,
    ) {
        let found = queries.exact.get(query).zip(queries.coded.get(query)).zip(self.nearest.get_mut(query));
        let Some(((exact, coded), nearest)) = found.filter(|_| mask != 0) else { return };
        self.figures.scored += u64::from(mask.count_ones());
        for (row_id, row) in rows.of(mask) {
            nearest.push(row_id, self.kernel.score(exact, row));
        }
        *test = coded.test(nearest.threshold());
    }

    fn merged(mut self, other: Self) -> Self {
        self.nearest.iter_mut().zip(other.nearest).for_each(|(own, other)| own.merge(other));
        self.figures.candidates += other.figures.candidates;
        self.figures.scored += other.figures.scored;
        self
    }

    fn finish(self) -> Found {
        Found { hits: self.nearest.into_iter().map(TopK::into_sorted).collect(), figures: self.figures }
    }
}

/// The original rows of a unit.
struct Rows<'a, T> {
    values: &'a [T],
    dimension: usize,
    first_row: usize,
    part_start: u64,
}

impl<'a, T> Rows<'a, T> {
    /// The rows whose bit is set, with their ids.
    fn of(&self, mut mask: u64) -> impl Iterator<Item = (u64, &'a [T])> {
        std::iter::from_fn(move || {
            let place = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
            mask &= mask - 1;
            let row = self.first_row + place;
            Some((self.part_start + row as u64, self.values.get(row * self.dimension..(row + 1) * self.dimension)?))
        })
    }
}

/// For each unit the rows that have a vector and may be found.
fn there(part: &Part, task: &Task) -> Result<Vec<u64>> {
    let mut words = vec![u64::MAX; task.rows.len().div_ceil(ROWS)];
    if let (Some(last), rest @ 1..) = (words.last_mut(), task.rows.len() % ROWS) {
        *last >>= ROWS - rest;
    }
    if let Some(found) = findable(&part.column, &task.rows, part.selected.as_ref())? {
        words.iter_mut().zip(found.bit_chunks().iter_padded()).for_each(|(word, bits)| *word &= bits);
    }
    Ok(words)
}

//! One pass over vectors that come batch by batch, for one thread.

use std::ops::Range;

use arrow::buffer::BooleanBuffer;
use velaria_contract::{Error, ErrorCode, Result};

use crate::backend::Backend;
use crate::batch::{Batches, Targets};
use crate::bound::{Filter, Limit};
use crate::column::{Components, VectorColumn};
use crate::exact::{Component, ExactQuery};
use crate::kernel::{BLOCK_ROWS, Block, Kernel};
use crate::metric::Metric;
use crate::narrow::{Narrow, Narrowing};
use crate::query::Queries;
use crate::search::{Figures, Found};
use crate::top_k::{TopK, check_top_k};

/// The nearest rows so far, for each query.
#[derive(Debug)]
pub struct Scanner {
    queries: Queries,
    kernel: Kernel,
    narrow: Vec<ExactQuery>,
    filters: Vec<Option<Filter>>,
    wide: Vec<ExactQuery>,
    /// What several queries are searched with.
    batches: Batches,
    nearest: Vec<TopK>,
    figures: Figures,
    /// A block of 16-bit floats as 32-bit ones.
    widened: Vec<f32>,
}

impl Scanner {
    /// No rows yet. A machine without the instructions of `backend` uses those that every machine has.
    ///
    /// # Errors
    /// `VEL-7001` when no row may be found.
    pub fn new(queries: &Queries, metric: Metric, top_k: usize, backend: Backend) -> Result<Self> {
        check_top_k(top_k)?;
        let exact = |queries: &Queries| queries.iter().map(|query| ExactQuery::new(metric, query.to_vec())).collect();
        let narrow: Vec<ExactQuery> = queries.narrowed().map(|narrow| exact(&narrow)).unwrap_or_default();
        Ok(Self {
            kernel: Kernel::new(backend),
            filters: narrow.iter().map(Filter::new).collect(),
            narrow,
            wide: exact(queries),
            batches: Batches::default(),
            nearest: vec![TopK::new(metric, top_k); queries.count()],
            queries: queries.clone(),
            figures: Figures::default(),
            widened: Vec::new(),
        })
    }

    /// Looks at the rows of `column`, the first of which is row `first_row` of the table, those that are `selected`.
    ///
    /// # Errors
    /// `VEL-2004` for vectors of another length, unless no row has one; `VEL-7001` when a query is infinite in the type of
    /// the column, or `selected` is about another number of rows.
    pub fn push(&mut self, column: &VectorColumn, first_row: u64, selected: Option<&BooleanBuffer>) -> Result<()> {
        self.push_rows(column, 0..column.rows(), first_row, selected)
    }

    /// As [`Scanner::push`], only some of the rows; `first_row` is still the number of the first row of the column.
    pub(crate) fn push_rows(
        &mut self,
        column: &VectorColumn,
        rows: Range<usize>,
        first_row: u64,
        selected: Option<&BooleanBuffer>,
    ) -> Result<()> {
        if column.vectors() == 0 {
            return Ok(());
        }
        self.queries.check_dimension(column.dimension())?;
        let found = findable(column, &rows, selected)?;
        if !matches!(column.components(), Components::F64(_)) && self.narrow.is_empty() {
            self.queries.narrowed()?;
        }
        if self.queries.count() > few(column) {
            self.push_batch(column, rows, first_row, found.as_ref());
            return Ok(());
        }
        self.push_runs(column, rows, first_row, found.as_ref());
        Ok(())
    }

    /// Looks at `rows` for all queries at once; `found` are those of them that may be found.
    fn push_batch(&mut self, column: &VectorColumn, rows: Range<usize>, first_row: u64, found: Option<&BooleanBuffer>) {
        let wide = matches!(column.components(), Components::F64(_));
        let queries = if wide { &self.wide } else { &self.narrow };
        let targets = Targets { kernel: self.kernel, queries, nearest: &mut self.nearest, figures: &mut self.figures };
        self.batches.scan(column, rows, first_row, found, targets);
    }

    /// Looks at `rows` for one query after the other.
    fn push_runs(&mut self, column: &VectorColumn, rows: Range<usize>, first_row: u64, found: Option<&BooleanBuffer>) {
        self.figures.candidates += found.map_or(rows.len(), BooleanBuffer::count_set_bits) as u64;
        for run in runs(rows.len(), found, REACH_FLOATS / self.queries.dimension()) {
            let choice = Choice { first_row: first_row + (rows.start + run.start) as u64, found, first: run.start };
            let run = rows.start + run.start..rows.start + run.end;
            match column.components() {
                Components::F16(values) => self.scan(values, run, choice),
                Components::F32(values) => self.scan(values, run, choice),
                Components::F64(values) => self.scan(values, run, choice),
            }
        }
    }

    /// Looks at rows that lie one after the other.
    fn scan<T: Narrow>(&mut self, values: &[T], rows: Range<usize>, mut choice: Choice<'_>) {
        let dimension = self.queries.dimension();
        let values = values.get(rows.start * dimension..rows.end * dimension).unwrap_or_default();
        let kernel = if values.len() > CACHED_FLOATS { self.kernel.streaming() } else { self.kernel };
        for block in values.chunks(block_rows(dimension) * dimension) {
            self.scan_block(kernel, block, choice);
            choice = choice.after(block.len() / dimension);
        }
    }

    fn scan_block<T: Narrow>(&mut self, kernel: Kernel, block: &[T], choice: Choice<'_>) {
        // Rounded components are not worth a filter here: their scores take hardly longer than reading them.
        let is_exact = T::NARROWING == Narrowing::Exact;
        let narrow = is_exact.then(|| T::narrow(block, &mut self.widened));
        let queries = if is_exact { &self.narrow } else { &self.wide };
        let filters = self.filters.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        for ((query, filter), nearest) in queries.iter().zip(filters).zip(&mut self.nearest) {
            let filter = filter.zip(narrow);
            self.figures.scored += Pass { kernel, query, filter, choice, nearest }.run(block);
        }
    }

    /// The rows that are among the nearest so far, for any query, in no order.
    pub fn row_ids(&self) -> impl Iterator<Item = u64> {
        self.nearest.iter().flat_map(TopK::row_ids)
    }

    /// The same, but that rows whose score is no number come before all others.
    #[must_use]
    pub fn nan_first(self) -> Self {
        let nearest = self.nearest.into_iter().map(TopK::nan_first).collect();
        Self { nearest, ..self }
    }

    /// Takes over what `other`, made for the same queries, has found.
    pub fn merge(&mut self, other: Self) {
        for (own, other) in self.nearest.iter_mut().zip(other.nearest) {
            own.merge(other);
        }
        self.figures.candidates += other.figures.candidates;
        self.figures.scored += other.figures.scored;
    }

    /// The rows that were found.
    #[must_use]
    pub fn finish(self) -> Found {
        Found { hits: self.nearest.into_iter().map(TopK::into_sorted).collect(), figures: self.figures }
    }
}

/// So few queries are compared one by one sooner than side by side, which pays less the fewer there are. For 64 bits there
/// is no filter of a single query.
fn few(column: &VectorColumn) -> usize {
    match column.components() {
        Components::F16(_) | Components::F32(_) => 4,
        Components::F64(_) => 1,
    }
}

/// Which of the rows have a vector and are selected; `None` for all.
pub(crate) fn findable(
    column: &VectorColumn,
    rows: &Range<usize>,
    selected: Option<&BooleanBuffer>,
) -> Result<Option<BooleanBuffer>> {
    if let Some(selected) = selected
        && selected.len() != column.rows()
    {
        let message = format!("a choice of {} rows for a column of {}", selected.len(), column.rows());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let part = |bits: &BooleanBuffer| bits.slice(rows.start, rows.len());
    Ok(match (column.nulls().map(|nulls| part(nulls.inner())), selected.map(part)) {
        (Some(there), Some(selected)) => Some(&there & &selected),
        (there, selected) => there.or(selected),
    })
}

/// The rows that may be found, those with at most `reach` others between them together.
fn runs(rows: usize, found: Option<&BooleanBuffer>, reach: usize) -> Vec<Range<usize>> {
    let Some(found) = found else { return std::iter::once(0..rows).collect() };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (start, end) in found.set_slices() {
        match runs.last_mut() {
            Some(last) if start - last.end <= reach => last.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// What a core may have in its own caches: half a megabyte.
const CACHED_FLOATS: usize = 128 * 1024;

/// Over how much that may not be found it is faster to read on than to begin anew: about a page of memory.
const REACH_FLOATS: usize = 1024;

/// The numbers of the rows of a block, and which of them may be found.
#[derive(Clone, Copy)]
struct Choice<'a> {
    /// The number of the first row in the table.
    first_row: u64,
    found: Option<&'a BooleanBuffer>,
    /// The place of the first row in `found`.
    first: usize,
}

impl Choice<'_> {
    /// The number of a row that may be found.
    fn id(self, row: usize) -> Option<u64> {
        let may = self.found.is_none_or(|found| found.value(self.first + row));
        may.then_some(self.first_row + row as u64)
    }

    /// That of the rows after so many.
    fn after(self, rows: usize) -> Self {
        Self { first_row: self.first_row + rows as u64, first: self.first + rows, ..self }
    }
}

/// So many rows that they stay in the nearest caches between being measured and being scored.
fn block_rows(dimension: usize) -> usize {
    (BLOCK_FLOATS / dimension).clamp(4, BLOCK_ROWS)
}

const BLOCK_FLOATS: usize = 32 * 1024;

/// One query over one block.
struct Pass<'a> {
    kernel: Kernel,
    query: &'a ExactQuery,
    /// What may leave rows out, and the block as it reads it.
    filter: Option<(&'a Filter, &'a [f32])>,
    choice: Choice<'a>,
    nearest: &'a mut TopK,
}

impl Pass<'_> {
    /// Keeps the nearest rows and tells how many scores it took.
    fn run<T: Component>(mut self, block: &[T]) -> u64 {
        match (self.filter, self.limit()) {
            (Some((filter, narrow)), Some(limit)) => {
                let mut measured = Block::new();
                filter.measure(self.kernel, narrow, &mut measured);
                self.score_rest(block, &measured, limit)
            }
            _ => self.score_all(block),
        }
    }

    fn limit(&self) -> Option<Limit> {
        let (filter, _) = self.filter?;
        Some(filter.limit(self.nearest.threshold()?))
    }

    /// Scores the row if it may be found; tells how many that are.
    fn score<T: Component>(&mut self, row: usize, vector: &[T]) -> u64 {
        let Some(id) = self.choice.id(row) else { return 0 };
        self.nearest.push(id, self.kernel.score(self.query, vector));
        1
    }

    fn score_all<T: Component>(&mut self, block: &[T]) -> u64 {
        let rows = block.chunks_exact(self.query.values().len()).enumerate();
        rows.map(|(row, vector)| self.score(row, vector)).sum()
    }

    /// Scores the rows that are not proven to be too far, group by group: most groups have none.
    fn score_rest<T: Component>(&mut self, block: &[T], measured: &Block, mut limit: Limit) -> u64 {
        let groups = block.chunks(GROUP_ROWS * self.query.values().len());
        let measured = measured.dots.chunks(GROUP_ROWS).zip(measured.squares.chunks(GROUP_ROWS));
        let mut scored = 0;
        for ((first, group), (dots, squares)) in (0..).step_by(GROUP_ROWS).zip(groups).zip(measured) {
            if !limit.excludes_all(dots, squares) {
                scored += self.score_group(group, first, dots.iter().zip(squares), &mut limit);
            }
        }
        scored
    }

    fn score_group<'m, T: Component>(
        &mut self,
        group: &[T],
        first: usize,
        measured: impl Iterator<Item = (&'m f32, &'m f32)>,
        limit: &mut Limit,
    ) -> u64 {
        let mut scored = 0;
        let vectors = group.chunks_exact(self.query.values().len());
        for ((row, vector), (dot, square)) in (first..).zip(vectors).zip(measured) {
            if !limit.excludes(*dot, *square) {
                scored += self.score(row, vector);
                *limit = self.limit().unwrap_or(*limit);
            }
        }
        scored
    }
}

/// Rows that are looked at together before each by itself.
const GROUP_ROWS: usize = 16;

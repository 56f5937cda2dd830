//! Many queries in one pass: blocks of rows against panels of queries, and exact scores only of what may be found.
//!
//! A block of rows is read from memory once and is in a near cache for all panels. The tile ([`crate::kernel::tile`]) sums
//! with 32 bits and leaves out a row for a query only if its sum proves, with the bounds of [`limit`], that its score is
//! strictly farther than the score of the query's last row so far. All others are scored by the specification, so what is
//! found does not depend on the tile.

mod block;
mod limit;

use std::ops::Range;

use arrow::buffer::BooleanBuffer;

use crate::column::{Components, VectorColumn};
use crate::exact::ExactQuery;
use crate::kernel::Kernel;
use crate::kernel::tile::{Form, Panel, ROWS, Tile};
use crate::metric::Metric;
use crate::search::Figures;
use crate::top_k::TopK;

use block::{Block, Narrow, block_rows};
use limit::{Limit, Narrowing, norm_for_limits};

/// The batches of one search, made when a column asks for them.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// For columns of 16 and of 32 bits.
    narrow: Option<Batch>,
    /// For columns of 64 bits.
    wide: Option<Batch>,
}

/// What belongs to the queries, which are those of the type of the column.
pub(crate) struct Targets<'a> {
    /// The instructions.
    pub(crate) kernel: Kernel,
    /// How rows are scored.
    pub(crate) queries: &'a [ExactQuery],
    /// The nearest rows so far.
    pub(crate) nearest: &'a mut [TopK],
    /// What was done.
    pub(crate) figures: &'a mut Figures,
}

impl Batches {
    /// Looks at `rows` of `column`, whose row 0 is row `first_row` of the table; `found` are those of them that may be
    /// found, `None` for all.
    pub(crate) fn scan(
        &mut self,
        column: &VectorColumn,
        rows: Range<usize>,
        first_row: u64,
        found: Option<&BooleanBuffer>,
        targets: Targets<'_>,
    ) {
        let first = first_row + rows.start as u64;
        let components = rows.start * column.dimension()..rows.end * column.dimension();
        match column.components() {
            Components::F16(values) => scan(&mut self.narrow, values.get(components), first, found, targets),
            Components::F32(values) => scan(&mut self.narrow, values.get(components), first, found, targets),
            Components::F64(values) => scan(&mut self.wide, values.get(components), first, found, targets),
        }
    }
}

fn scan<T: Narrow>(
    batch: &mut Option<Batch>,
    vectors: Option<&[T]>,
    first_row: u64,
    found: Option<&BooleanBuffer>,
    mut targets: Targets<'_>,
) {
    let batch = batch.get_or_insert_with(|| Batch::new(targets.kernel, targets.queries, T::NARROWING));
    batch.scan(vectors.unwrap_or_default(), first_row, found, &mut targets);
}

/// Queries packed for the tile.
#[derive(Debug)]
struct Batch {
    dimension: usize,
    tile: Tile,
    groups: Vec<Group>,
    buffers: Buffers,
}

/// Memory that is used again for each block.
#[derive(Debug, Default)]
struct Buffers {
    converted: Vec<f32>,
    present: Vec<usize>,
    norms: Vec<f32>,
}

/// The queries of a panel.
#[derive(Debug)]
struct Group {
    panel: Panel,
    /// `None` for a query of which the tile can tell nothing.
    limits: Vec<Option<Limit>>,
}

impl Batch {
    fn new(kernel: Kernel, queries: &[ExactQuery], narrowing: Narrowing) -> Self {
        let is_l2 = queries.first().is_some_and(|query| query.metric() == Metric::L2);
        let tile = Tile::new(kernel, if is_l2 { Form::Difference } else { Form::Product });
        Self {
            dimension: queries.first().map_or(1, |query| query.values().len()),
            tile,
            groups: queries.chunks(tile.queries()).map(|queries| Group::new(queries, narrowing)).collect(),
            buffers: Buffers::default(),
        }
    }

    /// Looks at those `vectors` that are `found` by their position. The first of them is row `first_row`.
    fn scan<T: Narrow>(
        &mut self,
        vectors: &[T],
        first_row: u64,
        found: Option<&BooleanBuffer>,
        targets: &mut Targets<'_>,
    ) {
        let (dimension, rows) = (self.dimension, block_rows(self.dimension));
        let nearest = targets.nearest.chunks(self.tile.queries());
        self.groups.iter_mut().zip(nearest).for_each(|(group, nearest)| group.aim_all(nearest));
        for (number, values) in vectors.chunks(rows * dimension).enumerate() {
            let start = number * rows;
            let there = |row: &usize| found.is_none_or(|found| found.value(start + row));
            self.buffers.present.clear();
            self.buffers.present.extend((0..values.len() / dimension).filter(there));
            if self.buffers.present.is_empty() {
                continue;
            }
            let mut converted = std::mem::take(&mut self.buffers.converted);
            let narrow = T::narrow(values, &mut converted);
            let ahead = if size_of::<T>() == size_of::<f32>() { values.len() } else { 0 };
            self.scan_block(&Block { values, narrow, dimension, ahead, first_row: first_row + start as u64 }, targets);
            self.buffers.converted = converted;
        }
    }

    fn scan_block<T: Narrow>(&mut self, block: &Block<'_, T>, targets: &mut Targets<'_>) {
        self.measure(block);
        let Self { tile, groups, buffers, .. } = self;
        let Targets { kernel, queries, nearest, figures } = targets;
        figures.candidates += buffers.present.len() as u64;
        let targets = queries.chunks(tile.queries()).zip(nearest.chunks_mut(tile.queries()));
        for (group, (queries, nearest)) in groups.iter_mut().zip(targets) {
            let mut targets = Targets { kernel: *kernel, queries, nearest, figures };
            for (rows, norms) in buffers.present.chunks(ROWS).zip(buffers.norms.chunks(ROWS)) {
                let contenders = tile.contenders(&block.tile(rows, norms), &group.panel);
                if contenders != [0; ROWS] {
                    group.settle(block, rows, &contenders, &mut targets);
                }
            }
        }
    }

    /// Computes the norms that the limits of the metric ask for.
    fn measure<T>(&mut self, block: &Block<'_, T>) {
        let Buffers { present, norms, .. } = &mut self.buffers;
        norms.clear();
        if self.tile.form() == Form::Difference {
            norms.resize(present.len(), 0.0);
        } else {
            self.tile.squared_norms(present.iter().map(|row| block.approximate(*row)), norms);
            norms.iter_mut().for_each(|norm| *norm = norm_for_limits(*norm));
        }
    }
}

impl Group {
    fn new(queries: &[ExactQuery], narrowing: Narrowing) -> Self {
        let limits: Vec<_> = queries.iter().map(|query| Limit::new(query, narrowing)).collect();
        let narrow = |(query, limit): (&ExactQuery, &Option<Limit>)| {
            limit.as_ref().map_or_else(|| vec![0.0; query.values().len()], |limit| limit.narrow(query))
        };
        let narrow: Vec<Vec<f32>> = queries.iter().zip(&limits).map(narrow).collect();
        Self { panel: Panel::new(&narrow), limits }
    }

    /// Scores the rows that are not left out, and leaves out more after each.
    fn settle<T: Narrow>(
        &mut self,
        block: &Block<'_, T>,
        rows: &[usize],
        contenders: &[u64; ROWS],
        targets: &mut Targets<'_>,
    ) {
        for (row, contenders) in rows.iter().zip(contenders) {
            for lane in ones(*contenders) {
                let target = targets.queries.get(lane).zip(targets.nearest.get_mut(lane));
                let Some((query, nearest)) = target else { break };
                nearest.push(block.first_row + *row as u64, targets.kernel.score(query, block.exact(*row)));
                self.aim(lane, nearest);
                targets.figures.scored += 1;
            }
        }
    }

    /// Sets the limit of a query by the rows found so far.
    fn aim(&mut self, lane: usize, nearest: &TopK) {
        let limit = self.limits.get(lane).and_then(Option::as_ref).zip(nearest.threshold());
        let (base, slope) = limit.map_or((f32::NEG_INFINITY, 0.0), |(limit, threshold)| limit.at(threshold));
        self.panel.limit(lane, base, slope);
    }

    fn aim_all(&mut self, nearest: &[TopK]) {
        nearest.iter().enumerate().for_each(|(lane, nearest)| self.aim(lane, nearest));
    }
}

/// The places of the bits that are set, from the lowest.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (place < u64::BITS).then_some(place as usize)
    })
}

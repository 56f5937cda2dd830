//! Many queries in one pass: blocks of rows against panels of queries, and exact scores only of what may be found.
//!
//! A block of rows is read from memory once and is in a near cache for all panels. The tile ([`crate::kernel::tile`]) sums
//! with 32 bits and leaves out a row for a query only if its sum proves, with the bounds of [`limit`], that its score is
//! strictly farther than the score of the query's last row so far. All others are scored by the specification, so what is
//! found does not depend on the tile.

mod block;
mod limit;

use crate::backend::Backend;
use crate::exact::ExactQuery;
use crate::kernel::tile::{Form, Panel, ROWS, Tile};
use crate::metric::Metric;
use crate::search::Figures;
use crate::top_k::TopK;

pub(crate) use block::Narrow;
use block::{Block, block_rows};
use limit::{Limit, norm_for_limits};

/// Queries packed for the tile, for columns of one type.
#[derive(Debug)]
pub(crate) struct Batch {
    metric: Metric,
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

/// What belongs to each query.
pub(crate) struct Targets<'a> {
    /// How rows are scored.
    pub(crate) queries: &'a [ExactQuery],
    /// The nearest rows so far.
    pub(crate) nearest: &'a mut [TopK],
    /// What was done.
    pub(crate) figures: &'a mut Figures,
}

impl Batch {
    /// For columns of `T`.
    pub(crate) fn new<T: Narrow>(metric: Metric, queries: &[ExactQuery], backend: Backend) -> Self {
        let form = if metric == Metric::L2 { Form::Difference } else { Form::Product };
        let tile = Tile::new(backend, form);
        let groups = queries.chunks(tile.queries()).map(|queries| Group::new::<T>(metric, queries)).collect();
        Self { metric, tile, groups, buffers: Buffers::default() }
    }

    /// Looks at those `vectors`, of as many components as the queries, whose position is `selected`. The first of them is
    /// row `first_row`.
    pub(crate) fn scan<T: Narrow>(
        &mut self,
        vectors: &[T],
        first_row: u64,
        selected: impl Fn(usize) -> bool,
        targets: &mut Targets<'_>,
    ) {
        let Some(dimension) = targets.queries.first().map(|query| query.values().len()) else { return };
        let nearest = targets.nearest.chunks(self.tile.queries());
        self.groups.iter_mut().zip(nearest).for_each(|(group, nearest)| group.aim_all(nearest));
        let rows = block_rows(dimension);
        for (number, values) in vectors.chunks(rows * dimension).enumerate() {
            let start = number * rows;
            let there = (0..values.len() / dimension).filter(|row| selected(start + row));
            self.buffers.present.clear();
            self.buffers.present.extend(there);
            let mut converted = std::mem::take(&mut self.buffers.converted);
            let narrow = T::narrow(values, &mut converted);
            let ahead = if size_of::<T>() == 4 { values.len() } else { 0 };
            self.scan_block(&Block { values, narrow, dimension, ahead, first_row: first_row + start as u64 }, targets);
            self.buffers.converted = converted;
        }
    }

    fn scan_block<T: Narrow>(&mut self, block: &Block<'_, T>, targets: &mut Targets<'_>) {
        self.measure(block);
        targets.figures.candidates += self.buffers.present.len() as u64;
        let size = self.tile.queries();
        let per_query = targets.queries.chunks(size).zip(targets.nearest.chunks_mut(size));
        for (group, (queries, nearest)) in self.groups.iter_mut().zip(per_query) {
            let (present, norms) = (self.buffers.present.chunks(ROWS), self.buffers.norms.chunks(ROWS));
            for (present, norms) in present.zip(norms) {
                let found = self.tile.contenders(&block.tile(present, norms), &group.panel);
                if found != [0; ROWS] {
                    targets.figures.scored += group.settle(block, present, &found, queries, nearest);
                }
            }
        }
    }

    /// Computes the norms that the limits of the metric ask for.
    fn measure<T>(&mut self, block: &Block<'_, T>) {
        let Buffers { present, norms, .. } = &mut self.buffers;
        norms.clear();
        if self.metric == Metric::L2 {
            norms.resize(present.len(), 0.0);
        } else {
            self.tile.squared_norms(present.iter().map(|row| block.approximate(*row)), norms);
            norms.iter_mut().for_each(|norm| *norm = norm_for_limits(*norm));
        }
    }
}

impl Group {
    fn new<T: Narrow>(metric: Metric, queries: &[ExactQuery]) -> Self {
        let limits: Vec<_> = queries.iter().map(|query| Limit::new(metric, query, T::NARROWING)).collect();
        let narrow = |(query, limit): (&ExactQuery, &Option<Limit>)| {
            limit.as_ref().map_or_else(|| vec![0.0; query.values().len()], |limit| limit.narrow(query))
        };
        let narrow: Vec<Vec<f32>> = queries.iter().zip(&limits).map(narrow).collect();
        Self { panel: Panel::new(&narrow), limits }
    }

    /// Scores the rows that are not left out, and leaves out more after each; tells how many there were.
    fn settle<T: Narrow>(
        &mut self,
        block: &Block<'_, T>,
        rows: &[usize],
        found: &[u64; ROWS],
        queries: &[ExactQuery],
        nearest: &mut [TopK],
    ) -> u64 {
        let mut scored = 0;
        for (row, found) in rows.iter().zip(found) {
            let vector = block.exact(*row);
            for (lane, (query, nearest)) in queries.iter().zip(nearest.iter_mut()).enumerate() {
                if found >> lane & 1 == 1 {
                    nearest.push(block.first_row + *row as u64, query.score(vector));
                    self.aim(lane, nearest);
                    scored += 1;
                }
            }
        }
        scored
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

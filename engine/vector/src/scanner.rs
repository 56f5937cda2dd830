//! One pass over vectors that come batch by batch, for one thread.

use arrow::buffer::BooleanBuffer;
use velaria_contract::Result;

use crate::backend::Backend;
use crate::column::{Components, VectorColumn};
use crate::exact::{Component, ExactQuery};
use crate::metric::Metric;
use crate::query::Queries;
use crate::search::{Figures, Found};
use crate::top_k::TopK;

/// The nearest rows so far, for each query.
#[derive(Debug)]
pub struct Scanner {
    queries: Queries,
    narrow: Vec<ExactQuery>,
    wide: Vec<ExactQuery>,
    nearest: Vec<TopK>,
    figures: Figures,
}

impl Scanner {
    /// No rows yet.
    ///
    /// # Errors
    /// None yet.
    pub fn new(queries: &Queries, metric: Metric, top_k: usize, _backend: Backend) -> Result<Self> {
        let exact = |queries: &Queries| queries.iter().map(|query| ExactQuery::new(metric, query.to_vec())).collect();
        Ok(Self {
            narrow: queries.narrowed().map(|narrow| exact(&narrow)).unwrap_or_default(),
            wide: exact(queries),
            nearest: vec![TopK::new(metric, top_k); queries.count()],
            queries: queries.clone(),
            figures: Figures::default(),
        })
    }

    /// Looks at the rows of `column`, the first of which is row `first_row` of the table, those that are `selected`.
    ///
    /// # Errors
    /// `VEL-2004` for vectors of another length, unless no row has one; `VEL-7001` when a query is infinite in the type of
    /// the column.
    pub fn push(&mut self, column: &VectorColumn, first_row: u64, selected: Option<&BooleanBuffer>) -> Result<()> {
        if column.vectors() == 0 {
            return Ok(());
        }
        self.queries.check_dimension(column.dimension())?;
        match column.components() {
            Components::F16(values) => self.scan(values, column, first_row, selected),
            Components::F32(values) => self.scan(values, column, first_row, selected),
            Components::F64(values) => self.scan(values, column, first_row, selected),
        }
        Ok(())
    }

    fn scan<T: Component>(
        &mut self,
        values: &[T],
        column: &VectorColumn,
        first_row: u64,
        selected: Option<&BooleanBuffer>,
    ) {
        let queries = if size_of::<T>() > 4 { &self.wide } else { &self.narrow };
        for (row, vector) in values.chunks_exact(column.dimension().max(1)).enumerate() {
            let there = column.nulls().is_none_or(|nulls| nulls.is_valid(row));
            if !there || !selected.is_none_or(|selected| selected.value(row)) {
                continue;
            }
            self.figures.candidates += 1;
            for (query, nearest) in queries.iter().zip(&mut self.nearest) {
                nearest.push(first_row + row as u64, query.score(vector));
                self.figures.scored += 1;
            }
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

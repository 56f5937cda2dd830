//! The nearest rows of one partition, and what all partitions have found together.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::TryStreamExt;
use velaria_vector::{Backend, Hit, Scanner, VectorColumn};

use super::kept::{Kept, gather};
use super::scored::with_scores;
use super::{Form, Search};
use crate::error::external;

/// A row is known by its partition and its place in it: this many bits are the place.
const PLACE_BITS: u32 = 44;

/// What was found in the rows of one partition.
pub(super) struct Part {
    search: Arc<Search>,
    scanner: Scanner,
    /// The first rows without a vector.
    nulls: Vec<u64>,
    kept: Kept,
    first: u64,
    /// The number of rows that came.
    rows: u64,
}

impl Part {
    pub(super) fn new(partition: usize, search: &Arc<Search>, schema: &SchemaRef, task: &TaskContext) -> Result<Self> {
        let scanner = Scanner::new(&search.queries, search.metric, search.top_k, Backend::best()).map_err(external)?;
        Ok(Self {
            scanner: if search.nan_first() { scanner.nan_first() } else { scanner },
            search: Arc::clone(search),
            nulls: Vec::new(),
            kept: Kept::new(schema, task.memory_pool()),
            first: (partition as u64) << PLACE_BITS,
            rows: 0,
        })
    }

    /// Looks at all `batches`.
    pub(super) async fn scan(mut self, mut batches: SendableRecordBatchStream) -> Result<Self> {
        while let Some(batch) = batches.try_next().await? {
            if batch.num_rows() > 0 {
                self.push(batch)?;
            }
        }
        Ok(self)
    }

    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let first = self.first + self.rows;
        let array = self.search.vectors.evaluate(&batch)?.into_array(batch.num_rows())?;
        let pushed =
            VectorColumn::try_new(&array).and_then(|column| self.scanner.push(&column, first, None).map(|()| column));
        let column = pushed.map_err(|error| self.search.fault(&batch, error))?;
        if let (Form::Sorted(_), Some(nulls)) = (&self.search.form, column.nulls()) {
            let room = self.search.top_k.saturating_sub(self.nulls.len());
            let places = (0..batch.num_rows()).filter(|row| nulls.is_null(*row)).take(room);
            self.nulls.extend(places.map(|row| first + row as u64));
        }
        self.rows += batch.num_rows() as u64;
        let (scanner, nulls) = (&self.scanner, &self.nulls);
        self.kept.push(first, batch, || scanner.row_ids().chain(nulls.iter().copied()).collect())
    }
}

/// The rows that `parts` have found, in batches of at most `batch_rows` rows.
pub(super) fn gathered(
    search: &Search,
    parts: Vec<Part>,
    schema: &SchemaRef,
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    let (mut scanners, mut nulls, mut kept, mut starts) = (None::<Scanner>, Vec::new(), Vec::new(), vec![0_u64]);
    for part in parts {
        starts.push(starts.last().copied().unwrap_or_default() + part.rows);
        nulls.extend(part.nulls);
        kept.push(part.kept);
        match &mut scanners {
            Some(all) => all.merge(part.scanner),
            None => scanners = Some(part.scanner),
        }
    }
    let hits = scanners.and_then(|all| all.finish().hits.into_iter().next()).unwrap_or_default();
    let order = in_order(search, hits, nulls);
    let batches = order.chunks(batch_rows.max(1)).map(|hits| {
        let ids: Vec<u64> = hits.iter().map(|hit| hit.row_id).collect();
        let rows = gather(&kept, &ids)?;
        match &search.form {
            Form::Sorted(_) => Ok(rows),
            Form::Scored => with_scores(&rows, schema, hits, |id| number(&starts, id)),
        }
    });
    batches.collect()
}

/// The rows as the order has them: those without a value before or after the others.
fn in_order(search: &Search, hits: Vec<Hit>, nulls: Vec<u64>) -> Vec<Hit> {
    let nulls = nulls.into_iter().map(|row_id| Hit { row_id, score: f64::NAN });
    let mut order: Vec<Hit> = match &search.form {
        Form::Sorted(order) if order.options.nulls_first => nulls.chain(hits).collect(),
        Form::Sorted(_) | Form::Scored => hits.into_iter().chain(nulls).collect(),
    };
    order.truncate(search.top_k);
    order
}

/// The number of a row among those of all partitions.
fn number(starts: &[u64], id: u64) -> u64 {
    let start = usize::try_from(id >> PLACE_BITS).ok().and_then(|partition| starts.get(partition));
    start.copied().unwrap_or_default() + (id & ((1 << PLACE_BITS) - 1))
}

//! `ORDER BY` of everything that a query ever gives: its rows are kept until the sources have ended.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::SchemaRef;
use velaria_contract::{Error, ErrorCode, Result};

use super::order::{Order, picked};
use crate::error::from_arrow;
use crate::operator::{MicroBatch, Operator, OperatorState, StateFrame};
use crate::pipeline::payload_bytes;
use crate::state::{check_size, compact};

/// What a query sets for the rows that are kept.
pub(crate) struct KeepSettings {
    /// The number of the node in the plan.
    pub(crate) node: u32,
    /// The columns of the rows.
    pub(crate) schema: SchemaRef,
    /// The bytes that the rows may take.
    pub(crate) max_state_bytes: Option<u64>,
}

pub(crate) struct SortAtEnd {
    order: Order,
    settings: KeepSettings,
    rows: Vec<RecordBatch>,
    row_count: usize,
    bytes: u64,
    told: Told,
}

/// What the commits of this run have told. Before the first one nothing is noted: it tells everything.
enum Told {
    Nothing,
    AllBut(Vec<StateFrame>),
}

/// Rows that came.
const ROWS: &str = "rows";
/// All rows so far were given.
const GIVEN: &str = "given";

/// Rows that are kept beyond four times those that are wanted, so that a query that wants few does not sort all the time.
const SPARE_ROWS: usize = 8192;
/// Rows of a batch that is given.
const GIVEN_ROWS: usize = 8192;

impl SortAtEnd {
    pub(crate) fn new(order: Order, settings: KeepSettings) -> Self {
        Self { order, settings, rows: Vec::new(), row_count: 0, bytes: 0, told: Told::Nothing }
    }

    fn keep(&mut self, batch: RecordBatch) -> Result<()> {
        self.row_count += batch.num_rows();
        self.bytes += payload_bytes(&batch);
        self.rows.push(batch);
        let most = self.order.fetch.map(|fetch| fetch.saturating_mul(4).saturating_add(SPARE_ROWS));
        if most.is_some_and(|most| self.row_count > most) { self.shrink() } else { Ok(()) }
    }

    /// Leaves the rows that are wanted so far.
    fn shrink(&mut self) -> Result<()> {
        let best = owned(&self.order.sorted(&self.rows)?)?;
        self.row_count = best.num_rows();
        self.bytes = payload_bytes(&best);
        self.rows = vec![best];
        Ok(())
    }

    fn forget(&mut self) {
        self.rows.clear();
        self.row_count = 0;
        self.bytes = 0;
    }

    fn note(&mut self, frame: impl FnOnce(&Self) -> Result<StateFrame>) -> Result<()> {
        if matches!(self.told, Told::Nothing) {
            return Ok(());
        }
        let frame = frame(self)?;
        if let Told::AllBut(frames) = &mut self.told {
            frames.push(frame);
        }
        Ok(())
    }

    fn rows_frame(&self, batch: &RecordBatch) -> StateFrame {
        StateFrame { operator: self.settings.node, kind: ROWS.to_owned(), batch: batch.clone() }
    }

    fn given_frame(&self) -> Result<StateFrame> {
        let rows: ArrayRef = Arc::new(UInt64Array::from(vec![self.row_count as u64]));
        let batch = RecordBatch::try_from_iter([(GIVEN, rows)]).map_err(from_arrow)?;
        Ok(StateFrame { operator: self.settings.node, kind: GIVEN.to_owned(), batch })
    }

    /// The rows of a frame in the columns of the query.
    fn own_rows(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let own = &self.settings.schema;
        let found = batch.schema();
        let columns = |schema: &SchemaRef| {
            let fields = schema.fields().iter();
            fields.map(|field| format!("{} {}", field.name(), field.data_type())).collect::<Vec<_>>()
        };
        let (found, expected) = (columns(&found), columns(own));
        if found != expected {
            let message =
                format!("the sorted rows of a checkpoint have other columns than the query: {}", found.join(", "));
            return Err(refused(message).with_hint(format!("the query has {}", expected.join(", "))));
        }
        RecordBatch::try_new(Arc::clone(own), batch.columns().to_vec()).map_err(|error| refused(error.to_string()))
    }
}

impl Operator for SortAtEnd {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, _: &mut Vec<RecordBatch>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let wants_less = self.order.fetch.is_some_and(|fetch| fetch < batch.num_rows());
        let batch = if wants_less { owned(&self.order.sorted(std::slice::from_ref(batch))?)? } else { batch.clone() };
        self.note(|sort| Ok(sort.rows_frame(&batch)))?;
        self.keep(batch)?;
        check_size(self.bytes, self.settings.max_state_bytes, "add a LIMIT, or filter more rows")
    }

    fn end(&mut self, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let places = self.order.places(&self.rows)?;
        for places in places.chunks(GIVEN_ROWS) {
            out.push(picked(&self.rows, places)?);
        }
        // A query that goes on after this commit must not give them again.
        self.note(Self::given_frame)?;
        self.forget();
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn OperatorState> {
        Some(self)
    }
}

impl OperatorState for SortAtEnd {
    fn delta(&mut self) -> Result<Vec<StateFrame>> {
        match std::mem::replace(&mut self.told, Told::AllBut(Vec::new())) {
            Told::Nothing => self.snapshot(),
            Told::AllBut(frames) => Ok(frames),
        }
    }

    fn snapshot(&mut self) -> Result<Vec<StateFrame>> {
        Ok(self.rows.iter().map(|batch| self.rows_frame(batch)).collect())
    }

    fn restore(&mut self, frame: &StateFrame) -> Result<()> {
        self.told = Told::AllBut(Vec::new());
        match frame.kind.as_str() {
            ROWS => self.own_rows(&frame.batch).and_then(|batch| self.keep(batch)),
            GIVEN => {
                self.forget();
                Ok(())
            }
            other => Err(refused(format!("a checkpoint has a frame of the unknown kind '{other}'"))),
        }
    }

    fn rows(&self) -> u64 {
        self.row_count as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The batch with memory of its own: columns of views would keep that of the rows that are gone.
fn owned(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| compact(Arc::clone(column))).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(from_arrow)
}

fn refused(message: String) -> Error {
    Error::new(ErrorCode::CheckpointCorrupt, message)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::PhysicalSortExpr;
    use datafusion::physical_expr::expressions::Column;

    use super::*;

    fn sort(fetch: Option<usize>, data_type: DataType) -> SortAtEnd {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("v", data_type, true)]));
        let by = vec![PhysicalSortExpr::new_default(Arc::new(Column::new("v", 0)))];
        SortAtEnd::new(Order::new(by, fetch), KeepSettings { node: 7, schema, max_state_bytes: None })
    }

    fn rows(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap()
    }

    const OF: MicroBatch = MicroBatch { epoch: 1, watermark_ms: None };

    #[test]
    fn text_that_is_gone_takes_no_memory() {
        let mut sort = sort(Some(1), DataType::Utf8View);
        for number in 0..2000 {
            let texts = (0..50).map(|row| Some(format!("{number:06} {row:06} a text that is not kept inline")));
            sort.push(&rows(Arc::new(texts.collect::<StringViewArray>())), OF, &mut Vec::new()).unwrap();
        }
        let bytes: usize = sort.rows.iter().map(RecordBatch::get_array_memory_size).sum();
        assert!(bytes < 8_000_000, "{bytes}");
        assert!(sort.rows() <= 4 + SPARE_ROWS as u64);
    }

    #[test]
    fn frames_of_other_columns_and_kinds_are_refused() {
        let mut numbers = sort(None, DataType::Int64);
        numbers.push(&rows(Arc::new(Int64Array::from(vec![2, 1]))), OF, &mut Vec::new()).unwrap();
        let frames = numbers.delta().unwrap();
        assert_eq!(frames.len(), 1);
        let refused = |sort: &mut SortAtEnd, frame: &StateFrame| sort.restore(frame).unwrap_err().code();
        let unknown = StateFrame { kind: "merge".to_owned(), ..frames[0].clone() };
        assert_eq!(refused(&mut numbers, &unknown), ErrorCode::CheckpointCorrupt);
        assert_eq!(refused(&mut sort(None, DataType::Utf8View), &frames[0]), ErrorCode::CheckpointCorrupt);
    }
}

//! Adds the start of the window that a row is in; a row that is in several windows is there several times.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, Int64Builder, PrimitiveArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};

use crate::error::from_arrow;
use crate::operator::{MicroBatch, Operator};
use crate::plan::WindowSpec;
use crate::window::{Grid, check_window, starts_column, times_column};

/// The rows of an emission when rows become more.
const BATCH_ROWS: usize = 8_192;

/// The operator that adds the window column of `spec` as the last column.
///
/// # Errors
/// Those of [`check_window`], and `VEL-9001` when the schemas do not fit.
pub fn window(spec: &WindowSpec, input: &SchemaRef, output: &SchemaRef) -> Result<Box<dyn Operator>> {
    let time =
        input.fields().get(spec.time_column).ok_or_else(|| internal("a window over a column that is not there"))?;
    let column = check_window(time.data_type(), spec.every_ms, spec.slide_ms)?;
    if output.fields().last().map(|field| field.data_type()) != Some(&column) {
        return Err(internal("the type of a window column is not that of the plan"));
    }
    let grid = Grid::new(spec.every_ms, spec.slide_ms, &column)?;
    Ok(Box::new(Windows {
        grid,
        time: spec.time_column,
        time_name: spec.time_name.clone(),
        column,
        output: Arc::clone(output),
    }))
}

struct Windows {
    grid: Grid,
    time: usize,
    time_name: String,
    /// The type of the window column.
    column: DataType,
    output: SchemaRef,
}

impl Operator for Windows {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let times =
            batch.columns().get(self.time).ok_or_else(|| internal("a batch without the time of its windows"))?;
        let times = times_column(times, &self.column).map_err(|error| self.in_column(&error))?;
        if self.grid.is_tumbling() {
            let starts = self.tumbling(&times)?;
            out.push(self.extended(batch.columns().to_vec(), starts)?);
            return Ok(());
        }
        self.sliding(batch, &times, out)
    }
}

impl Windows {
    fn tumbling(&self, times: &Int64Array) -> Result<Int64Array> {
        let mut is_wrong = false;
        let starts = times.values().iter().map(|&time| {
            let start = self.grid.last_start(time);
            is_wrong |= start > time;
            start
        });
        let starts = PrimitiveArray::<Int64Type>::new(starts.collect(), times.nulls().cloned());
        // What stands below a NULL may be anything.
        if is_wrong && let Some((time, _)) = times.iter().zip(&starts).find(|(time, start)| start > time) {
            return Err(self.too_early(time.unwrap_or_default()));
        }
        Ok(starts)
    }

    fn sliding(&self, batch: &RecordBatch, times: &Int64Array, out: &mut Vec<RecordBatch>) -> Result<()> {
        let slide = self.grid.slide();
        let mut rows = Expansion::new(batch.num_rows());
        for (row, time) in (0_u32..).zip(times) {
            let Some(time) = time else {
                rows.push(row, None);
                self.flush(batch, &mut rows, BATCH_ROWS, out)?;
                continue;
            };
            let (first, last) = self.grid.first_and_last_start(time).ok_or_else(|| self.too_early(time))?;
            let mut start = first;
            while start < last {
                rows.push(row, Some(start));
                self.flush(batch, &mut rows, BATCH_ROWS, out)?;
                start += slide;
            }
            rows.push(row, Some(last));
            self.flush(batch, &mut rows, BATCH_ROWS, out)?;
        }
        self.flush(batch, &mut rows, 1, out)
    }

    /// Gives the rows so far, if there are at least as many.
    #[inline]
    fn flush(
        &self,
        batch: &RecordBatch,
        rows: &mut Expansion,
        at_least: usize,
        out: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        if rows.indices.len() >= at_least {
            let (indices, starts) = rows.take();
            let columns =
                batch.columns().iter().map(|column| take(column, &indices, None)).collect::<Result<Vec<_>, _>>();
            out.push(self.extended(columns.map_err(from_arrow)?, starts)?);
        }
        Ok(())
    }

    fn extended(&self, mut columns: Vec<ArrayRef>, starts: Int64Array) -> Result<RecordBatch> {
        columns.push(starts_column(starts, &self.column).map_err(|error| self.in_column(&error))?);
        RecordBatch::try_new(Arc::clone(&self.output), columns).map_err(from_arrow)
    }

    fn in_column(&self, error: &Error) -> Error {
        let told = Error::new(error.code(), format!("{} in column '{}'", error.message(), self.time_name));
        match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    }

    fn too_early(&self, time: i64) -> Error {
        let message =
            format!("the window of {time} begins before the first time that column '{}' can hold", self.time_name);
        Error::new(ErrorCode::Overflow, message)
    }
}

/// Which row each new row comes from, and its window.
struct Expansion {
    indices: Vec<u32>,
    starts: Int64Builder,
}

impl Expansion {
    fn new(rows: usize) -> Self {
        let capacity = rows.min(BATCH_ROWS);
        Self { indices: Vec::with_capacity(capacity), starts: Int64Builder::with_capacity(capacity) }
    }

    #[inline]
    fn push(&mut self, row: u32, start: Option<i64>) {
        self.indices.push(row);
        self.starts.append_option(start);
    }

    fn take(&mut self) -> (UInt32Array, Int64Array) {
        (std::mem::take(&mut self.indices).into(), self.starts.finish())
    }
}

fn internal(message: &str) -> Error {
    Error::new(ErrorCode::Internal, message)
}

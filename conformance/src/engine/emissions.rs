//! Stream queries of the engine in process, run to their end.

use std::time::Duration;

use velaria::arrow::array::{Array, Int64Array, RecordBatch};
use velaria::arrow::compute::{cast, concat_batches};
use velaria::arrow::datatypes::{DataType, SchemaRef};
use velaria::{Session, StreamOptions, StreamingDataFrame, StreamingQuery};

use super::SurfaceError;
use super::directive::Directive;
use super::velaria::report;

/// How long a query is waited for between two looks at its sink.
const TICK: Duration = Duration::from_millis(20);

/// The options of a directive. Records do not wait for the clock unless they say so.
pub(super) fn options_of(directive: &Directive) -> Result<StreamOptions, SurfaceError> {
    let mut options = StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() };
    for (name, value) in &directive.options {
        options.set(name, value).map_err(report)?;
    }
    Ok(options)
}

/// The rows of `batches` as micro-batches: the first column, `batch`, says to which one a row belongs.
pub(super) fn micro_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, SurfaceError> {
    let broken = |message: &str| SurfaceError::Broken(message.to_owned());
    let all = concat_batches(schema, batches).map_err(|error| broken(&error.to_string()))?;
    let first = schema.fields().first().filter(|field| field.name() == "batch");
    first.ok_or_else(|| broken("the first column of a stream is batch"))?;
    let numbers = cast(all.column(0), &DataType::Int64).map_err(|error| broken(&error.to_string()))?;
    let numbers = numbers.as_any().downcast_ref::<Int64Array>().ok_or_else(|| broken("batch is not a number"))?;
    let rest: Vec<usize> = (1..all.num_columns()).collect();
    let rows = all.project(&rest).map_err(|error| broken(&error.to_string()))?;
    cut(numbers, &rows).ok_or_else(|| broken("batch has to grow from 1 on, without NULL"))
}

fn cut(numbers: &Int64Array, rows: &RecordBatch) -> Option<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    let mut start = 0;
    let last = numbers.iter().max().flatten().unwrap_or(0);
    for number in 1..=last {
        let length = numbers.iter().skip(start).take_while(|found| *found == Some(number)).count();
        batches.push(rows.slice(start, length));
        start += length;
    }
    (start == rows.num_rows()).then_some(batches)
}

/// What a query has emitted.
pub(super) struct Emitted {
    /// The columns of the emissions, which may have more than the frame: those of a changelog.
    pub(super) schema: SchemaRef,
    /// In their order.
    pub(super) batches: Vec<RecordBatch>,
    /// The query, which is done.
    pub(super) query: StreamingQuery,
}

/// Plans a stream query.
pub(super) fn planned(
    session: &Session,
    sql: &str,
    options: &StreamOptions,
) -> Result<StreamingDataFrame, velaria::Error> {
    let (session, sql, options) = (session.clone(), sql.to_owned(), options.clone());
    velaria::wait(async move { session.stream_sql(&sql, &options).await }, || Ok(()))
}

/// Runs a planned stream query to its end.
pub(super) fn run(
    session: &Session,
    frame: &StreamingDataFrame,
    options: &StreamOptions,
) -> Result<Emitted, velaria::Error> {
    let sink = session.create_realtime_stream_sink();
    let query = frame.write_stream_queue_sink(&sink, options)?;
    query.start()?;
    let mut batches = Vec::new();
    // The sink may hold the query back, so that it is emptied meanwhile.
    while query.wait(0, Some(TICK))?.is_none() {
        batches.extend(std::iter::from_fn(|| sink.poll()));
    }
    batches.extend(std::iter::from_fn(|| sink.poll()));
    let schema = batches.first().map_or_else(|| frame.schema(), |batch| batch.schema());
    Ok(Emitted { schema, batches, query })
}

//! Plans statements with the batch engine, takes the group by out of the plan, and runs it over micro-batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use velaria_connector::EmissionKind;
use velaria_contract::Error;
use velaria_stream::{
    Aggregate, AggregateSettings, AggregateSpec, MicroBatch, Operator, StateFrame, WindowSpec, aggregate,
};

/// A statement `SELECT keys…, aggregates… FROM t GROUP BY keys…` with its rows.
pub(crate) struct Query {
    pub(crate) spec: AggregateSpec,
    pub(crate) input: SchemaRef,
    pub(crate) output: SchemaRef,
    pub(crate) rows: RecordBatch,
    /// What the batch engine answers.
    pub(crate) expected: RecordBatch,
}

pub(crate) fn query(sql: &str, rows: &RecordBatch) -> Query {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(plan(sql, rows))
}

fn context(rows: &RecordBatch, builder: SessionStateBuilder) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(1);
    let context = SessionContext::new_with_state(builder.with_config(config).with_default_features().build());
    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    context
}

async fn plan(sql: &str, rows: &RecordBatch) -> Query {
    let frame = context(rows, SessionStateBuilder::new()).sql(sql).await.unwrap();
    let answer: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap();
    let expected = concat_batches(batches.first().map_or(&answer, |batch| batch.schema_ref()), &batches).unwrap();
    let plain = context(rows, SessionStateBuilder::new());
    let optimizer = plain.state().optimizer().rules.clone();
    let kept = optimizer.into_iter().filter(|rule| rule.name() != "single_distinct_aggregation_to_group_by").collect();
    let builder = SessionStateBuilder::new().with_optimizer_rules(kept).with_physical_optimizer_rules(vec![]);
    let context = context(rows, builder);
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let found = lowest_aggregate(&plan).unwrap();
    let exec = found.downcast_ref::<AggregateExec>().unwrap();
    let input = exec.input().schema();
    let rows = collect(Arc::clone(exec.input()), context.task_ctx()).await.unwrap();
    let rows = concat_batches(&input, &rows).unwrap();
    let keys: Vec<_> = exec.group_expr().expr().iter().map(|(key, _)| Arc::clone(key)).collect();
    let aggregates: Vec<Aggregate> = exec
        .aggr_expr()
        .iter()
        .zip(exec.filter_expr())
        .map(|(function, filter)| Aggregate { function: Arc::clone(function), filter: filter.clone(), simple: false })
        .collect();
    let mut fields: Vec<Field> = expected.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.iter_mut().for_each(|field| field.set_nullable(true));
    let spec = AggregateSpec { keys, aggregates, window: None, stateful: true, distinct: false };
    Query { spec, input, output: Arc::new(Schema::new(fields)), rows, expected }
}

fn lowest_aggregate(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let below = plan.children().into_iter().find_map(lowest_aggregate);
    below.or_else(|| plan.downcast_ref::<AggregateExec>().map(|_| Arc::clone(plan)))
}

pub(crate) fn settings(output: EmissionKind) -> AggregateSettings {
    AggregateSettings {
        node: 3,
        output,
        workers: 1,
        allowed_lateness_ms: 0,
        max_retained_windows: 0,
        max_state_bytes: None,
    }
}

impl Query {
    /// The same, with the key of this number as the start of a window.
    pub(crate) fn windowed(mut self, key: usize, every_ms: u64) -> Self {
        let window = WindowSpec {
            time_column: 0,
            time_name: "ts".to_owned(),
            every_ms,
            slide_ms: every_ms,
            output: "w".to_owned(),
        };
        self.spec.window = Some((key, window));
        self
    }

    pub(crate) fn start(&self, settings: &AggregateSettings) -> Run {
        Run {
            operator: aggregate(&self.spec, &self.input, &self.output, settings).unwrap(),
            epoch: 0,
            watermark_ms: None,
        }
    }

    /// The rows in pieces of these sizes, the last ones again and again until all rows are there.
    pub(crate) fn split(&self, sizes: &[usize]) -> Vec<RecordBatch> {
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut sizes = sizes.iter().cycle();
        while start < self.rows.num_rows() {
            let size = (*sizes.next().unwrap()).max(1).min(self.rows.num_rows() - start);
            pieces.push(self.rows.slice(start, size));
            start += size;
        }
        pieces
    }

    pub(crate) fn expected_by_key(&self) -> BTreeMap<String, String> {
        by_key(std::slice::from_ref(&self.expected), self.spec.keys.len())
    }
}

/// A group by at work.
pub(crate) struct Run {
    pub(crate) operator: Box<dyn Operator>,
    epoch: u64,
    watermark_ms: Option<i64>,
}

impl Run {
    fn of(&self) -> MicroBatch {
        MicroBatch { epoch: self.epoch, watermark_ms: self.watermark_ms }
    }

    /// One micro-batch of one push.
    pub(crate) fn step(&mut self, batch: &RecordBatch) -> Vec<RecordBatch> {
        self.try_step(batch).unwrap()
    }

    pub(crate) fn try_step(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, Error> {
        self.pushes(std::slice::from_ref(batch))
    }

    /// One micro-batch of several pushes.
    pub(crate) fn pushes(&mut self, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, Error> {
        self.epoch += 1;
        let mut out = Vec::new();
        let of = self.of();
        for batch in batches {
            self.operator.push(batch, of, &mut out)?;
        }
        self.operator.finish(of, &mut out)?;
        Ok(out)
    }

    /// The watermark after the last micro-batch.
    pub(crate) fn advance(&mut self, watermark_ms: i64) -> Vec<RecordBatch> {
        let mut out = Vec::new();
        self.operator.advance(watermark_ms, self.of(), &mut out).unwrap();
        self.watermark_ms = Some(watermark_ms);
        out
    }

    /// All sources have ended.
    pub(crate) fn end(&mut self) -> Vec<RecordBatch> {
        let mut out = Vec::new();
        self.operator.end(self.of(), &mut out).unwrap();
        out
    }

    pub(crate) fn delta(&mut self) -> Vec<StateFrame> {
        self.operator.state().unwrap().delta().unwrap()
    }

    pub(crate) fn snapshot(&mut self) -> Vec<StateFrame> {
        self.operator.state().unwrap().snapshot().unwrap()
    }

    pub(crate) fn restore(&mut self, frames: &[StateFrame]) {
        frames.iter().for_each(|frame| self.operator.state().unwrap().restore(frame).unwrap());
    }

    /// Goes on from another run, of which only the watermark is known besides the frames.
    pub(crate) fn resume(&mut self, stopped: &Self, frames: &[StateFrame]) {
        self.restore(frames);
        self.epoch = stopped.epoch;
        self.watermark_ms = stopped.watermark_ms;
    }
}

/// Rows as text, cell by cell; texts of floats differ when their bits do.
pub(crate) fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    batches.iter().flat_map(rows_of).collect()
}

fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<Vec<String>> = batch.columns().iter().map(cells).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

fn cells(column: &ArrayRef) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    if let Some(floats) = column.as_primitive_opt::<arrow::datatypes::Float64Type>() {
        return floats.iter().map(|value| value.map_or("NULL".to_owned(), |value| format!("{value:?}"))).collect();
    }
    let formatter = ArrayFormatter::try_new(column, &options).unwrap();
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}

/// The last row of each key.
pub(crate) fn by_key(batches: &[RecordBatch], keys: usize) -> BTreeMap<String, String> {
    let rows = texts(batches).into_iter();
    rows.map(|row| (row[..keys].join("|"), row[keys..].join("|"))).collect()
}

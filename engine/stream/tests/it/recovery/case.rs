//! Queries over eight micro-batches, and what they leave in files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use velaria_connector::testing::SimulatedFs;
use velaria_connector::{
    CsvAppendTable, CsvStyle, DurableFs, EmissionKind, MemoryStream, PartFilesTable, PartFormat, Pull, SinkTable,
    SourceContext, SourceDescription, SourceOffset, StreamSource, StreamTable,
};
use velaria_contract::{ManualClock, Result, StreamingQueryProgress};
use velaria_stream::{
    DeliveryMode, Environment, ExecutionMode, Input, Node, NodeKind, StreamOptions, StreamPlan, StreamingQuery,
    Syncing, WatermarkSpec, WindowSpec,
};

use crate::aggregate::support::query;

/// Where the checkpoint is.
pub(crate) const CHECKPOINT: &str = "/data/checkpoint";
const CSV: &str = "/data/out/rows.csv";
const PARTS: &str = "/data/out/parts";
const BATCHES: i64 = 8;
const ROWS: i64 = 12;

/// What a query does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Rows,
    Totals,
    Windows,
    Limited,
}

pub(crate) const SHAPES: [Shape; 4] = [Shape::Rows, Shape::Totals, Shape::Windows, Shape::Limited];

/// Where it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Csv,
    CsvParts,
    ParquetParts,
}

/// What it promises, and how often it waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    ExactlyOnce,
    AtLeastOnce,
    /// At least once, waiting for the disk only after the first commit and at the end.
    Seldom,
    BestEffort,
}

pub(crate) const PROMISES: [Promise; 4] =
    [Promise::ExactlyOnce, Promise::AtLeastOnce, Promise::Seldom, Promise::BestEffort];

/// A query that can be run again and again.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) plan: StreamPlan,
    sink: Arc<dyn SinkTable>,
    target: Target,
    promise: Promise,
    workers: u64,
    witness: Witness,
}

/// What a query has told its source, through all of its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The largest offset that was acknowledged.
    pub(crate) acknowledged: u64,
    /// Whether a power failure came in a mode that does not wait for the disk.
    pub(crate) forgot: bool,
}

impl Case {
    pub(crate) fn new(shape: Shape, target: Target, promise: Promise) -> Self {
        let sink: Arc<dyn SinkTable> = match target {
            Target::Csv => Arc::new(CsvAppendTable::new(CSV, b',', None).unwrap()),
            Target::CsvParts => {
                Arc::new(PartFilesTable::new(PARTS, PartFormat::Csv(CsvStyle::default()), None).unwrap())
            }
            Target::ParquetParts => Arc::new(PartFilesTable::new(PARTS, PartFormat::Parquet, None).unwrap()),
        };
        let witness = Witness {
            stream: MemoryStream::new(schema(), batches()).unwrap(),
            acknowledged: Arc::default(),
            resumed: Arc::default(),
        };
        Self { plan: plan(shape, &witness), sink, target, promise, workers: 1, witness }
    }

    /// The same, spread over local workers.
    pub(crate) fn on(self, workers: u64) -> Self {
        Self { workers, ..self }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {:?} {:?} {} workers", self.plan.statement, self.target, self.promise, self.workers)
    }

    fn options(&self) -> StreamOptions {
        StreamOptions {
            trigger_interval_ms: 0,
            checkpoint_path: CHECKPOINT.to_owned(),
            checkpoint_delivery_mode: match self.promise {
                Promise::ExactlyOnce => DeliveryMode::ExactlyOnce,
                Promise::AtLeastOnce | Promise::Seldom => DeliveryMode::AtLeastOnce,
                Promise::BestEffort => DeliveryMode::BestEffort,
            },
            checkpoint_interval_ms: if self.promise == Promise::Seldom { 1 } else { 0 },
            execution_mode: if self.workers > 1 { ExecutionMode::LocalWorkers } else { ExecutionMode::SingleProcess },
            local_workers: self.workers,
            ..StreamOptions::default()
        }
    }

    pub(crate) fn query(&self, fs: &SimulatedFs) -> StreamingQuery {
        let environment = Environment {
            clock: Arc::new(ManualClock::new(0)),
            fs: Arc::new(fs.clone()),
            syncing: Syncing::Inline,
            query_id: Some("q".to_owned()),
        };
        StreamingQuery::new(self.plan.clone(), Arc::clone(&self.sink), self.options(), environment).unwrap()
    }

    /// Runs to the end, or to the first error. What was acknowledged is never asked for again.
    pub(crate) fn run(&self, fs: &SimulatedFs, ledger: &mut Ledger) -> Result<StreamingQueryProgress> {
        self.witness.acknowledged.store(ledger.acknowledged, Ordering::SeqCst);
        self.witness.resumed.store(u64::MAX, Ordering::SeqCst);
        let query = self.query(fs);
        let ended = query.await_termination(0, None);
        let resumed = self.witness.resumed.load(Ordering::SeqCst);
        assert!(ledger.forgot || resumed >= ledger.acknowledged, "{}: {resumed} after {ledger:?}", self.name());
        ledger.acknowledged = self.witness.acknowledged.load(Ordering::SeqCst);
        let progress = query.progress();
        assert_eq!(progress.status == "failed", ended.is_err(), "{progress:?}");
        ended.map(|_| progress)
    }

    /// The disk after a power failure.
    pub(crate) fn power_loss(&self, fs: &SimulatedFs, seed: u64, mut ledger: Ledger) -> (SimulatedFs, Ledger) {
        ledger.forgot |= self.promise == Promise::BestEffort;
        (fs.power_loss(seed), ledger)
    }

    /// The files of the sink.
    pub(crate) fn content(&self, fs: &SimulatedFs) -> BTreeMap<String, Vec<u8>> {
        if self.target == Target::Csv {
            return [(CSV.to_owned(), fs.read(Path::new(CSV)).unwrap_or_default())].into();
        }
        let names = fs.list(Path::new(PARTS)).unwrap().into_iter();
        names.map(|name| (name.clone(), fs.read(&Path::new(PARTS).join(name)).unwrap())).collect()
    }

    /// What a run leaves that nothing disturbs, and the operations that it takes.
    pub(crate) fn undisturbed(&self) -> Undisturbed {
        let (fs, mut ledger) = (SimulatedFs::default(), Ledger::default());
        let progress = self.run(&fs, &mut ledger).unwrap();
        let content = self.content(&fs);
        assert!(content.values().map(Vec::len).sum::<usize>() > 500, "{}", self.name());
        Undisturbed { content, operations: fs.operations(), batches: progress.batches_processed, epoch: progress.epoch }
    }

    /// Runs to the end and compares with a run that nothing disturbed.
    pub(crate) fn finish(&self, fs: &SimulatedFs, mut ledger: Ledger, whole: &Undisturbed, how: impl Fn() -> String) {
        let how = || format!("{}: {}", self.name(), how());
        let progress = match self.run(fs, &mut ledger) {
            Ok(progress) => progress,
            Err(error) => panic!("{}: {error} {:?}", how(), error.hint()),
        };
        let content = self.content(fs);
        if content != whole.content {
            let texts = |content: &BTreeMap<String, Vec<u8>>| {
                content
                    .iter()
                    .map(|(name, bytes)| format!("{name}\n{}", String::from_utf8_lossy(bytes)))
                    .collect::<String>()
            };
            panic!("{}:\n{}\ninstead of\n{}", how(), texts(&content), texts(&whole.content));
        }
        assert_eq!((progress.batches_processed, progress.epoch), (whole.batches, whole.epoch), "{}", how());
        self.assert_tidy(fs, how);
    }

    /// Nothing half-made is left after a clean end.
    fn assert_tidy(&self, fs: &SimulatedFs, how: impl Fn() -> String) {
        let staged = fs.list(&Path::new(PARTS).join(".staging")).unwrap();
        let staged: Vec<_> = staged.into_iter().filter(|name| name != "LOCK" && name != "OWNER").collect();
        assert_eq!(staged, Vec::<String>::new(), "{}", how());
        let kept = fs.list(Path::new(CHECKPOINT)).unwrap();
        assert!(!kept.iter().any(|name| name.ends_with(".tmp")), "{}: {kept:?}", how());
    }
}

/// A run that nothing disturbed.
#[derive(Debug)]
pub(crate) struct Undisturbed {
    pub(crate) content: BTreeMap<String, Vec<u8>>,
    pub(crate) operations: u64,
    batches: u64,
    pub(crate) epoch: u64,
}

/// A stream in memory that remembers what it was told.
#[derive(Debug, Clone)]
struct Witness {
    stream: MemoryStream,
    acknowledged: Arc<AtomicU64>,
    resumed: Arc<AtomicU64>,
}

struct WitnessReader {
    reader: Box<dyn StreamSource>,
    table: Witness,
}

fn number(offset: Option<&SourceOffset>) -> u64 {
    offset.map_or(0, |offset| offset.0.parse().unwrap())
}

impl StreamTable for Witness {
    fn description(&self) -> SourceDescription {
        self.stream.description()
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        Ok(Box::new(WitnessReader { reader: self.stream.reader()?, table: self.clone() }))
    }
}

impl StreamSource for WitnessReader {
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        self.table.resumed.store(number(resume), Ordering::SeqCst);
        self.reader.open(context, resume)
    }

    fn next_batch(&mut self, context: &SourceContext) -> Result<Pull> {
        self.reader.next_batch(context)
    }

    fn ack(&mut self, offset: &SourceOffset) -> Result<()> {
        self.table.acknowledged.fetch_max(number(Some(offset)), Ordering::SeqCst);
        Ok(())
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("ts", DataType::Int64, true),
        Field::new("k", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

/// Rows with ids that are unique, in windows of a second that overlap from batch to batch.
fn batches() -> Vec<RecordBatch> {
    let batch = |number: i64| {
        let ids = || number * ROWS..(number + 1) * ROWS;
        let times: ArrayRef = Arc::new(Int64Array::from_iter_values(ids().map(|id| id * 70 + id * 37 % 300)));
        let key = |id: i64| format!("key {} with a text, that is \"long\"", id * 7 % 5);
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(ids().map(key)));
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(ids()));
        RecordBatch::try_new(schema(), vec![times, keys, values]).unwrap()
    };
    (0..BATCHES).map(batch).collect()
}

fn plan(shape: Shape, source: &Witness) -> StreamPlan {
    let scan = (NodeKind::Scan { input: 0, projection: vec![0, 1, 2] }, schema());
    let steps = match shape {
        Shape::Rows => Vec::new(),
        Shape::Limited => vec![(NodeKind::Limit { skip: 5, fetch: Some(60) }, schema())],
        Shape::Totals => totals("SELECT k, SUM(v), COUNT(*) FROM t GROUP BY k", &schema(), None),
        Shape::Windows => windows(),
    };
    let nodes: Vec<Node> = std::iter::once(scan)
        .chain(steps)
        .enumerate()
        .map(|(index, (kind, schema))| Node {
            lines: vec![format!("{} x", kind.name())],
            inputs: index.checked_sub(1).into_iter().collect(),
            kind,
            schema,
        })
        .collect();
    let watermark = (shape == Shape::Windows).then_some(WatermarkSpec { column: 0, delay_ms: 400 });
    StreamPlan {
        view: "s".to_owned(),
        inputs: vec![Input { name: "s".to_owned(), table: Arc::new(source.clone()), watermark }],
        schema: Arc::clone(&nodes.last().unwrap().schema),
        nodes,
        output: if shape == Shape::Windows { EmissionKind::Append } else { EmissionKind::Update },
        statement: format!("{shape:?}"),
        translator: velaria_stream::ErrorTranslator::default(),
    }
}

/// A group by over rows with the columns of `input`, behind a projection to the columns that it takes.
fn totals(sql: &str, input: &SchemaRef, window: Option<WindowSpec>) -> Vec<(NodeKind, SchemaRef)> {
    let mut columns = concat_batches(&schema(), &batches()).unwrap().columns().to_vec();
    columns.extend((input.fields().len() > columns.len()).then(|| Arc::clone(&columns[0])));
    let mut planned = query(sql, &RecordBatch::try_new(Arc::clone(input), columns).unwrap());
    planned.spec.window = window.map(|window| (0, window));
    let column = |field: &Arc<Field>| -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new(field.name(), input.index_of(field.name()).unwrap()))
    };
    let project = NodeKind::Project(planned.input.fields().iter().map(column).collect());
    vec![(project, planned.input), (NodeKind::Aggregate(planned.spec), planned.output)]
}

fn windows() -> Vec<(NodeKind, SchemaRef)> {
    let spec = WindowSpec {
        time_column: 0,
        time_name: "ts".to_owned(),
        every_ms: 1000,
        slide_ms: 1000,
        output: "w".to_owned(),
    };
    let mut fields: Vec<Field> = schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new("w", DataType::Int64, true));
    let windowed: SchemaRef = Arc::new(Schema::new(fields));
    let sql = "SELECT w, k, SUM(v), COUNT(v) FROM t GROUP BY w, k";
    let mut steps = vec![(NodeKind::Window(spec.clone()), Arc::clone(&windowed))];
    steps.extend(totals(sql, &windowed, Some(spec)));
    steps
}

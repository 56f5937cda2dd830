//! Sources and sinks that do what a script says and write down what they are told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use velaria_connector::{
    CheckpointMarker, Epoch, Prepared, Pull, Pulling, Replay, SinkContext, SinkDescription, SinkGuarantee,
    SinkPosition, SinkTable, SourceContext, SourceDescription, SourceOffset, StreamSink, StreamSource, StreamTable,
};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_stream::{Input, Node, NodeKind, StreamPlan};

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// What a source does when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Batch(RecordBatch),
    Fail,
    Panic,
}

#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) acts: Vec<Act>,
    pub(crate) bounded: bool,
    pub(crate) pulling: Pulling,
    pub(crate) replay: Replay,
    pub(crate) log: Log,
}

impl Script {
    pub(crate) fn new(acts: Vec<Act>) -> Self {
        let log = Log::default();
        Self { acts, bounded: true, pulling: Pulling::Immediate, replay: Replay::FromOffset, log }
    }
}

impl StreamTable for Script {
    fn description(&self) -> SourceDescription {
        let Self { bounded, pulling, replay, .. } = *self;
        SourceDescription { schema: schema(), bounded, replay, pulling }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        let acts = self.acts.iter().cloned().collect();
        Ok(Box::new(Scripted { acts, bounded: self.bounded, given: 0, log: Arc::clone(&self.log) }))
    }
}

struct Scripted {
    acts: VecDeque<Act>,
    bounded: bool,
    given: usize,
    log: Log,
}

impl StreamSource for Scripted {
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        assert!(context.query_id.starts_with("stream-query-") || context.query_id == "q");
        self.log.lock().unwrap().push(format!("source open {}", resume.map_or("start", |offset| &offset.0)));
        if let Some(offset) = resume {
            let given: usize = offset.0.trim_start_matches("batch-").parse().unwrap();
            while self.given <= given {
                if let Some(Act::Batch(_)) = self.acts.pop_front() {
                    self.given += 1;
                }
            }
        }
        Ok(())
    }

    fn next_batch(&mut self, _: &SourceContext) -> Result<Pull> {
        match self.acts.pop_front() {
            None if self.bounded => Ok(Pull::End),
            None => Ok(Pull::Idle),
            Some(Act::Fail) => Err(Error::new(ErrorCode::Io, "the source broke")),
            Some(Act::Panic) => panic!("on purpose"),
            Some(Act::Batch(batch)) => {
                self.given += 1;
                Ok(Pull::Batch(batch, SourceOffset(format!("batch-{}", self.given - 1))))
            }
        }
    }

    fn at_end(&self) -> bool {
        self.bounded && self.acts.is_empty()
    }

    fn checkpoint(&mut self, marker: &CheckpointMarker) -> Result<()> {
        let line = format!("source checkpoint {} {}", marker.source_offset, marker.batches_processed);
        self.log.lock().unwrap().push(line);
        Ok(())
    }

    fn ack(&mut self, offset: &SourceOffset) -> Result<()> {
        self.log.lock().unwrap().push(format!("source ack {offset}"));
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.log.lock().unwrap().push("source close".to_owned());
        Ok(())
    }
}

/// A sink that keeps rows, and fails in the epoch that it is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) log: Log,
    pub(crate) rows: Arc<Mutex<Vec<(Epoch, RecordBatch)>>>,
    pub(crate) fails_in: Option<Epoch>,
}

impl Recorder {
    /// All values of the columns, as text, in the order in which they were written.
    pub(crate) fn text(&self) -> Vec<String> {
        let rows = self.rows.lock().unwrap();
        rows.iter().flat_map(|(_, batch)| text(batch)).collect()
    }
}

impl SinkTable for Recorder {
    fn description(&self) -> SinkDescription {
        SinkDescription {
            name: "memory".to_owned(),
            blocking: false,
            guarantee: SinkGuarantee::Transactional,
            schema: None,
        }
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        Ok(Box::new(self.clone()))
    }
}

impl StreamSink for Recorder {
    fn open(&mut self, _: &SinkContext) -> Result<()> {
        self.log.lock().unwrap().push("sink open".to_owned());
        Ok(())
    }

    fn recover(&mut self, last: Option<(Epoch, &SinkPosition)>) -> Result<()> {
        let last = last.map(|(epoch, _)| epoch);
        self.log.lock().unwrap().push(format!("sink recover {last:?}"));
        self.rows.lock().unwrap().retain(|(epoch, _)| last.is_none_or(|last| *epoch <= last));
        Ok(())
    }

    fn write(&mut self, epoch: Epoch, batch: &RecordBatch) -> Result<()> {
        if self.fails_in == Some(epoch) {
            return Err(Error::new(ErrorCode::Io, "the sink broke"));
        }
        self.log.lock().unwrap().push(format!("sink write {epoch}"));
        self.rows.lock().unwrap().push((epoch, batch.clone()));
        Ok(())
    }

    fn prepare(&mut self, epoch: Epoch) -> Result<Prepared> {
        self.log.lock().unwrap().push(format!("sink prepare {epoch}"));
        Ok(Prepared::default())
    }

    fn commit(&mut self, epoch: Epoch, _: &SinkPosition) -> Result<()> {
        self.log.lock().unwrap().push(format!("sink commit {epoch}"));
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.log.lock().unwrap().push("sink close".to_owned());
        Ok(())
    }
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Int64, true)]))
}

pub(crate) fn batch(rows: &[(&str, i64)]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    RecordBatch::try_new(schema(), vec![keys, values]).unwrap()
}

/// The rows of a batch as text, the values separated by commas.
pub(crate) fn text(batch: &RecordBatch) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::default().with_null("null");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| arrow::util::display::ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(",");
    (0..batch.num_rows()).map(row).collect()
}

/// The scan of one source, with steps behind it.
pub(crate) fn plan(source: &Script, steps: Vec<NodeKind>) -> StreamPlan {
    let scan = NodeKind::Scan { input: 0, projection: vec![0, 1] };
    let mut nodes = Vec::new();
    for (index, kind) in std::iter::once(scan).chain(steps).enumerate() {
        let lines = vec![format!("{} x", kind.name())];
        nodes.push(Node {
            kind,
            inputs: (index > 0).then(|| index - 1).into_iter().collect(),
            schema: schema(),
            lines,
        });
    }
    StreamPlan {
        view: "s".to_owned(),
        inputs: vec![Input { name: "s".to_owned(), table: Arc::new(source.clone()), watermark: None }],
        nodes,
        schema: schema(),
        output: velaria_connector::EmissionKind::Update,
        statement: "SELECT * FROM s".to_owned(),
        translator: velaria_stream::ErrorTranslator::default(),
    }
}

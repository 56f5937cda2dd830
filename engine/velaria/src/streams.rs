//! The part of a session that is about streams: names for them, and stream SQL.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use velaria_connector::{
    ConsoleOutput, Format, MemorySinkTable, MemoryStream, QueueSinkTable, QueueStream, ReadOptions, SinkTable,
    StreamTable,
};
use velaria_contract::{Error, ErrorCode, Result, StreamExplain};
use velaria_sql::TableKind;
use velaria_stream::{Environment, StreamOptions, StreamingQuery, explain};

use crate::catalog::{Entry, SinkEntry, Strictness, check_name, table_exists};
use crate::error::Translator;
use crate::plan::stream::{self, Names, Read, StreamLeaf, Takes, Target};
use crate::plan::target::spelling;
use crate::session::Session;
use crate::stack::Roomy;
use crate::streaming_dataframe::StreamingDataFrame;

impl Session {
    /// A stream that the caller has made; `name` stands for it in explain and in checkpoints until it is registered.
    ///
    /// # Errors
    /// `VEL-2006` when two of its columns share a name.
    pub fn read_stream_table(&self, name: &str, table: Arc<dyn StreamTable>) -> Result<StreamingDataFrame> {
        let leaf = StreamLeaf::new(name, table, None);
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(leaf)), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| Translator::new("").translate(&error))?;
        Ok(StreamingDataFrame::new(self.context(), name, plan, Vec::new()))
    }

    /// A stream of record batches: each is one micro-batch.
    ///
    /// # Errors
    /// `VEL-5006` when a batch has other columns than `schema`.
    pub fn create_stream_from_arrow(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<StreamingDataFrame> {
        self.read_stream_table("arrow", Arc::new(MemoryStream::new(schema, batches)?))
    }

    /// A stream of the files that arrive in the folder `path`, with the options of the format and those of folders. Its columns are
    /// those of the first file that is there.
    ///
    /// # Errors
    /// `VEL-7001` as long as there is no file, and for options that cannot be; `VEL-6002` when the path is no folder;
    /// `VEL-6004` when the session may not read it.
    pub fn read_stream(
        &self,
        path: &str,
        format: Option<Format>,
        options: &ReadOptions,
        columns: Option<&SchemaRef>,
    ) -> Result<StreamingDataFrame> {
        let table = stream::directory(self.context(), path, format, options, columns)?;
        self.read_stream_table(path, Arc::new(table))
    }

    /// A stream of the CSV files that arrive in the folder `path`.
    ///
    /// # Errors
    /// Those of [`Session::read_stream`].
    pub fn read_stream_csv_dir(&self, path: &str, options: &ReadOptions) -> Result<StreamingDataFrame> {
        self.read_stream(path, Some(Format::Csv), options, None)
    }

    /// A queue that the caller puts rows into.
    #[must_use]
    pub fn create_realtime_stream_source(&self, schema: SchemaRef) -> QueueStream {
        QueueStream::new(schema)
    }

    /// The rows of such a queue.
    ///
    /// # Errors
    /// Those of [`Session::read_stream_table`].
    pub fn read_realtime_stream_source(&self, source: &QueueStream) -> Result<StreamingDataFrame> {
        self.read_stream_table("queue", Arc::new(source.clone()))
    }

    /// A queue that the caller takes rows out of.
    #[must_use]
    pub fn create_realtime_stream_sink(&self) -> QueueSinkTable {
        QueueSinkTable::new()
    }

    /// Makes a sink known as `name`, which must be new, to `INSERT INTO` of stream SQL.
    ///
    /// # Errors
    /// `VEL-4002` for a name that stands for something, `VEL-7001` for an empty name or one with a NUL.
    pub fn create_stream_sink(&self, name: &str, table: Arc<dyn SinkTable>) -> Result<()> {
        check_name(name)?;
        let columns = table.description().schema;
        let entry = SinkEntry { table, columns, strictness: Strictness::Typed, memory: None };
        let catalog = &self.context().catalog;
        catalog.create(name, Entry::Sink(Arc::new(entry))).map_err(|_| table_exists(name))?;
        catalog.set_kind(name, TableKind::Sink);
        Ok(())
    }

    /// The rows that a sink made by `USING memory` keeps.
    ///
    /// # Errors
    /// `VEL-4001` when there is none of that name.
    pub fn memory_sink(&self, name: &str) -> Result<MemorySinkTable> {
        let missing = || Error::new(ErrorCode::TableNotFound, format!("stream sink not found: {name}"));
        match self.context().catalog.entry(name) {
            Ok(Entry::Sink(entry)) => {
                entry.memory.clone().ok_or_else(|| missing().with_hint("it does not keep its rows in memory"))
            }
            _ => Err(missing()),
        }
    }

    /// Says where the sinks of `USING console` write that are made from now on; without it that is the standard output.
    pub fn set_console_output(&self, output: Arc<dyn ConsoleOutput>) {
        self.context().set_console(output);
    }

    /// Makes `frame` known as `name` to stream SQL. The name must be new.
    ///
    /// # Errors
    /// `VEL-4002` for a name that stands for something, `VEL-7001` for an empty name or one with a NUL and for a frame whose
    /// statement has OPTIONS.
    pub fn create_stream_view(&self, name: &str, frame: &StreamingDataFrame) -> Result<()> {
        check_name(name)?;
        if frame.has_options() {
            return Err(Error::new(ErrorCode::InvalidArgument, "a stream view has no OPTIONS of its own")
                .with_hint("write them in the statement that reads the view"));
        }
        let table: Arc<dyn TableProvider> = match whole_stream(frame.logical()) {
            Some(leaf) => Arc::new(StreamLeaf::new(name, Arc::clone(&leaf.table), leaf.event_time.clone())),
            None => Arc::new(ViewTable::new(frame.logical().clone(), None)),
        };
        self.context().catalog.create(name, Entry::Stream(table)).map_err(|_| table_exists(name))
    }

    /// A query over streams: a SELECT. Nothing is read.
    ///
    /// # Errors
    /// Everything that can be wrong with the text, names and types of a statement, and `VEL-3001` for what streams cannot do.
    pub async fn stream_sql(&self, text: &str, options: &StreamOptions) -> Result<StreamingDataFrame> {
        let read = stream::read(text, Takes::Query)?;
        let frame = self.frame_of(text, read).await?;
        // What streams cannot do is said now, and not when the query starts.
        frame.planned(options, Names::OfQuery)?;
        Ok(frame)
    }

    /// What a SELECT or an `INSERT INTO sink SELECT` will do. Nothing is opened.
    ///
    /// # Errors
    /// Those of [`Session::stream_sql`], and `VEL-4001` for a sink that does not exist.
    pub async fn explain_stream_sql(&self, text: &str, options: &StreamOptions) -> Result<StreamExplain> {
        let read = stream::read(text, Takes::Both)?;
        let target = match &read.sink {
            Some(sink) => Some(stream::target(self.context(), text, sink, &read.query)?),
            None => None,
        };
        let frame = self.frame_of(text, read).await?;
        let names = target.as_ref().map_or(Names::OfQuery, Target::names);
        let (mut plan, options) = frame.planned(options, names)?;
        let Some(target) = target else { return Ok(explain(&plan, None, &options)) };
        stream::fit(self.context(), text, &mut plan, &target)?;
        Ok(explain(&plan, Some((&target.name, &target.description())), &options))
    }

    /// Whether `text` is an `INSERT INTO sink SELECT` of stream SQL: [`Session::stream_query`] takes it, and
    /// [`Session::sql`] refuses it because rows go into that sink from streams only.
    #[must_use]
    pub fn is_stream_insert(&self, text: &str) -> bool {
        let Ok(Read { sink: Some(sink), .. }) = stream::read(text, Takes::Insert) else { return false };
        let name = spelling(self.context(), &sink);
        matches!(self.context().catalog.entry(&name), Ok(Entry::Sink(_)))
    }

    /// Starts an `INSERT INTO sink SELECT`.
    ///
    /// # Errors
    /// Those of [`Session::stream_query`] and [`StreamingQuery::start`].
    pub async fn start_stream_sql(&self, text: &str, options: &StreamOptions) -> Result<StreamingQuery> {
        let query = self.stream_query(text, options, Environment::default()).await?;
        query.start()?;
        Ok(query)
    }

    /// An `INSERT INTO sink SELECT` that is not started yet, with the clocks and files that it shall use.
    ///
    /// # Errors
    /// Those of [`Session::explain_stream_sql`], `VEL-6004` in a session that changes nothing or may not write the
    /// files of sink and checkpoint, and those of [`StreamingQuery::new`].
    pub async fn stream_query(
        &self,
        text: &str,
        options: &StreamOptions,
        environment: Environment,
    ) -> Result<StreamingQuery> {
        let read = stream::read(text, Takes::Insert)?;
        self.context().access.check_change("INSERT")?;
        let Some(sink) = read.sink.clone() else {
            return Err(Error::new(ErrorCode::Internal, "an INSERT without a sink"));
        };
        let target = stream::target(self.context(), text, &sink, &read.query)?;
        let frame = self.frame_of(text, read).await?;
        let (mut plan, options) = frame.planned(options, target.names())?;
        stream::fit(self.context(), text, &mut plan, &target)?;
        let table = target.table();
        stream::check_access(&self.context().access, table.as_ref(), &options)?;
        StreamingQuery::new(plan, table, options, environment)
    }

    async fn frame_of(&self, text: &str, read: Read) -> Result<StreamingDataFrame> {
        let Read { query, windows, options, .. } = read;
        // Binding computes, and must not do so on the thread of a caller that polls once.
        tokio::task::yield_now().await;
        let plan = Roomy::new(text, stream::bind(self.context(), text, query, &windows)).await?;
        Ok(StreamingDataFrame::new(self.context(), text, plan, options))
    }
}

/// The stream, when `plan` is nothing but all of it.
fn whole_stream(plan: &LogicalPlan) -> Option<Arc<StreamLeaf>> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.projection.is_none() => StreamLeaf::of(scan),
        _ => None,
    }
}

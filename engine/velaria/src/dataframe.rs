//! A plan whose rows can be asked for.

mod relation;

use std::any::Any;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{ViewTable, source_as_provider};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::stream::Fuse;
use futures::{Stream, StreamExt, TryStreamExt};
use velaria_connector::{
    CachedTable, CsvTable, DecodedTable, FileTable, FilesTable, LateType, MemoryTable, NewFile, NumberedTable,
};
use velaria_contract::{Error, ErrorCode, Explain, Profile, Result};

use crate::bounded;
use crate::clock::ClockUse;
use crate::context::{Context, Spread};
use crate::cooperate::cooperative;
use crate::counted::counted;
use crate::error::{Translator, duplicate_column};
use crate::explain;
use crate::in_order::in_order;
use crate::late;
use crate::log_target::QUERY;
use crate::once::OnceTable;
use crate::output::{plain_batch, plain_schema};
use crate::plan::copy::{self, FileStyle};
use crate::plan::query::{BoundQuery, analyze};
use crate::plan::search_function::SearchTable;
use crate::plan_cache::{self, Tables, Template};
use crate::profile;
use crate::search;
use crate::slice_bytes::slice_bytes;
use crate::stack::{self, Room, Roomy};
use crate::stop::{Stop, beginning, within};
use crate::write::WriteOptions;

/// Up to this many rows in memory a plan runs in one partition.
const SERIAL_ROWS_MAX: usize = 65_536;
/// Up to this many bytes in files a plan runs in one partition.
const SERIAL_BYTES_MAX: u64 = 1 << 20;
/// Up to this many rows of a query with a LIMIT are kept until all of them are there, while a type may still change.
const KEPT_ROWS_MAX: usize = 100_000;
/// Up to this many rows in each table in memory a simple plan runs on the thread of its caller.
const BRIEF_ROWS_MAX: usize = 8192;
/// Up to this many bytes of each table in memory a simple plan runs on the thread of its caller.
const BRIEF_BYTES_MAX: usize = 4 << 20;

/// A query over the tables of a session. It holds no rows: each time they are asked for, the query runs.
///
/// Cloning is cheap; a frame can be used from several threads.
#[derive(Debug, Clone)]
pub struct DataFrame {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    context: Arc<Context>,
    /// The statement that the plan was made from, for the places in errors; empty when there was none.
    text: String,
    /// Made when it is needed first, if the plan is a kept one.
    plan: OnceLock<LogicalPlan>,
    kept: Option<(Arc<Template>, Tables)>,
    clock: ClockUse,
    schema: SchemaRef,
    /// The plan before types were settled, when a type may still change.
    open: Option<LogicalPlan>,
    /// This frame over the types that were found later.
    newer: Mutex<Option<DataFrame>>,
    /// The table, when the plan is nothing but a scan of it.
    table: Option<Arc<dyn TableProvider>>,
    order: Order,
    room: Room,
    /// How many frames it is made of, one after the other.
    steps: usize,
    /// The rows that the statement added or removed, when the frame is what it says about itself.
    affected_rows: Option<usize>,
}

/// What the order of the rows follows where the plan does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Whichever thread is first.
    Any,
    /// The order of what is read: one thread runs the plan.
    AsRead,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let plan = self.plan.take();
        stack::with_room(self.room, || drop(plan));
    }
}

impl DataFrame {
    pub(crate) fn from_query(context: &Arc<Context>, text: &str, query: BoundQuery) -> Self {
        Self::new(context, text, query, None)
    }

    pub(crate) fn from_table(context: &Arc<Context>, name: &str, table: Arc<dyn TableProvider>) -> Result<Self> {
        let source = datafusion::datasource::provider_as_source(Arc::clone(&table));
        let plan = LogicalPlanBuilder::scan(name, source, None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| Translator::new("").translate(&error))?;
        let open = late::may_widen(&plan).then(|| plan.clone());
        Ok(Self::new(context, "", BoundQuery { plan, open, clock: ClockUse::Never }, Some(table)))
    }

    pub(crate) fn from_batches(
        context: &Arc<Context>,
        name: &str,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<Self> {
        check_names(&schema)?;
        Self::from_table(context, name, Arc::new(MemoryTable::new(schema, batches)?))
    }

    /// A frame over rows that can be read once, in the order in which they come.
    pub(crate) fn over_once(context: &Arc<Context>, table: Arc<OnceTable>) -> Result<Self> {
        check_names(&table.schema())?;
        Self::from_table(context, "stream", table).map(Self::in_order)
    }

    /// A frame over a plan that was kept, with the tables for its slots.
    pub(crate) fn from_kept(context: &Arc<Context>, text: &str, kept: (Arc<Template>, Tables)) -> Self {
        let inner = Inner {
            context: Arc::clone(context),
            text: text.to_owned(),
            plan: OnceLock::new(),
            clock: ClockUse::Never,
            schema: Arc::clone(kept.0.schema()),
            open: None,
            newer: Mutex::default(),
            kept: Some(kept),
            table: None,
            order: Order::Any,
            room: text.into(),
            steps: 0,
            affected_rows: None,
        };
        Self { inner: Arc::new(inner) }
    }

    /// This frame, whose plan is kept for the next time when that is possible. `names` are the tables of its text.
    pub(crate) fn kept(self, names: Option<Vec<plan_cache::Name>>) -> Self {
        let Self { inner } = &self;
        let kept = names.filter(|_| inner.clock == ClockUse::Never).and_then(|names| {
            inner.plan.get().and_then(|plan| inner.context.plans.keep(&inner.text, names, plan, &inner.schema))
        });
        kept.map(|kept| Self::from_kept(&inner.context, &inner.text, kept)).unwrap_or(self)
    }

    fn new(context: &Arc<Context>, text: &str, query: BoundQuery, table: Option<Arc<dyn TableProvider>>) -> Self {
        let schema = plain_schema(query.plan.schema().as_arrow());
        let inner = Inner {
            context: Arc::clone(context),
            text: text.to_owned(),
            plan: query.plan.into(),
            kept: None,
            clock: query.clock,
            schema,
            open: query.open,
            newer: Mutex::default(),
            table,
            order: Order::Any,
            room: text.into(),
            steps: 0,
            affected_rows: None,
        };
        Self { inner: Arc::new(inner) }
    }

    /// This frame, which nobody else has yet, with its rows in the order of what it reads.
    pub(crate) fn in_order(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.order = Order::AsRead;
        }
        self
    }

    /// This frame, which nobody else has yet, as what a statement says about itself.
    pub(crate) fn of_change(mut self, affected_rows: usize) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.affected_rows = Some(affected_rows);
        }
        self
    }

    /// The rows that the statement added or removed, when it was one that has no rows of its own; `None` for a query.
    #[must_use]
    pub fn affected_rows(&self) -> Option<usize> {
        self.inner.affected_rows
    }

    /// The names and types of the columns. Nothing runs.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        match self.newest() {
            Ok(frame) => Arc::clone(&frame.inner.schema),
            Err(_) => Arc::clone(&self.inner.schema),
        }
    }

    /// This frame over the types that its files have now.
    fn newest(&self) -> Result<Self> {
        let Some(open) = &self.inner.open else { return Ok(self.clone()) };
        let mut newer = self.inner.newer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = newer.as_ref() {
            let frame = frame.clone();
            drop(newer);
            return frame.newest();
        }
        if !late::is_stale(open) {
            return Ok(self.clone());
        }
        let state = self.inner.context.state(Spread::Parallel);
        let open = late::refreshed(open.clone()).map_err(|error| self.translate(&error))?;
        let plan = analyze(state, open.clone()).map_err(|error| self.translate(&error))?;
        let query = BoundQuery { plan, open: Some(open), clock: self.inner.clock };
        let frame = Self::new(&self.inner.context, &self.inner.text, query, self.inner.table.clone());
        let frame = self.passed_on(frame);
        *newer = Some(frame.clone());
        Ok(frame)
    }

    /// At most the first `rows` rows. Nothing runs, and no more than needed is read later.
    ///
    /// # Errors
    /// `VEL-9001` when the plan cannot be extended.
    pub fn limit(&self, rows: usize) -> Result<Self> {
        self.derive(|builder| builder.limit(0, Some(rows)))
    }

    /// The number of rows. No column is decoded that is not needed for counting.
    ///
    /// # Errors
    /// Those of [`DataFrame::execute`].
    pub async fn count(&self) -> Result<u64> {
        let counted = self.aggregate(vec![count(lit(1_i64)).alias("count")])?;
        let batches = counted.collect().await?;
        let first = batches.first().map(|batch| Arc::clone(batch.column(0)));
        first
            .as_ref()
            .and_then(|column| column.as_any().downcast_ref::<Int64Array>())
            .filter(|column| column.len() == 1)
            .and_then(|column| u64::try_from(column.value(0)).ok())
            .ok_or_else(|| Error::new(ErrorCode::Internal, "COUNT gave no number"))
    }

    /// Runs the query and hands out its batches as they are made.
    ///
    /// # Errors
    /// Everything that can be known before the first row; the stream carries the rest.
    pub async fn execute(&self) -> Result<BatchStream> {
        if let Some(stream) = self.brief_stream()? {
            return Ok(stream);
        }
        let stop = self.apart().await?;
        beginning(stop, Roomy::new(self.inner.room, self.begin())).await
    }

    /// Begins a statement that plans and computes, which must not happen on the thread of a caller that polls once. The
    /// statement begins here and not there: an interrupt that comes in between is not lost.
    async fn apart(&self) -> Result<Arc<Stop>> {
        let stop = self.inner.context.running.begin();
        tokio::task::yield_now().await;
        stop.check()?;
        Ok(stop)
    }

    /// Starts the query so that no type changes once the first batch is out.
    async fn begin(&self) -> Result<BatchStream> {
        if self.inner.open.is_none() {
            return self.start().await;
        }
        let mut frame = self.newest()?;
        loop {
            let mut stream = frame.start().await?;
            let kept = match stream.head {
                Head::Open => Ok(()),
                Head::First => stream.keep_first().await,
                Head::All => stream.keep_all().await,
                Head::Unknown => {
                    // It did not run yet; the statement goes on.
                    stream.stop = None;
                    drop(stream);
                    frame = frame.settled().await?;
                    continue;
                }
            };
            match (kept, stream.late.take()) {
                (Err(error), Some(late)) => frame = frame.widened(late, error).await?,
                (kept, _) => return kept.map(|()| stream),
            }
        }
    }

    /// This frame after all values of its files were looked at.
    async fn settled(&self) -> Result<Self> {
        let context = &self.inner.context;
        for note in late::settle(self.plan()?, context.threads()).await? {
            context.notices.add(note);
        }
        self.newest()
    }

    /// This frame after the column of a value that did not fit got a wider type.
    async fn widened(&self, late: LateType, error: Error) -> Result<Self> {
        let context = &self.inner.context;
        let threads = context.threads();
        match late::blocking(move || late.widen(threads)).await? {
            Some(note) => context.notices.add(note),
            None if !self.inner.open.as_ref().is_some_and(late::is_stale) => return Err(error),
            None => {}
        }
        // The statement may not work with the wider type: then the value is what the user has to know about.
        self.newest().map_err(|planned| {
            Error::new(planned.code(), planned.message())
                .with_hint(format!("{}; say with types or null_values how to read it", error.message()))
                .with_position(planned.position().cloned())
                .with_source(error)
        })
    }

    fn brief_stream(&self) -> Result<Option<BatchStream>> {
        let context = &self.inner.context;
        if context.running.is_heard() {
            // The listener is told by the thread that waits, and nobody waits for what is brief.
            return Ok(None);
        }
        let stream = match (self.brief_rows(), self.brief_plan()?) {
            (Some(rows), _) => rows,
            (None, Some(plan)) => plan.execute(0, context.serial_task()),
            (None, None) => return Ok(None),
        };
        let stream = stream.map_err(|error| self.translate(&error))?;
        let stop = context.running.begin();
        let pool = Arc::clone(context.memory_pool());
        Ok(Some(BatchStream::new(self, stream, pool, stop, true)))
    }

    async fn start(&self) -> Result<BatchStream> {
        self.start_measured().await.map(|(stream, _)| stream)
    }

    /// Starts the query. The plan knows what its operators did once the stream has ended.
    async fn start_measured(&self) -> Result<(BatchStream, Arc<dyn ExecutionPlan>)> {
        let stop = self.inner.context.running.begin();
        let state = self.state()?;
        let physical = self.physical_plan(&state).await?;
        stop.check()?;
        let head = self.head(physical.as_ref());
        let physical = match &stop.reading {
            Some(reading) => {
                reading.reads(self.plan()?);
                counted(physical, reading).map_err(|error| self.translate(&error))?
            }
            None => physical,
        };
        let physical = cooperative(physical, &stop).map_err(|error| self.translate(&error))?;
        let mut stream = self.stream(Arc::clone(&physical), &state, stop)?;
        stream.head = head;
        Ok((stream, physical))
    }

    /// What has to be known before a batch of `plan` may go out.
    fn head(&self, plan: &dyn ExecutionPlan) -> Head {
        match &self.inner.open {
            Some(open) if late::may_widen(open) => match plan.fetch() {
                Some(rows) if rows <= KEPT_ROWS_MAX => Head::All,
                _ if plan.properties().emission_type == EmissionType::Final => Head::First,
                _ => Head::Unknown,
            },
            _ => Head::Open,
        }
    }

    fn stream(&self, physical: Arc<dyn ExecutionPlan>, state: &SessionState, stop: Arc<Stop>) -> Result<BatchStream> {
        let stream = execute_stream(physical, state.task_ctx()).map_err(|error| self.translate(&error))?;
        let pool = Arc::clone(&state.runtime_env().memory_pool);
        Ok(BatchStream::new(self, stream, pool, stop, false))
    }

    /// Runs the query and keeps all of its rows.
    ///
    /// # Errors
    /// Those of [`DataFrame::execute`], and those of its stream.
    pub async fn collect(&self) -> Result<Vec<RecordBatch>> {
        if self.inner.open.is_none() {
            return self.execute().await?.keep().await;
        }
        let stop = self.apart().await?;
        within(stop, Roomy::new(self.inner.room, self.collect_open())).await
    }

    /// Keeps all rows, from the start again whenever a type changes.
    async fn collect_open(&self) -> Result<Vec<RecordBatch>> {
        let mut frame = self.newest()?;
        loop {
            let mut stream = frame.start().await?;
            match (stream.keep_all().await, stream.late.take()) {
                (Err(error), Some(late)) => frame = frame.widened(late, error).await?,
                (kept, _) => return kept.map(|()| std::mem::take(&mut stream.ready).into()),
            }
        }
    }

    /// Runs the query, keeps all of its rows, and tells what each of its operators did.
    ///
    /// # Errors
    /// Those of [`DataFrame::collect`].
    pub async fn collect_with_profile(&self) -> Result<(Vec<RecordBatch>, Profile)> {
        let stop = self.apart().await?;
        within(stop, Roomy::new(self.inner.room, self.collect_measured())).await
    }

    /// Keeps all rows, from the start again whenever a type changes: the profile is that of the last time.
    async fn collect_measured(&self) -> Result<(Vec<RecordBatch>, Profile)> {
        let mut frame = self.newest()?;
        loop {
            let (mut stream, plan) = frame.start_measured().await?;
            let begun = Instant::now();
            match (stream.keep_all().await, stream.late.take()) {
                (Err(error), Some(late)) => frame = frame.widened(late, error).await?,
                (kept, _) => {
                    kept?;
                    let elapsed = begun.elapsed();
                    let batches: Vec<RecordBatch> = std::mem::take(&mut stream.ready).into();
                    // Some operators say what they did when they are dropped.
                    drop(stream);
                    let profile = profile::profile(plan.as_ref(), &batches, elapsed);
                    return Ok((batches, profile));
                }
            }
        }
    }

    /// Runs the query and writes its rows into a new file, which has its name when all of them are there. Gives their number.
    ///
    /// # Errors
    /// Those of [`DataFrame::collect`]; `VEL-6001` to `VEL-6004` when the file cannot be written, `VEL-3001` for columns that
    /// the format does not have.
    pub async fn write(&self, path: &str, options: &WriteOptions) -> Result<usize> {
        tokio::task::yield_now().await;
        let file = NewFile::create(&self.inner.context.access, path, options.existing)?;
        let style = FileStyle { header: options.header, csv: options.csv, json: options.json };
        copy::write(self, file, options.format, &style).await
    }

    /// The records of its CSV files that are left out because the option `bad_rows` is `collect`: `line`, `byte_offset`,
    /// `column`, `reason`, `raw`. The files are read for it again and whole.
    ///
    /// # Errors
    /// `VEL-7001` when no file of this frame collects bad rows.
    pub fn rejects(&self) -> Result<Self> {
        let tables = late::rejects(self.newest()?.plan()?);
        let frames = tables.into_iter().map(|table| Self::from_table(&self.inner.context, "rejects", Arc::new(table)));
        let plans = frames.map(|frame| frame?.plan().cloned()).collect::<Result<Vec<_>>>()?;
        let union =
            plans.into_iter().map(LogicalPlanBuilder::from).map(Ok).reduce(|all, one| all?.union(one?.build()?));
        let Some(union) = union else {
            return Err(Error::new(ErrorCode::InvalidArgument, "no rows are collected here")
                .with_hint("read the file with bad_rows: collect"));
        };
        let plan = union.and_then(LogicalPlanBuilder::build).map_err(|error| self.translate(&error))?;
        Ok(Self::new(&self.inner.context, "", BoundQuery { plan, open: None, clock: ClockUse::Never }, None))
    }

    /// What users should know about how the files of its session were read, see [`crate::Session::take_notices`].
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        self.inner.context.notices.take()
    }

    /// What the query will do. Nothing runs.
    ///
    /// # Errors
    /// Those of planning.
    pub async fn explain(&self) -> Result<Explain> {
        tokio::task::yield_now().await;
        self.newest()?.explain_now().await
    }

    async fn explain_now(&self) -> Result<Explain> {
        let state = self.state()?;
        let physical = Roomy::new(self.inner.room, self.physical_plan(&state)).await?;
        Ok(explain::explain(self.plan()?, physical.as_ref(), &state, self.spread()?))
    }

    /// Runs the query, drops its rows, and tells how many rows each operator made and how long it took.
    pub(crate) async fn analyze(&self) -> Result<Vec<String>> {
        self.settled().await?.analyze_now().await
    }

    async fn analyze_now(&self) -> Result<Vec<String>> {
        let stop = self.inner.context.running.begin();
        let state = self.state()?;
        let physical = self.physical_plan(&state).await?;
        stop.check()?;
        let physical = cooperative(physical, &stop).map_err(|error| self.translate(&error))?;
        let start = Instant::now();
        let mut stream = self.stream(Arc::clone(&physical), &state, stop)?;
        let mut rows = 0;
        while let Some(batch) = stream.try_next().await? {
            rows += batch.num_rows();
        }
        Ok(explain::measured(physical.as_ref(), rows, start.elapsed()))
    }

    /// The columns as the plan knows them.
    pub(crate) fn columns(&self) -> Result<Vec<Column>> {
        Ok(self.newest()?.plan()?.schema().columns())
    }

    /// The columns at `positions`, in this order.
    pub(crate) fn project(&self, positions: &[usize]) -> Result<Self> {
        let columns = self.columns()?;
        let items = positions.iter().filter_map(|position| columns.get(*position)).cloned().map(Expr::Column);
        self.derive(|builder| builder.project(items))
    }

    /// One row of aggregates over all rows.
    pub(crate) fn aggregate(&self, aggregates: Vec<Expr>) -> Result<Self> {
        self.derive(|builder| builder.aggregate(Vec::<Expr>::new(), aggregates))
    }

    /// The table that a view of this frame is.
    pub(crate) fn as_table(&self) -> Result<Arc<dyn TableProvider>> {
        check_names(&self.inner.schema)?;
        Ok(match &self.inner.table {
            Some(table) => Arc::clone(table),
            None => Arc::new(ViewTable::new(self.inner.open.as_ref().map_or_else(|| self.plan(), Ok)?.clone(), None)),
        })
    }

    fn derive(
        &self,
        extend: impl FnOnce(LogicalPlanBuilder) -> Result<LogicalPlanBuilder, DataFusionError>,
    ) -> Result<Self> {
        let frame = self.newest()?;
        let base = frame.inner.open.as_ref().map_or_else(|| frame.plan(), Ok)?.clone();
        let bound = extend(LogicalPlanBuilder::from(base))
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| self.translate(&error))?;
        let open = frame.inner.open.is_some().then(|| bound.clone());
        let plan =
            analyze(self.inner.context.state(Spread::Parallel), bound).map_err(|error| self.translate(&error))?;
        let query = BoundQuery { plan, open, clock: self.inner.clock };
        Ok(self.passed_on(Self::new(&self.inner.context, &self.inner.text, query, None)))
    }

    /// `frame`, which was made of this one and nobody else has yet: with its rows in an order where this one has them in
    /// one, and with as much room.
    fn passed_on(&self, mut frame: Self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut frame.inner) {
            inner.room = inner.room.max(self.inner.room);
            inner.steps = inner.steps.max(self.inner.steps);
        }
        match self.inner.order {
            Order::Any => frame,
            Order::AsRead => frame.in_order(),
        }
    }

    async fn physical_plan(&self, state: &SessionState) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some((template, tables)) = &self.inner.kept
            && self.spread()? == Spread::Serial
        {
            return self.kept_plan(template, tables, state).await.map_err(|error| self.translate(&error));
        }
        // The plan is analysed already, so only the optimizer's own rules are left.
        let plan = self.plan()?;
        let optimize = || state.optimizer().optimize(plan.clone(), state, |_, _| {});
        let optimized = bounded::planning(optimize).map_err(|error| self.translate(&error))?;
        let planned = state.query_planner().create_physical_plan(&optimized, state).await;
        planned.and_then(in_order).map_err(|error| self.translate(&error))
    }

    async fn kept_plan(
        &self,
        template: &Template,
        tables: &Tables,
        state: &SessionState,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let planned = template.plan(state).await?;
        match planned.instance(tables)? {
            Some(plan) => Ok(plan),
            None => state.query_planner().create_physical_plan(&planned.optimized(tables)?, state).await,
        }
    }

    /// The rows of a small table in memory, when the plan is nothing but a scan of it: nothing has to be planned.
    fn brief_rows(&self) -> Option<Result<SendableRecordBatchStream, DataFusionError>> {
        let table = self.inner.table.as_deref().and_then(plan_cache::memory)?;
        let rows = table.fits(BRIEF_ROWS_MAX, BRIEF_BYTES_MAX).then(|| table.snapshot().to_vec())?;
        Some(MemoryStream::try_new(rows, table.schema(), None).map(|rows| Box::pin(rows) as SendableRecordBatchStream))
    }

    /// A plan that is ready and takes so short that it may run on the thread of its caller.
    fn brief_plan(&self) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some((template, tables)) = &self.inner.kept else { return Ok(None) };
        let Some(planned) = template.planned().filter(|planned| planned.brief) else { return Ok(None) };
        let brief = |table: &Arc<dyn TableProvider>| {
            plan_cache::memory(table.as_ref()).is_some_and(|table| table.fits(BRIEF_ROWS_MAX, BRIEF_BYTES_MAX))
        };
        if !tables.iter().flatten().all(brief) {
            return Ok(None);
        }
        planned.instance(tables).map_err(|error| self.translate(&error))
    }

    fn plan(&self) -> Result<&LogicalPlan> {
        if let Some(plan) = self.inner.plan.get() {
            return Ok(plan);
        }
        let Some((template, tables)) = &self.inner.kept else {
            return Err(Error::new(ErrorCode::Internal, "a frame has no plan"));
        };
        let plan = template.analyzed(tables).map_err(|error| self.translate(&error))?;
        Ok(self.inner.plan.get_or_init(|| plan))
    }

    /// The state to plan and run with. It is copied only for a plan that holds the time at which it starts.
    fn state(&self) -> Result<Cow<'_, SessionState>> {
        let state = self.inner.context.state(self.spread()?);
        Ok(match self.inner.clock {
            ClockUse::Never => Cow::Borrowed(state),
            ClockUse::AtStart => {
                let mut state = state.clone();
                state.mark_start_execution();
                Cow::Owned(state)
            }
        })
    }

    /// Small inputs run in one partition: starting threads would take longer than the work.
    fn spread(&self) -> Result<Spread> {
        if self.inner.order == Order::AsRead {
            return Ok(Spread::Serial);
        }
        if let Some((_, tables)) = &self.inner.kept {
            let small = tables.iter().flatten().all(|table| is_small(table.as_ref()));
            return Ok(if small { Spread::Serial } else { Spread::Parallel });
        }
        let plan = self.plan()?;
        let mut ranked = false;
        let visited = plan.apply_with_subqueries(|node| {
            // Its rows have an order, before it and after it.
            ranked |= search::is_search(node) || counts_rows(node);
            Ok(TreeNodeRecursion::Continue)
        });
        let serial = visited.is_ok() && (ranked || is_small_plan(plan));
        Ok(if serial { Spread::Serial } else { Spread::Parallel })
    }

    fn translate(&self, error: &DataFusionError) -> Error {
        Translator::new(&self.inner.text).translate(error)
    }
}

/// Whether every table that `plan` reads is small.
/// Whether `node` numbers rows that have their order in one partition only: files are read by whichever partition is free.
fn counts_rows(node: &LogicalPlan) -> bool {
    let LogicalPlan::TableScan(scan) = node else { return false };
    source_as_provider(&scan.source).is_ok_and(|table| {
        let search = (table.as_ref() as &dyn Any).downcast_ref::<SearchTable>();
        search.is_some_and(|search| !is_in_memory(search.searched()))
    })
}

/// Whether `plan` reads tables in memory, and does no more than to leave rows and columns out: partitions follow each other
/// then as the rows of the table do.
fn is_in_memory(plan: &LogicalPlan) -> bool {
    let mut kept = true;
    let visited = plan.apply_with_subqueries(|node| {
        kept &= match node {
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => true,
            LogicalPlan::TableScan(scan) => source_as_provider(&scan.source)
                .is_ok_and(|table| (table.as_ref() as &dyn Any).downcast_ref::<MemoryTable>().is_some()),
            _ => false,
        };
        Ok(if kept { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    kept && visited.is_ok()
}

fn is_small_plan(plan: &LogicalPlan) -> bool {
    let mut small = true;
    let visited = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            small &= source_as_provider(&scan.source).is_ok_and(|table| is_small(table.as_ref()));
        }
        Ok(if small { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    small && visited.is_ok()
}

fn is_small(table: &dyn TableProvider) -> bool {
    let table = table as &dyn Any;
    if let Some(search) = table.downcast_ref::<SearchTable>() {
        return is_small_plan(search.searched());
    }
    if let Some(memory) = table.downcast_ref::<MemoryTable>() {
        return memory.rows() <= SERIAL_ROWS_MAX;
    }
    if let Some(numbered) = table.downcast_ref::<NumberedTable>() {
        return numbered.rows() <= SERIAL_ROWS_MAX;
    }
    if let Some(files) = table.downcast_ref::<FilesTable>() {
        return files.bytes() <= SERIAL_BYTES_MAX;
    }
    if let Some(cached) = table.downcast_ref::<CachedTable>() {
        return cached.rows() <= SERIAL_ROWS_MAX as u64;
    }
    let file = (table.downcast_ref::<CsvTable>().map(CsvTable::file))
        .or_else(|| table.downcast_ref::<FileTable>().map(FileTable::file))
        .or_else(|| table.downcast_ref::<DecodedTable>().map(DecodedTable::file));
    file.is_some_and(|file| file.bytes() <= SERIAL_BYTES_MAX)
}

fn check_names(schema: &SchemaRef) -> Result<()> {
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    match names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        Some((_, name)) => Err(duplicate_column(name)),
        None => Ok(()),
    }
}

/// The rows of a result that are kept, counted while more of them come.
struct Kept {
    batches: Vec<RecordBatch>,
    pool: Arc<dyn MemoryPool>,
    memory: Option<MemoryReservation>,
    /// Counted, but not yet asked for: a small result asks for nothing.
    bytes: usize,
}

impl Kept {
    /// How much is asked for at a time.
    const STEP_BYTES: usize = 1 << 20;

    fn new(pool: &Arc<dyn MemoryPool>) -> Self {
        Self { batches: Vec::new(), pool: Arc::clone(pool), memory: None, bytes: 0 }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<(), DataFusionError> {
        self.bytes += bytes_of(&batch)?;
        if self.bytes >= Self::STEP_BYTES {
            let memory = self.memory.get_or_insert_with(|| MemoryConsumer::new("Result").register(&self.pool));
            memory.try_grow(self.bytes)?;
            self.bytes = 0;
        }
        self.batches.push(batch);
        Ok(())
    }
}

/// What the rows of `batch` take. A slice of a large table counts as its own rows only.
fn bytes_of(batch: &RecordBatch) -> Result<usize, DataFusionError> {
    let whole = batch.get_array_memory_size();
    if whole < Kept::STEP_BYTES / 16 {
        return Ok(whole);
    }
    Ok(slice_bytes(batch)?.min(whole))
}

/// The batches of a running query. Dropping it stops the query.
pub struct BatchStream {
    frame: DataFrame,
    /// Fused: operators may panic when they are polled after their end, and consumers poll ahead.
    stream: Fuse<SendableRecordBatchStream>,
    pool: Arc<dyn MemoryPool>,
    /// `None` once the query has ended.
    stop: Option<Arc<Stop>>,
    brief: bool,
    head: Head,
    /// Batches that were made before they were asked for.
    ready: VecDeque<RecordBatch>,
    /// Why the query failed, when it could run with wider types.
    late: Option<LateType>,
}

/// How much of a query has to run before its types are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// They are known.
    Open,
    /// All rows are read before the first one comes out.
    First,
    /// The few rows that are wanted.
    All,
    /// Its files have to be looked at first.
    Unknown,
}

impl std::fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchStream").field("schema", &self.schema()).finish_non_exhaustive()
    }
}

impl BatchStream {
    fn new(
        frame: &DataFrame,
        stream: SendableRecordBatchStream,
        pool: Arc<dyn MemoryPool>,
        stop: Arc<Stop>,
        brief: bool,
    ) -> Self {
        Self {
            frame: frame.clone(),
            stream: stream.fuse(),
            pool,
            stop: Some(stop),
            brief,
            head: Head::Open,
            ready: VecDeque::new(),
            late: None,
        }
    }

    /// All batches.
    async fn keep(mut self) -> Result<Vec<RecordBatch>> {
        self.keep_all().await?;
        Ok(std::mem::take(&mut self.ready).into())
    }

    async fn keep_all(&mut self) -> Result<()> {
        let mut kept = Kept::new(&self.pool);
        while let Some(batch) = self.try_next().await? {
            kept.push(batch).map_err(|error| self.frame.translate(&error))?;
        }
        self.ready = kept.batches.into();
        Ok(())
    }

    async fn keep_first(&mut self) -> Result<()> {
        let first = self.try_next().await?;
        self.ready.extend(first);
        Ok(())
    }

    /// The names and types of the columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.frame.schema()
    }

    /// Whether the whole query takes so short that it may be polled on the thread of a caller who has to be able to
    /// notice an interrupt, see [`crate::plan`].
    #[must_use]
    pub fn is_brief(&self) -> bool {
        self.brief
    }
}

impl Drop for BatchStream {
    /// A part of the query may be computing on another thread: it stops as well.
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.interrupt();
            stop.end_later();
        }
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if let Some(batch) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(batch)));
        }
        let Some(stop) = self.stop.clone() else { return Poll::Ready(None) };
        stop.watch();
        stop.waiting.register(task.waker());
        if let Err(error) = stop.check() {
            self.stop = None;
            stop.end();
            log::info!(target: QUERY, "a query was told to stop: {} {error}", error.code());
            return Poll::Ready(Some(Err(error)));
        }
        let Self { stream, pool, .. } = &mut *self;
        let polled = bounded::with_pool(pool, || Pin::new(stream).poll_next(task));
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.stop = None;
            stop.end();
            log::debug!(target: QUERY, "a query ended");
        }
        if let Poll::Ready(Some(Err(error))) = &polled {
            self.late = LateType::of(error).cloned();
        }
        polled.map(|next| {
            next.map(|batch| {
                batch
                    .and_then(|batch| plain_batch(&batch, &self.frame.inner.schema).map_err(DataFusionError::from))
                    .map_err(|error| self.frame.translate(&error))
            })
        })
    }
}

//! The entry to the engine: one catalog, its files and its statements.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{SchemaProvider, TableProvider};
use velaria_connector::{CsvOptions, Format, LocalFile, Probe, ReadOptions, SourceIdentity, open_csv};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Ident;
use velaria_sql::{Parameters, Statement, build, tables_read};

use crate::catalog::{Catalog, Entry, check_name, table_exists};
use crate::config::SessionConfig;
use crate::context::{Context, Spread};
use crate::dataframe::DataFrame;
use crate::log_target::QUERY;
use crate::materialized::{self, SourceOptions};
use crate::plan::{command, files, query};
use crate::progress::ProgressListener;
use crate::stack::{self, Roomy};
use crate::stop::{Stop, within};
use crate::variables::Variables;

/// Up to this length a query may be planned on the thread of its caller.
const INLINE_BYTES_MAX: usize = 4096;
/// Up to this many characters of a statement are logged.
const LOGGED_CHARS_MAX: usize = 500;

/// An isolated set of views and tables.
///
/// Cloning is cheap and gives the same session; two sessions never see each other's names. A session can be used from
/// several threads.
#[derive(Debug, Clone)]
pub struct Session {
    context: Arc<Context>,
}

impl Session {
    /// A session with an empty catalog.
    ///
    /// # Errors
    /// `VEL-7001` for settings that cannot be.
    pub fn new(config: SessionConfig) -> Result<Self> {
        Ok(Self { context: Arc::new(Context::new(&config)?) })
    }

    /// A frame over what `path` means: a file, a directory with everything beneath it, a pattern such as `data/*.csv`, or
    /// `-` for standard input. The format is found in the first file unless it is given; the rows are read when they are
    /// asked for.
    ///
    /// # Errors
    /// `VEL-6001` to `VEL-6004` when a file cannot be opened, `VEL-7001` for an option that the format does not have,
    /// `VEL-5006` when the files do not fit each other, and those of the format when the head of a file cannot be read.
    pub async fn read(&self, path: &str, format: Option<Format>, options: &ReadOptions) -> Result<DataFrame> {
        let (name, table) = files::read(&self.context, path, format, options).await?;
        self.frame(&name, table)
    }

    /// A frame over a CSV file with a header line. Types are found in the first 1,000 records; the rest is read when
    /// rows are asked for.
    ///
    /// # Errors
    /// `VEL-6001` to `VEL-6003` when the file cannot be opened, `VEL-5001`, `VEL-5002`, `VEL-5007`, `VEL-2006` when its
    /// head cannot be read.
    pub async fn read_csv(&self, path: &str, options: &CsvOptions) -> Result<DataFrame> {
        let table = open_csv(self.context.state(Spread::Parallel), path, options).await?;
        table.notes().into_iter().for_each(|note| self.context.notices.add(note));
        self.frame("csv", Arc::new(table))
    }

    /// A frame like that of [`Session::read`], whose rows are kept as `source` says. A file whose rows are kept already is not
    /// read; otherwise all of it is read now. Only single files are kept, no patterns, directories or standard input.
    ///
    /// # Errors
    /// Those of [`Session::read`] and those of its rows; `VEL-6004` for a cache that others can write to.
    pub async fn read_with(
        &self,
        path: &str,
        format: Option<Format>,
        options: &ReadOptions,
        source: &SourceOptions,
    ) -> Result<DataFrame> {
        let word = format.map_or("auto", Format::name);
        let text = materialized::options_text(options);
        let identity = |file: &LocalFile| SourceIdentity::of(file, word, &text);
        materialized::frame(&self.context, path, source, identity, self.read(path, format, options)).await
    }

    /// A frame over a Parquet file. Only its footer is read now.
    ///
    /// # Errors
    /// `VEL-6001` to `VEL-6003` when the file cannot be opened, `VEL-5008` when it is not Parquet.
    pub async fn read_parquet(&self, path: &str) -> Result<DataFrame> {
        self.read(path, Some(Format::Parquet), &ReadOptions::new()).await
    }

    /// A frame over JSON files: one object a line, or an array of objects.
    ///
    /// # Errors
    /// `VEL-6001` to `VEL-6003` when the file cannot be opened, `VEL-5008` when its head is not JSON.
    pub async fn read_json(&self, path: &str) -> Result<DataFrame> {
        self.read(path, Some(Format::Json), &ReadOptions::new()).await
    }

    /// Says what the file at `path` is and how to read it. `options` are those of CSV; they win over what is seen.
    ///
    /// # Errors
    /// `VEL-6001` to `VEL-6004` when the file cannot be opened, `VEL-5002`, `VEL-5007`, `VEL-5008` when its content cannot
    /// be read, `VEL-7001` for options that cannot be, `VEL-7003` when the encoding, the delimiter or the header cannot be
    /// told.
    pub fn probe(&self, path: &str, options: &ReadOptions) -> Result<Probe> {
        velaria_connector::probe(&self.context.access, path, options)
    }

    /// A frame over record batches, which are shared and not copied.
    ///
    /// # Errors
    /// `VEL-5006` when a batch has other columns than `schema`, `VEL-2006` when a column name stands there twice.
    pub fn create_dataframe_from_arrow(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame> {
        DataFrame::from_batches(&self.context, "arrow", schema, batches)
    }

    /// Makes `frame` known as `name`. A view or table of that name is replaced.
    ///
    /// # Errors
    /// `VEL-7001` for an empty name or one with a NUL, `VEL-4002` for the name of a stream or a sink, `VEL-2006` when two
    /// columns of the frame share a name.
    pub fn create_temp_view(&self, name: &str, frame: &DataFrame) -> Result<()> {
        check_name(name)?;
        if self.context.catalog.entry(name).is_ok_and(|entry| entry.is_of_streams()) {
            return Err(table_exists(name));
        }
        self.context.catalog.replace(name, Entry::Frame(frame.as_table()?));
        Ok(())
    }

    /// Runs one statement.
    ///
    /// A query is planned now and runs when the rows of its frame are asked for. Every other statement runs now. Those
    /// that change something have a frame of one row: `ok`, `message`, `affected_rows`.
    ///
    /// # Errors
    /// Everything that can be wrong with the text, names and types of a statement; for those that change rows also with
    /// the rows.
    pub async fn sql(&self, text: &str) -> Result<DataFrame> {
        self.sql_with(text, &Parameters::None).await
    }

    /// Runs one statement like [`Session::sql`], with values for its `?`, `$1` or `:name`.
    ///
    /// # Errors
    /// Those of [`Session::sql`], and `VEL-7001` when the values do not fit the statement.
    pub async fn sql_with(&self, text: &str, parameters: &Parameters) -> Result<DataFrame> {
        match self.begin(text, parameters).await? {
            Begun::Done(frame) => Ok(frame),
            Begun::Open(statement) => statement.finish(Variables::new()).await,
        }
    }

    /// Begins one statement like [`Session::sql_with`], for a caller who has tables of its own: where the statement reads
    /// names that the session does not have, it is handed back before anything is done, and the caller may lend it tables
    /// under these names.
    ///
    /// # Errors
    /// Those of [`Session::sql_with`].
    pub async fn begin(&self, text: &str, parameters: &Parameters) -> Result<Begun> {
        Roomy::new(text, self.run(text, parameters)).await
    }

    /// Reads one statement for a caller who runs it later, by [`OpenStatement::finish`]; a query whose plan is at hand is
    /// done. Unlike [`Session::begin`] nothing is planned and nothing is run, whatever the statement says.
    ///
    /// # Errors
    /// `VEL-1001` and its like when the text is no statement, `VEL-7001` when the values do not fit it.
    pub async fn open(&self, text: &str, parameters: &Parameters) -> Result<Begun> {
        Roomy::new(text, self.read_statement(text, parameters)).await
    }

    async fn read_statement(&self, text: &str, parameters: &Parameters) -> Result<Begun> {
        let context = Arc::clone(&self.context);
        if let Some(frame) = self.known(text, parameters) {
            return Ok(Begun::Done(frame));
        }
        if text.len() > INLINE_BYTES_MAX {
            tokio::task::yield_now().await;
        }
        let statement = velaria_sql::parse_with(text, parameters)?;
        let names = unknown_tables(&context.catalog, &statement);
        let keep = *parameters == Parameters::None && names.is_empty();
        Ok(Begun::Open(OpenStatement::new(&context, text, names, statement, keep)))
    }

    /// The frame of a statement whose plan is at hand.
    fn known(&self, text: &str, parameters: &Parameters) -> Option<DataFrame> {
        log::debug!(target: QUERY, "statement: {}", shortened(text));
        let context = &self.context;
        // Values of parameters become a part of the plan.
        let kept = (*parameters == Parameters::None).then(|| context.plans.find(text, &context.catalog))??;
        Some(DataFrame::from_kept(context, text, kept))
    }

    async fn run(&self, text: &str, parameters: &Parameters) -> Result<Begun> {
        let context = &self.context;
        let keep = *parameters == Parameters::None;
        if let Some(frame) = self.known(text, parameters) {
            return Ok(Begun::Done(frame));
        }
        // The statement begins before it changes the thread, so that no interrupt is lost in between.
        let stop = context.running.begin();
        if text.len() > INLINE_BYTES_MAX {
            // `plan` polls once on the caller's thread, whose stack may be small: long statements recurse elsewhere.
            tokio::task::yield_now().await;
            stop.watch();
        }
        let statement = velaria_sql::parse_with(text, parameters)?;
        stop.check()?;
        let names = unknown_tables(&context.catalog, &statement);
        if !names.is_empty() {
            return Ok(Begun::Open(OpenStatement::new(context, text, names, statement, false)));
        }
        execute(context, text, statement, keep, stop).await.map(Begun::Done)
    }

    /// Begins one statement like [`Session::begin`] that has to be a query: nothing else is run.
    ///
    /// # Errors
    /// Those of [`Session::begin`], and `VEL-3001` for another statement.
    pub async fn begin_query(&self, text: &str, parameters: &Parameters) -> Result<Begun> {
        begin_reading(&self.context, text, parameters, Reading::Query).await
    }

    /// A frame over the table or view called `name`, which is found as a name in a statement is.
    ///
    /// # Errors
    /// `VEL-4001` when there is none, `VEL-7001` for a name that none can have.
    pub async fn table(&self, name: &str) -> Result<DataFrame> {
        let query = build::whole(name)?.into_query();
        Ok(DataFrame::from_query(&self.context, "", query::bind(&self.context, "", query).await?))
    }

    /// Makes every statement of this session that runs now end with `VEL-8002`. It may be called from any thread; the
    /// session goes on, and statements that begin later are not touched.
    pub fn interrupt(&self) {
        log::info!(target: QUERY, "the statements of a session are told to stop");
        self.context.running.interrupt();
    }

    /// Says who is told how far statements are that begin from now on; `None` tells nobody.
    pub fn set_progress_listener(&self, listener: Option<ProgressListener>) {
        self.context.running.listen(listener);
    }

    /// What users should know about how files were read, each notice once: a column whose later values had no place in
    /// its first type, dates that could be read in two ways.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        self.context.notices.take()
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    fn frame(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<DataFrame> {
        DataFrame::from_table(&self.context, name, table)
    }
}

/// Which statements may run over the rows of a frame, or be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Queries.
    Query,
    /// Everything that changes nothing.
    Any,
}

impl Reading {
    fn check(self, statement: &Statement) -> Result<()> {
        let query = matches!(statement, Statement::Query(_) | Statement::ExtendedQuery(_));
        match (self, change(statement)) {
            (Self::Query, _) if !query => {
                Err(Error::new(ErrorCode::Unsupported, "not supported: only a query can be explained")
                    .with_hint("give the SELECT alone"))
            }
            (_, Some(word)) => {
                Err(Error::new(ErrorCode::Unsupported, format!("not supported: {word} over the rows of a frame"))
                    .with_hint("a frame answers queries; run other statements with the sql of its session"))
            }
            (_, None) => Ok(()),
        }
    }
}

/// Begins one statement that changes nothing, in `context`, which may be that of one statement.
pub(crate) async fn begin_reading(
    context: &Arc<Context>,
    text: &str,
    parameters: &Parameters,
    reading: Reading,
) -> Result<Begun> {
    let begin = async {
        if text.len() > INLINE_BYTES_MAX {
            // As for any statement: long ones recurse elsewhere than on the caller's thread.
            tokio::task::yield_now().await;
        }
        let stop = context.running.begin();
        let statement = velaria_sql::parse_with(text, parameters)?;
        reading.check(&statement)?;
        stop.check()?;
        let names = unknown_tables(&context.catalog, &statement);
        if !names.is_empty() {
            return Ok(Begun::Open(OpenStatement::new(context, text, names, statement, false)));
        }
        execute(context, text, statement, false, stop).await.map(Begun::Done)
    };
    Roomy::new(text, begin).await
}

/// What became of a statement that was begun.
#[derive(Debug)]
pub enum Begun {
    /// It was planned or run.
    Done(DataFrame),
    /// It reads names that the session does not have.
    Open(OpenStatement),
}

/// A statement that reads names which the session did not have when it was begun. Nothing is done yet.
#[derive(Debug)]
pub struct OpenStatement {
    context: Arc<Context>,
    text: String,
    names: Vec<String>,
    /// Whether its plan may be kept for the next time.
    keep: bool,
    /// Taken when it runs.
    statement: Option<Box<Statement>>,
}

impl OpenStatement {
    fn new(context: &Arc<Context>, text: &str, names: Vec<String>, statement: Statement, keep: bool) -> Self {
        let (context, text) = (Arc::clone(context), text.to_owned());
        Self { context, text, names, keep, statement: Some(Box::new(statement)) }
    }

    /// The names, as they are written, without those that the statement defines itself.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Runs the statement with `variables` behind the names of the session.
    ///
    /// # Errors
    /// Those of [`Session::sql_with`]; a name that is not among `variables` is a table that is not found.
    pub async fn finish(mut self, variables: Variables) -> Result<DataFrame> {
        let context = match variables.is_silent() {
            true => Arc::clone(&self.context),
            false => self.context.with_variables(variables)?,
        };
        let text = std::mem::take(&mut self.text);
        let Some(statement) = self.statement.take() else {
            return Err(Error::new(ErrorCode::Internal, "a statement has run already"));
        };
        let stop = context.running.begin();
        Roomy::new(&text, execute(&context, &text, *statement, self.keep, stop)).await
    }
}

impl Drop for OpenStatement {
    fn drop(&mut self) {
        let statement = self.statement.take();
        stack::with_room(&self.text, || drop(statement));
    }
}

/// The beginning of a statement, for a line of a log.
fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(LOGGED_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}

/// The names that `statement` reads and `catalog` does not have.
fn unknown_tables(catalog: &Catalog, statement: &Statement) -> Vec<String> {
    let is_known = |name: &Ident| match name.quote_style {
        None => catalog.spelling(&name.value).is_some(),
        Some(_) => catalog.table_exist(&name.value),
    };
    let names = tables_read(statement).into_iter().filter(|name| !is_known(name));
    names.map(|name| name.value).collect()
}

/// Runs `statement`, which was read from `text`.
async fn execute(
    context: &Arc<Context>,
    text: &str,
    statement: Statement,
    keep: bool,
    stop: Arc<Stop>,
) -> Result<DataFrame> {
    if !matches!(statement, Statement::Query(_)) {
        // Commands compute, and must not do so on the thread of a caller that polls once.
        tokio::task::yield_now().await;
    }
    if let Some(change) = change(&statement) {
        context.access.check_change(change)?;
    }
    let run = command::run(context, text, statement, keep);
    let frame = within(Arc::clone(&stop), run).await?;
    stop.check()?;
    Ok(frame)
}

/// The words of a statement that changes something, for the error of a session that is read-only.
fn change(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::Query(_)
        | Statement::ExtendedQuery(_)
        | Statement::ShowTables
        | Statement::Describe(_)
        | Statement::Summarize(_)
        | Statement::Explain(_) => None,
        Statement::CreateTable(_) => Some("CREATE TABLE"),
        Statement::CreateView(_) => Some("CREATE VIEW"),
        Statement::CreateIndex(_) => Some("CREATE INDEX"),
        Statement::Insert(_) => Some("INSERT"),
        Statement::Update(_) => Some("UPDATE"),
        Statement::Delete(_) => Some("DELETE"),
        Statement::Truncate(_) => Some("TRUNCATE"),
        Statement::Copy(_) => Some("COPY"),
        Statement::Drop(_) => Some("DROP"),
        Statement::DropIndex(_) => Some("DROP INDEX"),
        Statement::Reindex(_) => Some("REINDEX"),
    }
}

//! A query over the files of a directory, planned.

use std::path::Path;
use std::thread;

use arrow::datatypes::SchemaRef;
use velaria::{
    Environment, Error, ErrorCode, Format, ReadOptions, Result, Session, SessionConfig, StreamOptions,
    StreamingDataFrame, StreamingQuery, wait,
};
use velaria_workspace::Run;

use super::TICK;
use crate::Check;
use crate::quoting::quoted;
use crate::tracked::batch::sections;

/// What a query runs between, and how.
pub(super) struct Plan<'a> {
    pub(super) source: Source<'a>,
    pub(super) sink: Sink<'a>,
    pub(super) query: &'a str,
    pub(super) options: StreamOptions,
    pub(super) session: SessionConfig,
}

/// The files that arrive in a directory.
pub(super) struct Source<'a> {
    pub(super) dir: &'a Path,
    pub(super) format: Format,
    pub(super) options: ReadOptions,
    /// The columns, where they are declared.
    pub(super) schema: Option<SchemaRef>,
    pub(super) table: &'a str,
}

/// Where the rows go.
pub(super) struct Sink<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'a str,
    pub(super) format: &'a str,
    pub(super) path: &'a Path,
    pub(super) delimiter: &'a str,
}

/// The query, not started; what it will do is a file of the run.
pub(super) fn begin(plan: Plan<'_>, run: &Run, check: Check<'_>) -> Result<StreamingQuery> {
    if !is_insert(plan.query) {
        let message = format!("--query for {} must start with INSERT INTO", action(run)?);
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let session = Session::new(plan.session)?;
    let (create, made) = (plan.sink.statement(), session.clone());
    // What cannot be is said before a file is waited for.
    wait(async move { made.sql(&create).await.map(drop) }, &mut *check)?;
    let source = source(&session, &plan.source, &mut *check)?;
    session.create_stream_view(plan.source.table, &source)?;
    let (text, options) = (plan.query.to_owned(), plan.options);
    let (query, explain) = wait(
        async move {
            let explain = session.explain_stream_sql(&text, &options).await?;
            Ok((session.stream_query(&text, &options, Environment::default()).await?, explain))
        },
        check,
    )?;
    let explain = explain.to_json();
    run.write_explain(&sections(explain.logical, explain.physical, explain.strategy))?;
    Ok(query)
}

/// The columns that `text` declares, as a table of them has them.
pub(super) fn declared(text: &str, check: Check<'_>) -> Result<SchemaRef> {
    let create = format!("CREATE TABLE declared ({text})");
    wait(
        async move {
            let session = Session::new(SessionConfig::default().without_local_files())?;
            session.sql(&create).await?;
            Ok(session.sql("SELECT * FROM declared").await?.schema())
        },
        check,
    )
}

fn action(run: &Run) -> Result<String> {
    Ok(run.record()?.get("action").and_then(|action| action.as_str()).unwrap_or_default().to_owned())
}

fn is_insert(query: &str) -> bool {
    let mut words = query.split_whitespace();
    let mut is = |wanted: &str| words.next().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    is("INSERT") && is("INTO")
}

/// The stream of the files. Without declared columns they are those of the first file, which is waited for.
fn source(session: &Session, source: &Source<'_>, check: Check<'_>) -> Result<StreamingDataFrame> {
    let dir = source.dir.display().to_string();
    loop {
        match session.read_stream(&dir, Some(source.format), &source.options, source.schema.as_ref()) {
            Err(error) if is_early(&error) => {
                check()?;
                thread::sleep(TICK);
            }
            read => return read,
        }
    }
}

/// Whether `error` says no more than that the first file is not there yet. A folder that is not there is a wrong name.
fn is_early(error: &Error) -> bool {
    error.code() == ErrorCode::InvalidArgument && error.message().ends_with("there is no file yet")
}

impl Sink<'_> {
    fn statement(&self) -> String {
        let delimiter = match self.format {
            "csv" => format!(", delimiter: {}", quoted(self.delimiter, '\'')),
            _ => String::new(),
        };
        format!(
            "CREATE SINK TABLE {} ({}) USING {} OPTIONS (path: {}{delimiter})",
            quoted(self.table, '"'),
            self.columns,
            self.format,
            quoted(&self.path.to_string_lossy(), '\''),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_a_run_inserts() {
        assert!(is_insert(" insert\n INTO s SELECT 1"));
        assert!(!is_insert("SELECT 1") && !is_insert("INSERT") && !is_insert("INSERTINTO s"));
    }

    #[test]
    fn names_and_paths_of_a_sink_are_text() {
        let sink = Sink { table: "a\"b", columns: "k STRING", format: "csv", path: Path::new("/it's"), delimiter: ";" };
        assert_eq!(
            sink.statement(),
            r#"CREATE SINK TABLE "a""b" (k STRING) USING csv OPTIONS (path: '/it''s', delimiter: ';')"#
        );
    }
}

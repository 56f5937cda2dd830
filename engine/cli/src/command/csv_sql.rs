//! `csv-sql`: one query over one CSV file.

use serde::Serialize;
use velaria::rows::Objects;
use velaria::{DataFrame, Format as FileFormat, Result, Session, wait};

use crate::args::{CsvSqlArgs, CsvSqlInput, LimitArgs};
use crate::command::{Table, collect};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::parameters::{from_pairs, options_from_pairs};
use crate::{Check, Io};

/// The result document of the contract.
#[derive(Serialize)]
pub(crate) struct ResultJson<'a> {
    table: &'a str,
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_type: Option<&'a str>,
    schema: Vec<&'a str>,
    rows: Objects<'a>,
}

impl<'a> ResultJson<'a> {
    /// The rows of `result`, which came of `query` over a file that was called `table` there.
    pub(crate) fn new(table: &'a str, query: &'a str, input_type: Option<&'a str>, result: &'a Table) -> Self {
        let (schema, rows) = (output::names(&result.schema), Objects(&result.batches));
        Self { table, query, input_type, schema, rows }
    }
}

pub(crate) fn run(args: &CsvSqlArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let table = collect(frame(&args.input, &args.limits, &mut *check)?, check)?;
    if args.output.format() != Format::Json {
        return output::write(&table, &args.output, io);
    }
    output::check_object_keys(&table.schema)?;
    output::say(&table, io)?;
    output::write_json(&ResultJson::new(&args.input.table, &args.input.query, None, &table), io)
}

/// The query, planned.
pub(crate) fn frame(input: &CsvSqlInput, limits: &LimitArgs, check: Check<'_>) -> Result<DataFrame> {
    let (path, name, text) = (input.csv.display().to_string(), input.table.clone(), input.query.clone());
    let config = limits.config_for(&input.csv);
    let parameters = from_pairs(&input.params)?;
    let options = options_from_pairs(&input.options)?;
    wait(
        async move {
            let session = Session::new(config)?;
            let frame = session.read(&path, Some(FileFormat::Csv), &options).await?;
            session.create_temp_view(&name, &frame)?;
            session.sql_with(&text, &parameters).await
        },
        check,
    )
}

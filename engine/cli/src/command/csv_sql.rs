//! `csv-sql`: one query over one CSV file.

use serde::Serialize;
use velaria::rows::Objects;
use velaria::{Format as FileFormat, Session, wait};

use crate::args::CsvSqlArgs;
use crate::command::{Table, collect};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::parameters::{from_pairs, options_from_pairs};
use crate::{Check, Io};

/// The result document of the contract.
#[derive(Serialize)]
struct ResultJson<'a> {
    table: &'a str,
    query: &'a str,
    schema: Vec<&'a str>,
    rows: Objects<'a>,
}

pub(crate) fn run(args: &CsvSqlArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let table = query(args, check)?;
    if args.output.format() != Format::Json {
        return output::write(&table, &args.output, io);
    }
    output::check_object_keys(&table.schema)?;
    let document = ResultJson {
        table: &args.table,
        query: &args.query,
        schema: output::names(&table.schema),
        rows: Objects(&table.batches),
    };
    output::say(&table, io)?;
    output::write_json(&document, io)
}

fn query(args: &CsvSqlArgs, check: Check<'_>) -> velaria::Result<Table> {
    let (path, name, text) = (args.csv.display().to_string(), args.table.clone(), args.query.clone());
    let config = args.limits.config_for(&args.csv);
    let parameters = from_pairs(&args.params)?;
    let options = options_from_pairs(&args.options)?;
    let frame = wait(
        async move {
            let session = Session::new(config)?;
            let frame = session.read(&path, Some(FileFormat::Csv), &options).await?;
            session.create_temp_view(&name, &frame)?;
            session.sql_with(&text, &parameters).await
        },
        &mut *check,
    )?;
    collect(frame, check)
}

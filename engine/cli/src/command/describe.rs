//! `describe`: what stands in the columns of a file, as `SUMMARIZE` counts it.

use serde::Serialize;
use velaria::arrow::array::{AsArray, RecordBatch};
use velaria::arrow::datatypes::Int64Type;
use velaria::rows::Objects;
use velaria::{DataFrame, Result, Session, wait};

use crate::args::DescribeArgs;
use crate::command::collect;
use crate::command::file_sql::found;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::parameters::options_from_pairs;
use crate::{Check, Io};

/// The name of the file in the session.
const INPUT_TABLE: &str = "input_table";

/// The document.
#[derive(Serialize)]
struct DescriptionJson<'a> {
    path: &'a str,
    input_type: &'a str,
    row_count: i64,
    columns: Objects<'a>,
}

pub(crate) fn run(args: &DescribeArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let (frame, input_type) = frame(args, &mut *check)?;
    let table = collect(frame, check)?;
    if args.output.format() != Format::Json {
        return output::write(&table, &args.output, io);
    }
    output::say(&table, io)?;
    let path = args.file.display().to_string();
    let (row_count, columns) = (row_count(&table.batches), Objects(&table.batches));
    output::write_json(&DescriptionJson { path: &path, input_type: &input_type, row_count, columns }, io)
}

/// A row for each column of the file, and the format of the file.
fn frame(args: &DescribeArgs, check: Check<'_>) -> Result<(DataFrame, String)> {
    let (path, is_file) = (args.file.display().to_string(), args.file.is_file());
    let (config, options) = (args.limits.config_for(&args.file), options_from_pairs(&args.options)?);
    wait(
        async move {
            let session = Session::new(config)?;
            let format = found(&session, &path, is_file);
            let frame = session.read(&path, format, &options).await?;
            session.create_temp_view(INPUT_TABLE, &frame)?;
            let input_type = format.map_or("auto", velaria::Format::name).to_owned();
            Ok((session.sql(&format!("SUMMARIZE {INPUT_TABLE}")).await?, input_type))
        },
        check,
    )
}

/// The number of rows, which stands beside every column.
fn row_count(columns: &[RecordBatch]) -> i64 {
    let first = columns.iter().find(|batch| batch.num_rows() > 0).and_then(|batch| batch.column_by_name("count"));
    first.and_then(|counts| counts.as_primitive_opt::<Int64Type>()).map_or(0, |counts| counts.value(0))
}

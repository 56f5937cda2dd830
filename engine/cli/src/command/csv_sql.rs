//! `csv-sql`: one query over one CSV file.

use velaria::{DataFrame, Format as FileFormat, Result, Session, wait};

use crate::args::{CsvSqlArgs, CsvSqlInput, LimitArgs};
use crate::command::answer::{Asked, How, Watch, answer};
use crate::failure::Failure;
use crate::parameters::{from_pairs, options_from_pairs};
use crate::{Check, Io};

pub(crate) fn run(args: &CsvSqlArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let watch = Watch::begin();
    let frame = frame(&args.input, &args.insight.limits(&args.limits), &mut *check)?;
    let asked = Asked { table: Some(&args.input.table), query: &args.input.query, input_type: None };
    answer(frame, &asked, watch, How { output: &args.output, insight: args.insight }, io, check)
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

//! `file-sql`: one query over one file of any format.

use velaria::{DataFrame, Error, ErrorCode, Format as FileFormat, ReadOptions, Result, Session, wait};

use crate::args::{FileSqlArgs, FileSqlInput, LimitArgs};
use crate::command::answer::{Asked, How, Watch, answer};
use crate::failure::Failure;
use crate::parameters::{from_pairs, options_from_pairs};
use crate::{Check, Io};

/// The word for a format that is looked for in the file.
const AUTO: &str = "auto";

pub(crate) fn run(args: &FileSqlArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let watch = Watch::begin();
    let (frame, input_type) = frame(&args.input, &args.insight.limits(&args.limits), &mut *check)?;
    let asked = Asked { table: Some(&args.input.table), query: &args.input.query, input_type: Some(&input_type) };
    answer(frame, &asked, watch, How { output: &args.output, insight: args.insight }, io, check)
}

/// The query, planned, and the format of the file: what it was found to be, where that can be told, or what was said.
pub(crate) fn frame(input: &FileSqlInput, limits: &LimitArgs, check: Check<'_>) -> Result<(DataFrame, String)> {
    let (path, name, text) = (input.input_path.display().to_string(), input.table.clone(), input.query.clone());
    let config = limits.config_for(&input.input_path);
    let parameters = from_pairs(&input.params)?;
    let options = options(input)?;
    let (asked, is_file) = (input.input_type.clone(), input.input_path.is_file());
    wait(
        async move {
            let session = Session::new(config)?;
            let format = match asked.as_str() {
                AUTO => found(&session, &path, is_file),
                word => Some(FileFormat::named(word)?),
            };
            let frame = session.read(&path, format, &options).await?;
            session.create_temp_view(&name, &frame)?;
            let input_type = format.map_or(AUTO, FileFormat::name);
            Ok((session.sql_with(&text, &parameters).await?, input_type.to_owned()))
        },
        check,
    )
}

/// The format that one regular file is found to have; reading says what is wrong with one that has none.
pub(crate) fn found(session: &Session, path: &str, is_file: bool) -> Option<FileFormat> {
    let probe = is_file.then(|| session.probe(path, &ReadOptions::new()).ok()).flatten()?;
    FileFormat::named(probe.kind).ok()
}

/// The options of the reader.
fn options(input: &FileSqlInput) -> Result<ReadOptions> {
    let named = [
        ("delimiter", &input.delimiter),
        ("mode", &input.line_mode),
        ("regex_pattern", &input.regex_pattern),
        ("mappings", &input.mappings),
        ("columns", &input.columns),
        ("format", &input.json_format),
    ];
    let mut options = options_from_pairs(&input.options)?;
    for (name, value) in named {
        let Some(value) = value else { continue };
        if options.text(name).is_some() {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("option given twice: {name}")));
        }
        options = options.with(name, value);
    }
    Ok(options)
}

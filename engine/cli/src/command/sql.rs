//! `sql`: one statement, or a session of statements from standard input.
//!
//! With `--jsonl` each input line is an object with either `sql` or a file to register (`read_csv`, `read_parquet` or
//! `read_json`, with `table`); each is answered by one line, and an error does not end the session.

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};
use velaria::rows::Rows;
use velaria::{
    DataFrame, Error, ErrorCode, Format as FileFormat, Parameters, ReadOptions, Session, json, reserve_standard_input,
    wait,
};

use crate::args::SqlArgs;
use crate::command::answer::{Asked, How, Watch, answer};
use crate::command::{Table, collect};
use crate::failure::Failure;
use crate::input::unreadable;
use crate::output;
use crate::parameters;
use crate::{Check, Io};

pub(crate) fn run(args: &SqlArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let watch = Watch::begin();
    let session = Session::new(args.insight.limits(&args.limits).config())?;
    if args.jsonl {
        reserve_standard_input();
        return serve(&session, io, check);
    }
    let text = match &args.statement {
        Some(text) => text.clone(),
        None => {
            reserve_standard_input();
            read_all(io)?
        }
    };
    let parameters = parameters::from_pairs(&args.params)?;
    let frame = wait(sql(session, text.clone(), parameters), &mut *check)?;
    let asked = Asked { table: None, query: &text, input_type: None };
    answer(frame, &asked, watch, How { output: &args.output, insight: args.insight }, io, check)
}

fn read_all(io: &mut Io<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    io.stdin().read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

async fn sql(session: Session, text: String, parameters: Parameters) -> velaria::Result<DataFrame> {
    session.sql_with(&text, &parameters).await
}

/// One line of input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sql: Option<String>,
    params: Option<serde_json::Value>,
    read_csv: Option<String>,
    read_parquet: Option<String>,
    read_json: Option<String>,
    table: Option<String>,
}

/// One line of output.
#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    schema: Vec<&'a str>,
    types: Vec<String>,
    rows: Rows<'a>,
}

fn serve(session: &Session, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let mut line = Vec::new();
    while io.stdin().read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
        if !line.trim_ascii().is_empty() {
            let answer = reply(session, &line, check).unwrap_or_else(|error| Failure::from(error).json_line());
            io.print(&answer)?;
            io.flush()?;
        }
        line.clear();
    }
    Ok(())
}

fn reply(session: &Session, line: &[u8], check: Check<'_>) -> velaria::Result<String> {
    let request: Request = serde_json::from_slice(line)
        .map_err(|error| Error::new(ErrorCode::InvalidArgument, format!("invalid request: {error}")))?;
    let frame = wait(run_request(session.clone(), request), &mut *check)?;
    let table = match frame {
        Some(frame) => collect(frame, check)?,
        None => Table { schema: Schema::empty().into(), batches: Vec::new(), notices: Vec::new() },
    };
    let types = table.schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    json::to_line(&Answer { ok: true, schema: output::names(&table.schema), types, rows: Rows(&table.batches) })
}

/// Runs a request; one that registers a file has no rows.
async fn run_request(session: Session, request: Request) -> velaria::Result<Option<DataFrame>> {
    let frame = match request {
        Request { sql: Some(text), params, read_csv: None, read_parquet: None, read_json: None, table: None } => {
            return session.sql_with(&text, &parameters::from_request(params)?).await.map(Some);
        }
        Request { sql: None, params: None, read_csv: Some(ref path), read_parquet: None, read_json: None, .. } => {
            session.read(path, Some(FileFormat::Csv), &ReadOptions::new()).await?
        }
        Request { sql: None, params: None, read_csv: None, read_parquet: Some(ref path), read_json: None, .. } => {
            session.read_parquet(path).await?
        }
        Request { sql: None, params: None, read_csv: None, read_parquet: None, read_json: Some(ref path), .. } => {
            session.read_json(path).await?
        }
        _ => {
            return Err(Error::new(ErrorCode::InvalidArgument, "invalid request")
                .with_hint("give either sql, or read_csv, read_parquet or read_json with table"));
        }
    };
    let Some(name) = request.table else {
        return Err(Error::new(ErrorCode::InvalidArgument, "invalid request: table is missing"));
    };
    session.create_temp_view(&name, &frame)?;
    Ok(None)
}

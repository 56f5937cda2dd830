//! The client of the line protocol: one JSON object a line in, one JSON line out, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use velaria::ErrorReport;
use velaria::arrow::datatypes::DataType;

use super::{SurfaceError, Table};
use crate::corpus::{DataFile, Format};
use crate::json::Json;
use crate::render::{Letter, cell_of_json};

/// A child process that speaks the protocol.
pub(super) struct Process {
    child: Child,
    /// `None` once the process was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `command` with its standard streams connected; what it writes to stderr stays visible.
    pub(super) fn start(mut command: Command) -> Result<Self, SurfaceError> {
        let program = Path::new(command.get_program()).display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| broken(format!("cannot start {program}: {error}")))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { child, input: Some(input), output: BufReader::new(output) }),
            _ => Err(broken(format!("{program} has no standard streams"))),
        }
    }

    /// Sends one request and reads its answer.
    pub(super) fn ask(&mut self, request: &serde_json::Value) -> Result<Answer, SurfaceError> {
        let line = self.exchange(request).map_err(|error| broken(format!("no answer: {error}")))?;
        Answer::parse(&line)
    }

    fn exchange(&mut self, request: &serde_json::Value) -> std::io::Result<String> {
        let input = self.input.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{request}")?;
        input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(std::io::Error::other(format!("the process ended with {status}")));
        }
        Ok(line)
    }
}

impl Drop for Process {
    /// Ends the process by closing its input, and waits, so that none is left behind.
    fn drop(&mut self) {
        self.input = None;
        // Nothing can be done about a child that cannot be waited for, and its answers are all read.
        let _ = self.child.wait();
    }
}

/// The request that registers `file`.
pub(super) fn register_request(file: &DataFile) -> serde_json::Value {
    let key = match file.format {
        Format::Csv => "read_csv",
        Format::Parquet => "read_parquet",
        Format::Ndjson => "read_json",
    };
    serde_json::json!({ key: file.path.to_string_lossy(), "table": file.view })
}

/// A successful line of the protocol.
#[derive(Debug)]
pub(super) struct Answer(Json);

impl Answer {
    fn parse(line: &str) -> Result<Self, SurfaceError> {
        let json = Json::parse(line).map_err(broken)?;
        match json.get("ok") {
            Some(Json::Bool(true)) => Ok(Self(json)),
            Some(Json::Bool(false)) => Err(SurfaceError::Report(report(line, &json)?)),
            Some(_) | None => Err(broken(format!("an answer without \"ok\": {}", line.trim_end()))),
        }
    }

    /// The rows of the answer.
    pub(super) fn table(&self) -> Result<Table, SurfaceError> {
        let names = texts(&self.0, "schema")?;
        let types = texts(&self.0, "types")?.iter().map(|text| data_type(text)).collect::<Result<Vec<_>, _>>()?;
        let rows = self.0.get("rows").and_then(Json::items).ok_or_else(|| broken("an answer without rows"))?;
        Ok(Table {
            names,
            letters: types.iter().map(Letter::of).collect(),
            rows: rows.iter().map(|row| cells(row, &types)).collect::<Result<_, _>>()?,
        })
    }
}

/// The Python driver sends the text of the exception; the command line sends the parts.
fn report(line: &str, json: &Json) -> Result<String, SurfaceError> {
    if let Some(text) = json.get("report").and_then(Json::text) {
        return Ok(text.to_owned());
    }
    let mut parts: serde_json::Value = serde_json::from_str(line).map_err(|error| broken(error.to_string()))?;
    parts["message"] = parts["error"].take();
    serde_json::from_value::<ErrorReport>(parts)
        .map(|report| report.to_string())
        .map_err(|error| broken(format!("not an error of the contract ({error}): {}", line.trim_end())))
}

fn texts(json: &Json, name: &str) -> Result<Vec<String>, SurfaceError> {
    let items = json.get(name).and_then(Json::items).ok_or_else(|| broken(format!("an answer without {name}")))?;
    items
        .iter()
        .map(|item| item.text().map(str::to_owned).ok_or_else(|| broken(format!("{name} is not a list of texts"))))
        .collect()
}

fn data_type(text: &str) -> Result<DataType, SurfaceError> {
    text.parse().map_err(|_| broken(format!("not the text of an Arrow type: {text}")))
}

fn cells(row: &Json, types: &[DataType]) -> Result<Vec<String>, SurfaceError> {
    match row.items() {
        Some(cells) if cells.len() == types.len() => {
            Ok(cells.iter().zip(types).map(|(cell, of)| cell_of_json(cell, Some(of)).to_string()).collect())
        }
        Some(_) | None => Err(broken(format!("not a row of {} cells: {row:?}", types.len()))),
    }
}

fn broken(message: impl Into<String>) -> SurfaceError {
    SurfaceError::Broken(message.into())
}

//! Runs a case on a surface: the engine in process, or the command line.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use velaria::{CsvOptions, ErrorReport, Explain, Session, SessionConfig};
use velaria_conformance::engine::default_cli;

use crate::case::{CliCase, StatementCase};
use crate::vector::without_backend;

/// Fixed, because a plan shows how many partitions it has.
const THREADS: usize = 2;

/// The name under which the input of a case is known, the same as the default of `csv-sql`.
const INPUT_TABLE: &str = "input_table";

/// What the engine says it will do.
///
/// # Errors
/// When the engine refuses.
pub fn explain(case: &StatementCase) -> Result<Explain, Box<dyn Error>> {
    let case = case.clone();
    let explained = velaria::wait(
        async move {
            let session = prepare(&case).await?;
            session.sql(&case.sql).await?.explain().await
        },
        || Ok(()),
    );
    explained.map_err(|error| error.report().to_string().into())
}

/// How the engine in process refuses a statement.
///
/// # Errors
/// When the engine does not refuse.
pub fn report(case: &StatementCase) -> Result<ErrorReport, Box<dyn Error>> {
    let case = case.clone();
    let run = velaria::wait(
        async move {
            let session = prepare(&case).await?;
            session.sql(&case.sql).await?.collect().await
        },
        || Ok(()),
    );
    match run {
        Ok(batches) => Err(format!("succeeded: {batches:?}").into()),
        Err(error) => Ok(error.report()),
    }
}

async fn prepare(case: &StatementCase) -> velaria::Result<Session> {
    let session = Session::new(SessionConfig::default().with_threads(THREADS))?;
    for statement in &case.setup {
        session.sql(statement).await?;
    }
    if let Some(path) = &case.csv {
        session.create_temp_view(INPUT_TABLE, &session.read_csv(path, &CsvOptions::default()).await?)?;
    }
    if let Some(path) = &case.json {
        session.create_temp_view(INPUT_TABLE, &session.read_json(path).await?)?;
    }
    if let Some(path) = &case.parquet {
        session.create_temp_view(INPUT_TABLE, &session.read_parquet(path).await?)?;
    }
    Ok(session)
}

/// What a call of the command line leaves behind.
#[derive(Debug)]
pub struct CliOutput {
    /// The exit code.
    pub code: Option<i32>,
    /// Its standard output, with a placeholder for the instructions of this machine.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Calls the command line, with an empty home for its runs.
///
/// # Errors
/// When it cannot be started.
pub fn run_cli(case: &CliCase) -> Result<CliOutput, Box<dyn Error>> {
    run_cli_in(case, tempfile::tempdir()?.path())
}

/// Calls the command line with `home` as the home of its runs.
pub(crate) fn run_cli_in(case: &CliCase, home: &Path) -> Result<CliOutput, Box<dyn Error>> {
    let program = default_cli();
    let mut child = Command::new(&program)
        .args(&case.args)
        // The width of help texts is that of a pipe, whatever terminal the tests are started from.
        .env_remove("COLUMNS")
        .env("VELARIA_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that refuses its arguments does not read; what it says about them is in its output.
        let _ = input.write_all(case.stdin.as_bytes());
    }
    let output = child.wait_with_output()?;
    Ok(CliOutput {
        code: output.status.code(),
        stdout: without_backend(&String::from_utf8(output.stdout)?),
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// How the command line refuses the statement of a case: the JSON that it prints.
///
/// # Errors
/// When it prints something else.
pub fn cli_error(case: &StatementCase) -> Result<serde_json::Value, Box<dyn Error>> {
    let call = cli_call(case);
    let output = run_cli(&call)?;
    let refusal =
        if call.stdin.is_empty() { serde_json::from_str(&output.stdout).ok() } else { first_refusal(&output) };
    refusal.ok_or_else(|| format!("no error in the output of {:?}: {output:?}", call.args).into())
}

/// A session goes on after an error; what comes before it succeeds.
fn first_refusal(output: &CliOutput) -> Option<serde_json::Value> {
    let answers = output.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    answers.into_iter().find(|answer| answer["ok"] == false)
}

/// The shortest call that meets the error: one command where one is enough, a session otherwise.
fn cli_call(case: &StatementCase) -> CliCase {
    let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect();
    let is_single = case.setup.is_empty() && case.json.is_none() && case.parquet.is_none();
    let (args, stdin) = match &case.csv {
        // `--`, because a comment looks like an option.
        None if is_single => (args(&["sql", "--", &case.sql]), String::new()),
        Some(csv) if is_single => (args(&["csv-sql", "--csv", csv, "--query", &case.sql]), String::new()),
        _ => (args(&["sql", "--jsonl"]), requests(case)),
    };
    CliCase { description: case.description.clone(), args, stdin }
}

fn requests(case: &StatementCase) -> String {
    let files = [("read_csv", &case.csv), ("read_json", &case.json), ("read_parquet", &case.parquet)];
    let reads = files
        .into_iter()
        .filter_map(|(key, path)| path.as_ref().map(|path| serde_json::json!({ key: path, "table": INPUT_TABLE })));
    let statements = case.setup.iter().chain([&case.sql]).map(|sql| serde_json::json!({ "sql": sql }));
    // The file comes last but one, as in process.
    let mut requests: Vec<_> = statements.collect();
    requests.splice(case.setup.len()..case.setup.len(), reads);
    requests.iter().map(|request| format!("{request}\n")).collect()
}

//! The arguments of every command, declared once for parsing and help.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use velaria::SessionConfig;

use crate::failure::Failure;
use crate::output::Format;

/// What a command line asks for.
pub(crate) enum Parsed {
    /// A command to run.
    Command(Box<Command>),
    /// Help or the version, to print.
    Text(String),
}

/// Local-first SQL on files.
#[derive(Debug, Parser)]
#[command(name = "velaria-cli", version, disable_help_subcommand = true, arg_required_else_help = false)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one query over one CSV file
    #[command(
        after_help = "Example:\n  velaria-cli csv-sql --csv scores.csv --query 'SELECT name, SUM(score) AS total FROM input_table GROUP BY name'"
    )]
    CsvSql(CsvSqlArgs),
    /// Run a statement, or a session of statements from standard input
    #[command(
        after_help = "Examples:\n  velaria-cli sql 'SELECT 1 + 1 AS two' -o table\n  echo '{\"sql\": \"SELECT 1\"}' | velaria-cli sql --jsonl"
    )]
    Sql(SqlArgs),
    /// Find the rows of one CSV file whose vectors are nearest to another one
    #[command(
        after_help = "Example:\n  velaria-cli vector-search --csv items.csv --vector-column embedding --query-vector '1.0,0.5,0.0' --top-k 3"
    )]
    VectorSearch(VectorSearchArgs),
    /// Say what a file is and how to read it
    #[command(after_help = "Example:\n  velaria-cli sniff scores.csv --option encoding=gbk -o json")]
    Sniff(SniffArgs),
}

/// `csv-sql`.
#[derive(Debug, Args)]
pub(crate) struct CsvSqlArgs {
    /// The CSV file, a pattern such as 'data/*.csv', a directory, or - for standard input
    #[arg(long, value_name = "PATH")]
    pub(crate) csv: PathBuf,
    /// The query
    #[arg(long, value_name = "SQL")]
    pub(crate) query: String,
    /// A value for a parameter of the statement: 1=7 for ? and $1, name=7 for :name; repeatable
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// The name of the file in the query
    #[arg(long, value_name = "NAME", default_value = "input_table")]
    pub(crate) table: String,
    /// An option of the reader, such as delimiter=; or header=false; repeatable
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `vector-search`.
#[derive(Debug, Args)]
pub(crate) struct VectorSearchArgs {
    /// The CSV file, a pattern such as 'data/*.csv', a directory, or - for standard input
    #[arg(long, value_name = "PATH")]
    pub(crate) csv: PathBuf,
    /// The column of vectors, which are written [1 2 3] or "[1,2,3]"
    #[arg(long, value_name = "NAME")]
    pub(crate) vector_column: String,
    /// The vector to be near to: numbers between commas or spaces
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    pub(crate) query_vector: String,
    /// What near means
    #[arg(long, value_name = "METRIC", default_value = "cosine", value_parser = ["cosine", "cosin", "dot", "l2"])]
    pub(crate) metric: String,
    /// The most rows to find
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true)]
    pub(crate) top_k: i64,
    /// Look only at rows where this column fits --where-op and --where-value; the result has the rows themselves
    #[arg(long, value_name = "NAME")]
    pub(crate) where_column: Option<String>,
    /// How the column compares with the value: =, !=, <, >, <= or >=
    #[arg(long, value_name = "OP")]
    pub(crate) where_op: Option<String>,
    /// The value that the column is compared with
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) where_value: Option<String>,
    /// Leave out rows with a farther score; the result has the rows themselves
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) score_threshold: Option<f64>,
    /// An option of the reader, such as delimiter=; or header=false; repeatable
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The statement; read from standard input when left out
    #[arg(value_name = "SQL", conflicts_with = "jsonl")]
    pub(crate) statement: Option<String>,
    /// A value for a parameter of the statement: 1=7 for ? and $1, name=7 for :name; repeatable
    #[arg(long = "param", value_name = "NAME=VALUE", conflicts_with = "jsonl")]
    pub(crate) params: Vec<String>,
    /// Read one JSON object a line ({"sql": "..."}) and answer each with one JSON line, in one session
    #[arg(long)]
    pub(crate) jsonl: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `sniff`.
#[derive(Debug, Args)]
pub(crate) struct SniffArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// An option of the reader that is known: delimiter=';', encoding=gbk; repeatable
    #[arg(long = "option", value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
    /// The format of the report [default: text on a terminal, else json]
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    output: Option<ReportFormat>,
    #[arg(skip)]
    terminal: bool,
}

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}

impl SniffArgs {
    /// The format that was asked for, or the one that fits the reader.
    pub(crate) fn format(&self) -> ReportFormat {
        self.output.unwrap_or(if self.terminal { ReportFormat::Text } else { ReportFormat::Json })
    }
}

/// What the session of a command may use.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// The most memory for what running queries keep, such as 512MB or 2GiB [default: 75 % of what there is]
    #[arg(long, value_name = "BYTES", value_parser = velaria::bytes_of)]
    memory_limit: Option<u64>,
    /// The number of threads that a query may use [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The directory for temporary files [default: that of the system]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// The most seconds that a statement may run [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Refuse statements that change a table or write a file
    #[arg(long)]
    read_only: bool,
    /// Open only this file, or files beneath this directory; may be repeated
    #[arg(long, value_name = "PATH")]
    allow_path: Vec<PathBuf>,
}

fn seconds(text: &str) -> velaria::Result<Duration> {
    velaria::duration_of(text.parse().unwrap_or(f64::NAN))
}

impl LimitArgs {
    /// The settings of a session that may open every file unless some are named.
    pub(crate) fn config(&self) -> SessionConfig {
        let config = self.without_paths();
        match self.allow_path.as_slice() {
            [] => config,
            paths => config.with_allowed_paths(paths),
        }
    }

    /// The settings of a session that reads `input` and nothing else. Paths that are named are open to it, also to write.
    pub(crate) fn config_for(&self, input: &Path) -> SessionConfig {
        let config =
            if self.allow_path.is_empty() { self.without_paths().with_read_only() } else { self.without_paths() };
        let input = plain_part(input);
        config.with_allowed_paths(self.allow_path.iter().map(PathBuf::as_path).chain([input.as_path()]))
    }

    fn without_paths(&self) -> SessionConfig {
        let mut config = SessionConfig::default();
        if let Some(bytes) = self.memory_limit {
            config = config.with_memory_limit(bytes);
        }
        if let Some(threads) = self.threads {
            config = config.with_threads(threads);
        }
        if let Some(path) = &self.temp_dir {
            config = config.with_temp_dir(path);
        }
        if let Some(timeout) = self.timeout {
            config = config.with_statement_timeout(timeout);
        }
        if self.read_only { config.with_read_only() } else { config }
    }
}

/// A path, or the directories of a pattern before its first character that is not itself.
fn plain_part(path: &Path) -> PathBuf {
    let is_plain = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    if path.exists() || path.components().all(|part| is_plain(&part)) {
        return path.to_owned();
    }
    Path::new(".").join(path.components().take_while(is_plain).collect::<PathBuf>())
}

/// How results are printed.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// The format of the result [default: table on a terminal, else json]
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Format>,
    /// The most rows that a table shows
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) max_rows: usize,
    #[arg(skip)]
    terminal: bool,
}

impl OutputArgs {
    /// The format that was asked for, or the one that fits the reader.
    pub(crate) fn format(&self) -> Format {
        self.output.unwrap_or(if self.terminal { Format::Table } else { Format::Json })
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }
}

impl Command {
    /// Whether errors are text on standard error: for a table, and for formats that JSON would spoil.
    pub(crate) fn is_for_person(&self) -> bool {
        let output = match self {
            Self::CsvSql(args) => &args.output,
            Self::Sql(args) if args.jsonl => return false,
            Self::Sql(args) => &args.output,
            Self::VectorSearch(args) => &args.output,
            Self::Sniff(args) => return args.format() == ReportFormat::Text,
        };
        !matches!(output.format(), Format::Json | Format::Ndjson)
    }

    fn set_terminal(&mut self, terminal: bool) {
        match self {
            Self::CsvSql(args) => args.output.terminal = terminal,
            Self::Sql(args) => args.output.terminal = terminal,
            Self::VectorSearch(args) => args.output.terminal = terminal,
            Self::Sniff(args) => args.terminal = terminal,
        }
    }
}

/// Reads a command line, without the program name.
pub(crate) fn parse(args: Vec<OsString>, terminal: bool) -> Result<Parsed, Failure> {
    let argv = std::iter::once(OsString::from("velaria-cli")).chain(args);
    let parsed =
        CommandLine::command().try_get_matches_from(argv).and_then(|found| CommandLine::from_arg_matches(&found));
    match parsed {
        Ok(mut line) => {
            line.command.set_terminal(terminal);
            Ok(Parsed::Command(Box::new(line.command)))
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error.render().to_string()))
        }
        Err(error) => Err(Failure::Usage(usage_message(&error))),
    }
}

/// The words of the contract, which are those of Python's argparse.
fn usage_message(error: &clap::Error) -> String {
    let context = |kind| error.get(kind).map(context_text).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            format!("the following arguments are required: {}", context(ContextKind::InvalidArg))
        }
        ErrorKind::MissingSubcommand => "the following arguments are required: command".to_owned(),
        ErrorKind::InvalidSubcommand => {
            let choices: Vec<String> =
                CommandLine::command().get_subcommands().map(|command| format!("'{}'", command.get_name())).collect();
            let invalid = context(ContextKind::InvalidSubcommand);
            format!("argument command: invalid choice: '{invalid}' (choose from {})", choices.join(", "))
        }
        ErrorKind::UnknownArgument => format!("unrecognized arguments: {}", context(ContextKind::InvalidArg)),
        ErrorKind::InvalidValue if error.get(ContextKind::ValidValue).is_some() => {
            let (name, value) = (flag(&context(ContextKind::InvalidArg)), context(ContextKind::InvalidValue));
            format!(
                "argument {name}: invalid choice: '{value}' (choose from {})",
                quoted(error.get(ContextKind::ValidValue))
            )
        }
        _ => first_line(&error.render().to_string()),
    }
}

fn context_text(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => flag(text),
        ContextValue::Strings(texts) => texts.iter().map(|text| flag(text)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// `--csv` of `--csv <PATH>`.
fn flag(text: &str) -> String {
    text.split(" <").next().unwrap_or(text).to_owned()
}

fn quoted(value: Option<&ContextValue>) -> String {
    match value {
        Some(ContextValue::Strings(texts)) => {
            texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(args: &[&str]) -> String {
        match parse(args.iter().map(OsString::from).collect(), false) {
            Err(Failure::Usage(message)) => message,
            _ => panic!("not a usage error: {args:?}"),
        }
    }

    #[test]
    fn usage_errors_have_the_words_of_the_contract() {
        assert_eq!(message(&["csv-sql", "--csv", "x"]), "the following arguments are required: --query");
        assert_eq!(message(&["csv-sql"]), "the following arguments are required: --csv, --query");
        assert_eq!(message(&[]), "the following arguments are required: command");
        assert_eq!(
            message(&["nosuch"]),
            "argument command: invalid choice: 'nosuch' (choose from 'csv-sql', 'sql', 'vector-search', 'sniff')"
        );
        assert_eq!(message(&["sql", "--nosuch"]), "unrecognized arguments: --nosuch");
        assert_eq!(
            message(&["vector-search", "--csv", "x"]),
            "the following arguments are required: --vector-column, --query-vector"
        );
        let search =
            ["vector-search", "--csv", "x", "--vector-column", "v", "--query-vector", "-1 0", "--metric", "l3"];
        assert_eq!(
            message(&search),
            "argument --metric: invalid choice: 'l3' (choose from 'cosine', 'cosin', 'dot', 'l2')"
        );
        assert!(
            message(&["sql", "-o", "xml"]).starts_with("argument --output: invalid choice: 'xml' (choose from 'table'")
        );
    }
}

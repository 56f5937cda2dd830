//! The arguments of every command, declared once for parsing and help.

mod completions;
mod describe;
mod functions;
mod global;
mod index;
mod insight;
mod output;
mod run;
mod shell;
mod stream_sql;
mod tree;
mod ui;
mod version;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde_json::{Map, Value};
use velaria::{Error, ErrorCode, ProgressListener, SessionConfig};

pub(crate) use self::completions::CompletionsArgs;
pub(crate) use self::describe::DescribeArgs;
pub(crate) use self::functions::FunctionsArgs;
pub(crate) use self::global::GlobalArgs;
pub(crate) use self::index::IndexCommand;
pub(crate) use self::insight::InsightArgs;
pub(crate) use self::output::OutputArgs;
pub(crate) use self::run::{
    Action, Again, ArtifactsCommand, ArtifactsExportArgs, ArtifactsListArgs, ArtifactsOpenArgs, ArtifactsPreviewArgs,
    CsvSqlAction, ExportFormat, FileSqlAction, ResultArgs, RunCancelArgs, RunCleanupArgs, RunCommand, RunDiffArgs,
    RunIdArgs, RunListArgs, RunOpenArgs, RunReportArgs, RunRerunArgs, RunResumeArgs, RunStartArgs, RunWatchArgs,
    StreamSqlOnceAction, VectorSearchAction,
};
pub(crate) use self::shell::ShellArgs;
pub(crate) use self::stream_sql::StreamSqlAction;
pub(crate) use self::tree::{actions, tree};
pub(crate) use self::ui::UiArgs;
use crate::color::Colors;
use crate::failure::Failure;
use crate::output::Format;

/// The name of the program.
pub(crate) const PROGRAM: &str = "velaria-cli";

/// What a command line asks for.
pub(crate) enum Parsed {
    /// A command to run.
    Command(Box<Command>, GlobalArgs),
    /// Help or the version, to print.
    Text(String),
}

/// Local-first SQL on files.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    disable_help_subcommand = true,
    arg_required_else_help = false,
    after_help = "Example:\n  velaria-cli csv-sql --csv scores.csv \\\n    --query 'SELECT COUNT(*) AS scores FROM input_table'"
)]
struct CommandLine {
    /// With --version: one JSON document, which also says what the program was built of
    #[arg(long, requires = "version")]
    json: bool,
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    globals: GlobalArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one query over one CSV file
    #[command(
        after_help = "Example:\n  velaria-cli csv-sql --csv scores.csv \\\n    --query 'SELECT name, SUM(score) AS total FROM input_table GROUP BY name'"
    )]
    CsvSql(CsvSqlArgs),
    /// Run one query over one file of any format
    #[command(
        after_help = "Example:\n  velaria-cli file-sql --input-path events.ndjson \\\n    --query 'SELECT COUNT(*) AS events FROM input_table'"
    )]
    FileSql(FileSqlArgs),
    /// Run a statement, or a session of statements from standard input
    #[command(
        after_help = "Examples:\n  velaria-cli sql 'SELECT 1 + 1 AS two' -o table\n  echo '{\"sql\": \"SELECT 1\"}' | velaria-cli sql --jsonl"
    )]
    Sql(SqlArgs),
    /// Find the rows of one CSV file whose vectors are nearest to another one
    #[command(
        after_help = "Example:\n  velaria-cli vector-search --csv items.csv --vector-column embedding \\\n    --query-vector '1.0,0.5,0.0' --top-k 3"
    )]
    VectorSearch(VectorSearchArgs),
    /// Say what a file is and how to read it
    #[command(after_help = "Example:\n  velaria-cli sniff scores.csv --option encoding=gbk -o json")]
    Sniff(SniffArgs),
    /// Describe the columns of a file: types, counts, and how values are spread
    #[command(
        after_help = "Examples:\n  velaria-cli describe scores.csv -o vertical\n  velaria-cli describe scores.csv --option delimiter=';'"
    )]
    Describe(DescribeArgs),
    /// List the functions of SQL
    #[command(after_help = "Example:\n  velaria-cli functions date -o table")]
    Functions(FunctionsArgs),
    /// Type statements and see their results
    #[command(
        after_help = "Examples:\n  velaria-cli shell scores.csv\n  echo 'SELECT COUNT(*) FROM scores;' | velaria-cli shell scores.csv -o csv"
    )]
    Shell(ShellArgs),
    /// Start tracked runs, and look at them
    #[command(
        subcommand,
        after_help = "Example:\n  velaria-cli run start -- csv-sql --csv scores.csv \\\n    --query 'SELECT COUNT(*) AS scores FROM input_table'"
    )]
    Run(RunCommand),
    /// Look at what tracked runs have made
    #[command(subcommand, after_help = "Example:\n  velaria-cli artifacts list --limit 5")]
    Artifacts(ArtifactsCommand),
    /// Look after the index of runs and artifacts
    #[command(subcommand, after_help = "Example:\n  velaria-cli index rebuild")]
    Index(IndexCommand),
    /// Look at runs in a browser
    #[command(after_help = "Example:\n  velaria-cli ui --port 8017")]
    Ui(UiArgs),
    /// Print what makes a shell complete commands
    #[command(
        after_help = "Example:\n  velaria-cli completions bash > ~/.local/share/bash-completion/completions/velaria-cli"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = "Example:\n  velaria-cli man > velaria-cli.1")]
    Man,
    /// Do the work of one run; its parent writes it to standard input
    #[command(name = "__worker", hide = true)]
    Worker,
}

/// `csv-sql`.
#[derive(Debug, Args)]
pub(crate) struct CsvSqlArgs {
    #[command(flatten)]
    pub(crate) input: CsvSqlInput,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) insight: InsightArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The query of `csv-sql`, whatever becomes of its rows.
#[derive(Debug, Args)]
pub(crate) struct CsvSqlInput {
    /// The CSV file, a pattern such as 'data/*.csv', a directory, or - for standard input
    #[arg(long, value_name = "PATH")]
    pub(crate) csv: PathBuf,
    /// The query
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
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
}

/// `file-sql`.
#[derive(Debug, Args)]
pub(crate) struct FileSqlArgs {
    #[command(flatten)]
    pub(crate) input: FileSqlInput,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) insight: InsightArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The query of `file-sql`, whatever becomes of its rows.
#[derive(Debug, Args)]
pub(crate) struct FileSqlInput {
    /// The file, a pattern such as 'data/*.json', a directory, or - for standard input
    #[arg(long, visible_alias = "csv", value_name = "PATH")]
    pub(crate) input_path: PathBuf,
    /// The format of the file; auto looks into it
    #[arg(long, value_name = "TYPE", default_value = "auto", value_parser = ["auto", "csv", "line", "json", "parquet", "arrow", "excel"])]
    pub(crate) input_type: String,
    /// The query
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) query: String,
    /// A value for a parameter of the statement: 1=7 for ? and $1, name=7 for :name; repeatable
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// The name of the file in the query
    #[arg(long, value_name = "NAME", default_value = "input_table")]
    pub(crate) table: String,
    /// csv, line: the character between two fields [default: looked for]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<String>,
    /// line: whether lines are cut or matched
    #[arg(long, value_name = "MODE", value_parser = ["split", "regex"])]
    pub(crate) line_mode: Option<String>,
    /// line: the pattern whose groups are the fields
    #[arg(long, value_name = "PATTERN")]
    pub(crate) regex_pattern: Option<String>,
    /// line: names and numbers of fields, such as 'uid:1,action:2'
    #[arg(long, value_name = "PAIRS")]
    pub(crate) mappings: Option<String>,
    /// csv, line, json: the names of the columns, such as a,b
    #[arg(long, value_name = "NAMES")]
    pub(crate) columns: Option<String>,
    /// json: how the objects stand in the file
    #[arg(long, value_name = "LAYOUT", value_parser = ["json_lines", "json_array"])]
    pub(crate) json_format: Option<String>,
    /// Another option of the reader, such as encoding=gbk; repeatable
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
}

/// `vector-search`.
#[derive(Debug, Args)]
pub(crate) struct VectorSearchArgs {
    #[command(flatten)]
    pub(crate) input: VectorSearchInput,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The search of `vector-search`, whatever becomes of its rows.
#[derive(Debug, Args)]
pub(crate) struct VectorSearchInput {
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
    #[arg(long, conflicts_with_all = ["explain", "timing", "profile"])]
    pub(crate) jsonl: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) insight: InsightArgs,
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
#[derive(Debug, Clone, Args)]
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
    /// Who is told how far the statements are.
    #[arg(skip)]
    listener: Option<ProgressListener>,
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

    /// Makes every path one from the root on.
    pub(crate) fn root(&mut self) -> velaria::Result<()> {
        for path in self.temp_dir.iter_mut().chain(&mut self.allow_path) {
            *path = std::path::absolute(&*path).map_err(|error| {
                Error::new(ErrorCode::InvalidArgument, format!("not a path: {}", path.display()))
                    .with_hint(error.to_string())
            })?;
        }
        Ok(())
    }

    /// Refuses a file that the session could not read either.
    pub(crate) fn check_read(&self, path: &Path) -> velaria::Result<()> {
        let is_within = |allowed: &PathBuf| match (path.canonicalize(), allowed.canonicalize()) {
            (Ok(path), Ok(allowed)) => path.starts_with(allowed),
            _ => false,
        };
        if self.allow_path.is_empty() || self.allow_path.iter().any(is_within) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::AccessDenied, format!("access denied: {}", path.display()))
            .with_hint("--allow-path names the files that may be opened"))
    }

    /// Refuses to make a file that the session could not write either.
    pub(crate) fn check_write(&self, path: &Path) -> velaria::Result<()> {
        if self.read_only {
            return Err(Error::new(ErrorCode::AccessDenied, "a read-only session writes no files")
                .with_hint("start without --read-only"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.check_read(if path.exists() { path } else { folder.unwrap_or(Path::new(".")) })
    }

    /// These limits, in a session that changes nothing.
    pub(crate) fn read_only(&self) -> Self {
        Self { read_only: true, ..self.clone() }
    }

    /// The limits that were given, for the record of a run.
    pub(crate) fn given(&self) -> Map<String, Value> {
        let paths: Vec<String> = self.allow_path.iter().map(|path| path.display().to_string()).collect();
        let values = [
            ("memory_limit", self.memory_limit.map(Value::from)),
            ("threads", self.threads.map(Value::from)),
            ("temp_dir", self.temp_dir.as_ref().map(|path| path.display().to_string().into())),
            ("timeout", self.timeout.map(|timeout| timeout.as_secs_f64().into())),
            ("read_only", self.read_only.then(|| true.into())),
            ("allow_path", (!paths.is_empty()).then(|| paths.into())),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
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
        if let Some(listener) = &self.listener {
            config = config.with_progress_listener(listener.clone());
        }
        if self.read_only { config.with_read_only() } else { config }
    }

    fn listen(&mut self, listener: Option<&ProgressListener>) {
        self.listener = listener.cloned();
    }
}

/// A path, or the directories of a pattern before its first character that is not itself.
pub(crate) fn plain_part(path: &Path) -> PathBuf {
    let is_plain = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    if path.exists() || path.components().all(|part| is_plain(&part)) {
        return path.to_owned();
    }
    Path::new(".").join(path.components().take_while(is_plain).collect::<PathBuf>())
}

impl Command {
    /// Whether errors are text on standard error: for a table, and for formats that JSON would spoil.
    pub(crate) fn is_for_person(&self) -> bool {
        let output = match self {
            Self::CsvSql(args) => &args.output,
            Self::Sql(args) if args.jsonl => return false,
            Self::Sql(args) => &args.output,
            Self::FileSql(args) => &args.output,
            Self::VectorSearch(args) => &args.output,
            Self::Sniff(args) => return args.format() == ReportFormat::Text,
            Self::Describe(args) => &args.output,
            Self::Functions(args) => &args.output,
            Self::Run(_) | Self::Artifacts(_) | Self::Index(_) => return false,
            Self::Ui(args) => return args.terminal,
            Self::Shell(_) | Self::Completions(_) | Self::Man => return true,
            // What it says goes into the log of its run.
            Self::Worker => return true,
        };
        !matches!(output.format(), Format::Json | Format::Ndjson)
    }

    /// Says who is told how far the command is, where that is of interest.
    pub(crate) fn listen(&mut self, listener: Option<&ProgressListener>) {
        match self {
            Self::CsvSql(args) => args.limits.listen(listener),
            Self::FileSql(args) => args.limits.listen(listener),
            Self::Sql(args) => args.limits.listen(listener),
            Self::VectorSearch(args) => args.limits.listen(listener),
            Self::Describe(args) => args.limits.listen(listener),
            Self::Shell(args) => args.limits.listen(listener),
            Self::Sniff(_) | Self::Functions(_) | Self::Run(_) | Self::Artifacts(_) | Self::Index(_) => {}
            Self::Ui(_) | Self::Completions(_) | Self::Man | Self::Worker => {}
        }
    }

    fn set_terminal(&mut self, terminal: bool) {
        match self {
            Self::CsvSql(args) => args.output.terminal = terminal,
            Self::Sql(args) => args.output.terminal = terminal,
            Self::FileSql(args) => args.output.terminal = terminal,
            Self::VectorSearch(args) => args.output.terminal = terminal,
            Self::Sniff(args) => args.terminal = terminal,
            Self::Ui(args) => args.terminal = terminal,
            Self::Describe(args) => args.output.terminal = terminal,
            Self::Functions(args) => args.output.terminal = terminal,
            Self::Shell(args) => args.output.terminal = terminal,
            Self::Run(_) | Self::Artifacts(_) | Self::Index(_) => {}
            Self::Completions(_) | Self::Man | Self::Worker => {}
        }
    }
}

impl Action {
    /// Says who is told how far the action is. A stream says so itself.
    pub(crate) fn listen(&mut self, listener: &ProgressListener) {
        match self {
            Self::CsvSql(action) => action.limits.listen(Some(listener)),
            Self::FileSql(action) => action.limits.listen(Some(listener)),
            Self::VectorSearch(action) => action.limits.listen(Some(listener)),
            Self::StreamSqlOnce(_) | Self::StreamSql(_) => {}
        }
    }
}

/// What a parser gives: a command, or help or the version to print.
enum Read<T> {
    Line(T),
    Help(String),
    Version(String),
}

/// Reads a command line, without the program name.
pub(crate) fn parse(args: Vec<OsString>, terminal: bool, colors: Colors) -> Result<Parsed, Failure> {
    let for_program = args.iter().take_while(|arg| arg.to_string_lossy().starts_with('-')).any(|arg| arg == "--json");
    Ok(match read::<CommandLine>(PROGRAM, &args, colors)? {
        Read::Line(mut line) => {
            line.command.set_terminal(terminal);
            Parsed::Command(Box::new(line.command), line.globals)
        }
        Read::Version(_) if for_program => Parsed::Text(version::document()?),
        Read::Help(text) | Read::Version(text) => Parsed::Text(text),
    })
}

/// Whether a command line, which may be a wrong one, asks for something that an error document would spoil: a table, or
/// another format than JSON.
pub(crate) fn is_meant_for_person(args: &[OsString], terminal: bool) -> bool {
    let words: Vec<_> = args.iter().take_while(|word| *word != "--").map(|word| word.to_string_lossy()).collect();
    let command = words.iter().find(|word| !word.starts_with('-'));
    if command.is_some_and(|command| ["run", "artifacts", "index"].contains(&&**command)) {
        return false;
    }
    let attached = |word: &str| ["--output=", "-o"].iter().find_map(|flag| word.strip_prefix(flag).map(str::to_owned));
    let format = words.iter().enumerate().find_map(|(place, word)| match &**word {
        "-o" | "--output" => words.get(place + 1).map(|format| format.to_string()),
        word => attached(word),
    });
    match format.and_then(|format| Format::from_str(&format, false).ok()) {
        Some(format) => !matches!(format, Format::Json | Format::Ndjson),
        None => terminal,
    }
}

/// The action of a run.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
struct ActionLine {
    #[command(subcommand)]
    action: Action,
}

/// What the action of a run asks for.
pub(crate) enum ParsedAction {
    /// An action to run.
    Action(Box<Action>),
    /// Help, to print.
    Text(String),
}

/// Reads the action of a run and its arguments.
pub(crate) fn parse_action(args: Vec<OsString>) -> Result<ParsedAction, Failure> {
    let Some(name) = args.first().map(|name| name.to_string_lossy().into_owned()) else {
        return Err(invalid("run start requires an action after '--'"));
    };
    if !ActionLine::command().get_subcommands().any(|action| action.get_name() == name) {
        return Err(invalid(&format!("unsupported run action: {name}")));
    }
    Ok(match read::<ActionLine>("velaria-cli run start --", &args, Colors::None)? {
        Read::Line(line) => ParsedAction::Action(Box::new(line.action)),
        Read::Help(text) | Read::Version(text) => ParsedAction::Text(text),
    })
}

fn invalid(message: &str) -> Failure {
    let actions: Vec<String> =
        ActionLine::command().get_subcommands().map(|action| action.get_name().to_owned()).collect();
    let hint = format!("the actions are {}", actions.join(", "));
    Error::new(ErrorCode::InvalidArgument, message).with_hint(hint).into()
}

fn read<T: CommandFactory + FromArgMatches>(
    program: &str,
    args: &[OsString],
    colors: Colors,
) -> Result<Read<T>, Failure> {
    let command = T::command().bin_name(program);
    // Options of every command may stand before it.
    let group = args.iter().find_map(|name| command.find_subcommand(name));
    let group = group.filter(|group| group.has_subcommands()).unwrap_or(&command);
    let argv = std::iter::once(OsString::from(program)).chain(args.iter().cloned());
    match command.clone().try_get_matches_from(argv).and_then(|found| T::from_arg_matches(&found)) {
        Ok(line) => Ok(Read::Line(line)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let text = error.render();
            let text = if colors == Colors::Some { text.ansi().to_string() } else { text.to_string() };
            Ok(if error.kind() == ErrorKind::DisplayHelp { Read::Help(text) } else { Read::Version(text) })
        }
        Err(error) => Err(Failure::Usage(usage_message(&error, group))),
    }
}

/// The words of the contract, which are those of Python's argparse.
///
/// `group` is the command whose subcommand may be the wrong one.
fn usage_message(error: &clap::Error, group: &clap::Command) -> String {
    let context = |kind| error.get(kind).map(context_text).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            format!("the following arguments are required: {}", context(ContextKind::InvalidArg))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "the following arguments are required: command".to_owned()
        }
        ErrorKind::InvalidSubcommand => {
            let choices = group.get_subcommands().filter(|command| !command.is_hide_set());
            let choices: Vec<String> = choices.map(|command| format!("'{}'", command.get_name())).collect();
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
        match parse(args.iter().map(OsString::from).collect(), false, Colors::None) {
            Err(Failure::Usage(message)) => message,
            _ => panic!("not a usage error: {args:?}"),
        }
    }

    #[test]
    fn an_action_is_read_like_a_command() {
        let failure = |args: &[&str]| match parse_action(args.iter().map(OsString::from).collect()) {
            Err(failure) => failure.text(),
            Ok(_) => panic!("an action: {args:?}"),
        };
        assert!(failure(&[]).starts_with("error: run start requires an action after '--' [VEL-7001]"));
        assert!(failure(&["nosuch", "--csv"]).starts_with("error: unsupported run action: nosuch [VEL-7001]"));
        assert_eq!(failure(&["csv-sql"]), "error: the following arguments are required: --csv, --query\n");
        let help = parse_action(vec!["csv-sql".into(), "--help".into()]);
        let Ok(ParsedAction::Text(help)) = help else { panic!("no help") };
        assert!(help.contains("Usage: velaria-cli run start -- csv-sql"), "{help}");
    }

    #[test]
    fn tags_are_split_and_stand_once() {
        let args = ["run", "start", "--tag", "a, b,", "--tag", "b,c", "--", "csv-sql", "--csv", "-"];
        let Ok(Parsed::Command(command, _)) = parse(args.iter().map(OsString::from).collect(), false, Colors::None)
        else {
            panic!("no command")
        };
        let Command::Run(RunCommand::Start(start)) = *command else { panic!("no run") };
        assert_eq!(start.tags(), ["a", "b", "c"]);
        assert_eq!(start.action, ["csv-sql", "--csv", "-"]);
    }

    #[test]
    fn options_of_every_command_stand_before_it_or_behind_it() {
        for args in [["-vv", "--log-format=json", "run", "list"], ["run", "list", "-v", "-v"]] {
            let Ok(Parsed::Command(_, globals)) = parse(args.iter().map(OsString::from).collect(), false, Colors::None)
            else {
                panic!("no command: {args:?}")
            };
            assert_eq!(globals.of_log().iter().filter(|arg| *arg == "-v").count(), 2, "{args:?}");
        }
    }

    #[test]
    fn an_error_of_usage_does_not_end_up_in_a_result() {
        let meant = |args: &[&str], terminal| {
            is_meant_for_person(&args.iter().map(OsString::from).collect::<Vec<_>>(), terminal)
        };
        assert!(meant(&["csv-sql", "-o", "csv"], false) && meant(&["csv-sql", "-otsv"], false));
        assert!(meant(&["sql", "--output=parquet"], false) && meant(&["sql"], true) && meant(&["nosuch"], true));
        assert!(!meant(&["sql", "-o", "json"], true) && !meant(&["sql", "-o", "xml"], false) && !meant(&[], false));
        assert!(!meant(&["run", "report", "-o", "csv"], true) && !meant(&["artifacts", "list"], true));
    }

    #[test]
    fn usage_errors_have_the_words_of_the_contract() {
        assert_eq!(message(&["csv-sql", "--csv", "x"]), "the following arguments are required: --query");
        assert_eq!(message(&["csv-sql"]), "the following arguments are required: --csv, --query");
        assert_eq!(message(&[]), "the following arguments are required: command");
        assert_eq!(
            message(&["nosuch"]),
            "argument command: invalid choice: 'nosuch' (choose from 'csv-sql', 'file-sql', 'sql', 'vector-search', \
             'sniff', 'describe', 'functions', 'shell', 'run', 'artifacts', 'index', 'ui', 'completions', 'man')"
        );
        assert_eq!(
            message(&["artifacts", "nosuch"]),
            "argument command: invalid choice: 'nosuch' (choose from 'list', 'preview', 'export', 'open')"
        );
        assert_eq!(message(&["-v", "artifacts", "nosuch"]), message(&["artifacts", "nosuch"]));
        assert_eq!(message(&["run"]), "the following arguments are required: command");
        assert_eq!(message(&["run", "show"]), "the following arguments are required: --run-id");
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

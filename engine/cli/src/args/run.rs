//! The arguments of tracked runs and of what they leave behind.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{CsvSqlInput, FileSqlInput, LimitArgs, StreamSqlAction, VectorSearchInput};

/// `run`.
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Run an action in a process of its own, and keep its inputs, its logs and its result
    #[command(
        after_help = "Actions: csv-sql, file-sql, vector-search, stream-sql-once, stream-sql\n\nExample:\n  velaria-cli run start --run-name totals -- csv-sql --csv scores.csv \\\n    --query 'SELECT name, SUM(score) AS total FROM input_table GROUP BY name'"
    )]
    Start(RunStartArgs),
    /// Go on with a stream that was stopped, from its checkpoint, in the same run
    #[command(after_help = "Example:\n  velaria-cli run resume --run-id 20261121T073807Z_41f61f86")]
    Resume(RunResumeArgs),
    /// Start a new run that does what another one did
    #[command(
        after_help = "The result goes into the directory of the new run, under the name that it had.\n\nExample:\n  velaria-cli run rerun --run-id 20261121T074802Z_99f3c554"
    )]
    Rerun(RunRerunArgs),
    /// Stop a run, and wait until it has ended
    #[command(after_help = "Example:\n  velaria-cli run cancel --run-id 20261121T073807Z_41f61f86")]
    Cancel(RunCancelArgs),
    /// Show a run and its artifacts
    #[command(after_help = "Example:\n  velaria-cli run show --run-id 20261121T073807Z_41f61f86")]
    Show(RunIdArgs),
    /// Show how far a run is
    #[command(after_help = "Example:\n  velaria-cli run status --run-id 20261121T073807Z_41f61f86")]
    Status(RunStatusArgs),
    /// Follow a run until it ends
    #[command(after_help = "Example:\n  velaria-cli run watch --run-id 20261121T074802Z_99f3c554 --jsonl")]
    Watch(RunWatchArgs),
    /// List runs, the newest first
    #[command(after_help = "Example:\n  velaria-cli run list --status failed --limit 5")]
    List(RunListArgs),
    /// Show the result of a run
    #[command(after_help = "Example:\n  velaria-cli run result --run-id 20261121T073807Z_41f61f86 --limit 10")]
    Result(RunIdArgs),
    /// Show how two runs and their results differ
    #[command(
        after_help = "Example:\n  velaria-cli run diff --run-id 20261121T074802Z_99f3c554 \\\n    --other-run-id 20261121T075010Z_0b9c2a17"
    )]
    Diff(RunDiffArgs),
    /// Write a report of a run: one HTML file that needs nothing else
    #[command(after_help = "Example:\n  velaria-cli run report --run-id 20261121T073807Z_41f61f86 -o report.html")]
    Report(RunReportArgs),
    /// Open the report of a run in a browser
    #[command(after_help = "Example:\n  velaria-cli run open --run-id 20261121T074802Z_99f3c554")]
    Open(RunOpenArgs),
    /// Forget runs that have ended
    #[command(after_help = "Example:\n  velaria-cli run cleanup --keep-last 20 --delete-files")]
    Cleanup(RunCleanupArgs),
}

impl RunCommand {
    /// The run that it is about, where it is about one.
    pub(crate) fn run_id(&self) -> Option<&str> {
        match self {
            Self::Resume(args) => Some(&args.run_id),
            Self::Rerun(args) => Some(&args.run_id),
            Self::Cancel(args) => Some(&args.run_id),
            Self::Show(args) | Self::Result(args) => Some(&args.run_id),
            Self::Status(args) => Some(&args.run_id),
            Self::Watch(args) => Some(&args.run_id),
            Self::Diff(args) => Some(&args.run_id),
            Self::Report(args) => Some(&args.run_id),
            Self::Open(args) => Some(&args.run_id),
            Self::Start(_) | Self::List(_) | Self::Cleanup(_) => None,
        }
    }
}

/// `artifacts`.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// List artifacts, the newest first
    #[command(after_help = "Example:\n  velaria-cli artifacts list --run-id 20261121T073807Z_41f61f86")]
    List(ArtifactsListArgs),
    /// Show the first rows of an artifact
    #[command(
        after_help = "Example:\n  velaria-cli artifacts preview --artifact-id artifact_0123456789abcdef --limit 10"
    )]
    Preview(ArtifactsPreviewArgs),
    /// Write an artifact as a file of any format
    #[command(
        after_help = "Example:\n  velaria-cli artifacts export --artifact-id artifact_0123456789abcdef -o totals.xlsx"
    )]
    Export(ArtifactsExportArgs),
    /// Open an artifact with the program that the system has for it
    #[command(after_help = "Example:\n  velaria-cli artifacts open --artifact-id artifact_0123456789abcdef")]
    Open(ArtifactsOpenArgs),
}

/// `run start`.
#[derive(Debug, Args)]
pub(crate) struct RunStartArgs {
    /// A name for people
    #[arg(long, value_name = "NAME")]
    pub(crate) run_name: Option<String>,
    /// What the run is for
    #[arg(long, visible_alias = "run-description", value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Words to find the run by, with commas between them; repeatable
    #[arg(long = "tag", value_name = "TAGS")]
    pub(crate) tags: Vec<String>,
    /// End the action after this many milliseconds [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: Option<u64>,
    /// Do not wait: the action goes on by itself when this command has ended
    #[arg(long)]
    pub(crate) detach: bool,
    /// The action and its arguments
    #[arg(last = true, value_name = "ACTION")]
    pub(crate) action: Vec<OsString>,
    /// What this run does again, where it does.
    #[arg(skip)]
    pub(crate) again: Option<Again>,
}

/// The run that another one repeats.
#[derive(Debug, Clone)]
pub(crate) struct Again {
    /// Its id.
    pub(crate) run_id: String,
    /// The directory that it was started in, which paths in its arguments are relative to.
    pub(crate) working_dir: Option<PathBuf>,
}

impl RunStartArgs {
    /// The tags, each once, in the order in which they were given.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in self.tags.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|tag| !tag.is_empty()) {
            if !tags.iter().any(|own| own == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }
}

/// `run show` and `run result`.
#[derive(Debug, Args)]
pub(crate) struct RunIdArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// The most artifacts, or rows of the result
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    pub(crate) limit: u32,
}

/// `run status`.
#[derive(Debug, Args)]
pub(crate) struct RunStatusArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// The most artifacts
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    pub(crate) limit: u32,
}

/// `run list`.
#[derive(Debug, Args)]
pub(crate) struct RunListArgs {
    /// Only runs of this status: running, succeeded, failed, timed_out, cancelled or aborted
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only runs of this action
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// Only runs with this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Only runs with this text in their id, action, name, description, error or tags
    #[arg(long, value_name = "TEXT")]
    pub(crate) query: Option<String>,
    /// The most runs
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    pub(crate) limit: u32,
}

/// `run cleanup`.
#[derive(Debug, Args)]
pub(crate) struct RunCleanupArgs {
    /// Keep this many of the newest runs
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_last: Option<u32>,
    /// Forget runs that are older than this many days
    #[arg(long, value_name = "DAYS", value_parser = days, allow_negative_numbers = true)]
    pub(crate) ttl_days: Option<f64>,
    /// Delete the directories of the runs as well
    #[arg(long)]
    pub(crate) delete_files: bool,
}

fn days(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(days) if (0.0..=f64::MAX).contains(&days) => Ok(days),
        _ => Err("a number of days is zero or more".to_owned()),
    }
}

/// `run resume`.
#[derive(Debug, Args)]
pub(crate) struct RunResumeArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// Stop the stream after this many milliseconds [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: Option<u64>,
    /// Do not wait: the stream goes on by itself when this command has ended
    #[arg(long)]
    pub(crate) detach: bool,
}

/// `run rerun`.
#[derive(Debug, Args)]
pub(crate) struct RunRerunArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// A name for people [default: that of the run]
    #[arg(long, value_name = "NAME")]
    pub(crate) run_name: Option<String>,
    /// End the action after this many milliseconds [default: as the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: Option<u64>,
    /// Do not wait: the action goes on by itself when this command has ended
    #[arg(long)]
    pub(crate) detach: bool,
}

/// `run cancel`.
#[derive(Debug, Args)]
pub(crate) struct RunCancelArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// How long the run may take to end by itself before its process is ended [default: 500, and 10000 for a stream]
    #[arg(long, value_name = "N")]
    pub(crate) grace_ms: Option<u64>,
    /// Write the run down as aborted when its process can be neither ended nor found from here
    #[arg(long)]
    pub(crate) force: bool,
}

/// `run watch`.
#[derive(Debug, Args)]
pub(crate) struct RunWatchArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// The most artifacts
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    pub(crate) limit: u32,
    /// Print each line of progress as it comes, and the status as the last line
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// End with exit code 1 unless the run has succeeded
    #[arg(long)]
    pub(crate) exit_status: bool,
}

/// `run diff`.
#[derive(Debug, Args)]
pub(crate) struct RunDiffArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// The id of the run to compare it with
    #[arg(long, value_name = "ID")]
    pub(crate) other_run_id: String,
    /// The most rows of each result
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    pub(crate) limit: u32,
}

/// `run report`.
#[derive(Debug, Args)]
pub(crate) struct RunReportArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// The file of the report [default: report.html in the run's directory]
    #[arg(short = 'o', long = "output", value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is not a report
    #[arg(long)]
    pub(crate) force: bool,
}

/// `run open`.
#[derive(Debug, Args)]
pub(crate) struct RunOpenArgs {
    /// The id of the run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: String,
    /// Say where the report is, and open nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// `artifacts export`.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsExportArgs {
    /// The id of the artifact
    #[arg(long, value_name = "ID")]
    pub(crate) artifact_id: String,
    /// The file to write
    #[arg(short = 'o', long = "output", value_name = "PATH")]
    pub(crate) output: PathBuf,
    /// The format of the file [default: what its ending says]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// An option of the reader of the artifact, such as all_text=true for CSV; repeatable
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
}

/// The formats that artifacts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a header line
    Csv,
    /// Values with tabs between them and a header line
    Tsv,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC file
    Arrow,
    /// A workbook
    Xlsx,
    /// One JSON object a line
    Ndjson,
    /// One JSON array of objects
    Json,
    /// The text as it is
    Text,
}

/// `artifacts open`.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsOpenArgs {
    /// The id of the artifact
    #[arg(long, value_name = "ID")]
    pub(crate) artifact_id: String,
    /// Say where the artifact is, and open nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// `artifacts list`.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsListArgs {
    /// Only artifacts of this run
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    /// Only artifacts with this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// The most artifacts
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    pub(crate) limit: u32,
}

/// `artifacts preview`.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsPreviewArgs {
    /// The id of the artifact
    #[arg(long, value_name = "ID")]
    pub(crate) artifact_id: String,
    /// The most rows; 50 are shown at the most
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    pub(crate) limit: u32,
}

/// What a run can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run one query over one CSV file
    #[command(
        after_help = "Example:\n  velaria-cli run start -- csv-sql --csv scores.csv \\\n    --query 'SELECT COUNT(*) AS scores FROM input_table'"
    )]
    CsvSql(CsvSqlAction),
    /// Run one query over one file of any format
    #[command(
        after_help = "Example:\n  velaria-cli run start -- file-sql --input-path events.ndjson \\\n    --query 'SELECT COUNT(*) AS events FROM input_table'"
    )]
    FileSql(FileSqlAction),
    /// Find the rows of one CSV file whose vectors are nearest to another one
    #[command(
        after_help = "Example:\n  velaria-cli run start -- vector-search --csv items.csv --vector-column embedding \\\n    --query-vector '1.0,0.5,0.0'"
    )]
    VectorSearch(VectorSearchAction),
    /// Run a query over the CSV files that arrive in a directory, for some micro-batches
    #[command(
        after_help = "Example:\n  velaria-cli run start -- stream-sql-once --source-csv-dir incoming \\\n    --sink-schema 'key STRING, total INT' \\\n    --query 'INSERT INTO output_sink SELECT key, SUM(value) AS total FROM input_stream GROUP BY key'"
    )]
    StreamSqlOnce(StreamSqlOnceAction),
    /// Run a query over the files that arrive in a directory, until it is stopped; it can be resumed
    #[command(
        after_help = "Example:\n  velaria-cli run start -- stream-sql --source-dir incoming \\\n    --sink-schema 'key STRING, total INT' \\\n    --query 'INSERT INTO output_sink SELECT key, SUM(value) AS total FROM input_stream GROUP BY key'"
    )]
    StreamSql(StreamSqlAction),
}

/// `csv-sql` in a run.
#[derive(Debug, Args)]
pub(crate) struct CsvSqlAction {
    #[command(flatten)]
    pub(crate) input: CsvSqlInput,
    #[command(flatten)]
    pub(crate) result: ResultArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `file-sql` in a run.
#[derive(Debug, Args)]
pub(crate) struct FileSqlAction {
    #[command(flatten)]
    pub(crate) input: FileSqlInput,
    #[command(flatten)]
    pub(crate) result: ResultArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// `vector-search` in a run.
#[derive(Debug, Args)]
pub(crate) struct VectorSearchAction {
    #[command(flatten)]
    pub(crate) input: VectorSearchInput,
    #[command(flatten)]
    pub(crate) result: ResultArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Where the result of a run goes.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// The file of the result: .csv, .parquet, .pq, .arrow or .feather [default: result.parquet in the run's directory]
    #[arg(long, value_name = "PATH", conflicts_with = "output_name")]
    pub(crate) output_path: Option<PathBuf>,
    /// The name of the file of the result in the run's directory; its ending is the format
    #[arg(long, value_name = "NAME")]
    pub(crate) output_name: Option<String>,
}

/// `stream-sql-once`.
#[derive(Debug, Args)]
pub(crate) struct StreamSqlOnceAction {
    /// The directory of CSV files
    #[arg(long, value_name = "DIR")]
    pub(crate) source_csv_dir: PathBuf,
    /// The name of the files in the query
    #[arg(long, value_name = "NAME", default_value = "input_stream")]
    pub(crate) source_table: String,
    /// The character between two fields of the files
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub(crate) source_delimiter: String,
    /// The name of the result in the query
    #[arg(long, value_name = "NAME", default_value = "output_sink")]
    pub(crate) sink_table: String,
    /// The columns of the result, as in CREATE TABLE: 'key STRING, total INT'
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) sink_schema: String,
    /// The CSV file of the result [default: stream_result.csv in the run's directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) sink_path: Option<PathBuf>,
    /// The character between two fields of the result
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub(crate) sink_delimiter: String,
    /// The query: INSERT INTO the result
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) query: String,
    /// The pause after each micro-batch
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) trigger_interval_ms: u64,
    /// What a restart promises: at-least-once, best-effort or exactly-once
    #[arg(long, value_name = "MODE", default_value = "at-least-once")]
    pub(crate) checkpoint_delivery_mode: String,
    /// single-process or local-workers
    #[arg(long, value_name = "MODE", default_value = "single-process")]
    pub(crate) execution_mode: String,
    /// The number of threads of local-workers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) local_workers: u64,
    /// The most partitions that local workers have at a time; 0 is one for each worker
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_inflight_partitions: u64,
    /// The number of micro-batches; 0 and less are 1
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) max_batches: i64,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

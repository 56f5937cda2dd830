//! The arguments of a stream that runs until it is stopped.

use std::path::PathBuf;

use clap::Args;

use super::LimitArgs;

/// `stream-sql`.
#[derive(Debug, Args)]
pub(crate) struct StreamSqlAction {
    /// The directory of files
    #[arg(long, visible_alias = "source-csv-dir", value_name = "DIR")]
    pub(crate) source_dir: PathBuf,
    /// What the files are
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = ["csv", "json", "parquet"])]
    pub(crate) source_format: String,
    /// The columns of the files, as in CREATE TABLE [default: those of the first file, which is waited for]
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) source_schema: Option<String>,
    /// The name of the files in the query
    #[arg(long, value_name = "NAME", default_value = "input_stream")]
    pub(crate) source_table: String,
    /// csv: the character between two fields of the files
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub(crate) source_delimiter: String,
    /// An option of the files, such as rows_per_batch=1000 or pattern=part-*.csv; repeatable
    #[arg(long = "source-option", value_name = "KEY=VALUE")]
    pub(crate) source_options: Vec<String>,
    /// The name of the result in the query
    #[arg(long, value_name = "NAME", default_value = "output_sink")]
    pub(crate) sink_table: String,
    /// The columns of the result, as in CREATE TABLE: 'key STRING, total INT'
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) sink_schema: String,
    /// What the result is; json and parquet are folders of files
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = ["csv", "json", "parquet"])]
    pub(crate) sink_format: String,
    /// The CSV file of the result, or a folder of files, which ends with / [default: in the run's directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) sink_path: Option<PathBuf>,
    /// csv: the character between two fields of the result
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub(crate) sink_delimiter: String,
    /// The query: INSERT INTO the result
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) query: String,
    /// What is emitted after each micro-batch: update, complete, append or changelog
    #[arg(long, value_name = "MODE", default_value = "update")]
    pub(crate) output_mode: String,
    /// The pause after each micro-batch
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) trigger_interval_ms: u64,
    /// The folder of the checkpoint [default: in the run's directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint_path: Option<PathBuf>,
    /// What a restart promises: exactly-once, at-least-once or best-effort
    #[arg(long, value_name = "MODE", default_value = "exactly-once")]
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
    /// The number of micro-batches after which the run has succeeded; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_batches: u64,
    /// Another option of the query, such as watermark_column=ts; repeatable
    #[arg(long = "stream-option", value_name = "KEY=VALUE")]
    pub(crate) stream_options: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

//! An action as a run records it, and as a worker is told it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{Object, Redactor, RunStatus};

use super::recorded;
use crate::args::{Action, LimitArgs, ResultArgs, RunStartArgs, StreamSqlAction, StreamSqlOnceAction};

/// What a worker is told: the first line of its standard input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// The run that it does.
    pub(crate) run_id: String,
    /// The action and its arguments.
    pub(crate) action: Vec<String>,
    /// When the action is to end, from its start on.
    #[serde(default)]
    pub(crate) timeout_ms: Option<u64>,
    /// Whether it goes on without the command that started it.
    #[serde(default)]
    pub(crate) detached: bool,
    /// How often the run was resumed: once it is so more often, the order is void.
    #[serde(default)]
    pub(crate) times_resumed: u64,
    /// The directory that it works in, where it is another one than that of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<PathBuf>,
}

impl Order {
    /// The order to do `action`, which was written as `args`, in a run that has no id yet.
    ///
    /// # Errors
    /// `VEL-7001` for an argument that cannot be told.
    pub(crate) fn new(action: &Action, args: Vec<OsString>) -> Result<Self> {
        let args = texts(args)?;
        // What may be resumed is told as it is recorded, so that it is the same query then.
        let args = if action.is_resumable() { recorded::args(action.name(), &action.arguments()) } else { args };
        Ok(Self {
            run_id: String::new(),
            action: args,
            timeout_ms: None,
            detached: false,
            times_resumed: 0,
            working_dir: None,
        })
    }
}

/// The arguments as text, which is how a run records them.
fn texts(args: Vec<OsString>) -> Result<Vec<String>> {
    let text = |arg: OsString| {
        arg.into_string().map_err(|arg| {
            let message = format!("an argument of a run is not UTF-8: {}", arg.to_string_lossy());
            Error::new(ErrorCode::InvalidArgument, message)
                .with_hint("a run is recorded as text: give the file another name")
        })
    };
    args.into_iter().map(text).collect()
}

/// What `inputs.json` says. The name of the run and its like stand there where they are given.
pub(crate) fn inputs(action: &Action, args: &RunStartArgs) -> Object {
    // What the paths in the arguments are relative to.
    let working_dir = args.again.as_ref().and_then(|again| again.working_dir.clone());
    let working_dir = working_dir.or_else(|| env::current_dir().ok());
    let fields = [
        ("action", Some(action.name().into())),
        ("action_args", Some(Value::Object(action.arguments()))),
        ("timeout_ms", Some(args.timeout_ms.into())),
        ("run_name", args.run_name.clone().map(Value::from)),
        ("description", args.description.clone().map(Value::from)),
        ("tags", Some(args.tags()).filter(|tags| !tags.is_empty()).map(Value::from)),
        ("working_dir", working_dir.as_deref().and_then(Path::to_str).map(Value::from)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

impl Action {
    /// The word for the action.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CsvSql(_) => "csv-sql",
            Self::FileSql(_) => "file-sql",
            Self::VectorSearch(_) => "vector-search",
            Self::StreamSqlOnce(_) => "stream-sql-once",
            Self::StreamSql(_) => "stream-sql",
        }
    }

    /// Whether it can go on where it was stopped.
    pub(crate) fn is_resumable(&self) -> bool {
        matches!(self, Self::StreamSql(_))
    }

    /// Whether a run of it that ended as `status` has done what it was started for: a stream that goes on until it is
    /// stopped has when it was stopped.
    pub(crate) fn is_done(&self, status: RunStatus) -> bool {
        status == RunStatus::Succeeded || (self.is_resumable() && status == RunStatus::Cancelled)
    }

    /// The action with its paths from the root on, where it may be resumed in another directory.
    pub(crate) fn rooted(mut self) -> Result<Self> {
        if let Self::StreamSql(action) = &mut self {
            action.source_dir = rooted(&action.source_dir)?;
            for path in [&mut action.sink_path, &mut action.checkpoint_path].into_iter().flatten() {
                *path = rooted(path)?;
            }
            action.limits.root()?;
        }
        Ok(self)
    }

    /// The arguments in the order of the contract; what the original did not have stands behind, where it is given.
    pub(crate) fn arguments(&self) -> Object {
        match self {
            Self::CsvSql(action) => {
                let input = &action.input;
                let contract = json!({ "csv": text(&input.csv), "table": input.table, "query": input.query });
                let more = [given_list("params", &input.params), given_list("options", &input.options)];
                arguments(contract, Some(&action.result), more, &action.limits)
            }
            Self::FileSql(action) => {
                let input = &action.input;
                let contract = json!({
                    "input_path": text(&input.input_path),
                    "input_type": input.input_type,
                    "table": input.table,
                    "query": input.query,
                    "delimiter": input.delimiter,
                    "line_mode": input.line_mode,
                    "regex_pattern": input.regex_pattern,
                    "mappings": input.mappings,
                    "columns": input.columns,
                    "json_format": input.json_format,
                });
                let more = [given_list("params", &input.params), given_list("options", &input.options)];
                arguments(contract, Some(&action.result), more, &action.limits)
            }
            Self::VectorSearch(action) => {
                let input = &action.input;
                let contract = json!({
                    "csv": text(&input.csv),
                    "vector_column": input.vector_column,
                    "query_vector": input.query_vector,
                    "metric": input.metric,
                    "top_k": input.top_k,
                });
                let more = [
                    given("where_column", input.where_column.as_deref()),
                    given("where_op", input.where_op.as_deref()),
                    given("where_value", input.where_value.as_deref()),
                    given("score_threshold", input.score_threshold),
                    given_list("options", &input.options),
                ];
                arguments(contract, Some(&action.result), more, &action.limits)
            }
            Self::StreamSqlOnce(action) => arguments(once_arguments(action), None, [], &action.limits),
            Self::StreamSql(action) => {
                let more = [
                    given_list("source_options", &action.source_options),
                    given_list("stream_options", &action.stream_options),
                ];
                arguments(stream_arguments(action), None, more, &action.limits)
            }
        }
    }

    /// Whether what is to be resumed can be: the checkpoint has parts of the query, and the record all of it.
    fn check_secrets(&self, redactor: &Redactor) -> Result<()> {
        let arguments = self.arguments();
        if !self.is_resumable() || redactor.object(&arguments) == arguments {
            return Ok(());
        }
        let message = format!("the arguments of {} have a secret, and would have to be written down", self.name());
        Err(Error::new(ErrorCode::InvalidArgument, message)
            .with_hint("the value of an environment variable that is named as a secret stands in them: leave it out"))
    }

    /// The path of what the action reads.
    pub(crate) fn input(&self) -> &Path {
        match self {
            Self::CsvSql(action) => &action.input.csv,
            Self::FileSql(action) => &action.input.input_path,
            Self::VectorSearch(action) => &action.input.csv,
            Self::StreamSqlOnce(action) => &action.source_csv_dir,
            Self::StreamSql(action) => &action.source_dir,
        }
    }

    /// Whether the action can be done by a worker, which has no standard input of its own.
    pub(crate) fn check(&self) -> Result<()> {
        if self.input() == Path::new("-") {
            return Err(Error::new(ErrorCode::InvalidArgument, "a run cannot read standard input")
                .with_hint("a run is kept so that it can be repeated: write the input to a file first"));
        }
        self.check_secrets(&Redactor::from_env())?;
        Ok(())
    }
}

fn rooted(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        Error::new(ErrorCode::InvalidArgument, format!("not a path: {}", path.display())).with_hint(error.to_string())
    })
}

fn stream_arguments(action: &StreamSqlAction) -> Value {
    json!({
        "source_dir": text(&action.source_dir),
        "source_format": action.source_format,
        "source_schema": action.source_schema,
        "source_table": action.source_table,
        "source_delimiter": action.source_delimiter,
        "sink_table": action.sink_table,
        "sink_schema": action.sink_schema,
        "sink_format": action.sink_format,
        "sink_path": action.sink_path.as_deref().map(text),
        "sink_delimiter": action.sink_delimiter,
        "query": action.query,
        "output_mode": action.output_mode,
        "trigger_interval_ms": action.trigger_interval_ms,
        "checkpoint_path": action.checkpoint_path.as_deref().map(text),
        "checkpoint_delivery_mode": action.checkpoint_delivery_mode,
        "execution_mode": action.execution_mode,
        "local_workers": action.local_workers,
        "max_inflight_partitions": action.max_inflight_partitions,
        "max_batches": action.max_batches,
    })
}

fn once_arguments(action: &StreamSqlOnceAction) -> Value {
    json!({
        "source_csv_dir": text(&action.source_csv_dir),
        "source_table": action.source_table,
        "source_delimiter": action.source_delimiter,
        "sink_table": action.sink_table,
        "sink_schema": action.sink_schema,
        "sink_path": action.sink_path.as_deref().map(text),
        "sink_delimiter": action.sink_delimiter,
        "query": action.query,
        "trigger_interval_ms": action.trigger_interval_ms,
        "checkpoint_delivery_mode": action.checkpoint_delivery_mode,
        "execution_mode": action.execution_mode,
        "local_workers": action.local_workers,
        "max_inflight_partitions": action.max_inflight_partitions,
        "max_batches": action.max_batches,
    })
}

/// An argument that stands in the record where it is given.
type Given = (&'static str, Option<Value>);

fn given<T: Into<Value>>(name: &'static str, value: Option<T>) -> Given {
    (name, value.map(Into::into))
}

fn given_list(name: &'static str, values: &[String]) -> Given {
    given(name, (!values.is_empty()).then(|| values.to_vec()))
}

fn arguments<const N: usize>(
    contract: Value,
    result: Option<&ResultArgs>,
    more: [Given; N],
    limits: &LimitArgs,
) -> Object {
    let Value::Object(mut all) = contract else { return Object::new() };
    if let Some(result) = result {
        all.insert("output_path".to_owned(), result.output_path.as_deref().map(text).into());
        all.extend(result.output_name.as_ref().map(|name| ("output_name".to_owned(), name.clone().into())));
    }
    all.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    all.extend(limits.given());
    all
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{ParsedAction, parse_action};

    fn action(args: &[&str]) -> Action {
        match parse_action(args.iter().map(OsString::from).collect()) {
            Ok(ParsedAction::Action(action)) => *action,
            _ => panic!("no action: {args:?}"),
        }
    }

    #[test]
    fn arguments_are_recorded_as_the_contract_orders_them() {
        let args = ["csv-sql", "--csv", "s.csv", "--query", "SELECT 1"];
        assert_eq!(
            Value::Object(action(&args).arguments()).to_string(),
            r#"{"csv":"s.csv","table":"input_table","query":"SELECT 1","output_path":null}"#
        );
        let args =
            ["vector-search", "--csv", "v.csv", "--vector-column", "e", "--query-vector", "1,0", "--threads", "2"];
        assert_eq!(
            Value::Object(action(&args).arguments()).to_string(),
            r#"{"csv":"v.csv","vector_column":"e","query_vector":"1,0","metric":"cosine","top_k":5,"output_path":null,"threads":2}"#
        );
    }

    #[test]
    fn a_run_does_not_read_standard_input() {
        let error = action(&["csv-sql", "--csv", "-", "--query", "SELECT 1"]).check().unwrap_err();
        assert_eq!(error.message(), "a run cannot read standard input");
    }

    #[test]
    fn a_stream_that_can_be_resumed_has_no_secrets() {
        let redactor = Redactor::default().with_values(["s3cret-of-a-stream".to_owned()]);
        let stream = |query: &str| {
            let action = action(&["stream-sql", "--source-dir", "in", "--sink-schema", "n INT", "--query", query]);
            action.check_secrets(&redactor)
        };
        stream("INSERT INTO s SELECT 1").unwrap();
        let error = stream("INSERT INTO s SELECT 's3cret-of-a-stream'").unwrap_err();
        assert_eq!(error.message(), "the arguments of stream-sql have a secret, and would have to be written down");
        let query = action(&["csv-sql", "--csv", "s.csv", "--query", "SELECT 's3cret-of-a-stream'"]);
        query.check_secrets(&redactor).unwrap();
    }
}

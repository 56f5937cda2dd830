//! A query over streams that is not running: columns are known, nothing is read.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, ExprSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, lit};
use velaria_connector::{ConsoleSinkTable, QueueSinkTable, SinkTable};
use velaria_contract::{Error, ErrorCode, Result, StreamExplain};
use velaria_sql::{Parameter, TableOption, closest};
use velaria_stream::{Environment, StreamOptions, StreamPlan, StreamingQuery, explain};

use crate::context::{Context, Spread};
use crate::error::Translator;
use crate::output::plain_schema;
use crate::plan::query::analyze;
use crate::plan::rewrite::shown_name;
use crate::plan::stream::{self, Names, Note, Noted, WindowAssign, window_type};

/// Whether the totals of a group by go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Totals {
    /// Each micro-batch starts from nothing.
    #[default]
    PerBatch,
    /// From one micro-batch to the next.
    Running,
}

/// A query over streams. It never changes: each method gives a new one.
#[derive(Debug, Clone)]
pub struct StreamingDataFrame {
    context: Arc<Context>,
    plan: LogicalPlan,
    /// The statement and the calls that made it: what a checkpoint knows the query by.
    text: String,
    /// The options of its statement.
    options: Vec<TableOption>,
}

impl StreamingDataFrame {
    pub(crate) fn new(context: &Arc<Context>, text: &str, plan: LogicalPlan, options: Vec<TableOption>) -> Self {
        Self { context: Arc::clone(context), plan, text: text.to_owned(), options }
    }

    /// The names and types of the columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        plain_schema(self.plan.schema().as_arrow())
    }

    /// The rows with `columns` only, in that order.
    ///
    /// # Errors
    /// `VEL-2001` for a column that does not exist, `VEL-2006` for one that is named twice.
    pub fn select(&self, columns: &[String]) -> Result<Self> {
        let exprs = columns.iter().map(|name| self.column(name)).collect::<Result<Vec<_>>>()?;
        self.derive(&format!("select({columns:?})"), |builder| {
            let plan = builder.project(exprs)?.build()?;
            Ok(Noted::plan(Note::Listed, plan))
        })
    }

    /// The rows for which `column op value` is true; `op` is `=`, `==`, `!=`, `<>`, `<`, `>`, `<=` or `>=`. Only `=` and `!=`
    /// compare with NULL.
    ///
    /// # Errors
    /// `VEL-7001` for another `op`, `VEL-2001` for a column that does not exist, `VEL-2004` for types that do not compare.
    pub fn filter(&self, column: &str, op: &str, value: &Parameter) -> Result<Self> {
        let Some(operator) = operator(op) else {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("unsupported filter op: {op}"))
                .with_hint("one of = != < > <= >="));
        };
        let column_expr = self.column(column)?;
        let value = self.literal(column, value)?;
        let condition = match (operator, &value) {
            (Operator::Eq, Expr::Literal(value, _)) if value.is_null() => column_expr.is_null(),
            (Operator::NotEq, Expr::Literal(value, _)) if value.is_null() => column_expr.is_not_null(),
            _ => binary_expr(column_expr, operator, value),
        };
        self.derive(&format!("filter({condition})"), |builder| builder.filter(condition.clone())?.build())
    }

    /// The rows with one more column: `source` under another name.
    ///
    /// # Errors
    /// `VEL-2001` for a source that does not exist, `VEL-2006` for a name that does.
    pub fn with_column(&self, name: &str, source: &str) -> Result<Self> {
        self.check_new(name)?;
        let copy = self.column(source)?.alias(name);
        let columns = self.columns().into_iter().map(Expr::Column).chain([copy]).collect::<Vec<_>>();
        self.derive(&format!("with_column({name:?}, {source:?})"), |builder| builder.project(columns)?.build())
    }

    /// The rows without `column`; all columns when there is none of that name.
    ///
    /// # Errors
    /// `VEL-7001` when no column would be left.
    pub fn drop(&self, column: &str) -> Result<Self> {
        let kept: Vec<Expr> =
            self.columns().into_iter().filter(|own| shown_name(&own.name) != column).map(Expr::Column).collect();
        if kept.len() == self.plan.schema().fields().len() {
            return Ok(self.clone());
        }
        if kept.is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "a stream needs a column"));
        }
        self.derive(&format!("drop({column:?})"), |builder| {
            let plan = builder.project(kept)?.build()?;
            Ok(Noted::plan(Note::Listed, plan))
        })
    }

    /// The first `rows` rows; the query ends then.
    ///
    /// # Errors
    /// `VEL-9001` when the plan cannot be extended.
    pub fn limit(&self, rows: usize) -> Result<Self> {
        self.derive(&format!("limit({rows})"), |builder| builder.limit(0, Some(rows))?.build())
    }

    /// The rows with the start of their window as the last column; a row that is in several windows is there several times.
    /// Windows are `window_ms` long and begin every `slide_ms`; 0 is the same as `window_ms`.
    ///
    /// # Errors
    /// `VEL-7001` for a length of zero or a slide beyond it, `VEL-2001` and `VEL-2004` for a column that does not exist or
    /// holds no time, `VEL-2006` for a name that exists.
    pub fn window(&self, time: &str, window_ms: u64, output: &str, slide_ms: u64) -> Result<Self> {
        if window_ms == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "window size must be positive"));
        }
        if slide_ms > window_ms {
            return Err(Error::new(ErrorCode::InvalidArgument, "window slide must be <= window size"));
        }
        let slide_ms = if slide_ms == 0 { window_ms } else { slide_ms };
        self.check_new(output)?;
        let column = self.find(time)?;
        let field = self.plan.schema().field_from_column(&column).map_err(|error| self.translate(&error))?;
        let Some(output_type) = window_type(field.data_type(), window_ms, slide_ms) else {
            let word = crate::words::type_word(field.data_type());
            let message = format!("WINDOW BY needs a column of time, {time} is {word}");
            return Err(Error::new(ErrorCode::TypeMismatch, message));
        };
        self.derive(&format!("window({time:?}, {window_ms}, {output:?}, {slide_ms})"), |builder| {
            let sizes = (window_ms, slide_ms);
            Ok(WindowAssign::new(builder.build()?, column, sizes, output, output_type)?.into_plan())
        })
    }

    /// The sum of `value` for each combination of `keys`.
    ///
    /// # Errors
    /// `VEL-2001` for columns that do not exist, `VEL-2004` for a value that cannot be added.
    pub fn group_sum(&self, keys: &[String], value: &str, totals: Totals, output: &str) -> Result<Self> {
        let argument = self.column(value)?;
        self.grouped("sum", argument, keys, totals, output)
    }

    /// The number of rows for each combination of `keys`.
    ///
    /// # Errors
    /// `VEL-2001` for columns that do not exist.
    pub fn group_count(&self, keys: &[String], totals: Totals, output: &str) -> Result<Self> {
        self.grouped("count", lit(1_i64), keys, totals, output)
    }

    fn grouped(&self, function: &str, argument: Expr, keys: &[String], totals: Totals, output: &str) -> Result<Self> {
        let state = self.context.state(Spread::Parallel);
        let Some(function) = state.aggregate_functions().get(function) else {
            return Err(Error::new(ErrorCode::Internal, format!("no aggregate {function}")));
        };
        let call = AggregateFunction::new_udf(Arc::clone(function), vec![argument], false, None, Vec::new(), None);
        let call = Expr::AggregateFunction(call).alias(output);
        let exprs = keys.iter().map(|key| self.column(key)).collect::<Result<Vec<_>>>()?;
        self.derive(&format!("group({keys:?}, {call}, {totals:?})"), |builder| {
            let plan = builder.aggregate(exprs, [call.clone()])?.build()?;
            Ok(match totals {
                Totals::Running => plan,
                Totals::PerBatch => Noted::plan(Note::PerBatch, plan),
            })
        })
    }

    /// A query that writes the rows to `sink`. It is not started.
    ///
    /// # Errors
    /// `VEL-3001`, `VEL-2009` for what streams cannot do with these options, `VEL-7001` for options that do not fit each
    /// other, the source or the sink; `VEL-6004` when the session may not write the files of sink and checkpoint.
    pub fn write(&self, sink: Arc<dyn SinkTable>, options: &StreamOptions) -> Result<StreamingQuery> {
        self.write_in(sink, options, Environment::default())
    }

    /// The same with clocks, files and an id that are not those of the system.
    ///
    /// # Errors
    /// Those of [`StreamingDataFrame::write`].
    pub fn write_in(
        &self,
        sink: Arc<dyn SinkTable>,
        options: &StreamOptions,
        environment: Environment,
    ) -> Result<StreamingQuery> {
        let (plan, options) = self.planned(options, Names::OfQuery)?;
        stream::check_access(&self.context.access, sink.as_ref(), &options)?;
        StreamingQuery::new(plan, sink, options, environment)
    }

    /// A query that appends the rows to the CSV file `path`. It is not started.
    ///
    /// # Errors
    /// Those of [`StreamingDataFrame::write`]; `VEL-6004` when the session may not write there, `VEL-7001` for a delimiter that
    /// cannot separate fields.
    pub fn write_stream_csv(&self, path: &str, delimiter: &str, options: &StreamOptions) -> Result<StreamingQuery> {
        self.context.access.check_change("write_stream_csv")?;
        let sink = stream::csv_append(&self.context, path, delimiter, None)?;
        self.write(Arc::new(sink), options)
    }

    /// A query that shows the rows where the session shows rows. It is not started.
    ///
    /// # Errors
    /// Those of [`StreamingDataFrame::write`].
    pub fn write_stream_console(&self, options: &StreamOptions) -> Result<StreamingQuery> {
        self.write(Arc::new(ConsoleSinkTable::new(self.context.console())), options)
    }

    /// A query that puts the rows into a queue. It is not started.
    ///
    /// # Errors
    /// Those of [`StreamingDataFrame::write`].
    pub fn write_stream_queue_sink(&self, sink: &QueueSinkTable, options: &StreamOptions) -> Result<StreamingQuery> {
        self.write(Arc::new(sink.clone()), options)
    }

    /// What the query will do; nothing is opened.
    ///
    /// # Errors
    /// Those of [`StreamingDataFrame::write`] that have nothing to do with the sink.
    pub fn explain(&self, options: &StreamOptions) -> Result<StreamExplain> {
        let (plan, options) = self.planned(options, Names::OfQuery)?;
        Ok(explain(&plan, None, &options))
    }

    /// The nodes of the query, and its options with those of its statement.
    pub(crate) fn planned(&self, options: &StreamOptions, names: Names) -> Result<(StreamPlan, StreamOptions)> {
        let mut options = stream::options(&self.text, &self.options, options)?;
        options.max_state_bytes = options.max_state_bytes.or(self.context.memory_limit_bytes);
        let plan = stream::plan(&self.context, &self.text, &self.plan, &options, names)?;
        Ok((plan, options))
    }

    pub(crate) fn logical(&self) -> &LogicalPlan {
        &self.plan
    }

    pub(crate) fn has_options(&self) -> bool {
        !self.options.is_empty()
    }

    fn derive(
        &self,
        call: &str,
        extend: impl FnOnce(LogicalPlanBuilder) -> Result<LogicalPlan, DataFusionError>,
    ) -> Result<Self> {
        let plan = extend(LogicalPlanBuilder::from(self.plan.clone()))
            .and_then(|plan| analyze(self.context.state(Spread::Parallel), plan))
            .map_err(|error| self.translate(&error))?;
        let text = format!("{}.{call}", self.text);
        Ok(Self { context: Arc::clone(&self.context), plan, text, options: self.options.clone() })
    }

    fn columns(&self) -> Vec<Column> {
        self.plan.schema().columns()
    }

    fn column(&self, name: &str) -> Result<Expr> {
        self.find(name).map(Expr::Column)
    }

    fn find(&self, name: &str) -> Result<Column> {
        let columns = self.columns();
        if let Some(column) = columns.iter().find(|column| shown_name(&column.name) == name) {
            return Ok(column.clone());
        }
        let error = Error::new(ErrorCode::ColumnNotFound, format!("column not found: {name}"));
        Err(match closest(name, columns.iter().map(|column| shown_name(&column.name))) {
            Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
            None => error,
        })
    }

    fn check_new(&self, name: &str) -> Result<()> {
        match self.find(name) {
            Err(_) => Ok(()),
            Ok(_) => Err(Error::new(ErrorCode::DuplicateColumn, format!("column exists already: {name}"))
                .with_hint("give the new column another name")),
        }
    }

    /// The value to compare `column` with. Truth is a number for a column of numbers.
    fn literal(&self, column: &str, value: &Parameter) -> Result<Expr> {
        let column = self.find(column)?;
        let field = self.plan.schema().field_from_column(&column).map_err(|error| self.translate(&error))?;
        Ok(match value {
            Parameter::Boolean(value) if field.data_type().is_numeric() => lit(i64::from(*value)),
            other => lit(scalar(other)?),
        })
    }

    fn translate(&self, error: &DataFusionError) -> Error {
        Translator::new(&self.text).translate(error)
    }
}

fn operator(op: &str) -> Option<Operator> {
    match op {
        "=" | "==" => Some(Operator::Eq),
        "!=" | "<>" => Some(Operator::NotEq),
        "<" => Some(Operator::Lt),
        ">" => Some(Operator::Gt),
        "<=" => Some(Operator::LtEq),
        ">=" => Some(Operator::GtEq),
        _ => None,
    }
}

/// Text that says a time or a decimal is compared as what the column is.
fn scalar(value: &Parameter) -> Result<ScalarValue> {
    Ok(match value {
        Parameter::Null => ScalarValue::Null,
        Parameter::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Parameter::Integer(value) => ScalarValue::Int64(Some(*value)),
        Parameter::Float(value) => ScalarValue::Float64(Some(*value)),
        Parameter::Bytes(value) => ScalarValue::Binary(Some(value.clone())),
        Parameter::Decimal(text)
        | Parameter::Text(text)
        | Parameter::Date(text)
        | Parameter::Time(text)
        | Parameter::Timestamp(text)
        | Parameter::TimestampWithZone(text) => ScalarValue::Utf8(Some(text.clone())),
        _ => {
            return Err(Error::new(ErrorCode::InvalidArgument, "value must be None, int, float, bool, or string"));
        }
    })
}

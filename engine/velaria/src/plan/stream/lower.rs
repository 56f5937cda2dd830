//! A logical plan to the nodes that run: one node after the other from the streams up, every expression bound.

mod aggregate;
mod emission;
mod join;
mod output;
pub(crate) use self::output::conform;
mod project;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{
    Distinct, Expr, Extension, FetchType, Filter, Limit, LogicalPlan, SkipType, Sort, TableScan, Union,
};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, create_physical_sort_exprs};
use velaria_connector::EmissionKind;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_stream::{
    Aggregate, ErrorTranslator, Input, Node, NodeKind, SortScope, StreamOptions, StreamPlan, WatermarkSpec, WindowSpec,
};

use crate::context::{Context, Spread};
use crate::error::Translator;
use crate::plan::rewrite::shown_name;
use crate::plan::stream::leaf::{EventTime, StreamLeaf, reads_stream};
use crate::plan::stream::lines::{self, Shown, direction};
use crate::plan::stream::marks::{Note, Noted, WindowAssign};
use crate::plan::stream::optimize::optimize;

/// The nodes of `plan`, whose types are settled.
pub(super) fn lower(
    context: &Arc<Context>,
    text: &str,
    plan: &LogicalPlan,
    options: &StreamOptions,
    names: Names,
) -> Result<StreamPlan> {
    let mut lowering = Lowering {
        context,
        text,
        state: context.state(Spread::Serial),
        options,
        names,
        inputs: Vec::new(),
        nodes: Vec::new(),
        totals: Totals::Running,
    };
    lowering.check_source(plan)?;
    refuse_distinct_on(plan)?;
    let optimized = optimize(lowering.state, plan.clone()).map_err(|error| Translator::new(text).translate(&error))?;
    let shown = Shown::of(optimized.schema().columns().into_iter().map(|column| {
        let name = shown_name(&column.name).to_owned();
        (column, name)
    }));
    let root = lowering.node(&optimized, &shown)?;
    lowering.finish(&root)
}

/// Who names the columns that leave a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// The query: each name stands once.
    OfQuery,
    /// The sink, by position.
    OfSink,
}

/// Whether totals go on from one micro-batch to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Totals {
    Running,
    PerBatch,
}

struct Lowering<'a> {
    context: &'a Arc<Context>,
    text: &'a str,
    state: &'a SessionState,
    options: &'a StreamOptions,
    names: Names,
    inputs: Vec<Input>,
    nodes: Vec<Node>,
    totals: Totals,
}

/// The rows of a node that was made, as the node above sees them.
#[derive(Debug, Clone)]
struct Rows {
    node: usize,
    schema: DFSchemaRef,
    /// The column that holds the start of a window.
    window: Option<(usize, WindowSpec)>,
    /// Whether there is a group by below.
    grouped: bool,
}

impl Lowering<'_> {
    fn node(&mut self, plan: &LogicalPlan, shown: &Shown) -> Result<Rows> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => {
                let inner = Shown::of(renamed(&alias.schema, alias.input.schema(), shown));
                let rows = self.node(&alias.input, &inner)?;
                Ok(Rows { schema: Arc::clone(&alias.schema), ..rows })
            }
            LogicalPlan::Projection(projection) => self.projection(projection, shown),
            LogicalPlan::Filter(filter) => self.filter(filter, shown),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, shown),
            LogicalPlan::Join(join) => self.join(join, shown),
            LogicalPlan::Union(union) => self.union(union, shown),
            LogicalPlan::Limit(limit) => self.limit(limit, shown),
            LogicalPlan::Sort(sort) => self.sort(sort, shown),
            LogicalPlan::Extension(extension) => self.extension(extension, shown),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Err(no_from()),
            LogicalPlan::Window(_) => Err(unsupported("stream SQL does not support window functions")
                .with_hint("WINDOW BY groups rows by time; window functions need all rows at once")),
            LogicalPlan::RecursiveQuery(_) => Err(unsupported("stream SQL does not support WITH RECURSIVE")),
            LogicalPlan::Unnest(_) => Err(unsupported("stream SQL does not support unnest")),
            other => Err(unsupported(format!("unsupported streaming operator {}", operator_name(other)))),
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Rows> {
        let Some(leaf) = StreamLeaf::of(scan) else { return Err(self.not_a_stream(scan.table_name.table())) };
        let columns = leaf.table.description().schema.fields().len();
        let projection = scan.projection.clone().unwrap_or_else(|| (0..columns).collect());
        let input = self.inputs.len();
        self.inputs.push(self.input(&leaf)?);
        let line = format!("Scan source={}", leaf.name);
        let kind = NodeKind::Scan { input, projection };
        Ok(self.push(kind, Vec::new(), &scan.projected_schema, vec![line]))
    }

    fn input(&self, leaf: &StreamLeaf) -> Result<Input> {
        let same = |name: &str| self.inputs.iter().any(|input| input.name == name);
        let mut name = leaf.name.clone();
        let mut uses = 1;
        while same(&name) {
            uses += 1;
            name = format!("{}#{uses}", leaf.name);
        }
        Ok(Input { name, table: Arc::clone(&leaf.table), watermark: self.watermark(leaf)? })
    }

    /// The event time of a stream: that of the query's options, else the declared one. A delay of the query wins in any case.
    fn watermark(&self, leaf: &StreamLeaf) -> Result<Option<WatermarkSpec>> {
        let asked = self.options.watermark_column.as_ref();
        let schema = leaf.table.description().schema;
        let asked = asked
            .filter(|column| schema.index_of(column).is_ok())
            .map(|column| EventTime { column: column.clone(), delay_ms: self.options.watermark_delay_ms });
        let declared = leaf.event_time.as_ref().map(|time| EventTime {
            column: time.column.clone(),
            delay_ms: Some(self.options.watermark_delay_ms).filter(|delay| *delay > 0).unwrap_or(time.delay_ms),
        });
        let Some(time) = asked.or(declared) else { return Ok(None) };
        let column = watermark_column(&schema, &leaf.name, &time.column)?;
        Ok(Some(WatermarkSpec { column, delay_ms: time.delay_ms }))
    }

    fn filter(&mut self, filter: &Filter, shown: &Shown) -> Result<Rows> {
        let rows = self.node(&filter.input, shown)?;
        if lines::is_true(&filter.predicate) {
            return Ok(rows);
        }
        let condition = self.bound(&filter.predicate, &rows.schema)?;
        let line = shown.with_groups(&filter.input).filter(&filter.predicate);
        Ok(self.above(&rows, NodeKind::Filter(condition), vec![line]))
    }

    fn union(&mut self, union: &Union, shown: &Shown) -> Result<Rows> {
        let mut arms = Vec::new();
        for input in &union.inputs {
            self.check_source(input)?;
            if holds_limit(input) {
                return Err(unsupported("stream SQL does not support LIMIT inside of UNION")
                    .with_hint("put the LIMIT behind the whole query"));
            }
            let inner = Shown::of(renamed(&union.schema, input.schema(), shown));
            arms.push(self.node(input, &inner)?);
        }
        let window = arms.first().and_then(|arm| arm.window.clone());
        let window = window.filter(|window| arms.iter().all(|arm| arm.window.as_ref() == Some(window)));
        let line = format!("Union inputs={}", arms.len());
        let inputs = arms.iter().map(|arm| arm.node).collect();
        let grouped = arms.iter().any(|arm| arm.grouped);
        let rows = self.push(NodeKind::Union, inputs, &union.schema, vec![line]);
        Ok(Rows { window, grouped, ..rows })
    }

    fn limit(&mut self, limit: &Limit, shown: &Shown) -> Result<Rows> {
        let translate = |error: DataFusionError| Translator::new(self.text).translate(&error);
        let (skip, fetch) =
            match (limit.get_skip_type().map_err(translate)?, limit.get_fetch_type().map_err(translate)?) {
                (SkipType::Literal(skip), FetchType::Literal(fetch)) => (skip, fetch),
                _ => return Err(unsupported("stream SQL takes a number after LIMIT and OFFSET")),
            };
        let rows = self.node(&limit.input, shown)?;
        let offset = if skip == 0 { String::new() } else { format!(" offset={skip}") };
        let line = match fetch {
            Some(fetch) => format!("Limit limit={fetch}{offset}"),
            None => format!("Limit{offset}"),
        };
        if !rows.grouped {
            self.sort_at_most(rows.node, fetch.map(|fetch| fetch.saturating_add(skip)));
            let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
            let kind = NodeKind::Limit { skip: count(skip), fetch: fetch.map(count) };
            return Ok(self.above(&rows, kind, vec![line]));
        }
        if self.options.output_mode != EmissionKind::Complete {
            return Err(Error::new(
                ErrorCode::Unsupported,
                "stream SQL LIMIT after GROUP BY requires output_mode 'complete'",
            )
            .with_hint("in the other modes each micro-batch emits the groups that it touched"));
        }
        if skip > 0 {
            return Err(unsupported("stream SQL does not support OFFSET after GROUP BY"));
        }
        // Of each emission: the rows of a sorted one are cut where they are sorted.
        if let Some(Node { kind: NodeKind::Sort { fetch: sorted, .. }, lines, .. }) = self.nodes.get_mut(rows.node) {
            *sorted = fetch;
            lines.push(line);
            return Ok(rows);
        }
        Ok(self.above(&rows, NodeKind::Sort { scope: SortScope::Emission, by: Vec::new(), fetch }, vec![line]))
    }

    /// Lets the sort below a limit, if there is one, keep no more rows than the limit looks at.
    fn sort_at_most(&mut self, node: usize, rows: Option<usize>) {
        let Some(rows) = rows else { return };
        let mut next = self.nodes.get_mut(node);
        while let Some(Node { kind: NodeKind::Project(_), inputs, .. }) = next {
            let below = inputs.first().copied();
            next = below.and_then(|below| self.nodes.get_mut(below));
        }
        if let Some(Node { kind: NodeKind::Sort { fetch, .. }, .. }) = next {
            *fetch = Some(fetch.map_or(rows, |fetch| fetch.min(rows)));
        }
    }

    fn sort(&mut self, sort: &Sort, shown: &Shown) -> Result<Rows> {
        let rows = self.node(&sort.input, shown)?;
        let complete = rows.grouped && self.options.output_mode == EmissionKind::Complete;
        let bounded = self.inputs.iter().all(|input| input.table.description().bounded);
        if !complete && !bounded {
            return Err(Error::new(ErrorCode::Unsupported, "stream ORDER BY requires a bounded source")
                .with_hint("or output_mode 'complete' with GROUP BY"));
        }
        let by =
            create_physical_sort_exprs(&sort.expr, &rows.schema, self.state.execution_props(), &Default::default())
                .map_err(|error| self.translate(&error))?;
        let columns: Vec<String> =
            sort.expr.iter().map(|item| format!("{} {}", shown.sql(&item.expr), direction(item.asc))).collect();
        let line = format!("OrderBy columns=[{}]", columns.join(", "));
        let by: Vec<PhysicalSortExpr> = by;
        // Rows that replace earlier ones must stay behind those; all others are sorted as in a batch.
        let replaced = rows.grouped && self.options.output_mode != EmissionKind::Append;
        let scope = if replaced { SortScope::Emission } else { SortScope::Whole };
        Ok(self.above(&rows, NodeKind::Sort { scope, by, fetch: sort.fetch }, vec![line]))
    }

    fn extension(&mut self, extension: &Extension, shown: &Shown) -> Result<Rows> {
        let node = extension.node.as_any();
        if let Some(window) = node.downcast_ref::<WindowAssign>() {
            return self.window(window, shown);
        }
        let Some(noted) = node.downcast_ref::<Noted>() else {
            return Err(unsupported(format!("unsupported streaming operator {}", extension.node.name())));
        };
        match noted.note {
            Note::Listed => self.listed(noted, shown),
            Note::PerBatch => {
                let outer = std::mem::replace(&mut self.totals, Totals::PerBatch);
                let rows = self.node(&noted.input, shown);
                self.totals = outer;
                rows
            }
        }
    }

    fn window(&mut self, window: &WindowAssign, shown: &Shown) -> Result<Rows> {
        let rows = self.node(&window.input, shown)?;
        if rows.grouped {
            return Err(unsupported("stream SQL does not support WINDOW BY over GROUP BY"));
        }
        let time_column = rows.schema.index_of_column(&window.time).map_err(|error| self.translate(&error))?;
        let spec = WindowSpec {
            time_column,
            time_name: shown_name(&window.time.name).to_owned(),
            every_ms: window.every_ms,
            slide_ms: window.slide_ms,
            output: window.output.clone(),
        };
        let slide = if spec.slide_ms == spec.every_ms { String::new() } else { format!(" slide_ms={}", spec.slide_ms) };
        let line = format!(
            "WindowAssign time_column={} window_ms={} output={}{slide}",
            spec.time_name, spec.every_ms, spec.output
        );
        let schema = datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(window);
        let made = self.push(NodeKind::Window(spec.clone()), vec![rows.node], schema, vec![line]);
        Ok(Rows { window: Some((rows.schema.fields().len(), spec)), grouped: false, ..made })
    }

    /// A node that passes the columns of `rows`.
    fn above(&mut self, rows: &Rows, kind: NodeKind, lines: Vec<String>) -> Rows {
        let made = self.push(kind, vec![rows.node], &rows.schema, lines);
        Rows { node: made.node, ..rows.clone() }
    }

    fn push(&mut self, kind: NodeKind, inputs: Vec<usize>, schema: &DFSchemaRef, lines: Vec<String>) -> Rows {
        self.push_node(Node { kind, inputs, schema: arrow_schema(schema), lines });
        Rows { node: self.nodes.len() - 1, schema: Arc::clone(schema), window: None, grouped: false }
    }

    fn push_node(&mut self, node: Node) {
        self.nodes.push(node);
    }

    fn bound(&self, expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        self.state.create_physical_expr(expr.clone(), schema).map_err(|error| self.translate(&error))
    }

    fn translate(&self, error: &DataFusionError) -> Error {
        Translator::new(self.text).translate(error)
    }

    /// Refuses a plan in which nothing is a stream.
    fn check_source(&self, plan: &LogicalPlan) -> Result<()> {
        if reads_stream(plan) {
            return Ok(());
        }
        match first_table(plan) {
            Some(name) => Err(self.not_a_stream(&name)),
            None => Err(no_from()),
        }
    }

    fn not_a_stream(&self, name: &str) -> Error {
        Error::new(
            ErrorCode::TableKind,
            format!(
                "table-kind constraint violation: stream SQL source must be created with CREATE SOURCE TABLE: {name}"
            ),
        )
        .with_hint("a table can be joined with a stream; alone it is read by sql")
    }
}

fn arrow_schema(schema: &DFSchema) -> SchemaRef {
    let field = |field: &Arc<Field>| Arc::clone(field);
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// The names that are shown for the columns of an input whose columns are those of `outer`, one for one.
fn renamed<'a>(
    outer: &'a DFSchema,
    inner: &'a DFSchema,
    shown: &'a Shown,
) -> impl Iterator<Item = (datafusion::common::Column, String)> + 'a {
    outer
        .columns()
        .into_iter()
        .zip(inner.columns())
        .filter_map(|(outer, inner)| shown.given(&outer).map(|name| (inner, name.to_owned())))
}

fn watermark_column(schema: &Schema, stream: &str, column: &str) -> Result<usize> {
    let Ok(index) = schema.index_of(column) else {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let error = Error::new(ErrorCode::ColumnNotFound, format!("watermark column not found in {stream}: {column}"));
        return Err(match velaria_sql::closest(column, names) {
            Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
            None => error,
        });
    };
    let data_type = schema.field(index).data_type();
    match velaria_stream::window_type(data_type, 1, 1) {
        Some(_) => Ok(index),
        None => Err(Error::new(
            ErrorCode::TypeMismatch,
            format!("watermark column {column} of {stream} is {}", crate::words::type_word(data_type)),
        )
        .with_hint("a timestamp, a date, an integer of milliseconds since 1970, or text with a time")),
    }
}

/// The optimizer would make a group by of it, whose rows change with later ones.
fn refuse_distinct_on(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Distinct(Distinct::On(_)) if reads_stream(plan) => {
            Err(unsupported("stream SQL does not support DISTINCT ON")
                .with_hint("group by the columns and take FIRST_VALUE of the others"))
        }
        other => other.inputs().into_iter().try_for_each(refuse_distinct_on),
    }
}

fn holds_limit(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Limit(_)) || plan.inputs().into_iter().any(holds_limit)
}

fn first_table(plan: &LogicalPlan) -> Option<String> {
    match plan {
        LogicalPlan::TableScan(scan) => Some(scan.table_name.table().to_owned()),
        other => other.inputs().into_iter().find_map(first_table),
    }
}

fn operator_name(plan: &LogicalPlan) -> String {
    plan.display().to_string().split([':', ' ']).next().unwrap_or_default().to_owned()
}

fn no_from() -> Error {
    Error::new(ErrorCode::Unsupported, "stream SQL requires FROM").with_hint("name a stream after FROM")
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Unsupported, message)
}

impl Lowering<'_> {
    /// The plan whose last rows are `root`.
    fn finish(mut self, root: &Rows) -> Result<StreamPlan> {
        self.plain_output(root)?;
        self.check_watermark()?;
        let output = emission::emission(self.options, &self.nodes, &self.inputs)?;
        let schema = self.nodes.last().map_or_else(|| Arc::new(Schema::empty()), |node| Arc::clone(&node.schema));
        let view = self.inputs.first().map(|input| input.name.clone()).unwrap_or_default();
        let statement = self.text.to_owned();
        let translator = translator(&statement);
        Ok(StreamPlan { view, inputs: self.inputs, nodes: self.nodes, schema, output, statement, translator })
    }

    /// The column of the option must be one of some stream.
    fn check_watermark(&self) -> Result<()> {
        let Some(column) = &self.options.watermark_column else { return self.check_unwatched() };
        let schemas = self.inputs.iter().map(|input| (input, input.table.description().schema));
        let mut schemas = schemas.filter(|(_, schema)| schema.index_of(column).is_err());
        let found = schemas.clone().count() < self.inputs.len();
        match schemas.next() {
            Some((input, schema)) if !found => watermark_column(&schema, &input.name, column).map(drop),
            _ => Ok(()),
        }
    }
}

impl Lowering<'_> {
    /// An option that says how event time is watched does nothing where none is.
    fn check_unwatched(&self) -> Result<()> {
        let option = match self.options {
            _ if self.inputs.iter().any(|input| input.watermark.is_some()) => return Ok(()),
            options if options.watermark_delay_ms > 0 => "watermark_delay_ms",
            options if options.allowed_lateness_ms > 0 => "allowed_lateness_ms",
            options if options.idle_timeout_ms.is_some() => "idle_timeout_ms",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorCode::InvalidArgument, format!("{option} needs a watermark")).with_hint(
            "watermark_column names the column of event time, as does the option watermark of a SOURCE TABLE",
        ))
    }
}

/// What goes wrong while the query runs is said as in batch.
fn translator(text: &str) -> ErrorTranslator {
    let text = text.to_owned();
    ErrorTranslator::new(move |error| Translator::new(&text).translate(error))
}

/// Whether an aggregate is one that local workers have always been able to take.
fn is_simple(name: &str, distinct: bool) -> bool {
    !distinct && ["sum", "count", "min", "max", "avg"].contains(&name)
}

/// One aggregate of the group by.
fn spec_of(lowered: datafusion::physical_expr::aggregate::LoweredAggregate) -> Aggregate {
    let simple = is_simple(lowered.aggregate.fun().name(), lowered.aggregate.is_distinct());
    Aggregate { function: lowered.aggregate, filter: lowered.filter, simple }
}

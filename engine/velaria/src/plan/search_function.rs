//! `FROM vector_search(table, 'column', query, top_k [, metric])`: the rows of a table that are nearest to a vector.
//!
//! The table is bound first, as a query of its own. For as long as the statement is planned, the catalog knows the search
//! under a name that no statement can write.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{ColumnarValue, Expr as LogicalExpr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use futures::future::BoxFuture;
use velaria_contract::{Error, ErrorCode, Position, Result};
use velaria_sql::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, SetExpr, TableAlias, TableFactor,
    Visit, VisitMut, Visitor, VisitorMut,
};
use velaria_sql::{VECTOR_SEARCH, is_vector_search, position_of, searched_table};
use velaria_vector::{Metric, Queries, VectorColumn};

use crate::catalog::{Catalog, HIDDEN, Sight};
use crate::clock::ClockUse;
use crate::context::{Context, Spread};
use crate::error::{Translator, duplicate_column};
use crate::function::vector::query_of;
use crate::in_order::in_sequence;
use crate::plan::query::{self, BoundQuery};
use crate::plan::{columns, target};
use crate::vector_top_k::{Form, ROW_ID, SCORE, Search, VectorTopKExec, scored_schema};
use crate::words::type_word;

/// The searches of one statement, known to the catalog until this is dropped.
#[derive(Debug)]
pub(crate) struct NamedSearches<'a> {
    catalog: &'a Catalog,
    names: Vec<String>,
    /// Whether what is searched holds the time at which it runs.
    pub(crate) clock: ClockUse,
}

impl Drop for NamedSearches<'_> {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| self.catalog.forget_file(name));
    }
}

/// Binds the searches that `query` reads, and names them in the place of their calls.
pub(crate) async fn name_searches<'a>(
    context: &'a Context,
    text: &str,
    query: &mut Query,
) -> Result<NamedSearches<'a>> {
    let mut named = NamedSearches { catalog: &context.catalog, names: Vec::new(), clock: ClockUse::Never };
    let mut calls = Calls::default();
    let _: ControlFlow<()> = Visit::visit(&*query, &mut calls);
    for call in calls.found {
        let (table, clock) = bind(context, text, &call).await.map_err(|error| placed(error, text, &call))?;
        named.clock = named.clock.max(clock);
        let name = next_name();
        context.catalog.name_file(&name, Arc::new(table));
        named.names.push(name);
    }
    if !named.names.is_empty() {
        let _: ControlFlow<()> = query.visit(&mut Namer { names: named.names.iter() });
    }
    Ok(named)
}

fn next_name() -> String {
    static SEARCHES: AtomicU64 = AtomicU64::new(0);
    format!("{HIDDEN}vectors {}", SEARCHES.fetch_add(1, Ordering::Relaxed))
}

/// A call, as it is written.
#[derive(Debug, Clone)]
struct Call {
    factor: TableFactor,
    arguments: Vec<FunctionArg>,
    name: Option<Ident>,
}

/// The calls in the order in which [`Namer`] comes by.
#[derive(Default)]
struct Calls {
    found: Vec<Call>,
    /// How many calls the walk is inside of: what they read is bound with them.
    depth: usize,
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if !is_vector_search(factor) {
            return ControlFlow::Continue(());
        }
        if self.depth == 0
            && let TableFactor::Table { name, args: Some(arguments), .. } = factor
        {
            let name = name.0.first().and_then(ObjectNamePart::as_ident).cloned();
            self.found.push(Call { factor: factor.clone(), arguments: arguments.args.clone(), name });
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.depth -= usize::from(is_vector_search(factor));
        ControlFlow::Continue(())
    }
}

/// Puts names into the places of calls.
struct Namer<'a> {
    names: std::slice::Iter<'a, String>,
}

impl VisitorMut for Namer<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if !is_vector_search(factor) {
            return ControlFlow::Continue(());
        }
        let TableFactor::Table { name, args, alias, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(hidden) = self.names.next() else { return ControlFlow::Continue(()) };
        if alias.is_none() {
            let name = Ident::with_quote('"', VECTOR_SEARCH);
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', hidden))]);
        *args = None;
        ControlFlow::Continue(())
    }
}

/// The error with the place of the call, unless it knows a better one.
fn placed(error: Error, text: &str, call: &Call) -> Error {
    if error.position().is_some() { error } else { error.with_position(call.position(text)) }
}

impl Call {
    fn position(&self, text: &str) -> Option<Position> {
        self.name.as_ref().and_then(|name| position_of(text, name.span))
    }

    /// The arguments: table, column, query, `top_k` and, when there is one, the metric.
    fn expressions(&self) -> Result<Vec<&Expr>> {
        let found: Option<Vec<&Expr>> = self.arguments.iter().map(unnamed).collect();
        found.filter(|found| matches!(found.len(), 4 | 5)).ok_or_else(|| {
            Error::new(
                ErrorCode::TypeMismatch,
                format!("{VECTOR_SEARCH} takes 4 or 5 arguments, not {}", self.arguments.len()),
            )
            .with_hint("vector_search('table', 'column', [1, 2, 3], top_k [, 'cosine' | 'dot' | 'l2'])")
        })
    }

    /// The query whose rows are searched.
    fn searched(&self) -> Result<Box<Query>> {
        if let Some(Expr::Subquery(query)) = self.expressions()?.first() {
            return Ok(query.clone());
        }
        let Some(name) = searched_table(&self.factor) else {
            return Err(Error::new(
                ErrorCode::TypeMismatch,
                format!("{VECTOR_SEARCH} takes the name of a table first"),
            )
            .with_hint("the name in single quotes, or a query in parentheses"));
        };
        let (mut query, mut select) = target::template("SELECT * FROM t")?;
        if let Some(TableFactor::Table { name: source, .. }) = select.from.first_mut().map(|from| &mut from.relation) {
            *source = ObjectName(vec![ObjectNamePart::Identifier(name)]);
        }
        *query.body = SetExpr::Select(select);
        Ok(query)
    }
}

fn unnamed(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// A future of its own: a search may read a search.
fn bind<'a>(context: &'a Context, text: &'a str, call: &'a Call) -> BoxFuture<'a, Result<(SearchTable, ClockUse)>> {
    Box::pin(async move {
        if context.catalog.sight() == Sight::Stream {
            return Err(Error::new(ErrorCode::Unsupported, format!("stream SQL does not support {VECTOR_SEARCH}"))
                .with_hint("the nearest rows are known when all rows are there"));
        }
        let arguments = call.expressions()?;
        let BoundQuery { plan, clock, .. } = query::bind_settled(context, text, call.searched()?).await?;
        let schema = Arc::clone(plan.schema().inner());
        check_own_columns(&schema)?;
        let constant = |place: usize| arguments.get(place).map(|expr| constant(context, text, expr)).transpose();
        let column = column(&schema, &text_of(constant(1)?, "the name of a column")?)?;
        let values = query_of(constant(2)?, schema.field(column).data_type());
        let values = values.map_err(|error| Translator::new(text).translate(&error))?;
        let values = values.ok_or_else(|| usage("query vector cannot be empty"))?;
        let queries = Queries::one(values)?;
        if let DataType::FixedSizeList(_, dimension) = schema.field(column).data_type() {
            queries.check_dimension(usize::try_from(*dimension).unwrap_or_default())?;
        }
        let metric = match constant(4)? {
            Some(metric) => text_of(Some(metric), "a metric")?.parse()?,
            None => Metric::default(),
        };
        let (schema, top_k) = (scored_schema(&schema), top_k(constant(3)?)?);
        Ok((SearchTable { schema, queries, top_k, plan, column, metric }, clock))
    })
}

/// The value of `expr`, which reads no column.
fn constant(context: &Context, text: &str, expr: &Expr) -> Result<ScalarValue> {
    let schema = DFSchema::empty();
    let state = context.state(Spread::Parallel);
    let value = state
        .create_logical_expr_from_sql_expr(ExprWithAlias { expr: expr.clone(), alias: None }, &schema)
        .and_then(|expr| state.create_physical_expr(expr, &schema))
        .and_then(|expr| expr.evaluate(&arrow::array::RecordBatch::new_empty(Arc::clone(schema.inner()))));
    match value.map_err(|error| Translator::new(text).translate(&error))? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(_) => Err(usage(&format!("{VECTOR_SEARCH} takes constants behind its table"))),
    }
}

fn text_of(value: Option<ScalarValue>, what: &str) -> Result<String> {
    let text = value.as_ref().and_then(|value| value.try_as_str().flatten());
    text.map(str::to_owned)
        .ok_or_else(|| Error::new(ErrorCode::TypeMismatch, format!("{VECTOR_SEARCH} takes {what} as text")))
}

fn top_k(value: Option<ScalarValue>) -> Result<usize> {
    let given = value.as_ref().map(ToString::to_string).unwrap_or_default();
    let integer = value.filter(|value| value.data_type().is_integer());
    let number = match integer.and_then(|value| value.cast_to(&DataType::UInt64).ok()) {
        Some(ScalarValue::UInt64(Some(number))) => Some(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => None,
    };
    number
        .filter(|number| *number > 0)
        .ok_or_else(|| usage("top_k must be a positive integer").with_hint(format!("got: {given}")))
}

fn usage(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

fn check_own_columns(schema: &SchemaRef) -> Result<()> {
    match [ROW_ID, SCORE].into_iter().find(|own| schema.column_with_name(own).is_some()) {
        Some(own) => Err(duplicate_column(own).with_hint(format!(
            "{VECTOR_SEARCH} gives {ROW_ID} and {SCORE}; search a query that gives the column of the table another name"
        ))),
        None => Ok(()),
    }
}

/// The place of the column of vectors called `name`.
fn column(schema: &SchemaRef, name: &str) -> Result<usize> {
    let place = columns::positions("", schema, [&Ident::new(name)], "searched")?.first().copied().unwrap_or_default();
    let found = schema.field(place);
    if VectorColumn::accepts(found.data_type()) {
        return Ok(place);
    }
    let message = format!("column {} holds no vectors but {}", found.name(), type_word(found.data_type()));
    Err(Error::new(ErrorCode::TypeMismatch, message)
        .with_hint("vectors are FLOAT[n]: fixed-size lists, or lists of one length, of floats"))
}

/// The nearest rows of a query.
#[derive(Debug)]
pub(crate) struct SearchTable {
    plan: LogicalPlan,
    schema: SchemaRef,
    column: usize,
    queries: Queries,
    metric: Metric,
    top_k: usize,
}

impl SearchTable {
    /// The plan of the rows that are searched.
    pub(crate) fn searched(&self) -> &LogicalPlan {
        &self.plan
    }

    /// What `EXPLAIN` says about the search.
    pub(crate) fn words(&self) -> String {
        let column = self.plan.schema().field(self.column).name();
        let dimension = self.queries.dimension();
        format!("column={column} metric={} dimension={dimension} top_k={}", self.metric.name(), self.top_k)
    }

    /// The search over the columns `places` of the searched rows; the vectors are at `place` of them.
    async fn search(
        &self,
        state: &SessionState,
        (places, place): (&[usize], usize),
        top_k: usize,
    ) -> DataFusionResult<VectorTopKExec> {
        let known = self.plan.schema().columns();
        let read = places.iter().filter_map(|place| known.get(*place).cloned().map(LogicalExpr::Column));
        let plan = LogicalPlanBuilder::from(self.plan.clone()).project(read.collect::<Vec<_>>())?.build()?;
        let plan = state.optimizer().optimize(plan, state, |_, _| {})?;
        let input = in_sequence(state.query_planner().create_physical_plan(&plan, state).await?)?;
        let name = input.schema().field(place).name().clone();
        let search = Search {
            vectors: Arc::new(Column::new(&name, place)),
            queries: self.queries.clone(),
            metric: self.metric,
            top_k,
            form: Form::Scored,
        };
        Ok(VectorTopKExec::new(input, search))
    }
}

/// The columns that a search adds.
const OWN_COLUMNS: usize = 2;

#[async_trait]
impl TableProvider for SearchTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[LogicalExpr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Some(state) = state.as_any().downcast_ref::<SessionState>() else {
            return Err(DataFusionError::Internal("a search is planned by a session".to_owned()));
        };
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let mut places: Vec<usize> = wanted.iter().filter_map(|place| place.checked_sub(OWN_COLUMNS)).collect();
        places.push(self.column);
        places.sort_unstable();
        places.dedup();
        let at = |column: usize| places.iter().position(|place| *place == column).unwrap_or_default();
        let top_k = self.top_k.min(limit.unwrap_or(usize::MAX)).max(1);
        let search = self.search(state, (&places, at(self.column)), top_k).await?;
        let given = wanted.iter().map(|place| {
            let at = place.checked_sub(OWN_COLUMNS).map_or(*place, |column| at(column) + OWN_COLUMNS);
            let alias = self.schema.field(*place).name().clone();
            ProjectionExpr { expr: Arc::new(Column::new(&alias, at)), alias }
        });
        Ok(Arc::new(ProjectionExec::try_new(given.collect::<Vec<_>>(), Arc::new(search))?))
    }
}

//! `WINDOW BY`: the stream of a FROM becomes a derived table with one more column, and that column a node of the plan.
//!
//! In the syntax tree the column is a call of a function that no statement can name; it is never computed.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, internal_err};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, Projection, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{
    Expr as AstExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value,
    Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};
use velaria_sql::{WindowBy, marked_window, position_of};

use crate::catalog::{Catalog, Entry};
use crate::plan::stream::marks::WindowAssign;
use crate::plan::target::{item, template};

/// The name of the function; no statement can hold a NUL.
const MARKER: &str = "\0window by";

/// The function, for the state of stream SQL.
pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Marker { signature: Signature::any(3, Volatility::Volatile) }))
}

/// Gives every SELECT of `query` that has a `WINDOW BY` its derived table.
pub(super) fn write_out(text: &str, query: &mut Query, windows: &[WindowBy], catalog: &Catalog) -> Result<()> {
    match query.visit(&mut Writer { text, windows, catalog }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Writer<'a> {
    text: &'a str,
    windows: &'a [WindowBy],
    catalog: &'a Catalog,
}

impl VisitorMut for Writer<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let Some(window) = marked_window(select).and_then(|index| self.windows.get(index)) else {
            return ControlFlow::Continue(());
        };
        match self.place(select, window) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Writer<'_> {
    fn place(&self, select: &mut Select, window: &WindowBy) -> Result<()> {
        self.check_where(select, window)?;
        let Some(factor) = self.stream_of(&mut select.from) else {
            return Err(Error::new(ErrorCode::Syntax, "stream SQL requires FROM"));
        };
        self.check_new(factor, window)?;
        let Some(alias) = alias_of(factor) else {
            return Err(Error::new(ErrorCode::Unsupported, "WINDOW BY needs a stream with a name")
                .with_hint("give the derived table an alias")
                .with_position(position_of(self.text, window.span)));
        };
        let (mut query, mut inner) = template("SELECT 1 AS x FROM t")?;
        let relation = std::mem::replace(factor, derived(query.clone(), alias.clone()));
        inner.from = vec![TableWithJoins { relation, joins: Vec::new() }];
        inner.projection =
            vec![SelectItem::Wildcard(WildcardAdditionalOptions::default()), item(call(window), window.name.clone())];
        *query.body = SetExpr::Select(inner);
        *factor = derived(query, alias);
        Ok(())
    }

    /// The factor that the window belongs to: the first stream, or the first of all.
    fn stream_of<'s>(&self, from: &'s mut [TableWithJoins]) -> Option<&'s mut TableFactor> {
        let is_stream = |factor: &TableFactor| match factor {
            TableFactor::Table { name, .. } => name_of(name).is_some_and(|ident| self.is_stream(ident)),
            _ => false,
        };
        let factors = from
            .iter()
            .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
        let at = factors.into_iter().position(is_stream).unwrap_or_default();
        let factors = from.iter_mut().flat_map(|table| {
            std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation))
        });
        factors.into_iter().nth(at)
    }

    fn is_stream(&self, ident: &Ident) -> bool {
        let name = self.catalog.spelling(&ident.value).unwrap_or_else(|| ident.value.clone());
        let entry = self.catalog.entry(&name);
        entry.is_ok_and(|entry| match entry {
            Entry::Stream(_) => true,
            Entry::Source(source) => source.stream().is_some(),
            Entry::Table(_) | Entry::Frame(_) | Entry::View(_) | Entry::Sink(_) => false,
        })
    }

    /// The column of the window is new: a stream that has one of that name would hide it.
    fn check_new(&self, factor: &TableFactor, window: &WindowBy) -> Result<()> {
        let TableFactor::Table { name, .. } = factor else { return Ok(()) };
        let Some(ident) = name_of(name) else { return Ok(()) };
        let known = self.catalog.spelling(&ident.value).unwrap_or_else(|| ident.value.clone());
        let Ok(table) = self.catalog.find(&known) else { return Ok(()) };
        if table.schema().field_with_name(&window.name).is_err() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::DuplicateColumn, format!("window column exists already: {}", window.name))
            .with_hint(format!("{known} has a column of that name; choose another after AS"))
            .with_position(position_of(self.text, window.span)))
    }

    /// WHERE comes before the window.
    fn check_where(&self, select: &Select, window: &WindowBy) -> Result<()> {
        let Some(condition) = &select.selection else { return Ok(()) };
        let ControlFlow::Break(span) = condition.visit(&mut Mention { name: &window.name }) else { return Ok(()) };
        Err(Error::new(ErrorCode::ColumnNotFound, format!("column not found: {}", window.name))
            .with_hint("WHERE comes before WINDOW BY: put the query with WINDOW BY into a derived table")
            .with_position(position_of(self.text, span)))
    }
}

struct Mention<'a> {
    name: &'a str,
}

impl Visitor for Mention<'_> {
    type Break = velaria_sql::Span;

    fn pre_visit_expr(&mut self, expr: &AstExpr) -> ControlFlow<Self::Break> {
        match expr {
            AstExpr::Identifier(ident) if ident.value == self.name => ControlFlow::Break(ident.span),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn name_of(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

fn alias_of(factor: &TableFactor) -> Option<TableAlias> {
    let alias = |name: Ident| TableAlias { explicit: true, name, columns: Vec::new(), at: None };
    match factor {
        TableFactor::Table { alias: Some(own), .. } | TableFactor::Derived { alias: Some(own), .. } => {
            Some(alias(own.name.clone()))
        }
        TableFactor::Table { name, alias: None, .. } => name_of(name).cloned().map(alias),
        _ => None,
    }
}

fn derived(subquery: Box<Query>, alias: TableAlias) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
}

fn call(window: &WindowBy) -> AstExpr {
    let number = |value: u64| AstExpr::value(Value::Number(value.to_string(), false));
    let mut column = Ident::new(&window.column);
    column.span = window.span;
    let args = [AstExpr::Identifier(column), number(window.every_ms), number(window.slide_ms)];
    AstExpr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('"', MARKER)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The function that marks the column.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        MARKER
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        internal_err!("the type of a window depends on its length")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        let (Some(time), [_, Some(every), Some(slide)]) = (args.arg_fields.first(), args.scalar_arguments) else {
            return internal_err!("a window has a column and two numbers");
        };
        let output = window_type(time.data_type(), milliseconds(every)?, milliseconds(slide)?);
        match output {
            Some(data_type) => Ok(Arc::new(Field::new(self.name(), data_type, true))),
            None => Err(DataFusionError::External(Box::new(no_time(time)))),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        internal_err!("a window is no value")
    }
}

fn no_time(field: &Field) -> Error {
    let message =
        format!("WINDOW BY needs a column of time, {} is {}", field.name(), crate::words::type_word(field.data_type()));
    Error::new(ErrorCode::TypeMismatch, message)
        .with_hint("a timestamp, a date, an integer of milliseconds since 1970, or text with a time")
}

fn milliseconds(value: &ScalarValue) -> DataFusionResult<u64> {
    match value {
        ScalarValue::Int64(Some(value)) => u64::try_from(*value).or_else(|_| internal_err!("a negative window")),
        ScalarValue::UInt64(Some(value)) => Ok(*value),
        _ => internal_err!("the length of a window is no number"),
    }
}

/// The type of the start of a window; `None` for a column that holds no time.
pub(crate) fn window_type(time: &DataType, every_ms: u64, slide_ms: u64) -> Option<DataType> {
    velaria_stream::window_type(time, every_ms, slide_ms)
}

/// Puts nodes in the places of the marked columns of `plan`.
pub(super) fn to_nodes(plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Projection(projection) => to_node(projection),
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn to_node(projection: Projection) -> DataFusionResult<Transformed<LogicalPlan>> {
    let Some(at) = projection.expr.iter().position(|expr| marker(expr).is_some()) else {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    };
    let Projection { expr: mut exprs, input, schema, .. } = projection;
    let Some((output, args)) = exprs.get(at).and_then(marker) else { return internal_err!("a marker is gone") };
    let [Expr::Column(time), Expr::Literal(every, _), Expr::Literal(slide, _)] = args else {
        return internal_err!("a window has a column and two numbers");
    };
    let sizes = (milliseconds(every)?, milliseconds(slide)?);
    let output_type = schema.field(at).data_type().clone();
    let window = WindowAssign::new(Arc::unwrap_or_clone(input), time.clone(), sizes, output, output_type)?;
    let column = Expr::Column(Column::new_unqualified(output));
    exprs[at] = column;
    let plan = Projection::try_new_with_schema(exprs, Arc::new(window.into_plan()), schema)?;
    Ok(Transformed::yes(LogicalPlan::Projection(plan)))
}

/// The name and the arguments of a marked column.
fn marker(expr: &Expr) -> Option<(&str, &[Expr])> {
    let Expr::Alias(alias) = expr else { return None };
    match alias.expr.as_ref() {
        Expr::ScalarFunction(call) if call.func.name() == MARKER => Some((&alias.name, &call.args)),
        _ => None,
    }
}

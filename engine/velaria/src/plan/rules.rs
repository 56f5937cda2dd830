//! The rules of `CREATE TABLE`: keys, checks and defaults.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr as Planned, LogicalPlan, cast};
use velaria_connector::{Check, KeyKind, KeyRule, TableRules};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{
    CastKind, CheckConstraint, ColumnDef, ColumnOption, Expr, Ident, Query, SetExpr, Spanned, TableConstraint,
    TableFactor, Value, Visit, Visitor,
};
use velaria_sql::{CreateTable, Span, key_columns, position_of};

use crate::clock::ClockUse;
use crate::context::{Context, Spread};
use crate::error::Translator;
use crate::plan::columns::{check_assignable, positions};
use crate::plan::query::{self, BoundQuery};
use crate::plan::target::{item, template};

/// The declared rules, before they are checked against the columns.
struct Declared<'a> {
    text: &'a str,
    schema: SchemaRef,
    keys: Vec<KeyRule>,
    checks: Vec<Expr>,
    defaults: Vec<(String, Expr)>,
}

/// The rules of `create`, and its `schema` where the columns of a primary key are NOT NULL.
pub(crate) async fn declared(
    context: &Context,
    text: &str,
    create: &CreateTable,
    schema: SchemaRef,
) -> Result<(SchemaRef, TableRules)> {
    let mut declared = Declared { text, schema, keys: Vec::new(), checks: Vec::new(), defaults: Vec::new() };
    for column in &create.columns {
        declared.column(column)?;
    }
    for constraint in &create.constraints {
        declared.constraint(constraint, create.name.span)?;
    }
    let mut rules = TableRules { keys: declared.keys, ..TableRules::default() };
    let schema = with_primary_key(&declared.schema, &rules.keys);
    for (column, expr) in declared.defaults {
        rules.default_texts.insert(column.clone(), expr.to_string());
        let value = default(context, text, &schema, &column, expr).await?;
        rules.defaults.insert(column, value);
    }
    for expr in declared.checks {
        rules.checks.push(check(context, text, create, &schema, expr).await?);
    }
    Ok((schema, rules))
}

/// Whether `column` may hold NULL.
pub(crate) fn is_nullable(column: &ColumnDef) -> bool {
    let rule = |option: &ColumnOption| match option {
        ColumnOption::Null => Some(true),
        ColumnOption::NotNull => Some(false),
        _ => None,
    };
    column.options.iter().filter_map(|option| rule(&option.option)).next_back().unwrap_or(true)
}

impl Declared<'_> {
    fn column(&mut self, column: &ColumnDef) -> Result<()> {
        let name = &column.name;
        for option in &column.options {
            match &option.option {
                ColumnOption::Null | ColumnOption::NotNull => {}
                ColumnOption::PrimaryKey(key) if key.characteristics.is_none() => {
                    self.key(KeyKind::Primary, std::slice::from_ref(name), name.span)?;
                }
                ColumnOption::Unique(key) if key.characteristics.is_none() => {
                    self.key(KeyKind::Unique, std::slice::from_ref(name), name.span)?;
                }
                ColumnOption::Default(expr) => self.defaults.push((name.value.clone(), expr.clone())),
                ColumnOption::Check(check) => self.check(check, name.span)?,
                other => {
                    return Err(Error::new(ErrorCode::Unsupported, format!("unsupported column option: {other}"))
                        .with_hint(
                            "a column can be NULL, NOT NULL, PRIMARY KEY, UNIQUE, DEFAULT value or CHECK (condition)",
                        )
                        .with_position(position_of(self.text, name.span)));
                }
            }
        }
        Ok(())
    }

    fn constraint(&mut self, constraint: &TableConstraint, table: Span) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) if key.characteristics.is_none() && key.index_options.is_empty() => {
                let columns = key_columns(self.text, key.columns.clone())?;
                self.key(KeyKind::Primary, &columns, table)
            }
            TableConstraint::Unique(key) if key.characteristics.is_none() && key.index_options.is_empty() => {
                let columns = key_columns(self.text, key.columns.clone())?;
                self.key(KeyKind::Unique, &columns, table)
            }
            TableConstraint::Check(check) => self.check(check, table),
            other => Err(Error::new(ErrorCode::Unsupported, format!("unsupported rule in CREATE TABLE: {other}"))
                .with_hint("a table can have PRIMARY KEY (column, …), UNIQUE (column, …) and CHECK (condition)")
                .with_position(position_of(self.text, table))),
        }
    }

    fn key(&mut self, kind: KeyKind, columns: &[Ident], place: Span) -> Result<()> {
        if kind == KeyKind::Primary && self.keys.iter().any(|key| key.kind == KeyKind::Primary) {
            return Err(Error::new(ErrorCode::InvalidStatement, "a table has one PRIMARY KEY")
                .with_hint("name all of its columns at once: PRIMARY KEY (column, …)")
                .with_position(position_of(self.text, place)));
        }
        let columns = positions(self.text, &self.schema, columns, "key")?;
        self.keys.push(KeyRule { kind, columns });
        Ok(())
    }

    fn check(&mut self, check: &CheckConstraint, place: Span) -> Result<()> {
        if check.enforced == Some(false) {
            return Err(Error::new(ErrorCode::Unsupported, "unsupported clause: NOT ENFORCED")
                .with_hint("leave the check out")
                .with_position(position_of(self.text, place)));
        }
        self.checks.push(check.expr.as_ref().clone());
        Ok(())
    }
}

fn with_primary_key(schema: &SchemaRef, keys: &[KeyRule]) -> SchemaRef {
    let primary: BTreeSet<usize> =
        keys.iter().filter(|key| key.kind == KeyKind::Primary).flat_map(|key| key.columns.iter().copied()).collect();
    let field = |(index, field): (usize, &std::sync::Arc<Field>)| {
        field.as_ref().clone().with_nullable(field.is_nullable() && !primary.contains(&index))
    };
    std::sync::Arc::new(Schema::new(schema.fields().iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// The value of a column that a statement leaves out, in the type of the column.
async fn default(context: &Context, text: &str, schema: &SchemaRef, column: &str, expr: Expr) -> Result<Planned> {
    refuse_queries(text, "DEFAULT", &expr)?;
    let place = expr.span();
    let (mut query, mut select) = template("SELECT 1 AS x")?;
    select.projection = vec![item(expr, "\0value".to_owned())];
    *query.body = SetExpr::Select(select);
    let bound = query::bind(context, text, query).await?;
    let value = single(&bound, |input| matches!(input, LogicalPlan::EmptyRelation(_)));
    let Some(value) = value else { return Err(invalid(text, "DEFAULT", place)) };
    let Ok(field) = schema.field_with_name(column) else { return Err(invalid(text, "DEFAULT", place)) };
    let from = bound.plan.schema().fields().first().map(|field| field.data_type().clone());
    check_assignable("insert", &from.unwrap_or(arrow::datatypes::DataType::Null), field)
        .map_err(|error| error.with_position(position_of(text, place)))?;
    Ok(cast(value, field.data_type().clone()))
}

/// A condition over one row, ready to be computed.
async fn check(context: &Context, text: &str, create: &CreateTable, schema: &SchemaRef, expr: Expr) -> Result<Check> {
    refuse_queries(text, "CHECK", &expr)?;
    let (written, place) = (expr.to_string(), expr.span());
    let (mut query, mut select) = template("SELECT 1 AS x FROM (SELECT 1 AS x) AS t")?;
    select.projection = vec![item(expr, "\0value".to_owned())];
    if let Some(TableFactor::Derived { subquery, alias: Some(alias), .. }) =
        select.from.first_mut().map(|from| &mut from.relation)
    {
        alias.name = Ident::with_quote('"', &create.name.value);
        if let SetExpr::Select(columns) = subquery.body.as_mut() {
            columns.projection = create.columns.iter().map(typed_null).collect();
        }
    }
    *query.body = SetExpr::Select(select);
    let bound = query::bind(context, text, query).await?;
    let one_row = |input: &LogicalPlan| matches!(input, LogicalPlan::SubqueryAlias(_));
    let predicate = single(&bound, one_row).filter(|predicate| !predicate.is_volatile());
    let (Some(predicate), ClockUse::Never) = (predicate, bound.clock) else {
        return Err(invalid(text, "CHECK", place));
    };
    let translate = |error| Translator::new(text).translate(&error);
    let columns = DFSchema::try_from_qualified_schema(
        datafusion::common::TableReference::bare(create.name.value.clone()),
        schema,
    )
    .map_err(translate)?;
    let state = context.state(Spread::Parallel);
    let predicate = state.create_physical_expr(predicate, &columns).map_err(translate)?;
    let data_type = predicate.data_type(schema).map_err(translate)?;
    if !(data_type == arrow::datatypes::DataType::Boolean || data_type.is_numeric() || data_type.is_null()) {
        return Err(Error::new(ErrorCode::TypeMismatch, "CHECK takes a condition, which is true or false")
            .with_position(position_of(text, place)));
    }
    Ok(Check { text: written, predicate })
}

/// `CAST(NULL AS type) AS column`.
fn typed_null(column: &ColumnDef) -> velaria_sql::ast::SelectItem {
    let null = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(Value::Null.into())),
        data_type: column.data_type.clone(),
        array: false,
        format: None,
    };
    item(null, column.name.value.clone())
}

/// The one expression of a projection over the right input: no aggregate and no window stands between them.
fn single(bound: &BoundQuery, right: impl Fn(&LogicalPlan) -> bool) -> Option<Planned> {
    let LogicalPlan::Projection(projection) = &bound.plan else { return None };
    let one = projection.expr.first().filter(|_| projection.expr.len() == 1)?;
    right(&projection.input).then(|| one.clone().unalias())
}

fn invalid(text: &str, clause: &str, place: Span) -> Error {
    Error::new(ErrorCode::InvalidStatement, format!("{clause} takes an expression over one row"))
        .with_hint(match clause {
            "CHECK" => "no aggregate or window functions, and nothing that changes from run to run",
            _ => "no aggregate or window functions, and no columns",
        })
        .with_position(position_of(text, place))
}

fn refuse_queries(text: &str, clause: &str, expr: &Expr) -> Result<()> {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    match expr.visit(&mut Finder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            Err(Error::new(ErrorCode::Unsupported, format!("unsupported in {clause}: a subquery"))
                .with_position(position_of(text, expr.span())))
        }
    }
}

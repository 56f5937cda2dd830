//! What the logical section of explain says of each node: the words of the contract.

use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, LogicalPlan, Operator, binary_expr};
use datafusion::scalar::ScalarValue;

use crate::plan::rewrite::shown_name;
use crate::words::sql_words;

/// The names that the statement gives to columns further up.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown(HashMap<Column, String>);

impl Shown {
    pub(super) fn of(names: impl IntoIterator<Item = (Column, String)>) -> Self {
        let mut shown = Self::default();
        for (column, name) in names {
            shown.0.entry(column).or_insert(name);
        }
        shown
    }

    /// These names, and those of the groups and totals that `plan` gives, where it is a group by.
    pub(super) fn with_groups(&self, plan: &LogicalPlan) -> Self {
        let mut shown = self.clone();
        if let Some(aggregate) = groups(plan) {
            let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            for (column, expr) in aggregate.schema.columns().into_iter().zip(exprs) {
                if let Expr::AggregateFunction(function) = unalias(expr) {
                    shown.0.entry(column).or_insert_with(|| Self::default().call(function));
                }
            }
        }
        shown
    }

    /// The name of the statement, if it gives one.
    pub(super) fn given(&self, column: &Column) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    pub(super) fn name(&self, column: &Column) -> String {
        self.given(column).unwrap_or_else(|| shown_name(&column.name)).to_owned()
    }

    /// An expression in the words of SQL, with columns as the statement calls them.
    pub(super) fn sql(&self, expr: &Expr) -> String {
        let named = expr.clone().transform(|part| {
            Ok(match part {
                Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(self.name(&column)))),
                Expr::ScalarFunction(call) => Transformed::yes(as_operator(call)),
                // The name of a total that the sink casts says nothing new.
                Expr::Alias(alias) => Transformed::yes(*alias.expr),
                other => Transformed::no(other),
            })
        });
        sql_words(&named.data().unwrap_or_else(|_| expr.clone()).to_string())
    }

    pub(super) fn filter(&self, condition: &Expr) -> String {
        match self.comparison(condition) {
            Some((column, op)) => format!("Filter column={column} op={op}"),
            None => format!("Filter condition={}", self.sql(condition)),
        }
    }

    /// The column and the operator of a comparison with a constant.
    fn comparison(&self, condition: &Expr) -> Option<(String, &'static str)> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
        let (column, op) = match (column_of(left), column_of(right)) {
            (Some(column), None) if is_constant(right) => (column, *op),
            (None, Some(column)) if is_constant(left) => (column, op.swap()?),
            _ => return None,
        };
        Some((self.name(column), word(op)?))
    }

    /// One aggregate, with the name of its column where the statement gives one.
    pub(super) fn aggregate(&self, expr: &Expr, output: &Column) -> String {
        let text = match unalias(expr) {
            Expr::AggregateFunction(function) => Self::default().call(function),
            other => Self::default().sql(other),
        };
        match self.given(output) {
            Some(name) => format!("{text} AS {name}"),
            None => text,
        }
    }

    fn call(&self, function: &AggregateFunction) -> String {
        let params = &function.params;
        let name = function.func.name().to_uppercase();
        // The average of whole numbers is one of their values as DOUBLE, which the statement does not say.
        let written = |arg| match unalias(arg) {
            Expr::Cast(cast) if name == "AVG" => self.sql(&cast.expr),
            other => self.sql(other),
        };
        let args: Vec<String> = params.args.iter().map(written).collect();
        let args = match (name.as_str(), args.as_slice()) {
            ("COUNT", [one]) if one == "1" => "*".to_owned(),
            (_, args) => args.join(", "),
        };
        let distinct = if params.distinct { "DISTINCT " } else { "" };
        let order: Vec<String> =
            params.order_by.iter().map(|sort| format!("{} {}", self.sql(&sort.expr), direction(sort.asc))).collect();
        let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
        let filter = params.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", self.sql(filter)));
        format!("{name}({distinct}{args}{order}){}", filter.unwrap_or_default())
    }

    /// One key, with the name of its column where the statement gives another.
    pub(super) fn key(&self, expr: &Expr, output: &Column) -> String {
        let text = Self::default().sql(unalias(expr));
        match self.given(output) {
            Some(name) if name != text => format!("{text} AS {name}"),
            _ => text,
        }
    }
}

/// Operators that check for overflow are functions inside.
fn as_operator(mut call: ScalarFunction) -> Expr {
    let op = match call.func.name() {
        "checked_add" => Operator::Plus,
        "checked_subtract" => Operator::Minus,
        "checked_multiply" => Operator::Multiply,
        "checked_divide" => Operator::Divide,
        "checked_modulo" => Operator::Modulo,
        _ => return Expr::ScalarFunction(call),
    };
    match (call.args.pop(), call.args.pop()) {
        (Some(right), Some(left)) => binary_expr(left, op, right),
        (Some(only), None) => only,
        (None, _) => Expr::ScalarFunction(call),
    }
}

/// The group by that gives the rows of `plan`.
fn groups(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Filter(filter) => groups(&filter.input),
        _ => None,
    }
}

pub(super) fn direction(asc: bool) -> &'static str {
    if asc { "ASC" } else { "DESC" }
}

pub(super) fn unalias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unalias(&alias.expr),
        other => other,
    }
}

/// The column that is compared, also where its type had to be made wider.
fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => column_of(&cast.expr),
        _ => None,
    }
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_constant(&cast.expr),
        Expr::Negative(expr) => is_constant(expr),
        _ => false,
    }
}

fn word(op: Operator) -> Option<&'static str> {
    match op {
        Operator::Eq => Some("="),
        Operator::NotEq => Some("!="),
        Operator::Lt => Some("<"),
        Operator::LtEq => Some("<="),
        Operator::Gt => Some(">"),
        Operator::GtEq => Some(">="),
        _ => None,
    }
}

/// Whether `expr` is true for every row.
pub(super) fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

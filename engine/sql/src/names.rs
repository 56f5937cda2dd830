//! The names of output columns that the statement leaves unnamed.
//!
//! A column keeps its name; `COUNT(…)` is `count`; another function of a column is `<function>_<column>`, and of no
//! column `<function>_<position>`; a literal is `expr<position>`; anything else is its SQL text. A name that another
//! column of the same list has already gives way to the SQL text.
//!
//! Only lists whose names can be seen are touched: subqueries inside expressions keep theirs, because the planner
//! recognises their shape.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Query, Select, SelectItem,
    TableFactor, UnaryOperator, VisitMut, VisitorMut,
};

/// Functions that return several columns at once: an alias would change what they mean.
const MULTI_COLUMN_FUNCTIONS: [&str; 1] = ["unnest"];

/// Gives every unnamed output column of `query` its name.
pub(crate) fn name_outputs(query: &mut Query) {
    let mut namer = Namer { visible: vec![true] };
    let _: ControlFlow<()> = query.visit(&mut namer);
}

struct Namer {
    /// Whether the names of the list being visited can be seen; one entry for each level of subquery.
    visible: Vec<bool>,
}

impl VisitorMut for Namer {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_subquery(expr) {
            self.visible.push(false);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_subquery(expr) {
            self.visible.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if matches!(factor, TableFactor::Derived { .. }) {
            self.visible.push(true);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if matches!(factor, TableFactor::Derived { .. }) {
            self.visible.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if self.visible.last() == Some(&true) {
            name_list(&mut select.projection);
        }
        ControlFlow::Continue(())
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. })
}

fn name_list(items: &mut [SelectItem]) {
    let mut taken: BTreeSet<String> = items.iter().filter_map(own_name).collect();
    for (index, item) in items.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let Some(name) = default_name(expr, index + 1) else { continue };
        let name = if taken.contains(&name) { expr.to_string() } else { name };
        if taken.insert(name.clone()) {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
        }
    }
}

/// The name that an item has without our help.
fn own_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expr) => column_name(expr).map(str::to_owned),
        SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => None,
    }
}

fn default_name(expr: &Expr, position: usize) -> Option<String> {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => None,
        Expr::Nested(inner) => default_name(inner, position).or_else(|| column_name(inner).map(str::to_owned)),
        Expr::Value(_) => Some(format!("expr{position}")),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner }
            if matches!(inner.as_ref(), Expr::Value(_)) =>
        {
            Some(format!("expr{position}"))
        }
        Expr::Function(function) => function_name(expr, function, position),
        other => Some(match special_function(other) {
            Some((name, argument)) => named_after(name, &expr_name(argument), other, position),
            None => other.to_string(),
        }),
    }
}

fn function_name(expr: &Expr, function: &Function, position: usize) -> Option<String> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Some(expr.to_string()) };
    let name = name.value.to_lowercase();
    if MULTI_COLUMN_FUNCTIONS.contains(&name.as_str()) {
        return None;
    }
    if name == "count" {
        return Some(name);
    }
    Some(named_after(&name, &argument_name(function), expr, position))
}

fn named_after(function: &str, argument: &ArgumentName<'_>, expr: &Expr, position: usize) -> String {
    match argument {
        ArgumentName::Column(column) => format!("{function}_{column}"),
        ArgumentName::None => format!("{function}_{position}"),
        ArgumentName::Expression => expr.to_string(),
    }
}

/// Functions that the grammar has a form of its own for, with the argument that names them.
fn special_function(expr: &Expr) -> Option<(&'static str, &Expr)> {
    match expr {
        Expr::Trim { expr, .. } => Some(("trim", expr)),
        Expr::Substring { expr, .. } => Some(("substring", expr)),
        Expr::Position { expr: _, r#in: text } => Some(("position", text)),
        Expr::Overlay { expr, .. } => Some(("overlay", expr)),
        Expr::Ceil { expr, .. } => Some(("ceil", expr)),
        Expr::Floor { expr, .. } => Some(("floor", expr)),
        Expr::Extract { expr, .. } => Some(("extract", expr)),
        _ => None,
    }
}

enum ArgumentName<'a> {
    /// The first column among the arguments, through nested functions.
    Column(&'a str),
    /// There are no arguments, or only literals.
    None,
    /// Something that has no short name.
    Expression,
}

fn argument_name(function: &Function) -> ArgumentName<'_> {
    let FunctionArguments::List(list) = &function.args else { return ArgumentName::None };
    let mut result = ArgumentName::None;
    for argument in &list.args {
        let expr = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
            | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
            | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => expr,
            FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => continue,
        };
        match expr_name(expr) {
            ArgumentName::Column(column) => return ArgumentName::Column(column),
            ArgumentName::Expression => result = ArgumentName::Expression,
            ArgumentName::None => {}
        }
    }
    result
}

fn expr_name(expr: &Expr) -> ArgumentName<'_> {
    match expr {
        Expr::Value(_) => ArgumentName::None,
        Expr::Function(function) => argument_name(function),
        other if special_function(other).is_some() => {
            special_function(other).map_or(ArgumentName::None, |(_, argument)| expr_name(argument))
        }
        other => column_name(other).map_or(ArgumentName::Expression, ArgumentName::Column),
    }
}

fn column_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(ident) => Some(&ident.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.as_str()),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::{SetExpr, Statement};
    use sqlparser::dialect::GenericDialect;
    use sqlparser::parser::Parser;

    use super::*;

    fn named(sql: &str) -> String {
        let Statement::Query(mut query) = Parser::parse_sql(&GenericDialect {}, sql).unwrap().remove(0) else {
            panic!("not a query: {sql}")
        };
        name_outputs(&mut query);
        query.to_string()
    }

    fn names(sql: &str) -> Vec<String> {
        let Statement::Query(query) = Parser::parse_sql(&GenericDialect {}, &named(sql)).unwrap().remove(0) else {
            panic!("not a query: {sql}")
        };
        let SetExpr::Select(select) = *query.body else { panic!("not a select: {sql}") };
        select.projection.iter().map(|item| own_name(item).unwrap_or_else(|| item.to_string())).collect()
    }

    #[test]
    fn contract_names() {
        assert_eq!(names("SELECT key, SUM(value), COUNT(*) FROM t"), ["key", "sum_value", "count"]);
        assert_eq!(names("SELECT 1, 'a', 2.5, -3, NULL, TRUE"), ["expr1", "expr2", "expr3", "expr4", "expr5", "expr6"]);
        assert_eq!(names("SELECT 1, 'x' AS y, NULL, -2.5 AS z"), ["expr1", "y", "expr3", "z"]);
        assert_eq!(names("SELECT UPPER(TRIM(t.name)), NOW(), a + 1"), ["upper_name", "now_2", "a + 1"]);
    }

    #[test]
    fn a_taken_name_gives_way_to_the_text() {
        assert_eq!(names("SELECT COUNT(*), COUNT(v) FROM t"), ["count", "COUNT(v)"]);
        assert_eq!(names("SELECT v AS sum_v, SUM(v) FROM t"), ["sum_v", "SUM(v)"]);
    }

    #[test]
    fn wildcards_and_unnest_keep_their_columns() {
        assert_eq!(named("SELECT *, t.*, unnest(s) FROM t"), "SELECT *, t.*, unnest(s) FROM t");
    }

    #[test]
    fn derived_tables_are_named_and_expression_subqueries_are_not() {
        assert_eq!(
            named("SELECT x FROM (SELECT MAX(v) FROM t) WHERE x IN (SELECT MAX(v) FROM u)"),
            "SELECT x FROM (SELECT MAX(v) AS \"max_v\" FROM t) WHERE x IN (SELECT MAX(v) FROM u)"
        );
    }
}

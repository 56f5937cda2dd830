//! A piece of SQL with places for trees: `$1`, `$2` and so on.
//!
//! The piece is read like any text; its structure is ours, and what comes from a caller is put into the places.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Select, SetExpr, Value, VisitMut, VisitorMut};
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic;
use crate::parser::{expect_end, sql_parser, tokenize};

/// The expression `template` with `parts` in its places.
pub(super) fn expression(template: &str, parts: Vec<Expr>) -> Result<Expr> {
    let mut parser = sql_parser(tokenize(template)?);
    let mut expr = parser.parse_expr().map_err(|error| diagnostic::from_parser(template, &error))?;
    expect_end(template, &parser)?;
    fill(&mut expr, parts);
    Ok(expr)
}

/// The one SELECT of the query `template`, in which there are no places.
pub(super) fn select(template: &str) -> Result<(Box<Query>, Box<Select>)> {
    let query = query(template)?;
    match query.body.as_ref() {
        SetExpr::Select(select) => {
            let select = select.clone();
            Ok((query, select))
        }
        _ => Err(Error::new(ErrorCode::Internal, "a template is not a SELECT")),
    }
}

/// The query `template`, in which there are no places.
pub(super) fn query(template: &str) -> Result<Box<Query>> {
    let mut parser = sql_parser(tokenize(template)?);
    parser.parse_query().map_err(|error| diagnostic::from_parser(template, &error))
}

fn fill(node: &mut impl VisitMut, parts: Vec<Expr>) {
    let mut filler = Filler { parts: parts.into_iter().map(Some).collect() };
    let _: ControlFlow<()> = node.visit(&mut filler);
}

struct Filler {
    parts: Vec<Option<Expr>>,
}

impl VisitorMut for Filler {
    type Break = ();

    // After the visit: a part is not looked into.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = &*expr
            && let Value::Placeholder(name) = &value.value
            && let Some(place) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())
            && let Some(part) = place.checked_sub(1).and_then(|index| self.parts.get_mut(index)).and_then(Option::take)
        {
            *expr = part;
        }
        ControlFlow::Continue(())
    }
}

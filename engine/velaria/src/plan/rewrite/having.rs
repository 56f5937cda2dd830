//! `HAVING` without `GROUP BY` makes one group of all rows, also where no aggregate says so: `SELECT 1 HAVING 2 > 1`.
//!
//! Upstream takes the select list for columns that are not grouped.

use std::ops::ControlFlow;

use velaria_sql::ast::{Expr, GroupByExpr, Select, Visit, Visitor};

/// Writes the one group down.
pub(super) fn add_group(select: &mut Select) {
    let GroupByExpr::Expressions(groups, modifiers) = &mut select.group_by else { return };
    if !groups.is_empty() || !modifiers.is_empty() {
        return;
    }
    // A function may be an aggregate, which makes the group by itself.
    let constant = |part: &dyn Fn(&mut Calls) -> ControlFlow<()>| part(&mut Calls).is_continue();
    if let Some(having) = &select.having
        && constant(&|calls| having.visit(calls))
        && constant(&|calls| select.projection.visit(calls))
    {
        groups.push(Expr::GroupingSets(vec![Vec::new()]));
    }
}

struct Calls;

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Function(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

//! Standard SQL that the planner does not know, in words that it knows: one rewrite of the syntax tree a file.

mod distinct_from;
mod duplicate_names;
mod having;
mod like_escape;
mod named_window;
mod nullif;
mod using;

use std::ops::ControlFlow;

use velaria_sql::ast::{Expr, Query, Select, VisitMut, VisitorMut};

use crate::catalog::Catalog;

pub(crate) use duplicate_names::shown_name;

/// Rewrites `query` in place. Names have their stored spelling already.
pub(crate) fn rewrite(query: &mut Query, catalog: &Catalog) {
    let _: ControlFlow<()> = query.visit(&mut Rewriter { catalog });
}

struct Rewriter<'a> {
    catalog: &'a Catalog,
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        using::write_out(select, self.catalog);
        named_window::inline(select);
        having::add_group(select);
        duplicate_names::keep_apart(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        distinct_from::bind_tighter(expr);
        like_escape::use_backslash(expr);
        nullif::write_out(expr);
        ControlFlow::Continue(())
    }
}

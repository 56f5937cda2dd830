//! A window that refines a named one: `SUM(v) OVER (w ORDER BY t) … WINDOW w AS (PARTITION BY g)`.
//!
//! Upstream ignores the name inside the parentheses and sums over everything.

use std::ops::ControlFlow;

use velaria_sql::ast::{
    Expr, NamedWindowDefinition, NamedWindowExpr, Query, Select, VisitMut, VisitorMut, WindowSpec, WindowType,
};

/// Copies what the named windows of `select` say into the windows that refine them.
pub(super) fn inline(select: &mut Select) {
    let mut definitions: Vec<NamedWindowDefinition> = Vec::new();
    for NamedWindowDefinition(name, window) in &select.named_window {
        let mut window = window.clone();
        if let NamedWindowExpr::WindowSpec(spec) = &mut window {
            refine(spec, &definitions);
        }
        definitions.push(NamedWindowDefinition(name.clone(), window));
    }
    let mut inliner = Inliner { definitions: &definitions, depth: 0 };
    for item in &mut select.projection {
        let _: ControlFlow<()> = item.visit(&mut inliner);
    }
    if let Some(qualify) = &mut select.qualify {
        let _: ControlFlow<()> = qualify.visit(&mut inliner);
    }
    select.named_window = definitions;
}

struct Inliner<'a> {
    definitions: &'a [NamedWindowDefinition],
    /// Subqueries have windows of their own.
    depth: usize,
}

impl VisitorMut for Inliner<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(WindowType::WindowSpec(spec)) = &mut function.over
            && self.depth == 0
        {
            refine(spec, self.definitions);
            // A name that does not exist would be ignored inside the parentheses; without them it is an error.
            if let Some(name) = &spec.window_name {
                function.over = Some(WindowType::NamedWindow(name.clone()));
            }
        }
        ControlFlow::Continue(())
    }
}

/// A window takes partitions, and the order if it has none, from the one that it names.
fn refine(spec: &mut WindowSpec, definitions: &[NamedWindowDefinition]) {
    let Some(name) = &spec.window_name else { return };
    let base = definitions.iter().find_map(|NamedWindowDefinition(known, window)| match window {
        NamedWindowExpr::WindowSpec(base) if known.value == name.value => Some(base),
        _ => None,
    });
    let Some(base) = base else { return };
    if spec.partition_by.is_empty() {
        spec.partition_by.clone_from(&base.partition_by);
    }
    if spec.order_by.is_empty() {
        spec.order_by.clone_from(&base.order_by);
    }
    spec.window_name = None;
}

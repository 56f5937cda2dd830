//! Function names: each must exist, and some make a plan depend on the time at which it runs.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{Expr, Function, Ident, ObjectNamePart, Query, TableFactor, Visit, Visitor};
use velaria_sql::{VECTOR_SEARCH, closest, position_of};

use crate::clock::ClockUse;
use crate::plan::{chain, spellings};

/// Functions that the planner knows without a registration.
const BUILT_INTO_THE_PLANNER: [&str; 1] = ["unnest"];

/// Functions whose value is the time at which the query starts.
const CLOCK_FUNCTIONS: [&str; 5] = ["now", "current_timestamp", "current_date", "current_time", "today"];

/// Checks that every function of `query` exists.
pub(crate) fn check(text: &str, query: &Query, state: &SessionState) -> Result<ClockUse> {
    let mut checker = Checker { text, state, clock: ClockUse::Never };
    match query.visit(&mut checker) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(checker.clock),
    }
}

struct Checker<'a> {
    text: &'a str,
    state: &'a SessionState,
    clock: ClockUse,
}

impl Visitor for Checker<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, args: Some(_), .. } = factor else { return ControlFlow::Continue(()) };
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] if !self.state.table_functions().contains_key(&ident.value) => {
                ControlFlow::Break(self.table_function_not_found(ident))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(Function { name, .. }) = expr else { return ControlFlow::Continue(()) };
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return ControlFlow::Continue(()) };
        let name = ident.value.to_lowercase();
        if CLOCK_FUNCTIONS.contains(&name.as_str()) {
            self.clock = ClockUse::AtStart;
        }
        if self.exists(&name) { ControlFlow::Continue(()) } else { ControlFlow::Break(self.function_not_found(ident)) }
    }
}

impl Checker<'_> {
    fn table_function_not_found(&self, ident: &Ident) -> Error {
        self.suggest(ident, self.state.table_functions().keys().map(String::as_str).chain([VECTOR_SEARCH]))
    }

    fn exists(&self, name: &str) -> bool {
        self.state.scalar_functions().contains_key(name)
            || self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
            || self.state.higher_order_functions().contains_key(name)
            || spellings::names().any(|known| known == name)
            || BUILT_INTO_THE_PLANNER.contains(&name)
    }

    fn function_not_found(&self, ident: &Ident) -> Error {
        let known = (self.state.scalar_functions().keys().filter(|name| !chain::is_own(name)))
            .chain(self.state.aggregate_functions().keys())
            .chain(self.state.window_functions().keys())
            .map(String::as_str)
            .chain(spellings::names());
        self.suggest(ident, known)
    }

    fn suggest<'n>(&self, ident: &Ident, known: impl Iterator<Item = &'n str>) -> Error {
        let error = Error::new(ErrorCode::FunctionNotFound, format!("function not found: {}", ident.value))
            .with_position(position_of(self.text, ident.span));
        match closest(&ident.value, known) {
            Some(meant) => error.with_hint(format!("did you mean {meant}?")),
            None => error,
        }
    }
}

//! The documented limits on one statement.
//!
//! They are checked in the text, then in the tokens, then in the syntax tree, each before anything recurses over it.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Select, Spanned, Visit, Visitor};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic::position_of;
use crate::expansion;

/// The longest statement, in bytes of its text.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most words, numbers, literals and symbols in one statement.
pub const TOKENS_MAX: usize = 1_000_000;

/// The deepest nesting of parentheses, brackets and CASE.
pub const EXPRESSION_DEPTH_MAX: usize = 1_200;

/// The deepest nesting of function calls: the name of a call holds the names of all calls inside it.
pub const CALL_DEPTH_MAX: usize = 300;

/// The deepest nesting of subqueries as values: the planner's own checks take twice as long with each level.
pub const SUBQUERY_DEPTH_MAX: usize = 20;

/// The levels of the grammar that the parser follows; one pair of parentheses can take two of them.
pub(crate) const GRAMMAR_DEPTH_MAX: usize = 2 * EXPRESSION_DEPTH_MAX + 100;

/// The most operators other than `AND` and `OR` that follow each other in one expression.
pub const CHAIN_OPERATORS_MAX: usize = 1_500;

/// The most arms of set operations at one level of one query.
pub const SET_ARMS_MAX: usize = 10_000;

/// The most values in one `IN` list.
pub const IN_LIST_MAX: usize = 250_000;

/// The most columns in one `SELECT` list.
pub const SELECT_ITEMS_MAX: usize = 20_000;

/// The most tables in one `FROM`, joined ones included.
pub const FROM_TABLES_MAX: usize = 128;

/// The most `WITH` names in one query.
pub const WITH_NAMES_MAX: usize = 2_000;

/// The most tables that one query reads after its `WITH` names are put in place.
pub const EXPANDED_TABLES_MAX: usize = 4_000;

/// Refuses text that is too long to be a statement, before a single token is made of it.
pub(crate) fn check_text(text: &str) -> Result<()> {
    if text.len() <= STATEMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("statement of {} bytes is longer than {STATEMENT_BYTES_MAX}", text.len());
    Err(Error::new(ErrorCode::StatementTooLarge, message).with_hint("load the data from a file or from Arrow instead"))
}

/// Refuses statements of too many tokens, before anything is made of them.
pub(crate) fn check_count(text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    // White space is a token here and none for people, so it is only counted when it could matter.
    if tokens.len() <= TOKENS_MAX {
        return Ok(());
    }
    match tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).nth(TOKENS_MAX) {
        None => Ok(()),
        Some(beyond) => {
            Err(too_large(text, format!("statement of more than {TOKENS_MAX} words and symbols"), beyond.span)
                .with_hint("load the data from a file or from Arrow instead"))
        }
    }
}

/// Refuses lists in `query` that later passes could not get through in reasonable time.
pub(crate) fn check_query(text: &str, query: &Query) -> Result<()> {
    match query.visit(&mut Lists { text }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Lists<'a> {
    text: &'a str,
}

impl Visitor for Lists<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let Some(with) = &query.with else { return ControlFlow::Continue(()) };
        let place = || with.with_token.0.span;
        self.at_most(WITH_NAMES_MAX, with.cte_tables.len(), "WITH names", place)?;
        let tables = expansion::beyond(EXPANDED_TABLES_MAX, query).unwrap_or_default();
        self.at_most(EXPANDED_TABLES_MAX, tables, "tables behind WITH names", place)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        let place = || select.select_token.0.span;
        let tables = select.from.iter().map(|table| 1 + table.joins.len()).sum();
        self.at_most(SELECT_ITEMS_MAX, select.projection.len(), "columns in SELECT", place)?;
        self.at_most(FROM_TABLES_MAX, tables, "tables in FROM", place)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::InList { expr, list, .. } => self.at_most(IN_LIST_MAX, list.len(), "values in IN", || expr.span()),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Lists<'_> {
    fn at_most(&self, limit: usize, found: usize, what: &str, place: impl FnOnce() -> Span) -> ControlFlow<Error> {
        if found <= limit {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(
            too_large(self.text, format!("{found} {what} are more than {limit}"), place())
                .with_hint("put the values into a table and join it, or run several statements"),
        )
    }
}

/// The error for a chain of more than [`CHAIN_OPERATORS_MAX`] operators.
pub(crate) fn chain_too_long(text: &str, span: Span) -> Error {
    too_large(text, format!("more than {CHAIN_OPERATORS_MAX} operators in a row"), span)
        .with_hint("use IN with a list, or join a table that holds the values")
}

/// The error for more than [`SET_ARMS_MAX`] arms.
pub(crate) fn too_many_arms(text: &str, span: Span) -> Error {
    too_large(text, format!("more than {SET_ARMS_MAX} arms of set operations"), span)
        .with_hint("put the rows into one VALUES list, or insert them into a table")
}

/// The error for nesting beyond [`EXPRESSION_DEPTH_MAX`].
pub(crate) fn too_deep() -> Error {
    Error::new(ErrorCode::StatementTooLarge, "statement is nested too deeply")
        .with_hint(format!("at most {EXPRESSION_DEPTH_MAX} levels of expressions and queries are followed"))
}

/// The error for nesting beyond [`CALL_DEPTH_MAX`].
pub(crate) fn too_many_calls(text: &str, span: Span) -> Error {
    too_large(text, format!("more than {CALL_DEPTH_MAX} function calls inside each other"), span)
        .with_hint("name the inner part in a subquery or with WITH")
}

/// The error for nesting beyond [`SUBQUERY_DEPTH_MAX`].
pub(crate) fn too_many_queries(text: &str, span: Span) -> Error {
    too_large(text, format!("more than {SUBQUERY_DEPTH_MAX} subqueries as values inside each other"), span)
        .with_hint("name the inner part with WITH")
}

fn too_large(text: &str, message: String, span: Span) -> Error {
    Error::new(ErrorCode::StatementTooLarge, message).with_position(position_of(text, span))
}

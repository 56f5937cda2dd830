//! Velaria's SQL front end: text becomes one [`Statement`] of plain data.
//!
//! The grammar is sqlparser's; this crate decides which statements exist, says what is wrong with the others, and
//! gives every unnamed output column the name that the contract promises.
//!
//! Invariant: this crate never sees a catalog, a file or a plan.

mod clauses;
mod copy;
mod delete;
mod diagnostic;
mod expression;
mod index;
mod inspect;
mod limits;
mod names;
mod parser;
mod statement;
mod update;
mod view;

// The public interface.
pub use copy::{Copy, Format};
pub use delete::{Delete, Truncate};
pub use diagnostic::{closest, lower_first, position_of};
pub use expression::parse_expression;
pub use index::{CreateIndex, DropIndex, Reindex, Uniqueness, key_columns};
pub use inspect::{Explain, ExplainRun, Subject};
pub use limits::{CHAIN_OPERATORS_MAX, EXPRESSION_DEPTH_MAX, STATEMENT_BYTES_MAX};
pub use parser::parse;
pub use sqlparser::ast;
pub use sqlparser::tokenizer::Span;
pub use statement::{CreateTable, Drop, DropKind, Insert, OnConflict, Statement};
pub use update::{Assignment, Update};
pub use view::CreateView;

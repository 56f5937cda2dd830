//! Velaria's SQL front end: text becomes one [`Statement`] of plain data.
//!
//! The grammar is sqlparser's; this crate decides which statements exist, says what is wrong with the others, and
//! gives every unnamed output column the name that the contract promises.
//!
//! Invariant: this crate never sees a catalog, a file or a plan.

mod balance;
pub mod build;
mod clauses;
mod copy;
mod create_table;
mod cursor;
mod delete;
mod diagnostic;
mod dialect;
mod display;
mod expansion;
mod expression;
mod extension;
mod from_first;
mod in_list;
mod index;
mod inspect;
mod limits;
mod membership;
mod names;
mod nesting;
mod options;
mod parameter;
mod parser;
mod plain;
mod search;
mod stack;
mod statement;
mod stream;
mod tables;
mod update;
mod view;
mod window_by;

// The public interface.
/// The front end and its language, for the explanation of a statement.
pub const FRONTEND: [(&str, &str); 2] = [("name", "sqlparser"), ("dialect", "velaria_sql_v1")];
pub use copy::{Copy, Format};
pub use delete::{Delete, Truncate};
pub use diagnostic::{closest, lower_first, position_of};
pub use expression::parse_expression;
pub use extension::Extensions;
pub use index::{CreateIndex, DropIndex, Reindex, Uniqueness, key_columns};
pub use inspect::{Explain, ExplainRun, Subject};
pub use limits::{
    CALL_DEPTH_MAX, CHAIN_OPERATORS_MAX, EXPANDED_TABLES_MAX, EXPRESSION_DEPTH_MAX, FROM_TABLES_MAX, IN_LIST_MAX,
    SELECT_ITEMS_MAX, SET_ARMS_MAX, STATEMENT_BYTES_MAX, SUBQUERY_DEPTH_MAX, TOKENS_MAX, WITH_NAMES_MAX,
};
pub use options::TableOption;
pub use parameter::{Parameter, Parameters};
pub use parser::{parse, parse_stream, parse_with};
pub use search::{HybridSearch, KeywordSearch};
pub use sqlparser::ast;
pub use sqlparser::tokenizer::Span;
pub use statement::{CreateTable, Drop, DropKind, ExtendedQuery, Insert, OnConflict, Statement, TableKind};
pub use stream::StreamStatement;
pub use tables::{VECTOR_SEARCH, is_vector_search, searched_table, searched_tables, tables_read};
pub use update::{Assignment, Update};
pub use view::CreateView;
pub use window_by::{WindowBy, marked as marked_window};

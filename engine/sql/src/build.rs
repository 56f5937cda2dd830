//! Expressions and queries that a program builds instead of writing them.
//!
//! What is built is the syntax tree that the same words would be read as, so that everything after it is the same: the
//! names of columns, the limits, types, errors. A value is a literal of the tree and never text, and a name is one name
//! whatever is in it.

mod call;
mod expression;
mod operator;
mod query;
mod template;

pub use self::call::{Call, Distinctness, RowBound};
pub use self::expression::Expression;
pub use self::operator::{CastFailure, LetterCase, Operator};
pub use self::query::{
    Built, Item, JoinCondition, JoinKind, NullsPlace, OTHER, SELF, SetOperation, SortDirection, SortKey, aggregate,
    combine, distinct, filter, join, limit, order, select, whole,
};

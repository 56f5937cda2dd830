//! A view made by `CREATE VIEW`: its text, and what the text meant when the view was last used.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::catalog::TableProvider;
use velaria_sql::ast::{Ident, Query};

use crate::clock::ClockUse;

/// A name for a query. The names in the query are looked up each time the view is used.
#[derive(Debug)]
pub(crate) struct SqlView {
    /// The statement that made the view, for the places in errors.
    pub(crate) text: String,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Box<Query>,
    /// The names of the tables that the query reads, in lower case.
    pub(crate) references: BTreeSet<String>,
    bound: RwLock<BoundView>,
}

/// What a view meant in one version of the catalog.
#[derive(Debug, Clone)]
pub(crate) struct BoundView {
    pub(crate) table: Arc<dyn TableProvider>,
    pub(crate) clock: ClockUse,
    pub(crate) version: u64,
}

impl SqlView {
    pub(crate) fn new(
        text: &str,
        columns: Vec<Ident>,
        query: Box<Query>,
        references: BTreeSet<String>,
        bound: BoundView,
    ) -> Self {
        Self { text: text.to_owned(), columns, query, references, bound: RwLock::new(bound) }
    }

    /// What the view meant when it was last used.
    pub(crate) fn bound(&self) -> BoundView {
        self.bound.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn bind_again(&self, bound: BoundView) {
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = bound;
    }
}

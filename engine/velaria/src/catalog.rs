//! The names of one session: a flat set of views and tables, never shared with another session.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result as DataFusionResult;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::{TableKind, closest};

/// The tables and views of one session, by name.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    tables: RwLock<BTreeMap<String, Arc<dyn TableProvider>>>,
    /// The tables that are not regular.
    kinds: RwLock<BTreeMap<String, TableKind>>,
}

/// The name of the one schema inside the one catalog that DataFusion is shown.
pub(crate) const SCHEMA: &str = "main";
/// The name of that catalog.
pub(crate) const CATALOG: &str = "velaria";

impl Catalog {
    /// The table called `name`, or an error that suggests what was meant.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let tables = self.read();
        match tables.get(name) {
            Some(table) => Ok(Arc::clone(table)),
            None => {
                let error = Error::new(ErrorCode::TableNotFound, format!("view not found: {name}"));
                Err(match closest(name, tables.keys().map(String::as_str)) {
                    Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
                    None if tables.is_empty() => error.with_hint("the session has no views or tables yet"),
                    None => error,
                })
            }
        }
    }

    /// The name as the catalog spells it: exact if there is such a name, else the only one that differs in case.
    pub(crate) fn spelling(&self, name: &str) -> Option<String> {
        let tables = self.read();
        if tables.contains_key(name) {
            return Some(name.to_owned());
        }
        let mut alike = tables.keys().filter(|known| known.to_lowercase() == name.to_lowercase());
        match (alike.next(), alike.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }

    /// What may be done with the table called `name`.
    pub(crate) fn kind(&self, name: &str) -> TableKind {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
    }

    /// Says what may be done with the table called `name`.
    pub(crate) fn set_kind(&self, name: &str, kind: TableKind) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        match kind {
            TableKind::Regular => kinds.remove(name),
            TableKind::Source | TableKind::Sink => kinds.insert(name.to_owned(), kind),
        };
    }

    /// Registers `table` under `name` and returns what stood there before.
    pub(crate) fn replace(&self, name: &str, table: Arc<dyn TableProvider>) -> Option<Arc<dyn TableProvider>> {
        self.set_kind(name, TableKind::Regular);
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), table)
    }

    /// Registers `table` under a name that must be new.
    pub(crate) fn create(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if tables.contains_key(name) {
            return Err(table_exists(name));
        }
        tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Removes `name` and tells whether it was there.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.set_kind(name, TableKind::Regular);
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    // A poisoned lock still holds a whole map: every write is one insert or remove.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<dyn TableProvider>>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error for a name that is taken.
pub(crate) fn table_exists(name: &str) -> Error {
    Error::new(ErrorCode::TableExists, format!("table already exists: {name}"))
        .with_hint("drop it first, or write CREATE OR REPLACE TABLE")
}

#[async_trait]
impl SchemaProvider for Catalog {
    fn table_names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.read().get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.read().contains_key(name)
    }
}

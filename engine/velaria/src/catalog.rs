//! The names of a session and what they stand for.

mod sink_entry;
mod source_table;
mod sql_view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result as DataFusionResult;
use velaria_connector::MemoryTable;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::{TableKind, closest};

pub(crate) use self::sink_entry::{SinkEntry, Strictness};
pub(crate) use self::source_table::SourceTable;
pub(crate) use self::sql_view::{BoundView, SqlView};
use crate::variables::Variables;

/// The tables, views and indexes of one session, by name.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    names: Arc<RwLock<Names>>,
    /// The tables that are not regular.
    kinds: Arc<RwLock<BTreeMap<String, TableKind>>>,
    /// What only one statement sees, behind the names of the session.
    variables: Variables,
    sight: Sight,
}

/// Which names a statement sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Everything that has rows now.
    #[default]
    Batch,
    /// Streams as well; tables over files that are a SOURCE are streams.
    Stream,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A table made by `CREATE TABLE`.
    Table(Arc<MemoryTable>),
    /// A table over files.
    Source(Arc<SourceTable>),
    /// A view of a frame: of a file, of Arrow data, of a plan.
    Frame(Arc<dyn TableProvider>),
    /// A view made by `CREATE VIEW`.
    View(Arc<SqlView>),
    /// A stream, or a query over streams.
    Stream(Arc<dyn TableProvider>),
    /// What stream queries write to.
    Sink(Arc<SinkEntry>),
}

#[derive(Debug, Default)]
struct Names {
    entries: BTreeMap<String, Entry>,
    /// The table of each index.
    indexes: BTreeMap<String, String>,
    /// Grows with each change of the entries.
    version: u64,
    /// The files that statements name while they are planned, and by how many statements each is named.
    files: BTreeMap<String, (Arc<dyn TableProvider>, usize)>,
}

/// The name of the one schema inside the one catalog that DataFusion is shown.
pub(crate) const SCHEMA: &str = "main";
/// The name of that catalog.
pub(crate) const CATALOG: &str = "velaria";

/// Before names that are there for the engine alone. No statement can hold a NUL.
pub(crate) const HIDDEN: &str = "\0";

/// Before the name of a table: its rows with their numbers.
const NUMBERED: &str = "\0rows of ";

/// The name under which the rows of the table `name` are found with their numbers.
pub(crate) fn numbered(name: &str) -> String {
    format!("{NUMBERED}{name}")
}

impl Entry {
    /// The table as the planner sees it, where it does.
    fn provider(&self, sight: Sight) -> Option<Arc<dyn TableProvider>> {
        match (self, sight) {
            (Self::Table(table), _) => Some(Arc::<MemoryTable>::clone(table)),
            (Self::Source(source), Sight::Stream) => Some(source.stream().unwrap_or_else(|| source.table())),
            (Self::Source(source), Sight::Batch) => Some(source.table()),
            (Self::Frame(table), _) | (Self::Stream(table), Sight::Stream) => Some(Arc::clone(table)),
            (Self::View(view), _) => Some(view.bound().table),
            (Self::Stream(_), Sight::Batch) | (Self::Sink(_), _) => None,
        }
    }

    /// Whether its name is one of streams, which no batch view takes over.
    pub(crate) fn is_of_streams(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Sink(_))
    }

    /// The word for what this is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) | Self::Source(_) | Self::Sink(_) => "table",
            Self::Frame(_) | Self::View(_) | Self::Stream(_) => "view",
        }
    }
}

impl Names {
    fn insert(&mut self, name: &str, entry: Entry) {
        self.forget_indexes(name);
        self.entries.insert(name.to_owned(), entry);
        self.version += 1;
    }

    fn forget_indexes(&mut self, table: &str) {
        self.indexes.retain(|_, own| own != table);
    }

    fn provider(&self, name: &str, sight: Sight) -> Option<Arc<dyn TableProvider>> {
        let Some(table) = name.strip_prefix(NUMBERED) else {
            let named = self.files.get(name).map(|(table, _)| Arc::clone(table));
            return named.or_else(|| self.entries.get(name).and_then(|entry| entry.provider(sight)));
        };
        match self.entries.get(table)? {
            Entry::Table(table) => Some(Arc::new(table.numbered())),
            Entry::Source(_) | Entry::Frame(_) | Entry::View(_) | Entry::Stream(_) | Entry::Sink(_) => None,
        }
    }

    fn not_found(&self, name: &str, variables: &Variables, sight: Sight) -> Error {
        let message = match sight {
            Sight::Batch => format!("view not found: {name}"),
            Sight::Stream => format!("stream view not found: {name}"),
        };
        let error = Error::new(ErrorCode::TableNotFound, message);
        if sight == Sight::Batch && matches!(self.entries.get(name), Some(Entry::Stream(_))) {
            return error.with_hint("it is a stream: read it with stream SQL");
        }
        if let Some(hint) = variables.hint(name, self.entries.keys().map(String::as_str)) {
            return error.with_hint(hint);
        }
        match closest(name, self.entries.keys().map(String::as_str)) {
            Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
            None if self.entries.is_empty() => error.with_hint("the session has no views or tables yet"),
            None => error,
        }
    }

    /// Whether a view that reads `references` would read `name`, by whatever way.
    fn reaches(&self, references: &BTreeSet<String>, name: &str) -> bool {
        let mut waiting: Vec<String> = references.iter().cloned().collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = waiting.pop() {
            if next == name.to_lowercase() {
                return true;
            }
            let views = self.entries.iter().filter(|(own, _)| own.to_lowercase() == next);
            for (_, entry) in views {
                if let Entry::View(view) = entry {
                    waiting.extend(view.references.iter().filter(|each| seen.insert((*each).clone())).cloned());
                }
            }
        }
        false
    }
}

impl Catalog {
    /// These names, with `variables` behind them.
    pub(crate) fn with_variables(&self, variables: Variables) -> Self {
        let variables = variables.behind(&self.variables);
        Self { names: Arc::clone(&self.names), kinds: Arc::clone(&self.kinds), variables, sight: self.sight }
    }

    /// These names as stream SQL sees them.
    pub(crate) fn for_streams(&self) -> Self {
        let variables = self.variables.clone();
        Self { names: Arc::clone(&self.names), kinds: Arc::clone(&self.kinds), variables, sight: Sight::Stream }
    }

    /// Which names are seen.
    pub(crate) fn sight(&self) -> Sight {
        self.sight
    }

    /// The variables that are behind the names.
    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The table called `name`, or an error that suggests what was meant.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let names = self.read();
        self.visible(&names, name).ok_or_else(|| names.not_found(name, &self.variables, self.sight))
    }

    /// The table called `name`: that of the statement before that of the session, and a variable behind both.
    fn visible(&self, names: &Names, name: &str) -> Option<Arc<dyn TableProvider>> {
        let own = self.variables.own(name).cloned();
        own.or_else(|| names.provider(name, self.sight)).or_else(|| self.variables.table(name))
    }

    /// What is called `name`, or an error that suggests what was meant.
    pub(crate) fn entry(&self, name: &str) -> Result<Entry> {
        if let Some(own) = self.variables.own(name) {
            return Ok(Entry::Frame(Arc::clone(own)));
        }
        let names = self.read();
        names.entries.get(name).cloned().ok_or_else(|| names.not_found(name, &self.variables, self.sight))
    }

    /// Every name with what it stands for, sorted by name.
    pub(crate) fn entries(&self) -> Vec<(String, Entry)> {
        self.read().entries.iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    /// The name as the catalog spells it: exact if there is such a name, else the only one that differs in case.
    pub(crate) fn spelling(&self, name: &str) -> Option<String> {
        if let Some(own) = self.variables.own_spelling(name) {
            return Some(own.to_owned());
        }
        let names = self.read();
        if names.entries.contains_key(name) {
            return Some(name.to_owned());
        }
        let mut alike = names.entries.keys().filter(|known| known.to_lowercase() == name.to_lowercase());
        match (alike.next(), alike.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }

    /// What may be done with the table called `name`.
    pub(crate) fn kind(&self, name: &str) -> TableKind {
        if self.variables.own(name).is_some() {
            return TableKind::Regular;
        }
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

    /// Registers `entry` under `name`, whatever stood there before.
    pub(crate) fn replace(&self, name: &str, entry: Entry) {
        self.set_kind(name, TableKind::Regular);
        self.write().insert(name, entry);
    }

    /// Registers `entry` under a name that must be new.
    pub(crate) fn create(&self, name: &str, entry: Entry) -> Result<()> {
        let mut names = self.write();
        if names.entries.contains_key(name) {
            return Err(table_exists(name));
        }
        names.insert(name, entry);
        Ok(())
    }

    /// Registers a view, unless it would read itself.
    pub(crate) fn create_view(&self, name: &str, view: Arc<SqlView>) -> Result<()> {
        let mut names = self.write();
        if names.reaches(&view.references, name) {
            return Err(Error::new(ErrorCode::InvalidStatement, format!("view {name} would read itself"))
                .with_hint("a view reads what its names stand for when it is used"));
        }
        names.insert(name, Entry::View(view));
        Ok(())
    }

    /// Removes `name` and tells whether it was there.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.set_kind(name, TableKind::Regular);
        let mut names = self.write();
        names.forget_indexes(name);
        names.version += 1;
        names.entries.remove(name).is_some()
    }

    /// Makes `table` known as `name`, which no statement can write, until [`Catalog::forget_file`].
    pub(crate) fn name_file(&self, name: &str, table: Arc<dyn TableProvider>) {
        let mut names = self.write();
        let uses = names.files.get(name).map_or(0, |(_, uses)| *uses);
        names.files.insert(name.to_owned(), (table, uses + 1));
    }

    /// Forgets what [`Catalog::name_file`] made known, unless another statement still names it.
    pub(crate) fn forget_file(&self, name: &str) {
        let mut names = self.write();
        match names.files.get_mut(name) {
            Some((_, uses)) if *uses > 1 => *uses -= 1,
            _ => drop(names.files.remove(name)),
        }
    }

    /// Says that a name means something else than before, though it is the same entry.
    pub(crate) fn touch(&self) {
        self.write().version += 1;
    }

    /// Whether there is a table over files.
    pub(crate) fn has_sources(&self) -> bool {
        self.read().entries.values().any(|entry| matches!(entry, Entry::Source(_)))
    }

    /// A number that grows whenever a name changes its meaning.
    pub(crate) fn version(&self) -> u64 {
        self.read().version
    }

    /// Whether there is a view made by `CREATE VIEW`.
    pub(crate) fn has_sql_views(&self) -> bool {
        self.read().entries.values().any(|entry| matches!(entry, Entry::View(_)))
    }

    /// The table of an index, and the name of the index as it is spelt.
    pub(crate) fn index(&self, name: &str) -> Option<(String, String)> {
        let names = self.read();
        let exact = names.indexes.get_key_value(name);
        let found = exact.or_else(|| names.indexes.iter().find(|(own, _)| own.to_lowercase() == name.to_lowercase()));
        found.map(|(index, table)| (index.clone(), table.clone()))
    }

    /// Registers an index under a name that must be new.
    pub(crate) fn create_index(&self, name: &str, table: &str) -> Result<()> {
        let mut names = self.write();
        if names.indexes.contains_key(name) {
            return Err(Error::new(ErrorCode::TableExists, format!("index already exists: {name}"))
                .with_hint("drop it first, or give the new one another name"));
        }
        names.indexes.insert(name.to_owned(), table.to_owned());
        Ok(())
    }

    /// Forgets an index.
    pub(crate) fn remove_index(&self, name: &str) {
        self.write().indexes.remove(name);
    }

    // A poisoned lock still holds whole maps: every write is one insert or remove.
    fn read(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a name that no statement can write.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains('\0') {
        return Err(Error::new(ErrorCode::InvalidArgument, "a view needs a name without NUL characters"));
    }
    Ok(())
}

/// The error of `CREATE TABLE` for a name that stands for something already.
pub(crate) fn table_exists(name: &str) -> Error {
    Error::new(ErrorCode::TableExists, format!("table already exists: {name}"))
        .with_hint("drop it first, or write CREATE OR REPLACE TABLE")
}

/// The error of `CREATE VIEW` for a name that stands for something already.
pub(crate) fn view_exists(name: &str, taken: &Entry) -> Error {
    let hint = match taken {
        // A definition may be replaced; the rows of a table are not thrown away by a word.
        Entry::Table(_) | Entry::Source(_) | Entry::Sink(_) => "drop the table first, or give the view another name",
        Entry::Stream(_) => "drop the view first, or give the new one another name",
        Entry::Frame(_) | Entry::View(_) => "drop it first, or write CREATE OR REPLACE VIEW",
    };
    Error::new(ErrorCode::TableExists, format!("{} already exists: {name}", taken.kind())).with_hint(hint)
}

#[async_trait]
impl SchemaProvider for Catalog {
    fn table_names(&self) -> Vec<String> {
        self.read().entries.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.visible(&self.read(), name))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.visible(&self.read(), name).is_some()
    }
}

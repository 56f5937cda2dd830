//! The functions that statements can call, as data: for documentation and for the checks that nothing is missing there.

use std::collections::{BTreeMap, BTreeSet};

use velaria_contract::Result;
use velaria_sql::VECTOR_SEARCH;

use crate::context::template;
use crate::plan::{chain, spellings};

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FunctionKind {
    /// One value for each row.
    Scalar,
    /// One value for a group of rows.
    Aggregate,
    /// One value for each row, from the rows around it.
    Window,
    /// A table.
    Table,
    /// A spelling of another expression.
    Spelling,
}

impl FunctionKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
            Self::Table => "table",
            Self::Spelling => "spelling",
        }
    }
}

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionHelp {
    /// The functions that it belongs to, such as `Text`; empty where it stands alone.
    pub family: &'static str,
    /// How it is called, such as `lag(x [, n [, default]])`.
    pub signature: &'static str,
    /// What it gives, in Markdown.
    pub description: &'static str,
    /// What may stand after `SELECT`; empty where no statement alone can show it.
    pub example: &'static str,
}

/// A function by its first name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionEntry {
    /// The name in lower case.
    pub name: String,
    /// How it is called.
    pub kind: FunctionKind,
    /// Its other names, sorted.
    pub aliases: Vec<String>,
    /// What it is for, where that was written down.
    pub help: Option<FunctionHelp>,
}

/// What every function is for, a line each: family, signature, description, example. Made of the catalogue that
/// `docs/sql/functions.md` is made of; a test of that page fails when this is stale.
const HELP: &str = include_str!("function_help.tsv");

/// All functions, sorted by name. A name that is both an aggregate and a window function stands there once.
///
/// # Errors
/// `VEL-9001` when the functions cannot be set up, which would be a bug.
pub fn functions() -> Result<Vec<FunctionEntry>> {
    let state = template()?;
    let mut found = Found::default();
    let (scalar, aggregate, window) = (FunctionKind::Scalar, FunctionKind::Aggregate, FunctionKind::Window);
    // What rewrites write is not for users.
    let public = state.scalar_functions().values().filter(|function| !chain::is_own(function.name()));
    public.for_each(|function| found.add(function.name(), scalar, function.aliases()));
    (state.higher_order_functions().values())
        .for_each(|function| found.add(function.name(), scalar, function.aliases()));
    (state.aggregate_functions().values())
        .for_each(|function| found.add(function.name(), aggregate, function.aliases()));
    (state.window_functions().values()).for_each(|function| found.add(function.name(), window, function.aliases()));
    state.table_functions().keys().for_each(|name| found.add(name, FunctionKind::Table, &[]));
    found.add(VECTOR_SEARCH, FunctionKind::Table, &[]);
    for (names, ..) in spellings::SPELLINGS {
        if let [name, aliases @ ..] = names {
            let aliases: Vec<String> = aliases.iter().map(|&alias| alias.to_owned()).collect();
            found.add(name, FunctionKind::Spelling, &aliases);
        }
    }
    for name in spellings::OTHER_SPELLINGS {
        found.add(name, FunctionKind::Spelling, &[]);
    }
    Ok(found.into_entries())
}

#[derive(Default)]
struct Found {
    entries: BTreeMap<String, (FunctionKind, BTreeSet<String>)>,
}

impl Found {
    fn add(&mut self, name: &str, kind: FunctionKind, aliases: &[String]) {
        let entry = self.entries.entry(name.to_lowercase()).or_insert_with(|| (kind, BTreeSet::new()));
        entry.1.extend(aliases.iter().map(|alias| alias.to_lowercase()));
    }

    fn into_entries(self) -> Vec<FunctionEntry> {
        let helps: BTreeMap<&str, FunctionHelp> = HELP.lines().filter_map(help).collect();
        self.entries
            .into_iter()
            .map(|(name, (kind, mut aliases))| {
                aliases.remove(&name);
                let help = helps.get(name.as_str()).copied();
                FunctionEntry { name, kind, aliases: aliases.into_iter().collect(), help }
            })
            .collect()
    }
}

/// The name and the help in one line of [`HELP`].
fn help(line: &'static str) -> Option<(&'static str, FunctionHelp)> {
    let mut cells = line.split('\t');
    let [family, signature, description, example] = [cells.next()?, cells.next()?, cells.next()?, cells.next()?];
    let name = signature.split('(').next().unwrap_or(signature);
    Some((name, FunctionHelp { family, signature, description, example }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_says_what_it_is_for() {
        let silent: Vec<String> =
            functions().unwrap().into_iter().filter(|entry| entry.help.is_none()).map(|entry| entry.name).collect();
        assert!(silent.is_empty(), "{silent:?}");
        assert_eq!(functions().unwrap().len(), HELP.lines().filter_map(help).count());
    }
}

//! The page of the functions: made of the catalogue, the registry of the engine, and the answer to every example.
//!
//! The catalogue (`conformance/functions.toml`) says what a function is for and gives one example; the engine says
//! which functions there are and what the example gives. A function without an entry, an entry without a function and
//! an example that fails are errors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use velaria::FunctionEntry;

use crate::engine::{Connection, EngineSurface, Surface, SurfaceError};
use crate::{Error, Result};

/// The page, below the root.
pub const PAGE: &str = "docs/sql/functions.md";

/// What the engine itself says of the functions, below the root.
pub const HELP: &str = "engine/velaria/src/function_help.tsv";

const CATALOGUE: &str = "conformance/functions.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    head: String,
    /// Functions that no statement alone can show, with a sentence that says why.
    without_example: BTreeMap<String, String>,
    family: Vec<Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    title: String,
    #[serde(default)]
    note: String,
    functions: Vec<Entry>,
}

/// Signature, sentence, and example: what follows `SELECT`.
#[derive(Deserialize)]
struct Entry(String, String, String);

impl Entry {
    /// The name: what stands before the parenthesis of the signature.
    fn name(&self) -> &str {
        self.0.split('(').next().unwrap_or(&self.0)
    }
}

/// Runs all examples and writes the page.
///
/// # Errors
/// [`Error::File`] when the catalogue does not fit the functions of the engine, or an example fails.
pub fn page(root: &Path) -> Result<String> {
    let path = root.join(CATALOGUE);
    let catalogue = read(&path)?;
    let known = velaria::functions().map_err(|error| Error::Usage(error.to_string()))?;
    let known: BTreeMap<&str, &FunctionEntry> = known.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    check_names(&path, &catalogue, &known)?;
    let mut connection = EngineSurface::new(1).connect().map_err(|error| failed(&path, "the engine", &error))?;
    let mut page = catalogue.head;
    for family in &catalogue.family {
        write_family(&mut page, &path, family, &known, connection.as_mut())?;
    }
    page.push_str("\n## Without an example\n\n| function | gives |\n| --- | --- |\n");
    for (name, sentence) in &catalogue.without_example {
        let _ = writeln!(page, "| `{name}` | {sentence} |");
    }
    Ok(page)
}

/// Writes what the engine itself says of the functions: one line each.
///
/// # Errors
/// [`Error::File`] when the catalogue cannot be read, or a text in it does not fit on a line.
pub fn help(root: &Path) -> Result<String> {
    let path = root.join(CATALOGUE);
    let catalogue = read(&path)?;
    let families = catalogue.family.iter().flat_map(|family| {
        let of = |entry: &Entry| [family.title.clone(), entry.0.clone(), entry.1.clone(), entry.2.clone()];
        family.functions.iter().map(of).collect::<Vec<_>>()
    });
    let alone = |(name, sentence): (&String, &String)| [String::new(), name.clone(), sentence.clone(), String::new()];
    let lines: Vec<[String; 4]> = families.chain(catalogue.without_example.iter().map(alone)).collect();
    if let Some(text) = lines.iter().flatten().find(|text| text.contains(['\t', '\n'])) {
        return Err(Error::file(&path, format!("a tab or a line end in {text:?}")));
    }
    Ok(lines.into_iter().map(|line| line.join("\t") + "\n").collect())
}

fn read(path: &Path) -> Result<Catalogue> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    toml::from_str(&text).map_err(|error| Error::file(path, error.to_string()))
}

fn check_names(path: &Path, catalogue: &Catalogue, known: &BTreeMap<&str, &FunctionEntry>) -> Result<()> {
    let mut listed = BTreeMap::new();
    for entry in catalogue.family.iter().flat_map(|family| &family.functions) {
        *listed.entry(entry.name()).or_insert(0) += 1;
    }
    for name in catalogue.without_example.keys() {
        *listed.entry(name.as_str()).or_insert(0) += 1;
    }
    let missing: Vec<&str> = known.keys().copied().filter(|name| !listed.contains_key(name)).collect();
    let unknown: Vec<&str> = listed.keys().copied().filter(|name| !known.contains_key(name)).collect();
    let twice: Vec<&str> = listed.iter().filter(|(_, count)| **count > 1).map(|(name, _)| *name).collect();
    if missing.is_empty() && unknown.is_empty() && twice.is_empty() {
        return Ok(());
    }
    Err(Error::file(path, format!("without an entry: {missing:?}; without a function: {unknown:?}; twice: {twice:?}")))
}

fn write_family(
    page: &mut String,
    path: &Path,
    family: &Family,
    known: &BTreeMap<&str, &FunctionEntry>,
    connection: &mut dyn Connection,
) -> Result<()> {
    let _ = write!(page, "\n## {}\n\n", family.title);
    if !family.note.is_empty() {
        let _ = write!(page, "{}\n\n", family.note.trim());
    }
    page.push_str("| function | gives | example | result |\n| --- | --- | --- | --- |\n");
    for entry in &family.functions {
        let result = answer(connection, &entry.2).map_err(|error| failed(path, &entry.2, &error))?;
        let aliases = known.get(entry.name()).map(|known| also(known)).unwrap_or_default();
        let row = [format!("`{}`{aliases}", entry.0), entry.1.clone(), format!("`{}`", entry.2), format!("`{result}`")];
        let _ = writeln!(page, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    Ok(())
}

fn also(known: &FunctionEntry) -> String {
    let names: Vec<String> = known.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    if names.is_empty() { String::new() } else { format!(", also {}", names.join(", ")) }
}

/// The cells of the example, rows separated by semicolons.
fn answer(connection: &mut dyn Connection, example: &str) -> Result<String, SurfaceError> {
    let table = connection.execute(&format!("SELECT {example}"))?;
    Ok(table.rows.iter().map(|row| row.join(", ")).collect::<Vec<_>>().join("; "))
}

fn failed(path: &Path, what: &str, error: &SurfaceError) -> Error {
    Error::file(path, format!("{what}: {error}"))
}

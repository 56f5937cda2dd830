//! A sink that appends to one CSV file.
//!
//! The rows of an epoch are handed to the operating system in one write; what is committed is a length of the file, and a query
//! that goes on from a checkpoint cuts the file there first. Readers of the file see rows before they are committed. NULL is an empty field,
//! and times are ISO text with a fraction only when there is one.
//!
//! While the query writes, the file is its own: rows of someone else make it fail. What someone else appended after the query was
//! stopped is not cut, but refused; what someone appended after a crash cannot be told from rows that were not committed.

mod closing;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use velaria_contract::{Error, ErrorCode, Result};

use self::closing::Closing;
use super::fault::{cannot_write, no_position};
use super::options::EndOption;
use crate::durable_fs::create_dir_durably;
use crate::{
    CommittedRows, CsvStyle, CsvWriter, Durability, DurableFile, DurableFs, Epoch, LockGuard, Prepared, SinkContext,
    SinkDescription, SinkGuarantee, SinkPosition, SinkTable, StreamSink,
};

/// The options of the sink.
pub const CSV_APPEND_OPTIONS: [EndOption; 2] = [
    EndOption::new("path", "", "The file; it is created, with the folders above it, when it is not there."),
    EndOption::new("delimiter", ",", "The character between two fields."),
];

const BOM: &[u8] = b"\xef\xbb\xbf";
const LINE_END_BYTES_MAX: usize = 2;

/// A CSV file that grows.
#[derive(Debug, Clone)]
pub struct CsvAppendTable {
    path: PathBuf,
    style: CsvStyle,
    schema: Option<SchemaRef>,
}

impl CsvAppendTable {
    /// The file at `path`, relative to the working directory. With a declared `schema` the header has its names, and the rows have to
    /// have as many columns.
    ///
    /// # Errors
    /// `VEL-7001` for an empty path, and for a delimiter that cannot separate fields.
    pub fn new(path: &str, delimiter: u8, schema: Option<SchemaRef>) -> Result<Self> {
        if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r') {
            return Err(Error::new(ErrorCode::InvalidArgument, "delimiter must be a single character")
                .with_hint("one ASCII character that is neither a quote nor a line end"));
        }
        if path.is_empty() || path.contains('\0') {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("not a path: {path:?}")));
        }
        let path = std::path::absolute(path).map_err(|error| cannot_write(Path::new(path), error))?;
        Ok(Self { path, style: CsvStyle { delimiter, escape_formulas: false }, schema })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl SinkTable for CsvAppendTable {
    fn description(&self) -> SinkDescription {
        SinkDescription {
            name: "file_append".to_owned(),
            blocking: true,
            guarantee: SinkGuarantee::Transactional,
            schema: self.schema.clone(),
        }
    }

    fn holds(&self, at: &CommittedRows<'_>) -> Result<bool> {
        let committed = Position::read(at.position)?;
        let refused = |error| cannot_write(&self.path, error);
        let found = at.fs.length(&self.path).map_err(refused)?.unwrap_or_default();
        if found < committed.length {
            return Ok(false);
        }
        let rows = at.fs.read_range(&self.path, committed.start, committed.length);
        if committed.start < committed.length && crc32fast::hash(&rows.map_err(refused)?) != committed.checksum {
            return Ok(false);
        }
        if at.durability != Durability::Never && found > 0 {
            at.fs.sync_file(&self.path).map_err(refused)?;
            self.path.parent().map_or(Ok(()), |parent| at.fs.sync_dir(parent)).map_err(refused)?;
        }
        Ok(true)
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        Ok(Box::new(CsvAppend { table: self.clone(), rows: Vec::new(), writes_header: false, open: None }))
    }
}

/// What is committed.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    path: String,
    length: u64,
    header: bool,
    delimiter: char,
    /// Where the rows of the last epoch begin, and what they are.
    start: u64,
    checksum: u32,
}

struct CsvAppend {
    table: CsvAppendTable,
    /// The text of the epoch.
    rows: Vec<u8>,
    /// Whether the epoch has the header in front.
    writes_header: bool,
    open: Option<Open>,
}

/// The file while a query writes it.
struct Open {
    fs: Arc<dyn DurableFs>,
    durability: Durability,
    file: Option<Box<dyn DurableFile>>,
    length: u64,
    header: bool,
    /// Whether the name of the file may not be on the disk yet: a run before may have made it and stopped there.
    is_new: bool,
    failed: bool,
    /// The columns of the header.
    names: SchemaRef,
    /// What a query that keeps commits leaves behind.
    closing: Option<Closing>,
    _lock: LockGuard,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("length", &self.length).field("header", &self.header).finish_non_exhaustive()
    }
}

impl CsvAppend {
    fn opened(&mut self) -> Result<&mut Open> {
        let closed = || Error::new(ErrorCode::Closed, "the sink is not open");
        let open = self.open.as_mut().ok_or_else(closed)?;
        match open.failed {
            false => Ok(open),
            true => Err(Error::new(ErrorCode::Io, "the sink failed before and writes nothing more")),
        }
    }

    fn position(&self, rows: &[u8], length: u64, header: bool) -> Result<SinkPosition> {
        let path = self.table.path.to_string_lossy().into_owned();
        let start = length.saturating_sub(rows.len() as u64);
        let delimiter = char::from(self.table.style.delimiter);
        let position = Position { path, length, header, delimiter, start, checksum: crc32fast::hash(rows) };
        let value = serde_json::to_value(position);
        Ok(SinkPosition(value.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))?))
    }

    /// Refuses a file whose rows have other columns.
    fn check_header(&mut self) -> Result<()> {
        let (path, style) = (self.table.path.clone(), self.table.style);
        let open = self.opened()?;
        if open.length == 0 {
            return Ok(());
        }
        let wanted = header(style, &open.names)?;
        let wanted = wanted.trim_ascii_end();
        let end = (BOM.len() + wanted.len() + LINE_END_BYTES_MAX) as u64;
        let found = open.fs.read_range(&path, 0, end).map_err(|error| cannot_write(&path, error))?;
        let rest = found.strip_prefix(BOM).unwrap_or(&found).strip_prefix(wanted);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n")) {
            return Ok(());
        }
        let message = format!("{} has another header than the query would write", path.display());
        Err(Error::new(ErrorCode::SchemaMismatch, message)
            .with_hint(format!("it needs the header {}", String::from_utf8_lossy(wanted))))
    }

    /// Cuts the file to what is committed.
    fn take_back(&mut self, position: &SinkPosition) -> Result<()> {
        let committed = Position::read(position)?;
        let path = self.table.path.clone();
        if Path::new(&committed.path) != path {
            let message = format!("the checkpoint belongs to {}, not {}", committed.path, path.display());
            return Err(Error::new(ErrorCode::CheckpointMismatch, message)
                .with_hint("give the sink its old path, or the query another checkpoint_path"));
        }
        let delimiter = char::from(self.table.style.delimiter);
        if committed.delimiter != delimiter {
            let message = format!(
                "the fields of {} are separated by {:?}, not {delimiter:?}",
                path.display(),
                committed.delimiter
            );
            return Err(Error::new(ErrorCode::CheckpointMismatch, message)
                .with_hint("give the sink its old delimiter, or another path and the query another checkpoint_path"));
        }
        let open = self.opened()?;
        if open.length < committed.length {
            let message =
                format!("{} has {} bytes, but {} were committed", path.display(), open.length, committed.length);
            return Err(Error::new(ErrorCode::CheckpointCorrupt, message)
                .with_hint("the file was cut or replaced; restore it, or begin with another checkpoint_path"));
        }
        let own = open.closing.as_ref().and_then(Closing::length).map(|length| length.max(committed.length));
        if own.is_some_and(|own| open.length > own) {
            return Err(appended(&path, open.length - own.unwrap_or_default()));
        }
        if open.length > committed.length {
            open.fs.truncate(&path, committed.length).map_err(|error| cannot_write(&path, error))?;
        }
        (open.length, open.header) = (committed.length, committed.header);
        Ok(())
    }
}

impl StreamSink for CsvAppend {
    fn open(&mut self, context: &SinkContext) -> Result<()> {
        check_width(self.table.schema.as_deref(), &context.schema)?;
        let (fs, path) = (Arc::clone(&context.fs), &self.table.path);
        let refused = |error| cannot_write(path, error);
        if let Some(parent) = path.parent() {
            create_dir_durably(fs.as_ref(), parent).map_err(refused)?;
        }
        let Some(lock) = fs.lock(path).map_err(refused)? else {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("another query writes to {}", path.display()))
                .with_hint("give each query a file of its own"));
        };
        let length = fs.length(path).map_err(refused)?.unwrap_or_default();
        let dir = Path::new(&context.checkpoint_path);
        let closing = match context.checkpoint_path.is_empty() {
            true => None,
            false => Some(Closing::read(fs.as_ref(), dir, path).map_err(|error| cannot_write(dir, error))?),
        };
        self.open = Some(Open {
            fs,
            durability: context.durability,
            file: None,
            length,
            header: length > 0,
            is_new: true,
            failed: false,
            names: self.table.schema.clone().unwrap_or_else(|| Arc::clone(&context.schema)),
            closing,
            _lock: lock,
        });
        Ok(())
    }

    fn recover(&mut self, last: Option<(Epoch, &SinkPosition)>) -> Result<()> {
        let recovered = match last {
            Some((_, position)) => self.take_back(position),
            None => self.check_header(),
        };
        if let (Err(_), Some(open)) = (&recovered, &mut self.open) {
            open.failed = true;
        }
        recovered
    }

    fn begin(&mut self) -> Result<Option<SinkPosition>> {
        let path = self.table.path.clone();
        let open = self.opened()?;
        if open.length > 0 && open.durability != Durability::Never {
            open.fs.sync_file(&path).map_err(|error| cannot_write(&path, error))?;
        }
        let (length, header) = (open.length, open.header);
        Ok(Some(self.position(&[], length, header)?))
    }

    fn write(&mut self, _: Epoch, batch: &RecordBatch) -> Result<()> {
        let path = self.table.path.clone();
        let is_first = self.rows.is_empty();
        let open = self.opened()?;
        let (known, ends_line) = (open.header, !is_first || open.ends_line(&path)?);
        let header = known || self.writes_header;
        let start = self.rows.len();
        if !ends_line {
            self.rows.push(b'\n');
        }
        let mut writer = CsvWriter::new(&mut self.rows, self.table.style);
        let named = match header {
            true => Ok(()),
            false => writer.write_header(self.table.schema.as_deref().unwrap_or(batch.schema_ref())),
        };
        let written = named.map_err(Into::into).and_then(|()| writer.write(batch));
        if let Err(error) = written {
            self.rows.truncate(start);
            return Err(Error::new(ErrorCode::InvalidValue, format!("a value has no text: {error}")));
        }
        self.writes_header |= !header;
        Ok(())
    }

    fn prepare(&mut self, _: Epoch) -> Result<Prepared> {
        let rows = std::mem::take(&mut self.rows);
        let writes_header = std::mem::take(&mut self.writes_header);
        let path = self.table.path.clone();
        let open = self.opened()?;
        let unsynced = match rows.is_empty() {
            true => Vec::new(),
            false => open.append(&path, &rows)?,
        };
        open.header |= writes_header;
        let (length, header) = (open.length, open.header);
        let position = self.position(&rows, length, header)?;
        self.rows = rows;
        self.rows.clear();
        Ok(Prepared { position, unsynced })
    }

    fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some(open) => open.leave(&self.table.path),
            None => Ok(()),
        }
    }
}

impl Position {
    fn read(position: &SinkPosition) -> Result<Self> {
        Self::deserialize(&position.0).map_err(|_| no_position("a CSV file"))
    }
}

impl Open {
    /// Whether what comes next begins a line.
    fn ends_line(&self, path: &Path) -> Result<bool> {
        if self.file.is_some() || self.length == 0 {
            return Ok(true);
        }
        let last = self.fs.read_range(path, self.length - 1, self.length);
        Ok(last.map_err(|error| cannot_write(path, error))? == b"\n")
    }

    /// Whoever writes to the file besides the query, cuts it or puts another in its place, is noticed.
    fn check_length(&self, path: &Path) -> Result<()> {
        let found = self.fs.length(path).map_err(|error| cannot_write(path, error))?.unwrap_or_default();
        if found == self.length {
            return Ok(());
        }
        let message = format!("{} was changed while the query writes it", path.display());
        Err(Error::new(ErrorCode::SourceChanged, message)
            .with_hint(format!("it has {found} bytes instead of {}; no one else may write to it", self.length)))
    }

    /// Lets go of the file at `path`. After a failure nobody knows what is in it.
    fn leave(self, path: &Path) -> Result<()> {
        let closing = self.closing.as_ref().filter(|_| !self.failed);
        let left = closing.map_or(Ok(()), |closing| closing.leave(self.fs.as_ref(), path, self.length));
        left.map_err(|error| cannot_write(path, error))
    }

    /// Writes `rows` at the end, and gives what is not on the disk yet and should be.
    fn append(&mut self, path: &Path, rows: &[u8]) -> Result<Vec<PathBuf>> {
        self.check_length(path)?;
        if let Some(closing) = &mut self.closing {
            closing.forget(self.fs.as_ref()).map_err(|error| cannot_write(path, error))?;
        }
        match self.try_append(path, rows) {
            Ok(unsynced) => {
                self.length += rows.len() as u64;
                let checked = self.check_length(path);
                self.failed = checked.is_err();
                checked.map(|()| unsynced)
            }
            Err(error) => {
                self.failed = true;
                self.file = None;
                // Without a checkpoint nobody else would take half a row back. With one, recovery does.
                drop(self.fs.truncate(path, self.length));
                Err(cannot_write(path, error))
            }
        }
    }

    fn try_append(&mut self, path: &Path, rows: &[u8]) -> std::io::Result<Vec<PathBuf>> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.fs.append(path)?),
        };
        file.write_all(rows)?;
        file.flush()?;
        let parent = path.parent().filter(|_| self.is_new);
        let unsynced = match self.durability {
            Durability::Now => {
                file.sync()?;
                parent.map_or(Ok(()), |parent| self.fs.sync_dir(parent))?;
                Vec::new()
            }
            Durability::Later => [Some(path), parent].into_iter().flatten().map(Path::to_path_buf).collect(),
            Durability::Never => Vec::new(),
        };
        self.is_new = false;
        Ok(unsynced)
    }
}

/// The text of the header for `names`.
fn header(style: CsvStyle, names: &Schema) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let written = CsvWriter::new(&mut text, style).write_header(names);
    written.map_err(|error| Error::new(ErrorCode::InvalidValue, format!("a name has no text: {error}")))?;
    Ok(text)
}

fn appended(path: &Path, bytes: u64) -> Error {
    let message = format!("{} has {bytes} bytes that the query did not write", path.display());
    Error::new(ErrorCode::CheckpointMismatch, message).with_hint(
        "someone appended to it after the query was stopped, and going on would cut that away; \
         move the rows elsewhere, or write to another path with another checkpoint_path",
    )
}

pub(super) fn check_width(declared: Option<&Schema>, found: &Schema) -> Result<()> {
    let Some(declared) = declared else { return Ok(()) };
    let (wanted, found) = (declared.fields().len(), found.fields().len());
    if wanted == found {
        return Ok(());
    }
    Err(Error::new(ErrorCode::SchemaMismatch, format!("the sink has {wanted} columns, the query {found}"))
        .with_hint("select the columns of the sink in their order"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::OsFs;
    use crate::stream::tests::{int_batch, sink_context, text};

    struct Case {
        dir: tempfile::TempDir,
        table: CsvAppendTable,
    }

    fn case() -> Case {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/out.csv");
        Case { table: CsvAppendTable::new(path.to_str().unwrap(), b',', None).unwrap(), dir }
    }

    impl Case {
        fn writer(&self, last: Option<(Epoch, &SinkPosition)>) -> Result<Box<dyn StreamSink>> {
            let mut writer = self.table.writer()?;
            writer.open(&sink_context(Durability::Now))?;
            writer.recover(last)?;
            Ok(writer)
        }

        fn text(&self) -> String {
            text(&self.table.path)
        }
    }

    fn epoch(writer: &mut dyn StreamSink, epoch: Epoch, values: std::ops::Range<i64>) -> SinkPosition {
        writer.write(epoch, &int_batch(values)).unwrap();
        writer.prepare(epoch).unwrap().position
    }

    #[test]
    fn the_header_is_written_once_and_what_was_there_stays() {
        let case = case();
        let mut writer = case.writer(None).unwrap();
        epoch(writer.as_mut(), 1, 0..2);
        writer.write(2, &int_batch(2..3)).unwrap();
        epoch(writer.as_mut(), 2, 3..4);
        writer.close().unwrap();
        drop(writer);
        let mut again = case.writer(None).unwrap();
        epoch(again.as_mut(), 1, 9..10);
        assert_eq!(case.text(), "v\n0\n1\n2\n3\n9\n");
    }

    #[test]
    fn a_restart_takes_back_what_was_not_committed() {
        let case = case();
        let mut writer = case.writer(None).unwrap();
        let nothing = writer.prepare(1).unwrap().position;
        let first = epoch(writer.as_mut(), 2, 0..2);
        // A crash after prepare, and one after write.
        let second = epoch(writer.as_mut(), 3, 2..4);
        writer.write(4, &int_batch(7..9)).unwrap();
        drop(writer);
        let mut writer = case.writer(Some((2, &first))).unwrap();
        assert_eq!(case.text(), "v\n0\n1\n");
        let again = epoch(writer.as_mut(), 3, 2..4);
        writer.commit(3, &again).unwrap();
        writer.commit(3, &again).unwrap();
        assert_eq!((again == second, case.text()), (true, "v\n0\n1\n2\n3\n".to_owned()));
        drop(writer);
        // Nothing was committed at all: the header comes again.
        let mut writer = case.writer(Some((1, &nothing))).unwrap();
        assert_eq!(case.text(), "");
        epoch(writer.as_mut(), 2, 5..6);
        assert_eq!(case.text(), "v\n5\n");
    }

    #[test]
    fn a_file_with_less_than_was_committed_is_not_gone_on_with() {
        let case = case();
        let position = epoch(case.writer(None).unwrap().as_mut(), 1, 0..100);
        std::fs::write(&case.table.path, "v\n0\n").unwrap();
        let error = case.writer(Some((1, &position))).err().unwrap();
        assert_eq!(error.code(), ErrorCode::CheckpointCorrupt);
        assert_eq!(case.text(), "v\n0\n");
        let other = SinkPosition(
            serde_json::json!({"path": "/elsewhere", "length": 1, "header": true, "delimiter": ",", "start": 1, "checksum": 0}),
        );
        assert_eq!(case.writer(Some((1, &other))).err().unwrap().code(), ErrorCode::CheckpointMismatch);
        let none = SinkPosition::default();
        assert_eq!(case.writer(Some((1, &none))).err().unwrap().code(), ErrorCode::CheckpointCorrupt);
    }

    impl Case {
        /// A writer for a query that keeps commits.
        fn kept_writer(&self, last: Option<(Epoch, &SinkPosition)>) -> Result<Box<dyn StreamSink>> {
            let mut writer = self.table.writer()?;
            let checkpoint_path = self.dir.path().to_str().unwrap().to_owned();
            let opened = writer
                .open(&SinkContext { checkpoint_path, ..sink_context(Durability::Now) })
                .and_then(|()| writer.recover(last));
            match opened {
                Ok(()) => Ok(writer),
                Err(error) => {
                    writer.close()?;
                    Err(error)
                }
            }
        }

        fn append(&self, text: &str) {
            let mut file = std::fs::File::options().append(true).open(&self.table.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn what_someone_else_appended_after_the_query_was_stopped_is_not_cut_away() {
        let case = case();
        let mut writer = case.kept_writer(None).unwrap();
        let first = epoch(writer.as_mut(), 1, 0..2);
        epoch(writer.as_mut(), 2, 2..3);
        writer.close().unwrap();
        drop(writer);
        // The last epoch is the query's own, although it may not be committed.
        let mut writer = case.kept_writer(Some((1, &first))).unwrap();
        assert_eq!(case.text(), "v\n0\n1\n");
        writer.close().unwrap();
        case.append("99\n");
        // As often as it is tried.
        for _ in 0..2 {
            let error = case.kept_writer(Some((1, &first))).err().unwrap();
            assert_eq!(error.code(), ErrorCode::CheckpointMismatch);
            assert!(error.message().contains("out.csv has 3 bytes"), "{error}");
            assert_eq!(case.text(), "v\n0\n1\n99\n");
        }
    }

    #[test]
    fn rows_of_a_crash_are_cut_also_after_a_run_that_ended_well() {
        let case = case();
        let mut writer = case.kept_writer(None).unwrap();
        let first = epoch(writer.as_mut(), 1, 0..2);
        writer.close().unwrap();
        let mut writer = case.kept_writer(Some((1, &first))).unwrap();
        epoch(writer.as_mut(), 2, 2..4);
        drop(writer);
        case.kept_writer(Some((1, &first))).unwrap();
        assert_eq!(case.text(), "v\n0\n1\n");
    }

    #[test]
    fn another_header_is_refused_and_a_line_without_an_end_gets_one() {
        for (before, after) in
            [("v\n7", "v\n7\n0\n"), ("v", "v\n0\n"), ("v\r\n7\r\n", "v\r\n7\r\n0\n"), ("\u{feff}v\n", "\u{feff}v\n0\n")]
        {
            let case = case();
            drop(case.writer(None).unwrap());
            case.append(before);
            let mut writer = case.writer(None).unwrap();
            let position = writer.begin().unwrap().unwrap();
            epoch(writer.as_mut(), 1, 0..1);
            assert_eq!(case.text(), after);
            drop(writer);
            let mut writer = case.writer(Some((0, &position))).unwrap();
            assert_eq!(case.text(), before);
            epoch(writer.as_mut(), 1, 0..1);
            assert_eq!(case.text(), after);
        }
        for before in ["w\n7\n", "v,w\n", "vw\n", "7\n", "\n"] {
            let case = case();
            drop(case.writer(None).unwrap());
            case.append(before);
            assert_eq!(case.writer(None).err().unwrap().code(), ErrorCode::SchemaMismatch, "{before:?}");
            assert_eq!(case.text(), before);
        }
    }

    #[test]
    fn another_delimiter_is_no_way_to_go_on() {
        let case = case();
        let position = epoch(case.writer(None).unwrap().as_mut(), 1, 0..1);
        let table = CsvAppendTable::new(case.table.path.to_str().unwrap(), b';', None).unwrap();
        let mut writer = table.writer().unwrap();
        writer.open(&sink_context(Durability::Now)).unwrap();
        let error = writer.recover(Some((1, &position))).unwrap_err();
        assert_eq!(error.code(), ErrorCode::CheckpointMismatch);
        assert!(error.message().contains("';'"), "{error}");
    }

    #[test]
    fn whoever_touches_the_file_while_it_is_written_is_noticed() {
        let ways: [fn(&Case); 4] = [
            |case| case.append("9\n"),
            |case| std::fs::write(&case.table.path, "v\n").unwrap(),
            |case| std::fs::remove_file(&case.table.path).unwrap(),
            |case| {
                let other = case.table.path.with_extension("other");
                std::fs::write(&other, case.text()).unwrap();
                std::fs::rename(&other, &case.table.path).unwrap();
            },
        ];
        for touch in ways {
            let case = case();
            let mut writer = case.writer(None).unwrap();
            epoch(writer.as_mut(), 1, 0..2);
            touch(&case);
            writer.write(2, &int_batch(2..3)).unwrap();
            let error = writer.prepare(2).unwrap_err();
            assert_eq!(error.code(), ErrorCode::SourceChanged);
            assert!(error.message().contains("out.csv"), "{error}");
        }
    }

    #[test]
    fn one_query_at_a_time_writes_a_file() {
        let case = case();
        let first = case.writer(None).unwrap();
        assert_eq!(case.writer(None).err().unwrap().code(), ErrorCode::InvalidArgument);
        drop(first);
        case.writer(None).unwrap();
    }

    #[test]
    fn what_is_not_on_the_disk_is_listed() {
        let case = case();
        let mut writer = case.table.writer().unwrap();
        writer.open(&sink_context(Durability::Later)).unwrap();
        assert_eq!(writer.prepare(1).unwrap().unsynced, Vec::<PathBuf>::new());
        writer.write(2, &int_batch(0..1)).unwrap();
        let parent = case.table.path.parent().unwrap().to_path_buf();
        assert_eq!(writer.prepare(2).unwrap().unsynced, [case.table.path.clone(), parent]);
        writer.write(3, &int_batch(0..1)).unwrap();
        assert_eq!(writer.prepare(3).unwrap().unsynced, std::slice::from_ref(&case.table.path));
    }

    #[test]
    fn values_are_quoted_and_times_are_iso_text() {
        let case = case();
        let keys: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\"\nc"), None, Some("")]));
        let seconds = 1_774_778_400_i64;
        let times =
            TimestampMicrosecondArray::from(vec![seconds * 1_000_000, seconds * 1_000_000 + 250_000, -1_000_000]);
        let batch = RecordBatch::try_from_iter([("k", keys), ("t", Arc::new(times) as ArrayRef)]).unwrap();
        let fields = ["key", "time"].map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Some(Arc::new(Schema::new(fields.to_vec())));
        let table = CsvAppendTable { schema, ..case.table.clone() };
        let mut writer = table.writer().unwrap();
        let context = sink_context(Durability::Never);
        assert_eq!(writer.open(&context).unwrap_err().code(), ErrorCode::SchemaMismatch);
        writer.open(&SinkContext { schema: batch.schema(), ..context }).unwrap();
        writer.write(1, &batch).unwrap();
        writer.prepare(1).unwrap();
        let expected =
            "key,time\n\"a,\"\"b\"\"\nc\",2026-03-29T10:00:00\n,2026-03-29T10:00:00.250\n\"\",1969-12-31T23:59:59\n";
        assert_eq!(case.text(), expected);
    }

    /// A disk that is full after some bytes.
    #[derive(Debug)]
    struct Full {
        left: Arc<AtomicUsize>,
    }

    struct FullFile {
        file: Box<dyn DurableFile>,
        left: Arc<AtomicUsize>,
    }

    impl Write for FullFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.left.load(Ordering::Relaxed);
            if left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = self.file.write(&bytes[..bytes.len().min(left)])?;
            self.left.fetch_sub(written, Ordering::Relaxed);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    impl DurableFile for FullFile {
        fn sync(&mut self) -> io::Result<()> {
            self.file.sync()
        }
    }

    impl DurableFs for Full {
        fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
            OsFs.create_dir_all(dir)
        }
        fn create(&self, path: &Path) -> io::Result<Box<dyn DurableFile>> {
            OsFs.create(path)
        }
        fn append(&self, path: &Path) -> io::Result<Box<dyn DurableFile>> {
            Ok(Box::new(FullFile { file: OsFs.append(path)?, left: Arc::clone(&self.left) }))
        }
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            OsFs.read(path)
        }
        fn length(&self, path: &Path) -> io::Result<Option<u64>> {
            OsFs.length(path)
        }
        fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
            OsFs.truncate(path, length)
        }
        fn sync_file(&self, path: &Path) -> io::Result<()> {
            OsFs.sync_file(path)
        }
        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            OsFs.sync_dir(dir)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsFs.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            OsFs.remove(path)
        }
        fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
            OsFs.list(dir)
        }
        fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
            OsFs.lock(path)
        }
    }

    #[test]
    fn a_full_disk_leaves_what_is_committed_and_nothing_more_is_written() {
        let case = case();
        let left = Arc::new(AtomicUsize::new(9));
        let mut writer = case.table.writer().unwrap();
        let fs = Arc::new(Full { left: Arc::clone(&left) });
        writer.open(&SinkContext { fs, ..sink_context(Durability::Now) }).unwrap();
        writer.recover(None).unwrap();
        epoch(writer.as_mut(), 1, 0..2);
        writer.write(2, &int_batch(100..104)).unwrap();
        let error = writer.prepare(2).unwrap_err();
        assert_eq!((error.code(), case.text().as_str()), (ErrorCode::Io, "v\n0\n1\n"));
        left.store(1000, Ordering::Relaxed);
        assert!(writer.write(3, &int_batch(0..1)).is_err());
        assert!(writer.prepare(3).is_err());
        assert_eq!(case.text(), "v\n0\n1\n");
    }

    #[test]
    fn a_delimiter_is_checked() {
        for delimiter in [b'"', b'\n', 0xc3] {
            assert!(CsvAppendTable::new("out.csv", delimiter, None).is_err());
        }
    }
}

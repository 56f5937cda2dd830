//! The reader of one query: takes file after file, cuts micro-batches, and decides what happens when a file is not what it should be.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use velaria_contract::{Error, ErrorCode, ErrorKind, Result};

use super::decode::Rows;
use super::listing::{Entry, Look, Settling};
use super::progress::{Mark, Progress};
use super::{OnBadRow, OnChange, Shared, rejects};
use crate::{Pull, SourceContext, SourceNotes, SourceOffset, StreamSource};

/// A look at a large folder takes a while: so much longer than that it is not looked at again.
const PAUSE_FACTOR: u32 = 8;
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) struct DirectoryReader {
    shared: Arc<Shared>,
    progress: Progress,
    /// Where to go on, until the folder was looked at.
    resume: Option<Mark>,
    settling: Settling,
    /// The complete files of the last look that were not begun.
    round: VecDeque<Entry>,
    current: Option<Current>,
    next_look: Option<Instant>,
    bad_rows: u64,
    skipped_files: u64,
    first_bad_row: Option<String>,
    last_skipped: Option<String>,
}

/// The file that is being read.
struct Current {
    entry: Entry,
    rows: Rows,
    /// Rows to pass over: they were given out before.
    skip: usize,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    ended: bool,
    /// Rows that were given out.
    given: u64,
    /// Whether malformed rows are left out already.
    tolerant: bool,
}

impl DirectoryReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            progress: Progress::default(),
            resume: None,
            settling: Settling::default(),
            round: VecDeque::new(),
            current: None,
            next_look: None,
            bad_rows: 0,
            skipped_files: 0,
            first_bad_row: None,
            last_skipped: None,
        }
    }

    /// Looks at the folder, and tells whether there is anything to read.
    fn look(&mut self) -> Result<bool> {
        let begun = Instant::now();
        if self.next_look.is_some_and(|next| begun < next) {
            return Ok(false);
        }
        let shared = Arc::clone(&self.shared);
        let look = shared.folder.look()?;
        if look.unreadable_names > 0 {
            self.last_skipped = Some(format!("{} files have names that are not UTF-8", look.unreadable_names));
        }
        if let Some(mark) = self.resume.take() {
            self.go_on(&mark, &look)?;
        }
        self.check_read(&look)?;
        self.forget_missing(&look);
        self.choose(&look.entries);
        self.next_look = Some(Instant::now() + (begun.elapsed() * PAUSE_FACTOR).min(PAUSE_MAX));
        Ok(!self.round.is_empty() || self.current.is_some())
    }

    /// Begins behind `mark`.
    fn go_on(&mut self, mark: &Mark, look: &Look) -> Result<()> {
        self.progress.resume(mark, &look.entries);
        let (Some(rows), Some(stamp)) = (mark.rows, mark.stamp) else { return Ok(()) };
        match look.entries.iter().find(|entry| entry.name == mark.file) {
            Some(entry) if entry.stamp == stamp => {
                let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                let entry = entry.clone();
                self.begin(entry, rows)
            }
            now => {
                let stamp = now.map_or(stamp, |entry| entry.stamp);
                self.passed_over(&mark.file, "was changed while it was being read")?;
                self.progress.finish(&mark.file, stamp);
                Ok(())
            }
        }
    }

    /// Looks for files that changed after they were read.
    fn check_read(&mut self, look: &Look) -> Result<()> {
        for entry in &look.entries {
            if self.progress.stamp(&entry.name).is_some_and(|stamp| stamp != entry.stamp) {
                self.passed_over(&entry.name, "was changed after it was read")?;
                self.progress.finish(&entry.name, entry.stamp);
            }
        }
        Ok(())
    }

    /// A folder without a file may be one that is not mounted, so nothing is forgotten then.
    fn forget_missing(&mut self, look: &Look) {
        if look.entries.is_empty() {
            return;
        }
        let names: HashSet<&str> = look.entries.iter().map(|entry| entry.name.as_str()).collect();
        self.progress.keep(|name| names.contains(name));
        self.settling.keep(|name| names.contains(name));
    }

    /// Chooses the files that are read next.
    fn choose(&mut self, entries: &[Entry]) {
        let now = (Instant::now(), SystemTime::now());
        let own = self.current.as_ref().map(|current| current.entry.name.as_str());
        for entry in entries {
            if self.progress.stamp(&entry.name).is_some() || own == Some(entry.name.as_str()) {
                continue;
            }
            if self.settling.is_complete(&self.shared.folder, entry, now) {
                self.round.push_back(entry.clone());
            }
        }
    }

    /// Opens the file of `entry`, of which `rows` rows were given out before. One that is not what it was a moment ago is left for
    /// the next look.
    fn begin(&mut self, entry: Entry, rows: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let now = shared.folder.stat(entry.name.clone());
        if now.as_ref() != Some(&entry) {
            return self.changed(&entry, rows as u64, now);
        }
        match shared.decoder.rows(&shared.folder.file(&entry.name)) {
            Ok(decoded) => {
                self.current = Some(Current::new(entry, decoded, rows));
                Ok(())
            }
            Err(error) if is_gone(&error) => self.changed(&entry, rows as u64, None),
            Err(error) => self.poisoned(&entry, error),
        }
    }

    /// The next micro-batch of the file that is being read; `None` when there is none in it.
    fn cut(&mut self, mut current: Current) -> Result<Option<Pull>> {
        let rows_max = self.shared.settings.rows_per_batch.map_or(usize::MAX, std::num::NonZeroUsize::get);
        let cut = current.cut(rows_max);
        let now = self.shared.folder.stat(current.entry.name.clone());
        if now.as_ref() != Some(&current.entry) {
            return self.changed(&current.entry, current.given, now).map(|()| None);
        }
        let batch = match cut {
            Ok(batch) => batch,
            Err(error) => return self.tolerate(current, error).map(|()| None),
        };
        let batch = match batch {
            Some(batch) => batch,
            None => RecordBatch::new_empty(Arc::clone(&self.shared.schema)),
        };
        let mark = match current.is_done() {
            true => {
                self.progress.finish(&current.entry.name, current.entry.stamp);
                Mark::after(&current.entry, None)
            }
            false => {
                let mark = Mark::after(&current.entry, Some(current.given));
                self.current = Some(current);
                mark
            }
        };
        Ok(Some(Pull::Batch(batch, mark.text())))
    }

    /// The file changed while it was being read. As long as no row was given out it can be read again.
    fn changed(&mut self, entry: &Entry, given: u64, now: Option<Entry>) -> Result<()> {
        if given == 0 {
            return Ok(());
        }
        self.passed_over(&entry.name, "was changed while it was being read")?;
        self.progress.finish(&entry.name, now.map_or(entry.stamp, |now| now.stamp));
        Ok(())
    }

    /// Reads the file again without its malformed rows, when that is wanted and helps.
    fn tolerate(&mut self, current: Current, error: Error) -> Result<()> {
        let entry = current.entry;
        if self.shared.settings.on_bad_row == OnBadRow::Fail || !is_of_the_data(&error) || current.tolerant {
            return self.poisoned(&entry, error);
        }
        match self.good_rows(&entry) {
            Ok(Some(rows)) => {
                let given = usize::try_from(current.given).unwrap_or(usize::MAX);
                self.current = Some(Current { tolerant: true, ..Current::new(entry, rows, given) });
                Ok(())
            }
            Ok(None) => self.poisoned(&entry, error),
            Err(error) => self.poisoned(&entry, error),
        }
    }

    fn good_rows(&mut self, entry: &Entry) -> Result<Option<Rows>> {
        let shared = Arc::clone(&self.shared);
        let Some((rows, bad)) = shared.decoder.good_rows(&shared.folder.file(&entry.name))? else { return Ok(None) };
        let folder: Option<&Path> = shared.settings.quarantine_path.as_deref();
        let kept = rejects::keep(&bad, &entry.name, folder)?;
        self.bad_rows += kept.rows;
        self.first_bad_row = self.first_bad_row.take().or(kept.first);
        Ok(Some(rows))
    }

    /// A file that cannot be read as what it should be. What the system refuses is an error whatever is wanted: trying again may help.
    fn poisoned(&mut self, entry: &Entry, error: Error) -> Result<()> {
        if self.shared.settings.on_bad_row == OnBadRow::Fail || !is_of_the_data(&error) {
            return Err(error);
        }
        self.skipped_files += 1;
        self.last_skipped = Some(format!("passed over {}: {}", self.shared.folder.file(&entry.name), error.message()));
        self.progress.finish(&entry.name, entry.stamp);
        Ok(())
    }

    fn passed_over(&mut self, name: &str, why: &str) -> Result<()> {
        let path = self.shared.folder.file(name);
        match self.shared.settings.on_change {
            OnChange::Fail => Err(Error::new(ErrorCode::SourceChanged, format!("{path} {why}")).with_hint(
                "write a file under a name that ends with .tmp and rename it; on_change skip passes over what changes",
            )),
            OnChange::Skip => {
                self.skipped_files += 1;
                self.last_skipped = Some(format!("passed over {path}, which {why}"));
                Ok(())
            }
        }
    }
}

/// Whether the file was there a moment ago and is not now, or is empty now.
fn is_gone(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::FileNotFound | ErrorCode::NotAFile | ErrorCode::EmptyFile)
}

/// Whether what is in the file is wrong, and not the way to it.
fn is_of_the_data(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Data | ErrorKind::Plan) || error.code() == ErrorCode::Ambiguous
}

impl Current {
    fn new(entry: Entry, rows: Rows, skip: usize) -> Self {
        let given = skip as u64;
        Self { entry, rows, skip, pending: Vec::new(), pending_rows: 0, ended: false, given, tolerant: false }
    }

    fn is_done(&self) -> bool {
        self.ended && self.pending_rows == 0
    }

    /// At most `rows_max` rows; `None` when the file has no more.
    fn cut(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        // One row more tells whether this is the last micro-batch of the file.
        while !self.ended && self.pending_rows <= rows_max {
            match self.rows.next() {
                Some(batch) => self.take(batch?),
                None => self.ended = true,
            }
        }
        let Some(all) = self.joined()? else { return Ok(None) };
        let batch = all.slice(0, rows_max.min(all.num_rows()));
        let rest = all.slice(batch.num_rows(), all.num_rows() - batch.num_rows());
        self.pending_rows = rest.num_rows();
        if self.pending_rows > 0 {
            self.pending.push(rest);
        }
        self.given += batch.num_rows() as u64;
        Ok(Some(batch))
    }

    fn take(&mut self, batch: RecordBatch) {
        let skipped = self.skip.min(batch.num_rows());
        self.skip -= skipped;
        let rest = batch.slice(skipped, batch.num_rows() - skipped);
        if rest.num_rows() > 0 {
            self.pending_rows += rest.num_rows();
            self.pending.push(rest);
        }
    }

    fn joined(&mut self) -> Result<Option<RecordBatch>> {
        let mut pending = std::mem::take(&mut self.pending);
        self.pending_rows = 0;
        match pending.as_slice() {
            [] => Ok(None),
            [_] => Ok(pending.pop()),
            [first, ..] => concat_batches(&first.schema(), &pending).map(Some).map_err(crate::decode::from_arrow),
        }
    }
}

impl StreamSource for DirectoryReader {
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        let resume = resume.map(Mark::parse).transpose()?;
        let progress = match context.checkpoint_path.is_empty() {
            true => Progress::default(),
            false => Progress::kept(&context.history)?,
        };
        *self = Self { resume, progress, ..Self::new(Arc::clone(&self.shared)) };
        Ok(())
    }

    fn take_history(&mut self) -> Option<RecordBatch> {
        self.progress.take_news()
    }

    fn next_batch(&mut self, _: &SourceContext) -> Result<Pull> {
        loop {
            if let Some(current) = self.current.take() {
                if let Some(pull) = self.cut(current)? {
                    return Ok(pull);
                }
            } else if let Some(entry) = self.round.pop_front() {
                self.begin(entry, 0)?;
            } else if !self.look()? {
                return Ok(Pull::Idle);
            }
        }
    }

    fn notes(&self) -> SourceNotes {
        let told: Vec<&str> =
            [&self.first_bad_row, &self.last_skipped].into_iter().flatten().map(String::as_str).collect();
        let warning = (!told.is_empty()).then(|| told.join("; "));
        SourceNotes { bad_rows: self.bad_rows, skipped_files: self.skipped_files, warning }
    }

    fn close(&mut self) -> Result<()> {
        self.current = None;
        self.round.clear();
        Ok(())
    }
}

//! Which files were read, and how that is written down.
//!
//! Between two files the offset is the name of the last one; inside of a file it is a JSON object with the number of rows. Which files
//! were read besides is what [`super::history`] says: a file that is not in it is new, whatever its name is and however old it is.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use velaria_contract::Result;

use super::history;
use super::listing::Entry;
use crate::SourceOffset;
use crate::stream::fault::no_offset;

/// What changes when a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    pub(super) modified_ns: i64,
    pub(super) inode: u64,
}

/// An offset, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// The file of the last micro-batch.
    pub(super) file: String,
    /// The rows of it that were given out, when there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<u64>,
    /// How the file looked, when there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stamp: Option<Stamp>,
}

impl Mark {
    /// The mark that `offset` is.
    pub(super) fn parse(offset: &SourceOffset) -> Result<Self> {
        let text = offset.0.as_str();
        let refused = || no_offset("a directory", offset);
        if text.starts_with('{') {
            return serde_json::from_str(text).map_err(|_| refused());
        }
        if text.is_empty() || text.contains(['/', '\0']) {
            return Err(refused());
        }
        Ok(Self { file: text.to_owned(), rows: None, stamp: None })
    }

    /// The place after `rows` rows of `entry`; `None` is after all of it.
    pub(super) fn after(entry: &Entry, rows: Option<u64>) -> Self {
        Self { file: entry.name.clone(), rows, stamp: rows.map(|_| entry.stamp) }
    }

    pub(super) fn text(&self) -> SourceOffset {
        let is_plain = self.rows.is_none() && !self.file.starts_with('{');
        SourceOffset(match is_plain {
            true => self.file.clone(),
            false => serde_json::to_string(self).unwrap_or_default(),
        })
    }

    /// Whether a reader that knows nothing but this mark has to take the file called `name` for read.
    fn covers(&self, name: &str) -> bool {
        name < self.file.as_str() || (self.rows.is_none() && name == self.file)
    }
}

/// The files that were read.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Those that are still there, as they were.
    read: HashMap<String, Stamp>,
    /// What has changed in `read` since it was told, when somebody keeps it.
    news: Option<Vec<(String, Option<Stamp>)>>,
}

impl Progress {
    /// The files of `history`, when what changes from now on goes there too.
    pub(super) fn kept(history: &[RecordBatch]) -> Result<Self> {
        Ok(Self { read: history::files(history)?, news: Some(Vec::new()) })
    }

    /// Goes on after `mark`. Where nothing else is remembered, the files of `entries` with smaller names were read.
    pub(super) fn resume(&mut self, mark: &Mark, entries: &[Entry]) {
        // Inside of the first file the history is empty, and what has a smaller name came later.
        let is_all = self.news.is_none() || (mark.rows.is_none() && self.read.is_empty());
        if is_all {
            let covered = entries.iter().filter(|entry| mark.covers(&entry.name));
            self.read.extend(covered.map(|entry| (entry.name.clone(), entry.stamp)));
        }
    }

    /// How the file called `name` was when it was read.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        self.read.get(name).copied()
    }

    /// Forgets files that are gone: one that comes back is a new one.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        let news = &mut self.news;
        self.read.retain(|name, _| {
            let stays = is_there(name);
            if let (false, Some(news)) = (stays, news.as_mut()) {
                news.push((name.clone(), None));
            }
            stays
        });
    }

    /// `name` was read, or passed over.
    pub(super) fn finish(&mut self, name: &str, stamp: Stamp) {
        self.read.insert(name.to_owned(), stamp);
        if let Some(news) = &mut self.news {
            news.push((name.to_owned(), Some(stamp)));
        }
    }

    /// What is to be remembered of what has happened since this was asked before.
    pub(super) fn take_news(&mut self) -> Option<RecordBatch> {
        let news = self.news.as_mut().filter(|news| !news.is_empty()).map(std::mem::take)?;
        history::rows(&news)
    }
}

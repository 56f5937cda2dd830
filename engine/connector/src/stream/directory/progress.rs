//! Which files were read, and the text that says so.
//!
//! When everything that was read is everything up to a name, and the file of that name is the newest, the offset is that name. Otherwise it
//! is a JSON object that begins with the file. What was read is told by few words however many files there are: names up to a bound,
//! arrived up to a time. So a file that arrives later is known to be new although its name is smaller, also after a restart. Files that
//! this rule would take for read, and that were seen and not read, stand in a list.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use velaria_contract::Result;

use super::listing::Entry;
use crate::SourceOffset;
use crate::stream::fault::no_offset;

/// What changes when a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    pub(super) modified_ns: i64,
    pub(super) inode: u64,
    pub(super) born_ns: i64,
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
    /// The largest name that was read, when it is not that of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    through: Option<String>,
    /// When the newest file arrived that was read; `None` is that of `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrived_ns: Option<i64>,
    /// With `through`: files that arrived up to this time were read whatever their name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before_ns: Option<i64>,
    /// Files that were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<String>,
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
        Ok(Self::of(text.to_owned()))
    }

    fn of(file: String) -> Self {
        Self { file, rows: None, stamp: None, through: None, arrived_ns: None, before_ns: None, open: Vec::new() }
    }

    fn text(&self) -> SourceOffset {
        let is_plain = *self == Self::of(self.file.clone()) && !self.file.starts_with('{');
        SourceOffset(match is_plain {
            true => self.file.clone(),
            false => serde_json::to_string(self).unwrap_or_default(),
        })
    }

    /// Whether the file called `name`, that arrived at `arrived_ns`, was read, unless it is one of `open`.
    fn covers(&self, name: &str, arrived_ns: i64) -> bool {
        if self.rows.is_some() && name == self.file {
            return false;
        }
        let newest = self.arrived_ns.unwrap_or(i64::MAX);
        let up_to_file = name <= self.file.as_str() && arrived_ns <= newest;
        match &self.through {
            None => up_to_file,
            Some(through) => {
                name <= through.as_str() && (up_to_file || self.before_ns.is_some_and(|before| arrived_ns <= before))
            }
        }
    }
}

/// The files that were read.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Those that are still there, as they were.
    read: HashMap<String, Stamp>,
    /// The largest name of all.
    through: String,
    /// When the newest of all arrived.
    newest_ns: i64,
    /// The same before the files of this look.
    before_ns: i64,
    /// Files that were seen and not read, with the time when they arrived.
    open: BTreeMap<String, i64>,
}

impl Progress {
    /// What was read up to `mark`, of the files that are there now.
    pub(super) fn resume(mark: &Mark, entries: &[Entry]) -> Self {
        let mut mark = mark.clone();
        // A plain name was the newest file; when it is gone, every file up to it counts as read.
        let own = entries.iter().find(|entry| entry.name == mark.file);
        if mark.rows.is_none() && mark.arrived_ns.is_none() {
            mark.arrived_ns = own.map(|entry| entry.arrived_ns);
        }
        let is_read = |entry: &&Entry| mark.covers(&entry.name, entry.arrived_ns) && !mark.open.contains(&entry.name);
        let read: HashMap<String, Stamp> =
            entries.iter().filter(is_read).map(|entry| (entry.name.clone(), entry.stamp)).collect();
        let found = entries.iter().filter(is_read).map(|entry| entry.arrived_ns).max().unwrap_or_default();
        let newest_ns = mark.arrived_ns.unwrap_or_default().max(mark.before_ns.unwrap_or_default()).max(found);
        let largest = match mark.rows {
            Some(_) => read.keys().max().cloned().unwrap_or_default(),
            None => mark.file,
        };
        let through = mark.through.unwrap_or(largest);
        Self { read, through, newest_ns, before_ns: newest_ns, open: BTreeMap::new() }
    }

    /// How the file called `name` was when it was read.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        self.read.get(name).copied()
    }

    /// A new look: `round` are the files that are read next, the first of them first, and `unready` those that are not complete.
    pub(super) fn begin<'a>(
        &mut self,
        round: impl Iterator<Item = &'a Entry>,
        unready: impl Iterator<Item = &'a Entry>,
    ) {
        self.before_ns = self.newest_ns;
        self.open.clear();
        let mut round = round.peekable();
        let (name, arrived_ns) =
            round.peek().map_or((String::new(), 0), |first| (first.name.clone(), first.arrived_ns));
        let bound = name.max(self.through.clone());
        let newest_ns = self.before_ns.max(arrived_ns);
        let hidden = round.filter(|entry| entry.name <= bound && entry.arrived_ns <= newest_ns);
        self.open.extend(hidden.chain(unready).map(|entry| (entry.name.clone(), entry.arrived_ns)));
        // A file that a run before had begun comes first whatever its name is; what follows it may have a smaller one.
        self.before_ns = newest_ns;
    }

    /// Forgets files that are gone: one that comes back is a new one.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.read.retain(|name, _| is_there(name));
    }

    /// `entry` is not read now.
    pub(super) fn defer(&mut self, entry: &Entry) {
        self.open.insert(entry.name.clone(), entry.arrived_ns);
    }

    /// `name` was read, or passed over.
    pub(super) fn finish(&mut self, name: &str, stamp: Stamp, arrived_ns: i64) {
        self.open.remove(name);
        self.newest_ns = self.newest_ns.max(arrived_ns);
        if self.through.as_str() < name {
            name.clone_into(&mut self.through);
        }
        self.read.insert(name.to_owned(), stamp);
    }

    /// The offset after `rows` rows of `entry`; `None` is after all of it, when it is finished.
    pub(super) fn offset(&self, entry: &Entry, rows: Option<u64>) -> SourceOffset {
        let mut mark = Mark { rows, stamp: rows.map(|_| entry.stamp), ..Mark::of(entry.name.clone()) };
        if self.through > entry.name {
            mark.through = Some(self.through.clone());
            mark.before_ns = Some(self.before_ns);
        }
        mark.arrived_ns = Some(self.newest_ns);
        let hidden = self.open.iter().filter(|(name, arrived)| **name != entry.name && mark.covers(name, **arrived));
        mark.open = hidden.map(|(name, _)| name.clone()).collect();
        let is_newest = entry.arrived_ns == self.newest_ns;
        if rows.is_none() && is_newest && mark.through.is_none() && mark.open.is_empty() {
            mark.arrived_ns = None;
        }
        mark.text()
    }
}

//! Names and contents, each as a process sees them and as they are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// A file apart from its name.
pub(super) type InodeId = usize;

/// A change of a file's content that was not synced.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) edit: Edit,
    /// A sync that should have written it has failed: no later one will.
    doubtful: bool,
}

/// What a change does.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Edit {
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*at..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Truncate(length) => content.resize(*length, 0),
        }
    }
}

impl Edit {
    /// Whether something of a lost write can still be seen after a later change that is on the disk.
    fn outlives(&mut self, later: &Self) -> bool {
        match (self, later) {
            (Self::Write { at, bytes }, Self::Truncate(length)) => {
                bytes.truncate(length.saturating_sub(*at));
                !bytes.is_empty()
            }
            (Self::Write { at, bytes }, Self::Write { at: start, bytes: new }) => {
                *at < *start || *at + bytes.len() > *start + new.len()
            }
            (Self::Truncate(_), _) => false,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
}

impl Inode {
    pub(super) fn synced(content: Vec<u8>) -> Self {
        Self { seen: content.clone(), durable: content, pending: Vec::new() }
    }

    fn change(&mut self, edit: Edit) {
        edit.apply(&mut self.seen);
        self.pending.push(Change { edit, doubtful: false });
    }
}

/// A change of names. Each is atomic.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Folder(PathBuf),
    Link { path: PathBuf, inode: InodeId },
    Rename { from: PathBuf, to: PathBuf, inode: InodeId },
    Unlink { path: PathBuf, inode: InodeId },
}

impl Step {
    fn touches(&self, dir: &Path) -> bool {
        let within = |path: &Path| path.parent() == Some(dir);
        match self {
            Self::Folder(path) | Self::Link { path, .. } | Self::Unlink { path, .. } => within(path),
            Self::Rename { from, to, .. } => within(from) || within(to),
        }
    }
}

/// Names of files and folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    files: BTreeMap<PathBuf, InodeId>,
    folders: BTreeSet<PathBuf>,
}

impl Names {
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Folder(path) => {
                self.folders.insert(path.clone());
            }
            // Steps may come in another order after a crash, but no file ever has two names.
            Step::Link { inode, .. } if self.files.values().any(|named| named == inode) => {}
            Step::Link { path, inode } => {
                self.files.insert(path.clone(), *inode);
            }
            Step::Rename { to, inode, .. } => {
                self.files.retain(|_, named| named != inode);
                self.files.insert(to.clone(), *inode);
            }
            Step::Unlink { path, inode } => {
                if self.files.get(path) == Some(inode) {
                    self.files.remove(path);
                }
            }
        }
    }

    fn has_folder(&self, dir: &Path) -> bool {
        dir.parent().is_none() || dir == Path::new("") || dir == Path::new(".") || self.folders.contains(dir)
    }

    /// Takes away what lies in folders that are not there.
    pub(super) fn drop_unreachable(&mut self) {
        let all = self.folders.clone();
        let reachable = |path: &Path| {
            path.ancestors().skip(1).all(|dir| dir.parent().is_none() || dir == Path::new("") || all.contains(dir))
        };
        self.files.retain(|path, _| reachable(path));
        self.folders.retain(|path| reachable(path));
    }
}

/// All files.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    seen: Names,
    pub(super) durable: Names,
    /// Changes of names that were not synced.
    pub(super) pending: Vec<Step>,
}

impl Disk {
    /// A disk where all that is seen is synced.
    pub(super) fn synced(inodes: Vec<Inode>, names: Names) -> Self {
        Self { inodes, seen: names.clone(), durable: names, pending: Vec::new() }
    }

    fn change(&mut self, step: Step) {
        self.seen.apply(&step);
        self.pending.push(step);
    }

    fn inode(&self, id: InodeId) -> io::Result<&Inode> {
        self.inodes.get(id).ok_or_else(missing)
    }

    fn inode_mut(&mut self, id: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(id).ok_or_else(missing)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<InodeId> {
        if self.seen.folders.contains(path) {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
        }
        self.seen.files.get(path).copied().ok_or_else(missing)
    }

    pub(super) fn content(&self, id: InodeId) -> io::Result<&[u8]> {
        Ok(&self.inode(id)?.seen)
    }

    pub(super) fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        if self.seen.has_folder(path) {
            return Err(io::Error::other("not a regular file"));
        }
        match self.find(path) {
            Ok(id) => Ok(Some(self.content(id)?.len() as u64)),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let paths = self.seen.files.keys().filter(|path| path.parent() == Some(dir));
        Ok(paths.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        let missing: Vec<_> = dir.ancestors().filter(|dir| !self.seen.has_folder(dir)).collect();
        for dir in missing.into_iter().rev() {
            if self.seen.files.contains_key(dir) {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "file exists"));
            }
            self.change(Step::Folder(dir.to_path_buf()));
        }
        Ok(())
    }

    /// Opens the file, and makes an empty one if there is none.
    pub(super) fn open(&mut self, path: &Path) -> io::Result<InodeId> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.link(path),
            found => found,
        }
    }

    fn link(&mut self, path: &Path) -> io::Result<InodeId> {
        if !path.parent().is_none_or(|dir| self.seen.has_folder(dir)) {
            return Err(missing());
        }
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        self.change(Step::Link { path: path.to_path_buf(), inode });
        Ok(inode)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<InodeId> {
        let inode = self.open(path)?;
        self.truncate(inode, 0)?;
        Ok(inode)
    }

    pub(super) fn write(&mut self, id: InodeId, at: usize, bytes: &[u8]) -> io::Result<()> {
        self.inode_mut(id)?.change(Edit::Write { at, bytes: bytes.to_vec() });
        Ok(())
    }

    pub(super) fn truncate(&mut self, id: InodeId, length: usize) -> io::Result<()> {
        let inode = self.inode_mut(id)?;
        if inode.seen.len() != length {
            inode.change(Edit::Truncate(length));
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        if self.seen.folders.contains(to) {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
        }
        self.change(Step::Rename { from: from.to_path_buf(), to: to.to_path_buf(), inode });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.find(path)?;
        self.change(Step::Unlink { path: path.to_path_buf(), inode });
        Ok(())
    }

    pub(super) fn sync_content(&mut self, id: InodeId) -> io::Result<()> {
        let inode = self.inode_mut(id)?;
        let mut lost: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut inode.pending) {
            match &change.edit {
                Edit::Write { .. } if change.doubtful => lost.push(change),
                edit => {
                    edit.apply(&mut inode.durable);
                    lost.retain_mut(|lost| lost.edit.outlives(edit));
                }
            }
        }
        inode.pending = lost;
        Ok(())
    }

    /// A sync of the content has failed.
    pub(super) fn doubt_content(&mut self, id: InodeId) -> io::Result<()> {
        self.inode_mut(id)?.pending.iter_mut().for_each(|change| change.doubtful = true);
        Ok(())
    }

    pub(super) fn sync_names(&mut self, dir: &Path) -> io::Result<()> {
        if !self.seen.has_folder(dir) {
            return Err(missing());
        }
        for step in self.pending.iter().filter(|step| step.touches(dir)) {
            self.durable.apply(step);
        }
        self.pending.retain(|step| !step.touches(dir));
        Ok(())
    }

    pub(super) fn put(&mut self, path: &Path, content: &[u8]) {
        let inode = self.inodes.len();
        self.inodes.push(Inode::synced(content.to_vec()));
        let step = Step::Link { path: path.to_path_buf(), inode };
        self.seen.apply(&step);
        self.durable.apply(&step);
        for dir in path.ancestors().skip(1) {
            self.seen.folders.insert(dir.to_path_buf());
            self.durable.folders.insert(dir.to_path_buf());
        }
    }

    pub(super) fn take(&mut self, path: &Path) {
        self.seen.files.remove(path);
        self.durable.files.remove(path);
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file or directory")
}

//! A file system in memory that forgets what was not synced: for tests of what survives a crash.
//!
//! It is as unkind as the rules of POSIX allow. A name is on the disk only after its folder was synced, content only after the
//! file was; until then a power failure takes each sector and each change of a name, or leaves it. Content that a failed sync
//! was to write may be gone although a later sync succeeds; names are in the journal, and a later sync writes them.

mod disk;
mod power;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::{Disk, InodeId};

use super::{DurableFile, DurableFs, LockGuard};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: half of what was to be written is there.
    NoSpace,
    /// The disk does not answer.
    Io,
    /// A signal came first.
    Interrupted,
    /// A write takes half of its bytes and says so; other operations succeed.
    ShortWrite,
}

/// Files in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SimulatedFs {
    machine: Arc<Mutex<Machine>>,
}

/// The disk and the process that uses it.
#[derive(Debug, Default)]
struct Machine {
    disk: Disk,
    operations: u64,
    crash_after: Option<u64>,
    dead: bool,
    faults: Vec<(u64, Fault)>,
    locks: Vec<PathBuf>,
}

/// What becomes of one operation.
enum Outcome {
    Done,
    Dies,
    Fails(Fault),
}

impl SimulatedFs {
    /// How many operations that change something, or wait for the disk, were asked for.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock_machine().operations
    }

    /// Lets every operation after the first `operations` fail, as if the process were dead. A write that is cut short by
    /// this leaves half of its bytes.
    pub fn crash_after(&self, operations: u64) {
        self.lock_machine().crash_after = Some(operations);
    }

    /// Lets the operation with this number, from 1, fail once.
    pub fn fail(&self, operation: u64, fault: Fault) {
        self.lock_machine().faults.push((operation, fault));
    }

    /// The files as another process finds them after this one was killed: all that was written, synced or not.
    #[must_use]
    pub fn killed(&self) -> Self {
        Self::booted(self.lock_machine().disk.clone())
    }

    /// The files after a power failure. The seed decides what is left of all that was not synced.
    #[must_use]
    pub fn power_loss(&self, seed: u64) -> Self {
        Self::booted(power::after_loss(&self.lock_machine().disk, seed))
    }

    /// Puts a file there, synced, without counting it: damage from outside.
    pub fn put(&self, path: &Path, content: &[u8]) {
        self.lock_machine().disk.put(path, content);
    }

    /// Takes a file away, without counting it.
    pub fn take(&self, path: &Path) {
        self.lock_machine().disk.take(path);
    }

    fn booted(disk: Disk) -> Self {
        Self { machine: Arc::new(Mutex::new(Machine { disk, ..Machine::default() })) }
    }

    // A test that panics inside of an operation has failed already.
    fn lock_machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation and does it, unless it is its turn to fail.
    fn operate<T>(&self, work: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.lock_machine();
        match machine.next_outcome() {
            Outcome::Done | Outcome::Fails(Fault::ShortWrite) => work(&mut machine.disk),
            Outcome::Dies => Err(dead()),
            Outcome::Fails(fault) => Err(fault.error()),
        }
    }

    fn sync_inode(&self, find: impl FnOnce(&Disk) -> io::Result<InodeId>) -> io::Result<()> {
        let mut machine = self.lock_machine();
        let outcome = machine.next_outcome();
        let inode = find(&machine.disk)?;
        match outcome {
            Outcome::Done | Outcome::Fails(Fault::ShortWrite) => machine.disk.sync_content(inode),
            Outcome::Dies => Err(dead()),
            Outcome::Fails(fault) => {
                machine.disk.doubt_content(inode)?;
                Err(fault.error())
            }
        }
    }

    fn look<T>(&self, work: impl FnOnce(&Disk) -> io::Result<T>) -> io::Result<T> {
        let machine = self.lock_machine();
        if machine.dead { Err(dead()) } else { work(&machine.disk) }
    }

    fn open(&self, inode: InodeId, position: Option<usize>) -> Box<dyn DurableFile> {
        Box::new(SimulatedFile { fs: self.clone(), inode, position })
    }
}

impl Machine {
    fn next_outcome(&mut self) -> Outcome {
        self.operations += 1;
        self.dead |= self.crash_after.is_some_and(|last| self.operations > last);
        if self.dead {
            return Outcome::Dies;
        }
        let number = self.operations;
        let fault = self.faults.iter().find(|(operation, _)| *operation == number);
        fault.map_or(Outcome::Done, |(_, fault)| Outcome::Fails(*fault))
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::Error::new(io::ErrorKind::StorageFull, "no space left on device"),
            Self::Io => io::Error::other("input/output error"),
            Self::Interrupted | Self::ShortWrite => io::Error::new(io::ErrorKind::Interrupted, "interrupted"),
        }
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

impl DurableFs for SimulatedFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.operate(|disk| disk.create_dir_all(dir))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DurableFile>> {
        let inode = self.operate(|disk| disk.create(path))?;
        Ok(self.open(inode, Some(0)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DurableFile>> {
        let inode = self.operate(|disk| disk.open(path))?;
        Ok(self.open(inode, None))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.look(|disk| disk.content(disk.find(path)?).map(<[u8]>::to_vec))
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        self.look(|disk| disk.length(path))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.operate(|disk| {
            let inode = disk.find(path)?;
            disk.truncate(inode, usize::try_from(length).map_err(io::Error::other)?)
        })
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.sync_inode(|disk| disk.find(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(|disk| disk.sync_names(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|disk| disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|disk| disk.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.look(|disk| disk.list(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        self.operate(|disk| disk.open(path))?;
        let mut machine = self.lock_machine();
        if machine.locks.iter().any(|held| held == path) {
            return Ok(None);
        }
        machine.locks.push(path.to_path_buf());
        Ok(Some(Box::new(HeldLock { fs: self.clone(), path: path.to_path_buf() })))
    }
}

/// Gives the lock back when it is dropped.
struct HeldLock {
    fs: SimulatedFs,
    path: PathBuf,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.fs.lock_machine().locks.retain(|held| *held != self.path);
    }
}

/// An open file. It stays the same file when it is renamed.
struct SimulatedFile {
    fs: SimulatedFs,
    inode: InodeId,
    /// Where the next write goes; `None` for the end.
    position: Option<usize>,
}

impl SimulatedFile {
    fn put(&mut self, disk: &mut Disk, bytes: &[u8]) -> io::Result<usize> {
        let at = match self.position {
            Some(position) => position,
            None => disk.content(self.inode)?.len(),
        };
        disk.write(self.inode, at, bytes)?;
        self.position = self.position.map(|position| position + bytes.len());
        Ok(bytes.len())
    }
}

impl Write for SimulatedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fs = self.fs.clone();
        let mut machine = fs.lock_machine();
        let was_dead = machine.dead;
        let outcome = machine.next_outcome();
        let half = bytes.get(..bytes.len().div_ceil(2)).unwrap_or_default();
        match outcome {
            Outcome::Done => self.put(&mut machine.disk, bytes),
            Outcome::Fails(Fault::ShortWrite) => self.put(&mut machine.disk, half),
            Outcome::Fails(Fault::NoSpace) => {
                self.put(&mut machine.disk, half)?;
                Err(Fault::NoSpace.error())
            }
            Outcome::Fails(fault) => Err(fault.error()),
            Outcome::Dies if was_dead => Err(dead()),
            Outcome::Dies => {
                self.put(&mut machine.disk, half)?;
                Err(dead())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DurableFile for SimulatedFile {
    fn sync(&mut self) -> io::Result<()> {
        let inode = self.inode;
        self.fs.sync_inode(|_| Ok(inode))
    }
}

#[cfg(test)]
mod tests;

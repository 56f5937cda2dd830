//! The compressed copies of the columns that were searched for vectors.
//!
//! A copy belongs to the batches of a table as they were at one time: when the table changes or goes, it goes with the next
//! search. The first search of a column copies nothing, since many columns are searched once; the second makes the copy.
//! Copies are counted in the memory of the session. One that has no room there is not made, and the searches are the same
//! without it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use velaria_contract::Result;
use velaria_vector::column::Components;
use velaria_vector::{Backend, COMPRESSED_DIMENSIONS_MAX, CompressedColumn, Part};

/// Below this many bytes a column is read as it is.
const COLUMN_BYTES_MIN: usize = 4 << 20;
/// How many columns are remembered; the one that was not searched for the longest time goes first.
const COLUMNS_MAX: usize = 64;

/// The copies of one session.
#[derive(Debug)]
pub(crate) struct VectorCache {
    /// The column that was searched last is last.
    entries: Mutex<Vec<Entry>>,
    /// The most that all copies may take.
    bytes_max: usize,
    pool: Arc<dyn MemoryPool>,
}

/// A column of the batches of a table, as they were at one time.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    batches: Weak<Vec<RecordBatch>>,
    column: usize,
}

/// A copy, and its memory.
#[derive(Debug)]
pub(crate) struct Compressed {
    pub(crate) column: CompressedColumn,
    _memory: MemoryReservation,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Searched once.
    Seen,
    /// A search is making the copy.
    Building,
    /// There was no room or no time for it.
    Refused,
    Ready(Arc<Compressed>),
}

/// What a search is to do.
enum Turn {
    Plain,
    Build,
    Use(Arc<Compressed>),
}

impl Key {
    pub(crate) fn new(batches: &Arc<Vec<RecordBatch>>, column: usize) -> Self {
        Self { batches: Arc::downgrade(batches), column }
    }

    /// As long as one of them is kept, no other batches can have its place in memory.
    fn is_same(&self, other: &Self) -> bool {
        self.column == other.column && self.batches.ptr_eq(&other.batches)
    }
}

impl VectorCache {
    /// No copies yet, and at most `bytes_max` later, of the memory of `pool`.
    pub(crate) fn new(pool: &Arc<dyn MemoryPool>, bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { entries: Mutex::default(), bytes_max, pool: Arc::clone(pool) }
    }

    /// The copy of the column `key`, which is that of `parts`, for a search that begins now. Made here if this is the second
    /// search, on at most `threads` threads.
    ///
    /// # Errors
    /// Those of `check`.
    pub(crate) fn copy(
        &self,
        key: &Key,
        parts: &[Part],
        threads: usize,
        check: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Option<Arc<Compressed>>> {
        let Some(bytes) = bytes_if_it_pays(parts) else { return Ok(None) };
        match self.turn(key) {
            Turn::Plain => Ok(None),
            Turn::Use(copy) => Ok(Some(copy)),
            Turn::Build => {
                let built = self.build(bytes, parts, threads, check);
                // Who had no time once is not kept waiting again.
                self.finish(key, built.as_ref().ok().and_then(Clone::clone));
                built
            }
        }
    }

    /// The copy of the column `key`, if there is one.
    pub(crate) fn ready(&self, key: &Key) -> Option<Arc<Compressed>> {
        self.entries().iter().find(|entry| entry.key.is_same(key)).and_then(Entry::copy)
    }

    fn turn(&self, key: &Key) -> Turn {
        let mut entries = self.entries();
        entries.retain(|entry| entry.key.batches.strong_count() > 0);
        let found = entries.iter().position(|entry| entry.key.is_same(key)).map(|place| entries.remove(place));
        let (turn, state) = match found.map(|entry| entry.state) {
            None => (Turn::Plain, State::Seen),
            Some(State::Seen) => (Turn::Build, State::Building),
            Some(State::Ready(copy)) => (Turn::Use(Arc::clone(&copy)), State::Ready(copy)),
            Some(other @ (State::Building | State::Refused)) => (Turn::Plain, other),
        };
        entries.push(Entry { key: key.clone(), state });
        let too_many = entries.len().saturating_sub(COLUMNS_MAX);
        entries.drain(..too_many);
        turn
    }

    fn build(
        &self,
        bytes: usize,
        parts: &[Part],
        threads: usize,
        check: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Option<Arc<Compressed>>> {
        let Some(memory) = self.room(bytes) else { return Ok(None) };
        let column = CompressedColumn::build(parts, threads, check)?;
        Ok(Some(Arc::new(Compressed { column, _memory: memory })))
    }

    /// Memory for a copy, for which older ones go where there is too little.
    fn room(&self, bytes: usize) -> Option<MemoryReservation> {
        if bytes > self.bytes_max {
            return None;
        }
        let mut entries = self.entries();
        let mut taken: usize = entries.iter().map(Entry::bytes).sum();
        for entry in entries.iter_mut() {
            if taken <= self.bytes_max - bytes {
                break;
            }
            taken -= entry.bytes();
            if matches!(entry.state, State::Ready(_)) {
                entry.state = State::Refused;
            }
        }
        drop(entries);
        let memory = MemoryConsumer::new("Compressed vectors").register(&self.pool);
        memory.try_grow(bytes).ok().map(|()| memory)
    }

    fn finish(&self, key: &Key, copy: Option<Arc<Compressed>>) {
        if let Some(entry) = self.entries().iter_mut().find(|entry| entry.key.is_same(key)) {
            entry.state = copy.map_or(State::Refused, State::Ready);
        }
    }

    // A poisoned lock still holds whole entries.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn copy(&self) -> Option<Arc<Compressed>> {
        match &self.state {
            State::Ready(copy) => Some(Arc::clone(copy)),
            State::Seen | State::Building | State::Refused => None,
        }
    }

    fn bytes(&self) -> usize {
        self.copy().map_or(0, |copy| copy.column.bytes())
    }
}

/// The memory of a copy of the column, when the column is so large, and the copy so much smaller, that reading it instead is
/// faster. Without instructions for bytes it is not.
fn bytes_if_it_pays(parts: &[Part]) -> Option<usize> {
    let bytes: usize = parts.iter().map(vector_bytes).sum();
    let compressed: usize = parts.iter().map(compressed_bytes).sum();
    let fits = parts.iter().all(|part| part.column.dimension() <= COMPRESSED_DIMENSIONS_MAX);
    let pays = fits && bytes >= COLUMN_BYTES_MIN && compressed / 3 <= bytes / 5 && Backend::best() != Backend::Portable;
    pays.then_some(compressed)
}

fn vector_bytes(part: &Part) -> usize {
    match part.column.components() {
        Components::F16(values) => size_of_val(&**values),
        Components::F32(values) => size_of_val(&**values),
        Components::F64(values) => size_of_val(&**values),
    }
}

fn compressed_bytes(part: &Part) -> usize {
    CompressedColumn::bytes_for(part.column.rows(), part.column.dimension())
}

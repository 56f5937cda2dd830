//! A column of values of any type: arrays as they came, and for each group the place of its row.
//!
//! A write adds an array. Arrays of like size are merged, rows that nobody points to are left behind by that, so there are few
//! arrays at any time and a row is copied a number of times that grows with the logarithm of the groups only.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::{interleave, take};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::{StateColumn, compact};

pub(super) struct ChunkedColumn {
    data_type: DataType,
    chunks: Vec<Chunk>,
    /// The chunk and the row of each group.
    places: Vec<(u32, u32)>,
}

struct Chunk {
    rows: ArrayRef,
    /// The group that each row was written for.
    owners: Vec<u32>,
    bytes: usize,
}

impl Chunk {
    fn new(rows: ArrayRef, owners: Vec<u32>) -> Self {
        let rows = compact(rows);
        let bytes = super::array_bytes(rows.as_ref());
        Self { rows, owners, bytes }
    }
}

const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);

impl ChunkedColumn {
    pub(super) fn new(data_type: DataType) -> Self {
        Self { data_type, chunks: Vec::new(), places: Vec::new() }
    }

    fn push(&mut self, chunk: Chunk) {
        let number = index(self.chunks.len());
        for (row, &group) in chunk.owners.iter().enumerate() {
            self.places[group as usize] = (number, index(row));
        }
        self.chunks.push(chunk);
    }

    /// Merges the last chunks while the last is not much smaller than the one before it.
    fn merge(&mut self) -> Result<()> {
        while let [.., before, last] = self.chunks.as_slice() {
            if last.owners.len() * 2 < before.owners.len() {
                break;
            }
            self.join(self.chunks.len() - 2)?;
        }
        let rows: usize = self.chunks.iter().map(|chunk| chunk.owners.len()).sum();
        if rows > 2 * self.places.len() + 64 {
            self.join(0)?;
        }
        Ok(())
    }

    /// Makes one chunk of those from `first` on.
    fn join(&mut self, first: usize) -> Result<()> {
        let owners = self.live_owners(first);
        let rows = self.gather(&owners)?;
        self.chunks.truncate(first);
        self.push(Chunk::new(rows, owners));
        Ok(())
    }

    fn live_owners(&self, first: usize) -> Vec<u32> {
        let mut owners = Vec::new();
        for (number, chunk) in self.chunks.iter().enumerate().skip(first) {
            let rows = chunk.owners.iter().enumerate();
            owners.extend(
                rows.filter(|&(row, &group)| self.places[group as usize] == (index(number), index(row)))
                    .map(|(_, &group)| group),
            );
        }
        owners
    }
}

impl StateColumn for ChunkedColumn {
    fn scatter(&mut self, groups: &[u32], rows: &ArrayRef, count: usize) -> Result<()> {
        self.places.resize(count, NOWHERE);
        if groups.is_empty() {
            return Ok(());
        }
        self.push(Chunk::new(Arc::clone(rows), groups.to_vec()));
        self.merge()
    }

    fn gather(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let places = groups.iter().map(|&group| self.places[group as usize]);
        match self.chunks.as_slice() {
            [] => Ok(new_empty_array(&self.data_type)),
            [only] => Ok(take(&only.rows, &UInt32Array::from_iter_values(places.map(|(_, row)| row)), None)?),
            chunks => {
                let arrays: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk.rows.as_ref()).collect();
                let places: Vec<(usize, usize)> = places.map(|(chunk, row)| (chunk as usize, row as usize)).collect();
                Ok(interleave(&arrays, &places)?)
            }
        }
    }

    fn whole(&mut self) -> Result<ArrayRef> {
        let in_order = |chunk: &Chunk| chunk.owners.iter().enumerate().all(|(row, &group)| row == group as usize);
        if let [only] = self.chunks.as_slice()
            && only.owners.len() == self.places.len()
            && in_order(only)
        {
            return Ok(Arc::clone(&only.rows));
        }
        let groups: Vec<u32> = (0..index(self.places.len())).collect();
        self.gather(&groups)
    }

    fn replace(&mut self, rows: ArrayRef) {
        let owners: Vec<u32> = (0..index(rows.len())).collect();
        self.chunks.clear();
        self.places.clear();
        self.places.resize(owners.len(), NOWHERE);
        self.push(Chunk::new(rows, owners));
    }

    fn bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.bytes + chunk.owners.capacity() * 4).sum();
        chunks + self.places.capacity() * size_of::<(u32, u32)>()
    }
}

/// Groups are counted in 32 bits; their number is checked where they are made.
fn index(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

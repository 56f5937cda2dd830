//! Rows of a table by the hash of their keys.

/// Stands for no row.
const NONE: u32 = u32::MAX;

/// Chains of rows whose hashes end in the same bits, each in the order of the table.
pub(super) struct HashIndex {
    heads: Vec<u32>,
    /// The next row of the chain, for each row.
    next: Vec<u32>,
    hashes: Vec<u64>,
}

impl HashIndex {
    /// The index over rows with these hashes; a row of `None` is not found.
    pub(super) fn new(hashes: Vec<u64>, is_found: impl Fn(usize) -> bool) -> Self {
        let buckets = hashes.len().saturating_mul(2).next_power_of_two();
        let (mut heads, mut next) = (vec![NONE; buckets], vec![NONE; hashes.len()]);
        // Each row is put in front of its chain, so the last row goes first.
        for (row, hash) in hashes.iter().enumerate().rev() {
            if is_found(row) {
                let head = &mut heads[bucket(*hash, buckets)];
                next[row] = *head;
                *head = row as u32;
            }
        }
        Self { heads, next, hashes }
    }

    /// The first row of that hash.
    #[inline]
    pub(super) fn first(&self, hash: u64) -> Option<u32> {
        self.of_hash(self.heads[bucket(hash, self.heads.len())], hash)
    }

    /// The first row of that hash behind `row`.
    #[inline]
    pub(super) fn after(&self, row: u32, hash: u64) -> Option<u32> {
        self.of_hash(self.next[row as usize], hash)
    }

    #[inline]
    fn of_hash(&self, mut row: u32, hash: u64) -> Option<u32> {
        while row != NONE && self.hashes[row as usize] != hash {
            row = self.next[row as usize];
        }
        (row != NONE).then_some(row)
    }
}

/// `buckets` is a power of two.
#[inline]
fn bucket(hash: u64, buckets: usize) -> usize {
    hash as usize & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_hash_come_in_the_order_of_the_table() {
        let hashes = vec![8, 1, 8, 0, 8, 16];
        let index = HashIndex::new(hashes, |row| row != 2);
        assert_eq!(index.first(8), Some(0));
        assert_eq!(index.after(0, 8), Some(4));
        assert_eq!(index.after(4, 8), None);
        assert_eq!(index.first(16), Some(5));
        assert_eq!(index.first(24), None);
        assert_eq!(HashIndex::new(Vec::new(), |_| true).first(0), None);
    }
}

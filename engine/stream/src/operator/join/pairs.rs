//! Pairs of rows that the keys allow, a bounded number at a time.

use arrow::array::DynComparator;
use arrow::buffer::NullBuffer;

use super::index::HashIndex;

/// Stands for the row of the table that a row of the stream does not have.
pub(super) const NO_ROW: u32 = u32::MAX;

/// Rows of the stream, each with a row of the table or, in a left join, with [`NO_ROW`].
#[derive(Default)]
pub(super) struct Pairs {
    /// Never goes back.
    pub(super) stream: Vec<u32>,
    pub(super) table: Vec<u32>,
}

impl Pairs {
    pub(super) fn clear(&mut self) {
        self.stream.clear();
        self.table.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.stream.len()
    }

    #[inline]
    fn push(&mut self, row: usize, table_row: u32) {
        // A micro-batch has fewer rows, as `Table::probe` checks.
        self.stream.push(row as u32);
        self.table.push(table_row);
    }

    /// Keeps the pairs that `keep` says, by their number.
    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for column in [&mut self.stream, &mut self.table] {
            let mut number = 0;
            column.retain(|_| {
                number += 1;
                keep(number - 1)
            });
        }
    }

    /// Puts the rows from `first_row` on that are done and in no pair between the others, where they belong.
    pub(super) fn add_unmatched(&mut self, first_row: usize, progress: &Progress) {
        let done = progress.matched.get(first_row..progress.row).unwrap_or_default();
        if done.iter().all(|matched| *matched) {
            return;
        }
        let found = std::mem::take(self);
        let mut found = found.stream.into_iter().zip(found.table).peekable();
        for (row, matched) in (first_row..).zip(done) {
            if !matched {
                self.push(row, NO_ROW);
            }
            while let Some((stream, table)) = found.next_if(|(stream, _)| *stream as usize <= row) {
                self.push(stream as usize, table);
            }
        }
        found.for_each(|(stream, table)| self.push(stream as usize, table));
    }
}

/// How far the rows of a micro-batch have been looked up.
pub(super) struct Progress {
    row: usize,
    /// The last row of the table that `row` was paired with.
    after: Option<u32>,
    /// For each row, whether it is in a pair.
    matched: Vec<bool>,
}

impl Progress {
    pub(super) fn new(rows: usize) -> Self {
        Self { row: 0, after: None, matched: vec![false; rows] }
    }

    pub(super) fn is_done(&self) -> bool {
        self.row >= self.matched.len()
    }

    /// The first row that is not done.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    pub(super) fn matched(&self) -> &[bool] {
        &self.matched
    }

    /// Remembers which rows are in a pair.
    pub(super) fn mark(&mut self, pairs: &Pairs) {
        for row in &pairs.stream {
            if let Some(matched) = self.matched.get_mut(*row as usize) {
                *matched = true;
            }
        }
    }

    fn next_row(&mut self) {
        self.row += 1;
        self.after = None;
    }
}

/// Finds the rows of a table for those of a micro-batch.
pub(super) enum Probe<'a> {
    /// Every row of a table with so many.
    All(u32),
    /// The rows with equal keys.
    Keys {
        index: &'a HashIndex,
        hashes: Vec<u64>,
        /// The rows of the micro-batch that can meet others; `None` for all.
        nulls: Option<NullBuffer>,
        equal: Vec<DynComparator>,
    },
}

impl Probe<'_> {
    /// Adds pairs until there are `limit` or all rows are done.
    pub(super) fn fill(&self, progress: &mut Progress, pairs: &mut Pairs, limit: usize) {
        while !progress.is_done() {
            while pairs.len() < limit
                && let Some(found) = self.next(progress.row, progress.after)
            {
                pairs.push(progress.row, found);
                progress.after = Some(found);
            }
            if pairs.len() >= limit {
                return;
            }
            progress.next_row();
        }
    }

    /// The same, without the row that was left off at if it is in a pair by now.
    pub(super) fn fill_unmatched(&self, progress: &mut Progress, pairs: &mut Pairs, limit: usize) {
        if progress.matched.get(progress.row) == Some(&true) {
            progress.next_row();
        }
        self.fill(progress, pairs, limit);
    }

    /// Adds the first pair of every row, until there are `limit` or all rows are done.
    pub(super) fn fill_first(&self, progress: &mut Progress, pairs: &mut Pairs, limit: usize) {
        while !progress.is_done() && pairs.len() < limit {
            if let Some(found) = self.next(progress.row, None) {
                pairs.push(progress.row, found);
            }
            progress.next_row();
        }
    }

    /// The row of the table that `row` is paired with behind the one at `after`.
    #[inline]
    fn next(&self, row: usize, after: Option<u32>) -> Option<u32> {
        match self {
            Self::All(rows) => Some(after.map_or(0, |after| after + 1)).filter(|next| next < rows),
            Self::Keys { index, hashes, nulls, equal } => {
                let hash = *hashes.get(row)?;
                let mut next = match after {
                    Some(after) => index.after(after, hash),
                    None if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => None,
                    None => index.first(hash),
                };
                while let Some(found) = next {
                    if equal.iter().all(|compare| compare(row, found as usize).is_eq()) {
                        return Some(found);
                    }
                    next = index.after(found, hash);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_pieces_and_rows_without_one_stand_where_they_belong() {
        let probe = Probe::All(3);
        let mut progress = Progress::new(2);
        let mut pairs = Pairs::default();
        let mut pieces = Vec::new();
        while !progress.is_done() {
            let first = progress.row();
            pairs.clear();
            probe.fill(&mut progress, &mut pairs, 4);
            // The second row is in a pair with the last row of the table only.
            let (stream, table) = (pairs.stream.clone(), pairs.table.clone());
            pairs.retain(|pair| stream[pair] == 1 && table[pair] == 2);
            progress.mark(&pairs);
            pairs.add_unmatched(first, &progress);
            pieces.push(pairs.stream.iter().copied().zip(pairs.table.iter().copied()).collect::<Vec<_>>());
        }
        assert_eq!(pieces, [vec![(0, NO_ROW)], vec![(1, 2)]]);
        assert_eq!(progress.matched(), [false, true]);
    }
}

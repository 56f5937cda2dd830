//! The groups that a micro-batch touches, in the order in which they first appear.

/// The groups of the current micro-batch.
#[derive(Default)]
pub(super) struct Touched {
    epoch: u32,
    /// For each group the last epoch that touched it, and its place there.
    marks: Vec<(u32, u32)>,
    groups: Vec<u32>,
    ranks: Vec<u64>,
    existing: usize,
}

impl Touched {
    /// Begins a micro-batch when there are `existing` groups.
    pub(super) fn begin(&mut self, existing: usize) {
        self.groups.clear();
        self.ranks.clear();
        self.existing = existing;
        if self.epoch == u32::MAX {
            self.epoch = 0;
            self.marks.clear();
        }
        self.epoch += 1;
    }

    /// Whether nothing was touched yet.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups, in order.
    pub(super) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The number of the first row of each group.
    pub(super) fn ranks(&self) -> &[u64] {
        &self.ranks
    }

    /// Whether a group was there before the micro-batch.
    pub(super) fn is_old(&self, group: u32) -> bool {
        (group as usize) < self.existing
    }

    /// Touches the group of each row and puts its place into `slots`.
    pub(super) fn touch(
        &mut self,
        rows: &[usize],
        count: usize,
        number: impl Fn(usize) -> u64,
        slots: &mut Vec<usize>,
    ) {
        self.marks.resize(count, (0, 0));
        slots.clear();
        let Self { epoch, marks, groups, ranks, .. } = self;
        slots.extend(rows.iter().enumerate().map(|(row, &group)| {
            let mark = &mut marks[group];
            if mark.0 != *epoch {
                *mark = (*epoch, narrow(groups.len()));
                groups.push(narrow(group));
                ranks.push(number(row));
            }
            mark.1 as usize
        }));
    }

    /// Forgets all groups: they get other numbers.
    pub(super) fn forget(&mut self) {
        self.marks = Vec::new();
        self.groups.clear();
        self.ranks.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        self.marks.capacity() * size_of::<(u32, u32)>()
    }
}

/// The number of groups is checked where they are made.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

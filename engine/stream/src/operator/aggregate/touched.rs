//! The groups that a micro-batch touches, in the order in which they first appear.

/// The groups of the current micro-batch.
#[derive(Default)]
pub(super) struct Touched {
    epoch: u32,
    /// For each group the last epoch that touched it, and its place there.
    marks: Vec<(u32, u32)>,
    groups: Vec<u32>,
    ranks: Vec<u64>,
    /// The group at each place of a scratch accumulator.
    placed: Vec<u32>,
    existing: usize,
}

impl Touched {
    /// Begins a micro-batch when there are `existing` groups.
    pub(super) fn begin(&mut self, existing: usize) {
        self.groups.clear();
        self.ranks.clear();
        self.placed.clear();
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

    /// Touches the group of each row; tells how many groups were touched before.
    pub(super) fn touch(&mut self, rows: &[usize], count: usize, number: impl Fn(usize) -> u64) -> usize {
        let before = self.groups.len();
        self.marks.resize(count, (0, 0));
        for (row, &group) in rows.iter().enumerate() {
            let mark = &mut self.marks[group];
            if mark.0 != self.epoch {
                mark.0 = self.epoch;
                self.groups.push(narrow(group));
                self.ranks.push(number(row));
            }
        }
        before
    }

    /// Gives places to the groups of the last push, of which `before` groups were touched earlier: first to the old groups,
    /// which are given back, so that what is loaded for them leaves no place between them empty. An accumulator that is handed
    /// values without NULL takes it that every place up to the last has one.
    pub(super) fn place(&mut self, before: usize) -> &[u32] {
        let first = self.placed.len();
        let new = self.groups.iter().skip(before).copied();
        let (old, new): (Vec<u32>, Vec<u32>) = new.partition(|&group| self.is_old(group));
        for (place, &group) in (narrow(first)..).zip(old.iter().chain(&new)) {
            self.marks[group as usize].1 = place;
        }
        self.placed.extend(old.iter().chain(&new));
        &self.placed[first..first + old.len()]
    }

    /// The group at each place.
    pub(super) fn placed(&self) -> &[u32] {
        &self.placed
    }

    /// Puts the place of each row's group into `slots`.
    pub(super) fn slots(&self, rows: &[usize], slots: &mut Vec<usize>) {
        slots.clear();
        slots.extend(rows.iter().map(|&group| self.marks[group].1 as usize));
    }

    /// Forgets all groups: they get other numbers.
    pub(super) fn forget(&mut self) {
        self.marks = Vec::new();
        self.groups.clear();
        self.ranks.clear();
        self.placed.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        self.marks.capacity() * size_of::<(u32, u32)>()
    }
}

/// The number of groups is checked where they are made.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

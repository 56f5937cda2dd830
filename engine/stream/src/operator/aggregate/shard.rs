//! The groups of a group by, or with local workers the groups of one worker.

mod emit;
pub(super) mod frames;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter, filter_record_batch};
use velaria_connector::EmissionKind;
use velaria_contract::{Error, ErrorCode, Result};

use super::keys::Keys;
use super::program::{Arguments, Program, Window};
use super::touched::Touched;
use super::windows::{Windows, starts_ms};
use crate::accumulator::{Regime, Rows, Source, Totals};
use crate::error::{from_arrow, from_datafusion};
use frames::Told;

pub(super) struct Shard {
    program: Arc<Program>,
    keys: Keys,
    totals: Vec<Totals>,
    /// The number of the row that each group began with: groups are shown in this order.
    sequences: Vec<u64>,
    /// Whether the numbers of groups are in that order.
    in_sequence: bool,
    dead: Vec<bool>,
    dead_count: usize,
    /// Windows whose groups are dead; noted while state is restored.
    dead_windows: BTreeSet<i64>,
    windows: Windows,
    touched: Touched,
    regime: Regime,
    /// For a changelog, the results before the micro-batch of the groups that were there, by function and push.
    previous: Vec<Vec<ArrayRef>>,
    told: Told,
    late_rows: u64,
    groups: Vec<usize>,
    slots: Vec<usize>,
}

/// Rows of a micro-batch for a shard.
pub(super) struct Push {
    pub(super) batch: RecordBatch,
    pub(super) keys: Vec<ArrayRef>,
    pub(super) numbers: Numbers,
    pub(super) watermark_ms: Option<i64>,
}

/// The numbers of rows, counted over all rows that the group by ever took.
pub(super) struct Numbers {
    pub(super) first: u64,
    /// The rows of the batch that were picked, when they were.
    pub(super) picked: Option<Vec<u32>>,
}

impl Numbers {
    fn of(&self, row: usize) -> u64 {
        let row = match &self.picked {
            Some(picked) => u64::from(picked[row]),
            None => row as u64,
        };
        self.first + row
    }

    fn filtered(&self, kept: &BooleanArray) -> Self {
        let rows = (0_u32..).zip(kept.values()).filter(|&(_, kept)| kept).map(|(row, _)| row);
        let picked = match &self.picked {
            Some(picked) => rows.map(|row| picked[row as usize]).collect(),
            None => rows.collect(),
        };
        Self { first: self.first, picked: Some(picked) }
    }
}

impl Shard {
    pub(super) fn new(program: &Arc<Program>) -> Result<Self> {
        Ok(Self {
            keys: Keys::new(&program.key_schema)?,
            totals: totals(program)?,
            program: Arc::clone(program),
            sequences: Vec::new(),
            in_sequence: true,
            dead: Vec::new(),
            dead_count: 0,
            dead_windows: BTreeSet::new(),
            windows: Windows::default(),
            touched: Touched::default(),
            regime: Regime::Sparse,
            previous: vec![Vec::new(); program.aggregates.len()],
            told: Told::default(),
            late_rows: 0,
            groups: Vec::new(),
            slots: Vec::new(),
        })
    }

    pub(super) fn late_rows(&self) -> u64 {
        self.late_rows
    }

    /// The number of groups that are kept.
    pub(super) fn rows(&self) -> usize {
        self.keys.count() - self.dead_count
    }

    pub(super) fn bytes(&self) -> usize {
        let totals: usize = self.totals.iter().map(Totals::bytes).sum();
        let of_groups = self.sequences.capacity() * size_of::<u64>() + self.dead.capacity();
        let of_windows = if self.program.window.is_some() { self.keys.count() * size_of::<u32>() } else { 0 };
        self.keys.bytes() + totals + of_groups + of_windows + self.touched.bytes()
    }

    /// One more than the largest number of a row that began a group.
    pub(super) fn next_number(&self) -> u64 {
        self.sequences.iter().max().map_or(0, |last| last + 1)
    }

    /// Adds rows.
    pub(super) fn push(&mut self, push: Push) -> Result<()> {
        let push = self.without_late(push)?;
        let rows = push.batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let arguments = self.program.arguments(&push.batch)?;
        let first_push = self.touched.is_empty();
        if first_push {
            self.begin()?;
        }
        self.intern(&push.keys, &push.numbers, rows)?;
        if first_push {
            self.choose_regime(rows)?;
        }
        self.touch(&push.numbers)?;
        self.update(&arguments)
    }

    /// Makes the group of a total of which no row came, as that of number `number`; adds a row that no function counts.
    fn push_nothing(&mut self, number: u64) -> Result<()> {
        self.begin()?;
        let numbers = Numbers { first: number, picked: None };
        self.intern(&[], &numbers, 1)?;
        self.choose_regime(1)?;
        self.touch(&numbers)?;
        let arguments = self.program.no_arguments();
        self.update(&arguments)
    }

    fn begin(&mut self) -> Result<()> {
        // Windows whose drop was restored may begin again.
        if !self.dead_windows.is_empty() {
            self.rebuild()?;
        }
        self.touched.begin(self.keys.count());
        Ok(())
    }

    /// The push without the rows whose window was closed before the micro-batch.
    fn without_late(&mut self, push: Push) -> Result<Push> {
        let (Some(window), Some(watermark_ms)) = (self.program.window, push.watermark_ms) else { return Ok(push) };
        let Some(keys) = push.keys.get(window.key) else { return Ok(push) };
        let last_closed_ms = window.last_closed_ms(watermark_ms);
        let in_time = |start: &Option<i64>| start.is_none_or(|start_ms| start_ms > last_closed_ms);
        let starts = starts_ms(keys)?;
        let late = starts.iter().filter(|start| !in_time(start)).count();
        if late == 0 {
            return Ok(push);
        }
        self.late_rows += late as u64;
        let kept: BooleanArray = starts.iter().map(|start| Some(in_time(start))).collect();
        let keys = push.keys.iter().map(|keys| filter(keys, &kept)).collect::<std::result::Result<_, _>>();
        Ok(Push {
            batch: filter_record_batch(&push.batch, &kept).map_err(from_arrow)?,
            keys: keys.map_err(from_arrow)?,
            numbers: push.numbers.filtered(&kept),
            watermark_ms: push.watermark_ms,
        })
    }

    fn intern(&mut self, keys: &[ArrayRef], numbers: &Numbers, rows: usize) -> Result<()> {
        let first_rows = self.keys.intern(keys, rows, &mut self.groups)?;
        let before = self.sequences.len();
        for &row in &first_rows {
            let sequence = numbers.of(row as usize);
            self.in_sequence &= self.sequences.last().is_none_or(|last| *last < sequence);
            self.sequences.push(sequence);
        }
        self.dead.resize(self.keys.count(), false);
        self.open_windows(before)?;
        if self.dead_count > 0 && self.groups.iter().any(|&group| self.dead[group]) {
            return Err(Error::new(ErrorCode::Internal, "rows of a window came after it was forgotten"));
        }
        Ok(())
    }

    /// Notes the windows of the groups from number `before` on.
    fn open_windows(&mut self, before: usize) -> Result<()> {
        let count = self.keys.count();
        let Some(window) = self.program.window.filter(|_| count > before) else { return Ok(()) };
        let groups: Vec<u32> = (narrow(before)..narrow(count)).collect();
        let keys = self.keys.gather(&groups)?;
        let starts = keys.get(window.key).map(starts_ms).transpose()?.unwrap_or_default();
        for (group, start) in groups.into_iter().zip(starts) {
            if let Some(start_ms) = start {
                self.windows.add(start_ms, group);
            }
        }
        Ok(())
    }

    /// With as many rows as groups it is cheaper to hand all groups over than to pick those that are touched.
    fn choose_regime(&mut self, rows: usize) -> Result<()> {
        let dense = self.keys.count() <= rows && self.totals.iter().all(Totals::may_be_dense);
        self.regime = if dense { Regime::Dense } else { Regime::Sparse };
        if dense {
            self.totals.iter_mut().try_for_each(Totals::load_whole).map_err(from_datafusion)?;
        }
        Ok(())
    }

    fn touch(&mut self, numbers: &Numbers) -> Result<()> {
        let before = self.touched.touch(&self.groups, self.keys.count(), |row| numbers.of(row));
        self.note_previous(before)?;
        if self.regime == Regime::Dense {
            return Ok(());
        }
        let first = self.touched.placed().len();
        let old = self.touched.place(before);
        if !old.is_empty() {
            let slots: Vec<usize> = (first..first + old.len()).collect();
            for totals in &mut self.totals {
                totals.load(old, &slots, first + old.len()).map_err(from_datafusion)?;
            }
        }
        self.touched.slots(&self.groups, &mut self.slots);
        Ok(())
    }

    /// For a changelog, notes the results of the groups that this push is the first to touch.
    fn note_previous(&mut self, before: usize) -> Result<()> {
        if self.program.emission != EmissionKind::Changelog {
            return Ok(());
        }
        let new = self.touched.groups().iter().skip(before).copied();
        let old: Vec<u32> = new.filter(|&group| self.touched.is_old(group)).collect();
        if old.is_empty() {
            return Ok(());
        }
        for (totals, previous) in self.totals.iter_mut().zip(&mut self.previous) {
            previous.push(totals.evaluate(&old, Source::Columns).map_err(from_datafusion)?);
        }
        Ok(())
    }

    fn update(&mut self, arguments: &[Arguments]) -> Result<()> {
        let (slots, slot_count) = match self.regime {
            Regime::Dense => (&self.groups, self.keys.count()),
            Regime::Sparse => (&self.slots, self.touched.placed().len()),
        };
        for (totals, of) in self.totals.iter_mut().zip(arguments) {
            let filter = of.filter.as_ref();
            let rows = Rows { arguments: &of.arrays, filter, groups: &self.groups, slots, slot_count };
            totals.update(&rows).map_err(from_datafusion)?;
        }
        Ok(())
    }

    /// Writes what the micro-batch did into the state.
    fn store(&mut self) -> Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let count = self.keys.count();
        for totals in &mut self.totals {
            totals.store(self.regime, self.touched.placed(), count).map_err(from_datafusion)?;
        }
        if self.program.stateful {
            self.told.touched(self.touched.groups(), count);
        }
        Ok(())
    }

    /// Ends the micro-batch.
    fn close(&mut self) -> Result<()> {
        self.touched.begin(self.keys.count());
        self.previous.iter_mut().for_each(Vec::clear);
        if !self.program.stateful && self.keys.count() > 0 {
            self.clear()?;
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.keys = Keys::new(&self.program.key_schema)?;
        self.totals = totals(&self.program)?;
        self.sequences.clear();
        self.dead.clear();
        self.dead_count = 0;
        self.windows.clear();
        self.touched.forget();
        Ok(())
    }

    /// Forgets groups, which no window holds any more.
    fn evict(&mut self, groups: &[u32]) -> Result<()> {
        for &group in groups {
            if let Some(dead) = self.dead.get_mut(group as usize) {
                self.dead_count += usize::from(!std::mem::replace(dead, true));
            }
        }
        if self.dead_count * 2 > self.keys.count() { self.rebuild() } else { Ok(()) }
    }

    /// Numbers the groups that live from 0 on and gives back the memory of the others.
    fn rebuild(&mut self) -> Result<()> {
        if self.dead_count == 0 {
            return Ok(());
        }
        let live = self.live_groups();
        let live = self.keys.retain(&live)?;
        for totals in &mut self.totals {
            totals.retain(&live).map_err(from_datafusion)?;
        }
        let mut numbers = vec![None; self.dead.len()];
        for (number, &group) in (0_u32..).zip(&live) {
            numbers[group as usize] = Some(number);
        }
        let number = |group: u32| numbers.get(group as usize).copied().flatten();
        self.windows.renumber(number);
        self.told.renumber(number, live.len());
        for totals in &mut self.totals {
            if let Totals::Resident(resident) = totals {
                resident.renumber_changes(number);
            }
        }
        self.sequences = live.iter().map(|&group| self.sequences[group as usize]).collect();
        self.in_sequence = self.sequences.is_sorted();
        self.dead = vec![false; live.len()];
        self.dead_count = 0;
        self.dead_windows.clear();
        self.touched.forget();
        Ok(())
    }

    /// The groups that are kept, by number.
    fn live_groups(&self) -> Vec<u32> {
        let all = (0_u32..).zip(&self.dead);
        all.filter(|&(_, &dead)| !dead).map(|(group, _)| group).collect()
    }

    fn by_sequence(&self, groups: &mut [u32]) {
        groups.sort_unstable_by_key(|&group| self.sequences[group as usize]);
    }

    /// The starts of the newest windows.
    pub(super) fn newest_windows(&self, count: usize) -> Vec<i64> {
        self.windows.newest(count)
    }

    /// Forgets the windows before `start_ms`. Rows of them may come again, so their groups are gone at once.
    pub(super) fn drop_before(&mut self, start_ms: i64) -> Result<()> {
        let dropped = self.windows.take_up_to(start_ms.saturating_sub(1));
        self.forget(&dropped)?;
        self.rebuild()
    }

    fn forget(&mut self, windows: &[(i64, Vec<u32>)]) -> Result<()> {
        self.told.dropped(windows.iter().map(|(start_ms, _)| *start_ms));
        let groups: Vec<u32> = windows.iter().flat_map(|(_, groups)| groups).copied().collect();
        self.evict(&groups)
    }
}

impl Window {
    /// The start of the last window that is closed at `watermark_ms`.
    pub(super) fn last_closed_ms(&self, watermark_ms: i64) -> i64 {
        watermark_ms.saturating_sub(self.open_ms)
    }
}

fn totals(program: &Program) -> Result<Vec<Totals>> {
    let aggregates = program.aggregates.iter().enumerate();
    aggregates.map(|(number, aggregate)| Totals::new(aggregate, number).map_err(from_datafusion)).collect()
}

/// The number of groups is checked where they are made.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

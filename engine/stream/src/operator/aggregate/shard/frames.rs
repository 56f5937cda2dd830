//! The state of a shard as frames of a checkpoint.
//!
//! `drop` lists windows that are forgotten, `upsert` has groups with all of their columns of state, `merge` has states that one
//! resident function merges. The names of the columns tell the class and the function, so a frame of another plan is refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef, UInt64Type};
use velaria_contract::{Error, ErrorCode, Result};

use super::super::windows::starts_ms;
use super::Shard;
use crate::accumulator::Totals;
use crate::error::{from_arrow, from_datafusion};
use crate::operator::StateFrame;

pub(in super::super) const DROP: &str = "drop";
pub(in super::super) const UPSERT: &str = "upsert";
pub(in super::super) const MERGE: &str = "merge";

/// What the commits of this run have told. Before the first commit nothing is noted: it tells everything.
#[derive(Default)]
pub(super) struct Told {
    started: bool,
    /// The groups that changed, and whether each group is among them.
    changed: Vec<u32>,
    marks: Vec<bool>,
    dropped: Vec<i64>,
}

impl Told {
    pub(super) fn touched(&mut self, groups: &[u32], count: usize) {
        if !self.started {
            return;
        }
        self.marks.resize(count, false);
        for &group in groups {
            if !std::mem::replace(&mut self.marks[group as usize], true) {
                self.changed.push(group);
            }
        }
    }

    pub(super) fn dropped(&mut self, starts_ms: impl Iterator<Item = i64>) {
        if self.started {
            self.dropped.extend(starts_ms);
        }
    }

    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>, count: usize) {
        self.changed = self.changed.iter().filter_map(|&group| number(group)).collect();
        self.marks = vec![false; count];
        self.changed.iter().for_each(|&group| self.marks[group as usize] = true);
    }

    fn take_changed(&mut self) -> Vec<u32> {
        let changed = std::mem::take(&mut self.changed);
        for &group in &changed {
            if let Some(mark) = self.marks.get_mut(group as usize) {
                *mark = false;
            }
        }
        changed
    }
}

impl Shard {
    /// What changed since the last call; the first call of a run that began anew tells all.
    pub(in super::super) fn delta(&mut self) -> Result<Vec<StateFrame>> {
        if !self.told.started {
            self.start_telling()?;
            return self.snapshot();
        }
        let mut frames = Vec::new();
        let dropped = std::mem::take(&mut self.told.dropped);
        if !dropped.is_empty() {
            frames.push(self.frame(DROP, vec![drop_field()], vec![Arc::new(Int64Array::from(dropped))])?);
        }
        let mut changed = self.told.take_changed();
        changed.retain(|&group| !self.dead[group as usize]);
        frames.extend(self.upsert(&changed)?);
        for function in 0..self.totals.len() {
            frames.extend(self.merged_since(function)?);
        }
        Ok(frames)
    }

    /// All groups.
    pub(in super::super) fn snapshot(&mut self) -> Result<Vec<StateFrame>> {
        let live = self.live_groups();
        let mut frames: Vec<StateFrame> = self.upsert(&live)?.into_iter().collect();
        for function in 0..self.totals.len() {
            let Some(Totals::Resident(resident)) = self.totals.get_mut(function) else { continue };
            let states = resident.frame(&live).map_err(from_datafusion)?;
            frames.extend(self.merge(function, &live, states)?);
        }
        Ok(frames)
    }

    /// Takes back rows of a frame. Each run that goes on from a checkpoint tells its changes from the start.
    pub(in super::super) fn restore(&mut self, kind: &str, batch: &RecordBatch) -> Result<()> {
        self.start_telling()?;
        match kind {
            DROP => self.restore_drop(batch),
            UPSERT => self.restore_upsert(batch),
            MERGE => self.restore_merge(batch),
            other => Err(refused(format!("a checkpoint has a frame of the unknown kind '{other}'"))),
        }
    }

    fn start_telling(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.told.started, true) {
            return Ok(());
        }
        for totals in &mut self.totals {
            if let Totals::Resident(resident) = totals {
                resident.take_changes().map_err(from_datafusion)?;
            }
        }
        Ok(())
    }

    fn upsert(&mut self, groups: &[u32]) -> Result<Option<StateFrame>> {
        if groups.is_empty() {
            return Ok(None);
        }
        let mut columns = self.keys.gather(groups)?;
        let sequences = groups.iter().map(|&group| self.sequences[group as usize]);
        columns.push(Arc::new(UInt64Array::from_iter_values(sequences)));
        for totals in &mut self.totals {
            if let Totals::Columnar(columnar) = totals {
                columns.extend(columnar.frame(groups).map_err(from_datafusion)?);
            }
        }
        self.frame(UPSERT, self.upsert_fields(), columns).map(Some)
    }

    fn merged_since(&mut self, function: usize) -> Result<Option<StateFrame>> {
        let Some(Totals::Resident(resident)) = self.totals.get_mut(function) else { return Ok(None) };
        let dead = &self.dead;
        resident.renumber_changes(|group| (!dead[group as usize]).then_some(group));
        let (groups, states) = resident.take_changes().map_err(from_datafusion)?;
        self.merge(function, &groups, states)
    }

    fn merge(&mut self, function: usize, groups: &[u32], states: Vec<ArrayRef>) -> Result<Option<StateFrame>> {
        if groups.is_empty() {
            return Ok(None);
        }
        let mut columns = self.keys.gather(groups)?;
        columns.extend(states);
        self.frame(MERGE, self.merge_fields(function), columns).map(Some)
    }

    fn frame(&self, kind: &str, fields: Vec<FieldRef>, columns: Vec<ArrayRef>) -> Result<StateFrame> {
        let batch = RecordBatch::try_new(schema(fields), columns).map_err(from_arrow)?;
        Ok(StateFrame { operator: self.program.node, kind: kind.to_owned(), batch })
    }

    fn upsert_fields(&self) -> Vec<FieldRef> {
        let mut fields = self.program.key_schema.fields().to_vec();
        fields.push(Arc::new(Field::new("sequence", DataType::UInt64, true)));
        for totals in &self.totals {
            if let Totals::Columnar(columnar) = totals {
                fields.extend(columnar.fields().iter().cloned());
            }
        }
        fields
    }

    fn merge_fields(&self, function: usize) -> Vec<FieldRef> {
        let mut fields = self.program.key_schema.fields().to_vec();
        if let Some(Totals::Resident(resident)) = self.totals.get(function) {
            fields.extend(resident.fields().iter().cloned());
        }
        fields
    }

    fn restore_drop(&mut self, batch: &RecordBatch) -> Result<()> {
        check(batch, vec![drop_field()])?;
        let mut groups = Vec::new();
        for start_ms in batch.column(0).as_primitive::<Int64Type>().iter().flatten() {
            groups.extend(self.windows.take(start_ms));
            self.dead_windows.insert(start_ms);
        }
        self.evict(&groups)
    }

    fn restore_upsert(&mut self, batch: &RecordBatch) -> Result<()> {
        check(batch, self.upsert_fields())?;
        let (keys, rest) = batch.columns().split_at(self.program.key_schema.fields().len());
        let Some((sequences, mut states)) = rest.split_first() else { return Ok(()) };
        let groups = self.restored_groups(keys, batch.num_rows(), Some(sequences))?;
        let count = self.keys.count();
        for totals in &mut self.totals {
            match totals {
                Totals::Columnar(columnar) => {
                    let (own, others) = states.split_at(columnar.fields().len());
                    columnar.restore(&groups, own, count).map_err(from_datafusion)?;
                    states = others;
                }
                Totals::Resident(resident) => resident.restore(&[], &[], count).map_err(from_datafusion)?,
            }
        }
        Ok(())
    }

    fn restore_merge(&mut self, batch: &RecordBatch) -> Result<()> {
        let names =
            |fields: &[FieldRef]| batch.schema().fields().iter().map(|f| f.name()).eq(fields.iter().map(|f| f.name()));
        let function = (0..self.totals.len()).find(|&function| names(&self.merge_fields(function)));
        let fields = self.merge_fields(function.unwrap_or_default());
        check(batch, fields)?;
        let (keys, states) = batch.columns().split_at(self.program.key_schema.fields().len());
        let before = self.keys.count();
        let groups = self.restored_groups(keys, batch.num_rows(), None)?;
        let count = self.keys.count();
        if count > before {
            return Err(refused("a checkpoint has a state of a group that it does not name".to_owned()));
        }
        match function.and_then(|function| self.totals.get_mut(function)) {
            Some(Totals::Resident(resident)) => resident.restore(&groups, states, count).map_err(from_datafusion),
            _ => Err(refused("a checkpoint has a state of a function that the query does not have".to_owned())),
        }
    }

    /// The groups of the keys of a frame; new ones get their sequence.
    fn restored_groups(&mut self, keys: &[ArrayRef], rows: usize, sequences: Option<&ArrayRef>) -> Result<Vec<u32>> {
        self.bury(keys)?;
        let first_rows = self.keys.intern(keys, rows, &mut self.groups)?;
        self.note_groups(&first_rows, sequences)?;
        Ok(self.groups.iter().map(|&group| super::narrow(group)).collect())
    }

    /// Gives up the dead groups when a window that was dropped begins again.
    fn bury(&mut self, keys: &[ArrayRef]) -> Result<()> {
        if self.dead_windows.is_empty() {
            return Ok(());
        }
        let Some(keys) = self.program.window.and_then(|window| keys.get(window.key)) else { return Ok(()) };
        let starts = starts_ms(keys)?;
        match starts.iter().flatten().any(|start_ms| self.dead_windows.contains(start_ms)) {
            true => self.rebuild(),
            false => Ok(()),
        }
    }

    fn note_groups(&mut self, first_rows: &[u32], sequences: Option<&ArrayRef>) -> Result<()> {
        let before = self.sequences.len();
        let given = sequences.map(|sequences| sequences.as_primitive::<UInt64Type>());
        for &row in first_rows {
            let sequence = given.map_or(0, |given| given.value(row as usize));
            self.in_sequence &= self.sequences.last().is_none_or(|last| *last < sequence);
            self.sequences.push(sequence);
        }
        self.dead.resize(self.keys.count(), false);
        self.open_windows(before)
    }
}

fn drop_field() -> FieldRef {
    Arc::new(Field::new("window", DataType::Int64, true))
}

fn schema(fields: Vec<FieldRef>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

/// Refuses a frame whose columns are not those that this query would write.
fn check(batch: &RecordBatch, expected: Vec<FieldRef>) -> Result<()> {
    let found = batch.schema();
    let same = |(found, expected): (&FieldRef, &FieldRef)| {
        found.name() == expected.name() && found.data_type() == expected.data_type()
    };
    if found.fields().len() == expected.len() && found.fields().iter().zip(&expected).all(same) {
        return Ok(());
    }
    let names = |fields: &[FieldRef]| {
        let names: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        names.join(", ")
    };
    Err(refused(format!("the state of a checkpoint has other columns than the query: {}", names(found.fields())))
        .with_hint(format!("the query has {}", names(&expected))))
}

fn refused(message: String) -> Error {
    Error::new(ErrorCode::CheckpointCorrupt, message)
}

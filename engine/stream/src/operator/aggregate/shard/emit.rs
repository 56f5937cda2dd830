//! What a shard gives at the end of a micro-batch and when windows are closed.

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{concat, interleave, take};
use velaria_connector::EmissionKind;
use velaria_contract::Result;

use super::super::emission::{Emission, Rank};
use super::Shard;
use crate::accumulator::{Regime, Source};
use crate::error::{from_arrow, from_datafusion};

impl Shard {
    /// Ends a micro-batch and gives its rows.
    pub(in super::super) fn finish(&mut self) -> Result<Option<Emission>> {
        self.store()?;
        let emission = match self.program.emission {
            EmissionKind::Append => None,
            EmissionKind::Update => self.updates()?,
            EmissionKind::Complete => self.all()?,
            EmissionKind::Changelog => self.changes()?,
        };
        self.close()?;
        Ok(emission)
    }

    /// Gives the row of a total of which no row came.
    pub(in super::super) fn finish_without_rows(&mut self, number: u64) -> Result<Option<Emission>> {
        self.push_nothing(number)?;
        self.finish()
    }

    /// Closes the windows that end by the watermark.
    pub(in super::super) fn advance(&mut self, watermark_ms: i64) -> Result<Option<Emission>> {
        let Some(window) = self.program.window else { return Ok(None) };
        let closed = self.windows.take_up_to(window.last_closed_ms(watermark_ms));
        if closed.is_empty() {
            return Ok(None);
        }
        let emission = match self.program.emission {
            EmissionKind::Append => Some(self.closed_rows(&closed)?),
            EmissionKind::Update | EmissionKind::Complete | EmissionKind::Changelog => None,
        };
        self.forget(&closed)?;
        Ok(emission)
    }

    /// The touched groups; of a DISTINCT those that are new.
    fn emitted(&self) -> (Vec<u32>, Vec<Rank>) {
        let touched = self.touched.groups().iter().zip(self.touched.ranks());
        let shown = touched.filter(|&(&group, _)| !self.program.distinct || !self.touched.is_old(group));
        shown.map(|(&group, &rank)| (group, (0, rank))).unzip()
    }

    fn updates(&mut self) -> Result<Option<Emission>> {
        let (groups, ranks) = self.emitted();
        if groups.is_empty() {
            return Ok(None);
        }
        self.rows_of(&groups, ranks).map(Some)
    }

    fn all(&mut self) -> Result<Option<Emission>> {
        if self.keys.count() == 0 {
            return Ok(None);
        }
        let mut groups = self.live_groups();
        if !self.in_sequence {
            self.by_sequence(&mut groups);
        }
        let ranks = groups.iter().map(|&group| (0, self.sequences[group as usize])).collect();
        self.rows_of(&groups, ranks).map(Some)
    }

    fn closed_rows(&mut self, closed: &[(i64, Vec<u32>)]) -> Result<Emission> {
        let (mut groups, mut ranks) = (Vec::new(), Vec::new());
        for (start_ms, of_window) in closed {
            let mut of_window = of_window.clone();
            self.by_sequence(&mut of_window);
            ranks.extend(of_window.iter().map(|&group| (*start_ms, self.sequences[group as usize])));
            groups.extend(of_window);
        }
        self.rows_of(&groups, ranks)
    }

    fn rows_of(&mut self, groups: &[u32], ranks: Vec<Rank>) -> Result<Emission> {
        let mut columns = self.keys.gather(groups)?;
        columns.extend(self.results_of(groups)?);
        Emission::new(&self.program.output, columns, ranks)
    }

    fn results_of(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let was_stored = !groups.is_empty() && self.regime == Regime::Sparse && self.touched.placed() == groups;
        let source = if was_stored { Source::LastStored } else { Source::Columns };
        self.totals.iter_mut().map(|totals| totals.evaluate(groups, source).map_err(from_datafusion)).collect()
    }

    /// For each group the row before the micro-batch, when there was one, and the row after it.
    fn changes(&mut self) -> Result<Option<Emission>> {
        let (groups, ranks) = self.emitted();
        if groups.is_empty() {
            return Ok(None);
        }
        let pairs = self.pairs(&groups);
        let of_group: UInt32Array = pairs.iter().map(|pair| pair.group).collect();
        let keys = self.keys.gather(&groups)?;
        let keys = keys.iter().map(|keys| take(keys, &of_group, None).map_err(from_arrow));
        let mut columns = keys.collect::<Result<Vec<ArrayRef>>>()?;
        for (new, previous) in self.results_of(&groups)?.iter().zip(&self.previous) {
            columns.push(changed(previous, new, &pairs)?);
        }
        let ranks = pairs.iter().map(|pair| ranks[pair.group as usize]).collect();
        let mut emission = Emission::new(&self.program.output, columns, ranks)?;
        emission.news = Some(pairs.iter().map(|pair| pair.old.is_none()).collect());
        Ok(Some(emission))
    }

    fn pairs(&self, groups: &[u32]) -> Vec<ChangeRow> {
        let mut rows = Vec::with_capacity(groups.len() * 2);
        let mut old = 0;
        for (place, &group) in (0_u32..).zip(groups) {
            if self.touched.is_old(group) {
                rows.push(ChangeRow { group: place, old: Some(old) });
                old += 1;
            }
            rows.push(ChangeRow { group: place, old: None });
        }
        rows
    }
}

/// A row of a changelog.
struct ChangeRow {
    /// The place of its group among those that are emitted.
    group: u32,
    /// For a row before the micro-batch, its place among the results before it.
    old: Option<usize>,
}

fn changed(previous: &[ArrayRef], new: &ArrayRef, rows: &[ChangeRow]) -> Result<ArrayRef> {
    let previous: Vec<&dyn Array> = previous.iter().map(AsRef::as_ref).collect();
    let rows = rows.iter();
    if previous.is_empty() {
        return Ok(new.clone());
    }
    let previous = concat(&previous).map_err(from_arrow)?;
    let places: Vec<(usize, usize)> = rows.map(|row| row.old.map_or((1, row.group as usize), |old| (0, old))).collect();
    interleave(&[previous.as_ref(), new.as_ref()], &places).map_err(from_arrow)
}

//! GROUP BY over a stream: totals that go on from one micro-batch to the next.
//!
//! A micro-batch costs what its rows and the groups that they touch cost, however many groups there are. What is emitted:
//! - update: the groups that were touched, in the order in which they first appear in the micro-batch; of a DISTINCT the new ones;
//! - complete: all groups, in the order in which they first appeared ever;
//! - append: the groups of windows that the watermark closes, by window and then as in complete;
//! - changelog: as update, with the row before the micro-batch in front of the new row when there was one. Two columns follow
//!   those of the plan: `__key` (i64) has one number for the rows of one key, `__new` (bool) is true for the new row.
//!
//! A total without keys of which no row ever came is emitted when the sources have ended: the row of a batch query over nothing.
//! A row whose window was closed before its micro-batch is dropped and counted. Windows without a time (NULL) are never closed.

mod emission;
mod keys;
mod program;
mod shard;
mod touched;
mod windows;
mod workers;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use velaria_connector::EmissionKind;
use velaria_contract::Result;

use crate::accumulator::StateClass;
use crate::error::from_datafusion;
use crate::operator::{Counts, MicroBatch, Operator, OperatorState, StateFrame};
use crate::plan::AggregateSpec;
use crate::state::check_size;
use emission::Emission;
use program::Program;
use shard::frames::DROP;
use shard::{Numbers, Push, Shard};
use workers::Workers;

/// What a query sets for its group by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateSettings {
    /// The number of the node in the plan.
    pub node: u32,
    /// What is emitted.
    pub output: EmissionKind,
    /// The number of threads that the keys are spread over.
    pub workers: usize,
    /// How long a window is kept after its end.
    pub allowed_lateness_ms: u64,
    /// The number of newest windows that are kept; 0 keeps all.
    pub max_retained_windows: u64,
    /// The bytes that the state may take.
    pub max_state_bytes: Option<u64>,
}

/// An operator that groups.
///
/// # Errors
/// `VEL-3001` for a function or an output that cannot run over a stream.
pub fn aggregate(
    spec: &AggregateSpec,
    input: &SchemaRef,
    output: &SchemaRef,
    settings: &AggregateSettings,
) -> Result<Box<dyn Operator>> {
    let program = Arc::new(Program::new(spec, input, output, settings)?);
    let shards = if settings.workers > 1 && !spec.keys.is_empty() {
        Shards::Many(Box::new(Workers::new(&program, settings.workers)?))
    } else {
        Shards::One(Box::new(Shard::new(&program)?))
    };
    Ok(Box::new(Grouping {
        program,
        shards,
        retained: usize::try_from(settings.max_retained_windows).unwrap_or(usize::MAX),
        max_state_bytes: settings.max_state_bytes,
        next_number: 0,
        sizes: Sizes::default(),
    }))
}

/// What is known of the state of a group by before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEstimate {
    /// `none`, `columnar`, `resident` or `columnar,resident`.
    pub class: String,
    /// The bytes that one key takes; more when it has text or a state that grows.
    pub key_bytes: u64,
}

/// Tells how a group by keeps its state.
///
/// # Errors
/// `VEL-9001` for a function that does not know its state.
pub fn estimate_state(spec: &AggregateSpec, input: &SchemaRef) -> Result<StateEstimate> {
    if !spec.stateful {
        return Ok(StateEstimate { class: "none".to_owned(), key_bytes: 0 });
    }
    let classes = spec.aggregates.iter().map(|aggregate| StateClass::of(aggregate).map_err(from_datafusion));
    let classes = classes.collect::<Result<Vec<_>>>()?;
    let has = |class| classes.contains(&class);
    let class = match (has(StateClass::Columnar) || classes.is_empty(), has(StateClass::Resident)) {
        (true, true) => "columnar,resident",
        (false, true) => "resident",
        (_, false) => "columnar",
    };
    Ok(StateEstimate { class: class.to_owned(), key_bytes: key_bytes(spec, input)? })
}

/// Keys are kept twice; a group has a sequence, a mark and an entry in the table.
fn key_bytes(spec: &AggregateSpec, input: &SchemaRef) -> Result<u64> {
    let mut bytes = 8 + 8 + 24;
    for key in &spec.keys {
        bytes += 2 * width(&key.data_type(input).map_err(from_datafusion)?);
    }
    for aggregate in &spec.aggregates {
        for field in aggregate.function.state_fields().map_err(from_datafusion)? {
            bytes += width(field.data_type());
        }
    }
    Ok(bytes as u64)
}

/// The bytes of a value; of text and lists those of a short one.
fn width(data_type: &DataType) -> usize {
    data_type.primitive_width().unwrap_or(16)
}

struct Grouping {
    program: Arc<Program>,
    shards: Shards,
    /// The number of windows that are kept, or 0.
    retained: usize,
    max_state_bytes: Option<u64>,
    /// The number of the next row.
    next_number: u64,
    sizes: Sizes,
}

enum Shards {
    One(Box<Shard>),
    Many(Box<Workers>),
}

/// What was counted at the end of the last micro-batch.
#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    rows: u64,
    bytes: u64,
    late_rows: u64,
}

impl Sizes {
    fn of(shard: &Shard) -> Self {
        Self { rows: shard.rows() as u64, bytes: shard.bytes() as u64, late_rows: shard.late_rows() }
    }

    fn sum(parts: Vec<Self>) -> Self {
        parts.into_iter().fold(Self::default(), |sum, part| Self {
            rows: sum.rows + part.rows,
            bytes: sum.bytes + part.bytes,
            late_rows: sum.late_rows + part.late_rows,
        })
    }
}

impl Shards {
    /// Asks every shard; `question` also gets the number of the shard.
    fn ask<R: Send + 'static>(
        &mut self,
        question: impl Fn(usize, &mut Shard) -> Result<R> + Clone + Send + 'static,
    ) -> Result<Vec<R>> {
        match self {
            Self::One(shard) => Ok(vec![question(0, shard)?]),
            Self::Many(workers) => workers.ask(question),
        }
    }

    /// Asks every shard for rows, and for what it has counted then.
    fn emissions(
        &mut self,
        question: impl Fn(&mut Shard) -> Result<Option<Emission>> + Clone + Send + 'static,
        out: &mut Vec<RecordBatch>,
    ) -> Result<Sizes> {
        let answers = self.ask(move |_, shard| Ok((question(shard)?, Sizes::of(shard))))?;
        let (emissions, sizes): (Vec<Option<Emission>>, Vec<Sizes>) = answers.into_iter().unzip();
        if let Some(emission) = Emission::merged(emissions.into_iter().flatten().collect())? {
            out.push(emission.into_batch()?);
        }
        Ok(Sizes::sum(sizes))
    }
}

impl Grouping {
    fn measure(&mut self) -> Result<()> {
        let sizes = self.shards.ask(|_, shard| Ok(Sizes::of(shard)))?;
        self.measured(Sizes::sum(sizes))
    }

    fn measured(&mut self, sizes: Sizes) -> Result<()> {
        self.sizes = sizes;
        check_size(sizes.bytes, self.max_state_bytes, "group by fewer keys, or by windows that a watermark closes")
    }

    /// Forgets all but the newest windows.
    fn retain_windows(&mut self) -> Result<Retained> {
        let count = self.retained;
        if count == 0 || self.program.window.is_none() {
            return Ok(Retained::All);
        }
        let newest = self.shards.ask(move |_, shard| Ok(shard.newest_windows(count.saturating_add(1))))?;
        let newest: BTreeSet<i64> = newest.into_iter().flatten().collect();
        match newest.iter().rev().nth(count - 1).copied() {
            Some(oldest) if newest.len() > count => {
                self.shards.ask(move |_, shard| shard.drop_before(oldest))?;
                Ok(Retained::Newest)
            }
            _ => Ok(Retained::All),
        }
    }
}

/// Which windows are left.
enum Retained {
    All,
    Newest,
}

impl Operator for Grouping {
    fn push(&mut self, batch: &RecordBatch, of: MicroBatch, _: &mut Vec<RecordBatch>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys = self.program.keys(batch)?;
        let numbers = Numbers { first: self.next_number, picked: None };
        self.next_number += batch.num_rows() as u64;
        let push = Push { batch: batch.clone(), keys, numbers, watermark_ms: of.watermark_ms };
        match &mut self.shards {
            Shards::One(shard) => shard.push(push),
            Shards::Many(workers) => workers.push(push),
        }
    }

    fn finish(&mut self, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let sizes = self.shards.emissions(Shard::finish, out)?;
        match self.retain_windows()? {
            Retained::All => self.measured(sizes)?,
            Retained::Newest => self.measure()?,
        }
        if let Shards::Many(workers) = &mut self.shards {
            workers.end();
        }
        Ok(())
    }

    fn advance(&mut self, watermark_ms: i64, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        if self.program.window.is_none() {
            return Ok(());
        }
        let sizes = self.shards.emissions(move |shard| shard.advance(watermark_ms), out)?;
        self.measured(sizes)
    }

    fn end(&mut self, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        if !self.program.is_total() || self.sizes.rows > 0 {
            return Ok(());
        }
        let number = self.next_number;
        let sizes = self.shards.emissions(move |shard| shard.finish_without_rows(number), out)?;
        self.measured(sizes)
    }

    fn state(&mut self) -> Option<&mut dyn OperatorState> {
        if self.program.stateful { Some(self) } else { None }
    }

    fn counts(&self) -> Counts {
        let late_rows = self.sizes.late_rows;
        match &self.shards {
            Shards::One(_) => Counts { late_rows, partitions: 1, ..Counts::default() },
            Shards::Many(workers) => Counts {
                late_rows,
                worker_nanos: workers.worker_nanos(),
                worker_wall_nanos: workers.wall_nanos(),
                partitions: workers.partitions(),
            },
        }
    }
}

impl OperatorState for Grouping {
    fn delta(&mut self) -> Result<Vec<StateFrame>> {
        Ok(self.shards.ask(|_, shard| shard.delta())?.concat())
    }

    fn snapshot(&mut self) -> Result<Vec<StateFrame>> {
        Ok(self.shards.ask(|_, shard| shard.snapshot())?.concat())
    }

    fn restore(&mut self, frame: &StateFrame) -> Result<()> {
        let parts = match &mut self.shards {
            Shards::Many(workers) if frame.kind != DROP => {
                workers.parts_of(&frame.batch, self.program.key_schema.fields().len())?
            }
            Shards::One(_) | Shards::Many(_) => vec![frame.batch.clone()],
        };
        let kind: Arc<str> = frame.kind.as_str().into();
        self.shards.ask(move |number, shard| match parts.get(number).or(parts.first()) {
            Some(part) => shard.restore(&kind, part),
            None => Ok(()),
        })?;
        let numbers = self.shards.ask(|_, shard| Ok(shard.next_number()))?;
        self.next_number = numbers.into_iter().max().unwrap_or_default().max(self.next_number);
        self.measure()
    }

    fn rows(&self) -> u64 {
        self.sizes.rows
    }

    fn bytes(&self) -> u64 {
        self.sizes.bytes
    }
}

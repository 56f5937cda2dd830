//! The operators of a plan, put together: a micro-batch goes in at a scan and its emission comes out at the root.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use velaria_connector::EmissionKind;
use velaria_contract::{Clock, Error, ErrorCode, Result};

use crate::changelog;
use crate::operator::aggregate::{AggregateSettings, aggregate};
use crate::operator::filter::Filter;
use crate::operator::join::join;
use crate::operator::limit::Limit;
use crate::operator::pass::{Scan, Union};
use crate::operator::project::Project;
use crate::operator::sort::{KeepSettings, Order, Sort, SortAtEnd};
use crate::operator::window::window;
use crate::operator::{Counts, MicroBatch, Operator, StateFrame};
use crate::options::StreamOptions;
use crate::plan::{Node, NodeKind, SortScope, StreamPlan};

/// A running plan.
pub(crate) struct Pipeline {
    stages: Vec<Stage>,
    /// The scan of each input.
    scans: Vec<usize>,
    output: EmissionKind,
    /// The columns of the emissions.
    schema: SchemaRef,
}

struct Stage {
    operator: Box<dyn Operator>,
    parent: Option<usize>,
    stateful: bool,
    /// Whether it may give many rows for one.
    multiplies: bool,
}

/// A step that may give many rows for one is given this many at a time.
const MULTIPLIED_ROWS_MAX: usize = 1024;

/// One pass of rows.
struct Way<'a> {
    of: MicroBatch,
    clock: &'a dyn Clock,
    /// Whether the rows were measured already.
    measured: bool,
}

/// What a micro-batch gave.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// The rows for the sink.
    pub(crate) batches: Vec<RecordBatch>,
    /// The time in operators with state.
    pub(crate) state_time: Duration,
    /// The bytes that reached the operators with state, or the sink.
    pub(crate) payload_bytes: u64,
}

/// What all operators have counted, and what their state takes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    pub(crate) state_rows: u64,
    pub(crate) state_bytes: u64,
}

impl Pipeline {
    /// The operators of `plan`; reads the tables of joins.
    pub(crate) fn new(plan: &StreamPlan, options: &StreamOptions, workers: usize) -> Result<Self> {
        let parents = parents(plan)?;
        let mut stages = Vec::with_capacity(plan.nodes.len());
        for (index, node) in plan.nodes.iter().enumerate() {
            let operator = operator(plan, index, node, options, workers)?;
            let parent = parents.get(index).copied().flatten();
            let multiplies = match &node.kind {
                NodeKind::Join(_) => true,
                NodeKind::Window(spec) => spec.slide_ms < spec.every_ms,
                _ => false,
            };
            stages.push(Stage { operator, parent, stateful: node.kind.is_stateful(), multiplies });
        }
        let schema = match plan.output {
            EmissionKind::Changelog => changelog::schema(&plan.schema),
            EmissionKind::Append | EmissionKind::Update | EmissionKind::Complete => plan.schema.clone(),
        };
        Ok(Self { stages, scans: scans(plan)?, output: plan.output, schema })
    }

    /// The columns of the emissions.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Passes a micro-batch of an input.
    pub(crate) fn run(
        &mut self,
        input: usize,
        batch: RecordBatch,
        of: MicroBatch,
        clock: &dyn Clock,
    ) -> Result<Passed> {
        let scan = *self.scans.get(input).ok_or_else(|| internal("a micro-batch of no input"))?;
        let mut passed = Passed::default();
        self.pass(scan, vec![batch], of, clock, &mut passed)?;
        Ok(passed)
    }

    /// Tells all operators the watermark.
    pub(crate) fn advance(
        &mut self,
        watermark_ms: i64,
        of: MicroBatch,
        clock: &dyn Clock,
        passed: &mut Passed,
    ) -> Result<()> {
        self.tell(of, clock, passed, |operator, out| operator.advance(watermark_ms, of, out))
    }

    /// Tells all operators, from the sources up, that nothing will come any more.
    pub(crate) fn end(&mut self, of: MicroBatch, clock: &dyn Clock, passed: &mut Passed) -> Result<()> {
        self.tell(of, clock, passed, |operator, out| operator.end(of, out))
    }

    /// Tells every operator something, and passes on what it gives for that.
    fn tell(
        &mut self,
        of: MicroBatch,
        clock: &dyn Clock,
        passed: &mut Passed,
        what: impl Fn(&mut dyn Operator, &mut Vec<RecordBatch>) -> Result<()>,
    ) -> Result<()> {
        for index in 0..self.stages.len() {
            let Some(stage) = self.stages.get_mut(index) else { break };
            let mut out = Vec::new();
            what(stage.operator.as_mut(), &mut out)?;
            match stage.parent {
                _ if out.is_empty() => {}
                Some(parent) => self.pass(parent, out, of, clock, passed)?,
                None => out.into_iter().try_for_each(|batch| self.emit(batch, passed))?,
            }
        }
        Ok(())
    }

    /// Passes rows from a node to the root, and then tells the nodes in turn that these were all.
    fn pass(
        &mut self,
        first: usize,
        batches: Vec<RecordBatch>,
        of: MicroBatch,
        clock: &dyn Clock,
        passed: &mut Passed,
    ) -> Result<()> {
        let mut way = Way { of, clock, measured: false };
        for batch in batches {
            self.push(Some(first), batch, &mut way, passed)?;
        }
        let mut next = Some(first);
        while let Some(index) = next {
            let mut out = Vec::new();
            let Some(stage) = self.stages.get_mut(index) else { break };
            let begun = stage.stateful.then(|| clock.monotonic());
            stage.operator.finish(of, &mut out)?;
            next = stage.parent;
            passed.state_time += elapsed(clock, begun);
            for batch in out {
                self.push(next, batch, &mut way, passed)?;
            }
        }
        Ok(())
    }

    /// Pushes rows into a node, and what it gives for them at once into the next: what a step multiplies is not kept in whole.
    fn push(&mut self, to: Option<usize>, batch: RecordBatch, way: &mut Way<'_>, passed: &mut Passed) -> Result<()> {
        let Some((index, stage)) = to.and_then(|index| Some((index, self.stages.get_mut(index)?))) else {
            if !way.measured {
                passed.payload_bytes += payload_bytes(&batch);
            }
            return self.emit(batch, passed);
        };
        if stage.multiplies && batch.num_rows() > MULTIPLIED_ROWS_MAX {
            for start in (0..batch.num_rows()).step_by(MULTIPLIED_ROWS_MAX) {
                let rows = MULTIPLIED_ROWS_MAX.min(batch.num_rows() - start);
                self.push(Some(index), batch.slice(start, rows), way, passed)?;
            }
            return Ok(());
        }
        if stage.stateful {
            passed.payload_bytes += payload_bytes(&batch);
            way.measured = true;
        }
        let begun = stage.stateful.then(|| way.clock.monotonic());
        let mut out = Vec::new();
        stage.operator.push(&batch, way.of, &mut out)?;
        let parent = stage.parent;
        passed.state_time += elapsed(way.clock, begun);
        for batch in out {
            self.push(parent, batch, way, passed)?;
        }
        Ok(())
    }

    fn emit(&self, batch: RecordBatch, passed: &mut Passed) -> Result<()> {
        let batch = match self.output {
            EmissionKind::Changelog => changelog::fold(&batch, &self.schema)?,
            EmissionKind::Append | EmissionKind::Update | EmissionKind::Complete => batch,
        };
        if batch.num_rows() > 0 {
            passed.batches.push(batch);
        }
        Ok(())
    }

    /// Whether nothing that is pushed can have a result any more: every way to the root passes a limit that is reached.
    pub(crate) fn is_done(&self) -> bool {
        let done = |scan: &usize| {
            let mut next = self.stages.get(*scan);
            while let Some(stage) = next {
                if stage.operator.is_done() {
                    return true;
                }
                next = stage.parent.and_then(|parent| self.stages.get(parent));
            }
            false
        };
        self.scans.iter().all(done)
    }

    /// What changed since the last call.
    pub(crate) fn delta(&mut self) -> Result<Vec<StateFrame>> {
        self.frames(|state| state.delta())
    }

    /// All state.
    pub(crate) fn snapshot(&mut self) -> Result<Vec<StateFrame>> {
        self.frames(|state| state.snapshot())
    }

    fn frames(
        &mut self,
        mut of: impl FnMut(&mut dyn crate::operator::OperatorState) -> Result<Vec<StateFrame>>,
    ) -> Result<Vec<StateFrame>> {
        let mut frames = Vec::new();
        for stage in &mut self.stages {
            if let Some(state) = stage.operator.state() {
                frames.extend(of(state)?);
            }
        }
        Ok(frames)
    }

    /// Gives a frame back to its operator.
    pub(crate) fn restore(&mut self, frame: &StateFrame) -> Result<()> {
        let index = usize::try_from(frame.operator).unwrap_or(usize::MAX);
        match self.stages.get_mut(index).and_then(|stage| stage.operator.state()) {
            Some(state) => state.restore(frame),
            None => Err(Error::new(ErrorCode::CheckpointCorrupt, "a checkpoint holds state for a step that has none")),
        }
    }

    /// The rows that limits have counted, by node.
    pub(crate) fn limits(&self) -> BTreeMap<u32, u64> {
        let seen = |(index, stage): (usize, &Stage)| Some((u32::try_from(index).ok()?, stage.operator.limit_seen()?));
        self.stages.iter().enumerate().filter_map(seen).collect()
    }

    /// Makes limits go on.
    pub(crate) fn restore_limits(&mut self, limits: &BTreeMap<u32, u64>) {
        for (node, seen) in limits {
            let stage = usize::try_from(*node).ok().and_then(|node| self.stages.get_mut(node));
            if let Some(stage) = stage {
                stage.operator.restore_limit(*seen);
            }
        }
    }

    /// What the operators tell.
    pub(crate) fn totals(&mut self) -> Totals {
        let mut totals = Totals::default();
        for stage in self.stages.iter_mut().filter(|stage| stage.stateful) {
            let counts = stage.operator.counts();
            totals.counts.late_rows += counts.late_rows;
            totals.counts.worker_nanos += counts.worker_nanos;
            totals.counts.worker_wall_nanos += counts.worker_wall_nanos;
            totals.counts.partitions = totals.counts.partitions.max(counts.partitions);
            if let Some(state) = stage.operator.state() {
                totals.state_rows += state.rows();
                totals.state_bytes += state.bytes();
            }
        }
        totals
    }
}

fn elapsed(clock: &dyn Clock, begun: Option<Duration>) -> Duration {
    begun.map_or(Duration::ZERO, |begun| clock.monotonic().saturating_sub(begun))
}

fn operator(
    plan: &StreamPlan,
    index: usize,
    node: &Node,
    options: &StreamOptions,
    workers: usize,
) -> Result<Box<dyn Operator>> {
    let input = || {
        let node = node.inputs.first().and_then(|input| plan.nodes.get(*input));
        node.map(|input| &input.schema).ok_or_else(|| internal("a step without input"))
    };
    let number = || u32::try_from(index).map_err(|_| internal("a plan of too many steps"));
    Ok(match &node.kind {
        NodeKind::Scan { projection, .. } => Box::new(Scan::new(projection.clone(), &node.schema)),
        NodeKind::Filter(predicate) => Box::new(Filter::new(predicate.clone())),
        NodeKind::Project(exprs) => Box::new(Project::new(exprs.clone(), input()?, &node.schema)),
        NodeKind::Window(spec) => window(spec, input()?, &node.schema)?,
        NodeKind::Join(spec) => join(spec, input()?, &node.schema)?,
        NodeKind::Aggregate(spec) => {
            let settings = AggregateSettings {
                node: number()?,
                output: plan.output,
                workers,
                allowed_lateness_ms: options.allowed_lateness_ms,
                max_retained_windows: options.max_retained_windows,
                max_state_bytes: options.max_state_bytes,
            };
            aggregate(spec, input()?, &node.schema, &settings)?
        }
        NodeKind::Union => Box::new(Union::new(&node.schema)),
        NodeKind::Limit { skip, fetch } => Box::new(Limit::new(*skip, *fetch)),
        NodeKind::Sort { scope: SortScope::Emission, by, fetch } => Box::new(Sort::new(Order::new(by.clone(), *fetch))),
        NodeKind::Sort { scope: SortScope::Whole, by, fetch } => {
            let settings =
                KeepSettings { node: number()?, schema: input()?.clone(), max_state_bytes: options.max_state_bytes };
            Box::new(SortAtEnd::new(Order::new(by.clone(), *fetch), settings))
        }
    })
}

/// The node that takes the rows of each node.
fn parents(plan: &StreamPlan) -> Result<Vec<Option<usize>>> {
    let mut parents = vec![None; plan.nodes.len()];
    for (index, node) in plan.nodes.iter().enumerate() {
        for input in &node.inputs {
            match parents.get_mut(*input) {
                Some(parent @ None) if *input < index => *parent = Some(index),
                _ => return Err(internal("a plan that is not a tree")),
            }
        }
    }
    Ok(parents)
}

fn scans(plan: &StreamPlan) -> Result<Vec<usize>> {
    let scan_of = |wanted: usize| {
        let found =
            plan.nodes.iter().position(|node| matches!(&node.kind, NodeKind::Scan { input, .. } if *input == wanted));
        found.ok_or_else(|| internal("an input without a scan"))
    };
    (0..plan.inputs.len()).map(scan_of).collect()
}

/// The bytes of the rows, not of the buffers that they may share with others.
pub(crate) fn payload_bytes(batch: &RecordBatch) -> u64 {
    let bytes = |column: &arrow::array::ArrayRef| match column.data_type().primitive_width() {
        Some(width) => width * column.len(),
        None => column.to_data().get_slice_memory_size().unwrap_or(0),
    };
    batch.columns().iter().map(bytes).sum::<usize>() as u64
}

fn internal(message: &str) -> Error {
    Error::new(ErrorCode::Internal, message)
}

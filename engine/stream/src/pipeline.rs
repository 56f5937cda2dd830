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
use crate::operator::sort::Sort;
use crate::operator::window::window;
use crate::operator::{Counts, MicroBatch, Operator, StateFrame};
use crate::options::StreamOptions;
use crate::plan::{Node, NodeKind, StreamPlan};

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
            stages.push(Stage { operator, parent, stateful: node.kind.is_stateful() });
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
        for index in 0..self.stages.len() {
            let Some(stage) = self.stages.get_mut(index) else { break };
            let mut out = Vec::new();
            stage.operator.advance(watermark_ms, of, &mut out)?;
            let parent = stage.parent;
            match parent {
                _ if out.is_empty() => {}
                Some(parent) => self.pass(parent, out, of, clock, passed)?,
                None => self.emit(out, passed)?,
            }
        }
        Ok(())
    }

    fn pass(
        &mut self,
        first: usize,
        mut batches: Vec<RecordBatch>,
        of: MicroBatch,
        clock: &dyn Clock,
        passed: &mut Passed,
    ) -> Result<()> {
        let mut next = Some(first);
        let mut measured = false;
        while let Some(stage) = next.and_then(|index| self.stages.get_mut(index)) {
            let begun = stage.stateful.then(|| clock.monotonic());
            if stage.stateful && !measured {
                passed.payload_bytes += batches.iter().map(payload_bytes).sum::<u64>();
                measured = true;
            }
            let mut out = Vec::with_capacity(batches.len());
            for batch in &batches {
                stage.operator.push(batch, of, &mut out)?;
            }
            stage.operator.finish(of, &mut out)?;
            if let Some(begun) = begun {
                passed.state_time += clock.monotonic().saturating_sub(begun);
            }
            batches = out;
            next = stage.parent;
        }
        if !measured {
            passed.payload_bytes += batches.iter().map(payload_bytes).sum::<u64>();
        }
        self.emit(batches, passed)
    }

    fn emit(&self, batches: Vec<RecordBatch>, passed: &mut Passed) -> Result<()> {
        for batch in batches {
            let batch = match self.output {
                EmissionKind::Changelog => changelog::fold(&batch, &self.schema)?,
                EmissionKind::Append | EmissionKind::Update | EmissionKind::Complete => batch,
            };
            if batch.num_rows() > 0 {
                passed.batches.push(batch);
            }
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
    Ok(match &node.kind {
        NodeKind::Scan { projection, .. } => Box::new(Scan::new(projection.clone(), &node.schema)),
        NodeKind::Filter(predicate) => Box::new(Filter::new(predicate.clone())),
        NodeKind::Project(exprs) => Box::new(Project::new(exprs.clone(), input()?, &node.schema)),
        NodeKind::Window(spec) => window(spec, input()?, &node.schema)?,
        NodeKind::Join(spec) => join(spec, input()?, &node.schema)?,
        NodeKind::Aggregate(spec) => {
            let settings = AggregateSettings {
                node: u32::try_from(index).map_err(|_| internal("a plan of too many steps"))?,
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
        NodeKind::Sort { by, fetch } => Box::new(Sort::new(by.clone(), *fetch)),
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

//! One run of a query: from its checkpoint, through one micro-batch after the other, to its end.
//!
//! Every micro-batch is an epoch: its rows are written, and then its offset, the changed state and the position of the sink are
//! committed as one. Only what is committed, and on the disk if the delivery mode waits for that, is told to the source.

pub(crate) mod durable;
pub(crate) mod feed;
mod history;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_connector::{CheckpointMarker, EmissionKind, SinkContext, SourceContext, SourceOffset, StreamSink};
use velaria_contract::{Clock, Error, ErrorCode, Result, StreamingQueryProgress};

use self::durable::{Durable, Resumed};
use self::feed::{Feed, Next, Opening};
use crate::backpressure::{Item, Limits};
use crate::checkpoint::CommitHead;
use crate::operator::MicroBatch;
use crate::pipeline::{Passed, Pipeline};
use crate::plan::StreamPlan;
use crate::progress::Tally;
use crate::query::{Control, LOG, panicked};
use crate::strategy;
use crate::watermark::Watermark;

/// A run.
pub(crate) struct Driver<'a> {
    control: &'a Control,
    clock: Arc<dyn Clock>,
    names: Vec<String>,
    pipeline: Pipeline,
    feed: Feed,
    sink: Box<dyn StreamSink>,
    durable: Durable,
    watermark: Watermark,
    offsets: BTreeMap<String, SourceOffset>,
    epoch: u64,
    tally: Tally,
}

impl<'a> Driver<'a> {
    /// Opens everything, in the order in which it can fail without having changed anything: the plan, the checkpoint, the sink,
    /// the sources.
    pub(crate) fn open(plan: &StreamPlan, control: &'a Control) -> Result<Self> {
        let options = &control.options;
        let workers = strategy::workers(plan, options);
        let mut pipeline = Pipeline::new(plan, options, workers)?;
        let (mut durable, resumed) = Durable::open(plan, control)?;
        let mut tally = Tally::new(plan, control, workers);
        let timeout = options.idle_timeout_ms.map(Duration::from_millis);
        let mut watermark = Watermark::new(&plan.inputs, timeout, control.environment.clock.monotonic());
        let head = resume(resumed, &mut pipeline, &mut watermark, &mut tally)?;
        durable.resumed_at(head.as_ref());
        let mut sink = open_sink(control, &pipeline, &mut durable, head.as_ref())?;
        // Commit 0 tells only where the sink stood.
        let head = head.filter(|head| head.epoch > 0);
        let feed = match open_feed(plan, control, workers, head.as_ref(), durable.history()) {
            Ok(feed) => feed,
            Err(error) => {
                close_unused(control, sink.as_mut());
                return Err(error);
            }
        };
        let mut driver = Self {
            control,
            clock: Arc::clone(&control.environment.clock),
            names: plan.inputs.iter().map(|input| input.name.clone()).collect(),
            feed,
            pipeline,
            sink,
            watermark,
            offsets: head.as_ref().map(|head| head.offsets.clone()).unwrap_or_default(),
            epoch: head.as_ref().map_or(0, |head| head.epoch),
            durable,
            tally,
        };
        driver.publish(driver.tally.opened_status());
        Ok(driver)
    }

    /// Runs until the sources end, the query is told to stop, or something fails; then lets go of everything.
    pub(crate) fn run(mut self) -> Result<()> {
        // Also after a panic the ends are closed.
        let ran = catch_unwind(AssertUnwindSafe(|| self.process_all())).unwrap_or_else(|_| Err(panicked()));
        let synced = if ran.is_ok() { self.settle() } else { Ok(()) };
        if let Some((epoch, position)) = self.durable.doubtful_after() {
            // The error that the query fails with is the one to tell.
            let _ = self.sink.recover(Some((epoch, &position)));
        }
        let closed = self.feed.close().and(self.sink.close());
        // Not before: closing may wait too, and a stop has to reach it.
        self.control.hold_sink(false);
        self.publish("stopped");
        ran.and(synced).and(closed)
    }

    fn process_all(&mut self) -> Result<()> {
        while !self.control.is_stopping() && self.control.may_process(self.tally.processed_now()) {
            if self.pipeline.is_done() {
                return self.end();
            }
            let seen = self.control.signal.count();
            match self.feed.next()? {
                Next::Item(item) => self.process(item)?,
                Next::End => return self.end(),
                Next::Wait(pause) => {
                    self.idle()?;
                    self.acknowledge()?;
                    self.publish_waiting();
                    self.control.signal.wait(seen, pause);
                }
            }
        }
        Ok(())
    }

    /// One micro-batch.
    fn process(&mut self, item: Item) -> Result<()> {
        let begun = self.clock.monotonic();
        let of = self.next_epoch();
        let Item { input, batch, offset, history } = item;
        self.watermark.observe(input, &batch, begun)?;
        self.tally.take(&batch);
        let mut passed = self.pipeline.run(input, batch, of, self.clock.as_ref())?;
        self.close_windows(of, begun, &mut passed)?;
        self.durable.note_history(input, history);
        self.commit(of, Some((input, offset)), passed, begun)
    }

    /// All sources have ended, or nothing that they have can matter: what was held back for rows that might still come is
    /// emitted. In append mode these are also the windows that are open.
    fn end(&mut self) -> Result<()> {
        let begun = self.clock.monotonic();
        let of = MicroBatch { epoch: self.epoch + 1, watermark_ms: self.watermark.current_ms() };
        let mut passed = Passed::default();
        if self.control.output == EmissionKind::Append {
            self.pipeline.advance(i64::MAX, of, self.clock.as_ref(), &mut passed)?;
        }
        self.pipeline.end(of, self.clock.as_ref(), &mut passed)?;
        if passed.batches.is_empty() {
            return Ok(());
        }
        self.next_epoch();
        self.commit(of, None, passed, begun)
    }

    /// What time alone brings: a source that has ended or become idle no longer holds back the watermark.
    fn idle(&mut self) -> Result<()> {
        let begun = self.clock.monotonic();
        let of = MicroBatch { epoch: self.epoch + 1, watermark_ms: self.watermark.current_ms() };
        let mut passed = Passed::default();
        if self.close_windows(of, begun, &mut passed)? && !passed.batches.is_empty() {
            self.next_epoch();
            self.commit(of, None, passed, begun)?;
        }
        Ok(())
    }

    fn next_epoch(&mut self) -> MicroBatch {
        self.epoch += 1;
        MicroBatch { epoch: self.epoch, watermark_ms: self.watermark.current_ms() }
    }

    /// Moves the watermark; whether it moved.
    fn close_windows(&mut self, of: MicroBatch, now: Duration, passed: &mut Passed) -> Result<bool> {
        for input in self.feed.take_ended() {
            self.watermark.end(input);
        }
        match self.watermark.advance(now) {
            None => Ok(false),
            Some(watermark_ms) => {
                self.pipeline.advance(watermark_ms, of, self.clock.as_ref(), passed)?;
                Ok(true)
            }
        }
    }

    fn commit(
        &mut self,
        of: MicroBatch,
        source: Option<(usize, SourceOffset)>,
        passed: Passed,
        begun: Duration,
    ) -> Result<()> {
        let operators_done = self.clock.monotonic();
        for batch in &passed.batches {
            self.sink.write(of.epoch, batch)?;
        }
        let prepared = self.sink.prepare(of.epoch)?;
        let written = self.clock.monotonic();
        if let Some((input, offset)) = &source {
            let name = self.names.get(*input).cloned().unwrap_or_default();
            self.offsets.insert(name, offset.clone());
            let query_id = self.control.id.clone();
            let batches_processed = self.tally.processed() + 1;
            let marker = CheckpointMarker { query_id, source_offset: offset.clone(), batches_processed };
            self.feed.checkpoint(*input, marker)?;
        }
        let last_offset = source.is_some().then(|| self.last_source_offset());
        let times = Times { begun, operators_done, written };
        self.tally.wrote(of.epoch, &passed, last_offset, times, self.pipeline.totals(), &self.watermark);
        if self.durable.is_kept() {
            let head = self.head(of.epoch, &prepared.position);
            self.durable.commit(&head, &mut self.pipeline, &prepared)?;
        }
        self.sink.commit(of.epoch, &prepared.position)?;
        if let Some((input, offset)) = source {
            self.durable.acknowledge_later(input, offset);
        }
        self.acknowledge()?;
        log::debug!(target: LOG, "{}: micro-batch {} is written", self.control.id, of.epoch);
        self.tally.committed(self.clock.monotonic().saturating_sub(written), self.durable.bytes_of_last());
        self.publish("running");
        Ok(())
    }

    /// Tells the sources what is durable.
    fn acknowledge(&mut self) -> Result<()> {
        for (input, offset) in self.durable.take_durable()? {
            self.feed.ack(input, offset)?;
        }
        Ok(())
    }

    /// Waits for the disk, for the last time.
    fn settle(&mut self) -> Result<()> {
        self.durable.settle()?;
        self.acknowledge()
    }

    fn head(&self, epoch: u64, position: &velaria_connector::SinkPosition) -> CommitHead {
        CommitHead {
            epoch,
            offsets: self.offsets.clone(),
            sink: position.clone(),
            event_times: self.watermark.event_times(),
            watermark_ms: self.watermark.current_ms(),
            limits: self.pipeline.limits(),
            wall_ms: self.clock.wall_ms(),
            progress: self.tally.progress(&self.feed, "running"),
        }
    }

    /// The offset of the only source, or of all as JSON.
    fn last_source_offset(&self) -> String {
        match self.names.as_slice() {
            [only] => self.offsets.get(only).map(|offset| offset.0.clone()).unwrap_or_default(),
            _ => serde_json::to_string(&self.offsets).unwrap_or_default(),
        }
    }

    fn publish(&mut self, status: &str) {
        let progress = self.tally.progress(&self.feed, status);
        self.control.publish(progress, self.tally.processed_now());
    }

    fn publish_waiting(&mut self) {
        let status = self.tally.waiting_status();
        self.publish(status);
    }
}

/// The moments of a micro-batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) begun: Duration,
    pub(crate) operators_done: Duration,
    pub(crate) written: Duration,
}

/// Takes back the state of a checkpoint.
fn resume(
    resumed: Option<Resumed>,
    pipeline: &mut Pipeline,
    watermark: &mut Watermark,
    tally: &mut Tally,
) -> Result<Option<CommitHead>> {
    let Some(Resumed { head, frames, warning }) = resumed else { return Ok(None) };
    if let Some(warning) = &warning {
        log::warn!(target: LOG, "{warning}");
    }
    if head.epoch == 0 {
        tally.warn(warning);
        return Ok(Some(head));
    }
    for frame in &frames {
        pipeline.restore(frame)?;
    }
    pipeline.restore_limits(&head.limits);
    watermark.restore(&head);
    tally.restore(&head, warning);
    tally.hold(&pipeline.totals());
    Ok(Some(head))
}

fn open_sink(
    control: &Control,
    pipeline: &Pipeline,
    durable: &mut Durable,
    head: Option<&CommitHead>,
) -> Result<Box<dyn StreamSink>> {
    let context = SinkContext {
        query_id: control.id.clone(),
        checkpoint_path: control.options.checkpoint_path.clone(),
        schema: Arc::clone(pipeline.schema()),
        kind: control.output,
        fs: Arc::clone(&control.environment.fs),
        durability: durable.durability(),
    };
    let mut sink = control.sink.writer()?;
    let last = head.map(|head| (head.epoch, &head.sink));
    // From here on a stop has to reach a sink that waits.
    let opened = sink.open(&context).map(|()| control.hold_sink(true)).and_then(|()| sink.recover(last));
    let begun = match opened {
        Ok(()) if last.is_none() && durable.is_kept() => begin(sink.as_mut(), durable),
        opened => opened,
    };
    match begun {
        Ok(()) => Ok(sink),
        Err(error) => {
            close_unused(control, sink.as_mut());
            Err(error)
        }
    }
}

/// Closes a sink of a query that cannot start. Nobody can stop such a query: the sink is told so as if somebody had.
fn close_unused(control: &Control, sink: &mut dyn StreamSink) {
    control.sink.interrupt();
    // The error of opening is the one to tell.
    let _ = sink.close();
    control.hold_sink(false);
}

/// Remembers where the rows of the query begin.
fn begin(sink: &mut dyn StreamSink, durable: &mut Durable) -> Result<()> {
    match sink.begin()? {
        Some(position) => durable.begin(position),
        None => Ok(()),
    }
}

fn open_feed(
    plan: &StreamPlan,
    control: &Control,
    workers: usize,
    head: Option<&CommitHead>,
    history: Vec<Vec<RecordBatch>>,
) -> Result<Feed> {
    let options = &control.options;
    let context = SourceContext {
        query_id: control.id.clone(),
        trigger_interval_ms: options.trigger_interval_ms,
        backlog_batches: 0,
        inflight_batches: 0,
        max_inflight_batches: options.max_inflight_batches.max(1),
        checkpoint_path: options.checkpoint_path.clone(),
        signal: Arc::clone(&control.signal),
        history: Vec::new(),
    };
    let mut sources = Vec::with_capacity(plan.inputs.len());
    let mut histories = history.into_iter();
    for input in &plan.inputs {
        let history = histories.next().unwrap_or_default();
        let resume = head.and_then(|head| head.offsets.get(&input.name)).cloned();
        let pulling = input.table.description().pulling;
        sources.push(Opening { source: input.table.reader()?, pulling, resume, history });
    }
    let restored = head.map(|head| &head.progress);
    let counters = |progress: &StreamingQueryProgress| {
        (progress.batches_processed, progress.blocked_count, progress.max_backlog_batches)
    };
    let queue = feed::queue(Limits::new(options, workers as u64), restored.map(counters));
    Feed::open(sources, context, queue, &control.environment.clock, options.idle_wait())
}

/// Refuses what cannot keep the promise of `exactly-once`.
pub(crate) fn check_delivery(plan: &StreamPlan, control: &Control) -> Result<()> {
    use velaria_connector::{Replay, SinkGuarantee};

    use crate::options::DeliveryMode;

    let options = &control.options;
    if options.checkpoint_delivery_mode != DeliveryMode::ExactlyOnce {
        return Ok(());
    }
    let refuse = |message: String, hint: &str| Err(Error::new(ErrorCode::InvalidArgument, message).with_hint(hint));
    if options.checkpoint_path.is_empty() {
        return refuse("exactly-once needs a checkpoint_path".to_owned(), "say where the checkpoint is kept");
    }
    let lost = plan.inputs.iter().find(|input| input.table.description().replay == Replay::None);
    if let Some(input) = lost {
        let message = format!("exactly-once needs sources that can go back, and {} cannot", input.name);
        return refuse(message, "use at-least-once or best-effort");
    }
    let sink = control.sink.description();
    if sink.guarantee != SinkGuarantee::Transactional && !options.accept_duplicates {
        let message = format!("exactly-once needs a transactional sink, and {} is not", sink.name);
        return refuse(message, "write to files, or accept duplicates with accept_duplicates");
    }
    Ok(())
}

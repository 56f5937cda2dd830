//! Commits of a run, and when they are on the disk.
//!
//! `exactly-once` waits for the disk in every epoch. `at-least-once` has a thread wait for it, first for the files of the sink and then
//! for the log, so that a commit that survives a power failure never speaks of rows that did not; sources hear of an offset
//! only after that. `best-effort` never waits.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_connector::{CommittedRows, Durability, DurableFs, Prepared, SinkPosition, SinkTable, SourceOffset};
use velaria_contract::{CheckpointManifest, Clock, Error, ErrorCode, Result};

use super::history::History;
use crate::checkpoint::{CheckpointStore, CommitHead, Recovered};
use crate::identity::identity;
use crate::operator::StateFrame;
use crate::options::DeliveryMode;
use crate::pipeline::Pipeline;
use crate::plan::StreamPlan;
use crate::query::{Control, Syncing};

/// The manifest is for people: it need not follow every micro-batch.
const MANIFEST_INTERVAL: Duration = Duration::from_millis(100);

/// What a run went on from.
pub(crate) struct Resumed {
    pub(crate) head: CommitHead,
    /// The snapshot and the changes after it, in order.
    pub(crate) frames: Vec<StateFrame>,
    pub(crate) warning: Option<String>,
}

/// The checkpoint of a run, if it has one.
pub(crate) struct Durable {
    mode: DeliveryMode,
    kept: Option<Kept>,
    /// Offsets whose commits are not yet known to be on the disk.
    waiting: VecDeque<(u64, usize, SourceOffset)>,
    epoch: u64,
    durable_epoch: u64,
    /// Where the sink stood at the last commit that is on the disk, and at those after it.
    positions: VecDeque<(u64, SinkPosition)>,
    /// Whether the disk has failed to take something.
    failed_to_sync: bool,
}

struct Kept {
    store: CheckpointStore,
    fs: Arc<dyn DurableFs>,
    clock: Arc<dyn Clock>,
    fingerprint: String,
    interval: Duration,
    syncer: Option<Syncer>,
    /// Files of the sink that are not on the disk.
    unsynced: Vec<PathBuf>,
    synced_at: Option<Duration>,
    manifest_at: Option<Duration>,
    last: Option<CheckpointManifest>,
    bytes: u64,
    /// What the sources are done with.
    history: History,
}

impl Durable {
    /// Opens the checkpoint of `control`, if it has one.
    pub(crate) fn open(plan: &StreamPlan, control: &Control) -> Result<(Self, Option<Resumed>)> {
        let options = &control.options;
        let mode = options.checkpoint_delivery_mode;
        let nothing = Self {
            mode,
            kept: None,
            waiting: VecDeque::new(),
            epoch: 0,
            durable_epoch: 0,
            positions: VecDeque::new(),
            failed_to_sync: false,
        };
        if options.checkpoint_path.is_empty() {
            return Ok((nothing, None));
        }
        let fs = Arc::clone(&control.environment.fs);
        let identity = identity(plan, &control.sink.description());
        let fingerprint = identity.fingerprint();
        let durability = durability(mode);
        let check =
            |head: &CommitHead, durable: bool| holds(control.sink.as_ref(), fs.as_ref(), head, durable, durability);
        let path = Path::new(&options.checkpoint_path);
        let (store, recovered) = CheckpointStore::open_checked(Arc::clone(&fs), path, &identity, &check)?;
        let mut history = History::new(plan.inputs.len());
        let background = mode == DeliveryMode::AtLeastOnce && control.environment.syncing == Syncing::Background;
        let resumed = recovered.map(|recovered| resumed(recovered, &mut history));
        let kept = Kept {
            store,
            clock: Arc::clone(&control.environment.clock),
            interval: Duration::from_millis(options.checkpoint_interval_ms),
            syncer: background.then(|| Syncer::start(Arc::clone(&fs), &control.id)).transpose()?,
            fs,
            unsynced: Vec::new(),
            synced_at: None,
            manifest_at: None,
            // The one that is there may be older than the last commit.
            last: resumed.as_ref().map(|found| manifest(&found.head, &fingerprint)),
            bytes: 0,
            fingerprint,
            history,
        };
        Ok((Self { kept: Some(kept), ..nothing }, resumed))
    }

    /// Whether commits are kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// What each source was done with at the last commit.
    pub(crate) fn history(&self) -> Vec<Vec<RecordBatch>> {
        self.kept.as_ref().map(|kept| kept.history.rows()).unwrap_or_default()
    }

    /// Remembers what a source has said with a micro-batch, for its commit.
    pub(crate) fn note_history(&mut self, input: usize, batch: Option<RecordBatch>) {
        if let (Some(kept), Some(batch)) = (&mut self.kept, batch) {
            kept.history.add(input, batch);
        }
    }

    /// When the files of the sink have to be on the disk.
    pub(crate) fn durability(&self) -> Durability {
        if self.is_kept() { durability(self.mode) } else { Durability::Never }
    }

    /// The run goes on from a commit, or from where the sink stood before the first.
    pub(crate) fn resumed_at(&mut self, head: Option<&CommitHead>) {
        self.epoch = head.map_or(0, |head| head.epoch);
        self.durable_epoch = self.epoch;
        self.positions.extend(head.map(|head| (head.epoch, head.sink.clone())));
    }

    /// The run begins: `sink` is where rows of it begin.
    pub(crate) fn begin(&mut self, sink: SinkPosition) -> Result<()> {
        self.positions.push_back((0, sink.clone()));
        self.kept.as_mut().map_or(Ok(()), |kept| kept.store.begin(sink))
    }

    /// Where the sink has to go back to, after the disk has failed to take its rows: a later sync may tell that they are there
    /// when they are not.
    pub(crate) fn doubtful_after(&mut self) -> Option<(u64, SinkPosition)> {
        let durable = self.durable_epoch;
        let known = self.positions.iter().rev().find(|(epoch, _)| *epoch <= durable);
        known.filter(|_| self.failed_to_sync && self.mode == DeliveryMode::AtLeastOnce).cloned()
    }

    /// Makes an epoch durable, or on its way to be.
    pub(crate) fn commit(&mut self, head: &CommitHead, pipeline: &mut Pipeline, prepared: &Prepared) -> Result<()> {
        let durability = self.durability();
        let Some(kept) = &mut self.kept else { return Ok(()) };
        kept.write(head, pipeline, durability)?;
        for path in &prepared.unsynced {
            // A file that grows is told of in every epoch.
            if !kept.unsynced.contains(path) {
                kept.unsynced.push(path.clone());
            }
        }
        self.epoch = head.epoch;
        self.positions.push_back((head.epoch, head.sink.clone()));
        let durable = match self.mode {
            DeliveryMode::ExactlyOnce | DeliveryMode::BestEffort => Ok(head.epoch),
            DeliveryMode::AtLeastOnce => kept.sync_soon(head.epoch, self.durable_epoch),
        };
        self.note_durable(durable)
    }

    fn note_durable(&mut self, durable: Result<u64>) -> Result<()> {
        self.failed_to_sync |= durable.is_err();
        let durable = durable?;
        self.durable_epoch = self.durable_epoch.max(durable);
        while self.positions.get(1).is_some_and(|(epoch, _)| *epoch <= durable) {
            self.positions.pop_front();
        }
        Ok(())
    }

    /// Remembers an offset until its commit is durable.
    pub(crate) fn acknowledge_later(&mut self, input: usize, offset: SourceOffset) {
        if !self.is_kept() {
            self.durable_epoch = self.epoch;
        }
        self.waiting.push_back((self.epoch, input, offset));
    }

    /// The offsets whose commits have become durable.
    pub(crate) fn take_durable(&mut self) -> Result<Vec<(usize, SourceOffset)>> {
        if let Some(kept) = &mut self.kept
            && let Some(syncer) = &mut kept.syncer
        {
            let done = syncer.done();
            if let Ok(done) = &done {
                kept.store.note_durable(*done);
            }
            self.note_durable(done)?;
        }
        let mut durable = Vec::new();
        while let Some((epoch, _, _)) = self.waiting.front()
            && *epoch <= self.durable_epoch
        {
            durable.extend(self.waiting.pop_front().map(|(_, input, offset)| (input, offset)));
        }
        Ok(durable)
    }

    /// Waits until everything is on the disk, as far as the mode waits for that, and says so in the manifest.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if let Some(syncer) = self.kept.as_mut().and_then(|kept| kept.syncer.take()) {
            self.note_durable(syncer.finish())?;
        }
        let is_behind = self.mode == DeliveryMode::AtLeastOnce && self.durable_epoch < self.epoch;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        if is_behind {
            let synced = kept.sync_now(self.epoch).map(|()| self.epoch);
            self.note_durable(synced)?;
        }
        self.kept.as_ref().map_or(Ok(()), Kept::write_manifest)
    }

    /// The bytes of the last commit.
    pub(crate) fn bytes_of_last(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.bytes)
    }
}

impl Kept {
    fn write(&mut self, head: &CommitHead, pipeline: &mut Pipeline, durability: Durability) -> Result<()> {
        let mut delta = pipeline.delta()?;
        delta.extend(self.history.take_delta());
        self.bytes = self.store.commit(head, &delta, durability)?.bytes;
        if self.store.wants_snapshot() {
            self.rotate(head, pipeline)?;
        }
        self.last = Some(manifest(head, &self.fingerprint));
        let now = self.clock.monotonic();
        if self.manifest_at.is_none_or(|at| now.saturating_sub(at) >= MANIFEST_INTERVAL) {
            self.manifest_at = Some(now);
            self.write_manifest()?;
        }
        Ok(())
    }

    /// Begins a new generation. What the old one spoke of is on the disk before.
    fn rotate(&mut self, head: &CommitHead, pipeline: &mut Pipeline) -> Result<()> {
        self.sync_sink()?;
        let mut snapshot = pipeline.snapshot()?;
        snapshot.extend(self.history.snapshot()?);
        self.store.rotate(head, &snapshot)
    }

    fn write_manifest(&self) -> Result<()> {
        self.last.as_ref().map_or(Ok(()), |manifest| self.store.write_manifest(manifest))
    }

    /// Sees to it that the epoch gets to the disk; the newest epoch that is there.
    fn sync_soon(&mut self, epoch: u64, durable: u64) -> Result<u64> {
        let now = self.clock.monotonic();
        if self.synced_at.is_some_and(|at| now.saturating_sub(at) < self.interval) {
            return Ok(durable);
        }
        match &mut self.syncer {
            Some(syncer) if syncer.is_busy() => return Ok(durable),
            Some(syncer) => {
                syncer.ask(Job { epoch, files: std::mem::take(&mut self.unsynced), log: self.store.log_file() })?
            }
            None => {
                self.sync_now(epoch)?;
                self.synced_at = Some(now);
                return Ok(epoch);
            }
        }
        self.synced_at = Some(now);
        Ok(durable)
    }

    fn sync_now(&mut self, epoch: u64) -> Result<()> {
        self.sync_sink()?;
        let log = self.store.log_file();
        sync(self.fs.as_ref(), &log).map_err(|error| unsynced(&log, error))?;
        self.store.note_durable(epoch);
        Ok(())
    }

    fn sync_sink(&mut self) -> Result<()> {
        for path in std::mem::take(&mut self.unsynced) {
            sync(self.fs.as_ref(), &path).map_err(|error| unsynced(&path, error))?;
        }
        Ok(())
    }
}

fn manifest(head: &CommitHead, fingerprint: &str) -> CheckpointManifest {
    CheckpointManifest {
        format_version: crate::checkpoint::FORMAT_VERSION,
        offsets: head.offsets.iter().map(|(name, offset)| (name.clone(), offset.0.clone())).collect(),
        plan_fingerprint: fingerprint.to_owned(),
        ..CheckpointManifest::of(&head.progress)
    }
}

/// What the operators go on from; what is of the sources goes to `history`.
fn resumed(recovered: Recovered, history: &mut History) -> Resumed {
    let frames = recovered.snapshot.into_iter().chain(recovered.deltas);
    let frames = frames.filter_map(|frame| history.restore(frame)).collect();
    Resumed { head: recovered.head, frames, warning: recovered.warning }
}

/// When the files of a sink have to be on the disk.
fn durability(mode: DeliveryMode) -> Durability {
    match mode {
        DeliveryMode::BestEffort => Durability::Never,
        DeliveryMode::AtLeastOnce => Durability::Later,
        DeliveryMode::ExactlyOnce => Durability::Now,
    }
}

/// Whether the sink has the rows of a commit. They are known to be on the disk when `exactly-once` made the commit, and when
/// `at-least-once` knows of it that it is on the disk.
fn holds(
    sink: &dyn SinkTable,
    fs: &dyn DurableFs,
    head: &CommitHead,
    durable: bool,
    durability: Durability,
) -> Result<bool> {
    let made_with = head.progress.checkpoint_delivery_mode.as_str();
    if made_with == DeliveryMode::ExactlyOnce.name() || (durable && made_with == DeliveryMode::AtLeastOnce.name()) {
        return Ok(true);
    }
    sink.holds(&CommittedRows { fs, epoch: head.epoch, position: &head.sink, durability })
}

/// A thread that waits for the disk.
struct Syncer {
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<u64>>,
    asked: u64,
    finished: u64,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    epoch: u64,
    files: Vec<PathBuf>,
    log: PathBuf,
}

impl Syncer {
    fn start(fs: Arc<dyn DurableFs>, query_id: &str) -> Result<Self> {
        let (jobs, asked) = mpsc::channel::<Job>();
        let (said, done) = mpsc::channel();
        let serve = move || {
            for job in asked {
                // The query is gone when nobody listens.
                if said.send(job.run(fs.as_ref())).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name(format!("{query_id}-sync")).spawn(serve).map_err(|error| {
            Error::new(ErrorCode::Internal, "cannot start a thread for the checkpoint").with_source(error)
        })?;
        Ok(Self { jobs: Some(jobs), done, asked: 0, finished: 0, thread: Some(thread) })
    }

    /// Whether a job is not done: the next one then takes everything that has come since.
    fn is_busy(&self) -> bool {
        self.asked > self.finished
    }

    fn ask(&mut self, job: Job) -> Result<()> {
        self.asked = job.epoch;
        let gone = || Error::new(ErrorCode::Internal, "the thread of the checkpoint is gone");
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(gone)
    }

    /// The newest epoch that is on the disk.
    fn done(&mut self) -> Result<u64> {
        while let Ok(done) = self.done.try_recv() {
            self.finished = done?;
        }
        Ok(self.finished)
    }

    /// Waits for what was asked; the newest epoch that is on the disk.
    fn finish(mut self) -> Result<u64> {
        self.jobs = None;
        while let Ok(done) = self.done.recv() {
            self.finished = done?;
        }
        Ok(self.finished)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been seen as a job that never was done.
            let _ = thread.join();
        }
    }
}

impl Job {
    fn run(&self, fs: &dyn DurableFs) -> Result<u64> {
        for path in self.files.iter().chain([&self.log]) {
            sync(fs, path).map_err(|error| unsynced(path, error))?;
        }
        Ok(self.epoch)
    }
}

/// A file or folder that is no longer there needs no syncing: what replaced it was synced.
fn sync(fs: &dyn DurableFs, path: &Path) -> io::Result<()> {
    let synced = match fs.length(path) {
        Ok(Some(_)) => fs.sync_file(path),
        Ok(None) => Ok(()),
        // What has no length is a folder.
        Err(_) => fs.sync_dir(path),
    };
    match synced {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn unsynced(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot write to the disk: {}: {error}", path.display()))
        .with_hint("the query stops here; it goes on from its last commit when it is started again")
        .with_source(error)
}

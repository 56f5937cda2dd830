//! One trial: a worker that is killed some times, while files arrive, and then ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Mode;
use super::check::{Findings, check};
use super::workload::{FILES, ROWS_ALL, Workload, file};
use crate::random::Random;
use crate::{Error, Result};

const STEP: Duration = Duration::from_millis(5);
/// A worker that takes longer hangs.
const DRAIN_MAX: Duration = Duration::from_secs(50);

/// A trial that can be run.
pub(super) struct Trial {
    dir: TempDir,
    mode: Mode,
    workload: Workload,
    /// Files that have arrived.
    arrived: u64,
    /// The last number of micro-batches that a checkpoint told of.
    batches: u64,
}

/// What came of a trial.
pub(super) struct Ended {
    pub(super) kills: u64,
    /// Kills of workers that had read rows and had more to read.
    pub(super) amid: u64,
    pub(super) findings: Findings,
}

impl Trial {
    pub(super) fn new(mode: Mode, workload: Workload) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("in")).map_err(Error::io(dir.path()))?;
        Ok(Self { dir, mode, workload, arrived: 0, batches: 0 })
    }

    pub(super) fn run(mut self, random: &mut Random) -> Result<Ended> {
        let kills = random.between(1, 6);
        let (mut went_back, mut amid) = (0, 0);
        for _ in 0..kills {
            let mut worker = self.start()?;
            // Starting takes a while: the longer ones are killed amid micro-batches.
            let life = Duration::from_millis(random.between(5, 300));
            let begun = Instant::now();
            while begun.elapsed() < life {
                if random.between(0, 6) == 0 {
                    self.arrive()?;
                }
                thread::sleep(STEP.min(life.saturating_sub(begun.elapsed())));
            }
            amid += u64::from(worker.try_wait()?.is_none() && self.has_committed());
            // It may have failed by itself, which the last run shows again.
            worker.kill()?;
            worker.wait()?;
            went_back += u64::from(self.went_back());
        }
        while self.arrived < FILES {
            self.arrive()?;
        }
        let failed = self.drain()?;
        let mut findings = check(self.dir.path(), self.workload)?;
        findings.went_back += went_back + u64::from(self.went_back());
        findings.failed = failed;
        Ok(Ended { kills, amid, findings })
    }

    fn start(&self) -> Result<Child> {
        let log = self.dir.path().join("worker.log");
        let stderr = File::options().append(true).create(true).open(&log).map_err(Error::io(&log))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("crash-worker")
            .arg("--dir")
            .arg(self.dir.path())
            .args(["--mode", &word(self.mode), "--question", &word(self.workload.question)])
            .args(["--target", &word(self.workload.target), "--workers", &self.workload.workers.to_string()])
            .args(["--rows", &ROWS_ALL.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()?;
        Ok(child)
    }

    /// The next file gets its name in the folder that is read.
    fn arrive(&mut self) -> Result<()> {
        if self.arrived < FILES {
            // A name that is smaller than those before it is read as well.
            let name = format!("{:02}.csv", self.arrived * 5 % FILES);
            let (from, to) = (self.dir.path().join(&name), self.dir.path().join("in").join(&name));
            fs::write(&from, file(self.arrived)).map_err(Error::io(&from))?;
            fs::rename(&from, &to).map_err(Error::io(&to))?;
            self.arrived += 1;
        }
        Ok(())
    }

    /// Runs to the end; why that failed.
    fn drain(&self) -> Result<Option<String>> {
        let mut worker = self.start()?;
        let begun = Instant::now();
        loop {
            match worker.try_wait()? {
                Some(status) if status.success() => return Ok(None),
                Some(_) => return Ok(Some(last_line(&self.dir.path().join("worker.log")))),
                None if begun.elapsed() > DRAIN_MAX => {
                    worker.kill()?;
                    worker.wait()?;
                    return Ok(Some("it did not come to its end".to_owned()));
                }
                None => thread::sleep(STEP),
            }
        }
    }

    fn has_committed(&self) -> bool {
        self.dir.path().join("checkpoint/checkpoint.json").exists()
    }

    /// Whether the checkpoint tells of fewer micro-batches than before.
    fn went_back(&mut self) -> bool {
        let path: PathBuf = self.dir.path().join("checkpoint/checkpoint.json");
        let told = fs::read(path).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        let Some(batches) = told.and_then(|manifest| manifest.get("batches_processed")?.as_u64()) else {
            return false;
        };
        let before = std::mem::replace(&mut self.batches, batches);
        batches < before
    }
}

/// The word of an argument.
fn word(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn last_line(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

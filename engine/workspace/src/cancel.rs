//! Ending a run from outside: the wish in its directory, and what is left when nobody follows it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use velaria_contract::{Error, ErrorCode, Result};

use crate::failure::{invalid, refused};
use crate::run::{Run, RunStatus};
use crate::{ArtifactIndex, Object, file, owner, stale};

/// The wish, beside `run.json`.
const FILE: &str = "_cancel";

/// How often it is looked whether the run has ended.
const TICK: Duration = Duration::from_millis(10);

/// How long the system may take to end a process.
const KILL: Duration = Duration::from_secs(5);

/// Whether somebody has asked for the end of the run in `dir`.
pub(crate) fn asked(dir: &Path) -> bool {
    dir.join(FILE).symlink_metadata().is_ok()
}

/// Forgets that somebody has.
pub(crate) fn forget(dir: &Path) -> Result<()> {
    let path = dir.join(FILE);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(refused("cannot delete", &path, source)),
        _ => Ok(()),
    }
}

impl Run {
    /// Leaves the wish that the run end. Who does the run looks for it every 50 ms or more often.
    ///
    /// # Errors
    /// `VEL-7001` when it has ended; otherwise as [`Run::record`].
    pub fn request_cancel(&self) -> Result<()> {
        self.record()?;
        let _lock = self.lock()?;
        let record = self.read()?;
        if let Some(status) = ended(&record) {
            let id = self.id();
            return Err(invalid(format!("run has ended already: {id}")).with_hint(format!("its status is {status}")));
        }
        file::touch(&self.dir().join(FILE))
    }

    /// Whether somebody has asked for the end of the run.
    #[must_use]
    pub fn cancel_requested(&self) -> bool {
        asked(self.dir())
    }

    /// Cancels the run: leaves the wish, gives who does it `patience` to end it, and ends a worker that does not. Returns
    /// the record of the run, which has ended and has no worker any more.
    ///
    /// # Errors
    /// `VEL-7001` when it has ended already; `VEL-6203` when it goes on and has no worker that could be ended from here;
    /// those of `check`, which is asked every few milliseconds. The wish stays then.
    pub fn cancel(&self, patience: Duration, check: &mut dyn FnMut() -> Result<()>) -> Result<Object> {
        self.request_cancel()?;
        let is_gone = self.gone_within(patience, check)? || (self.kill_worker() && self.gone_within(KILL, check)?);
        if is_gone { self.listed() } else { Err(self.goes_on()) }
    }

    /// The same, and where the run goes on because its process cannot be found, it is written down as `aborted`: one of
    /// another machine or container, or one that nobody wrote down. A process that is there is believed to do the run.
    ///
    /// # Errors
    /// Those of [`Run::cancel`].
    pub fn cancel_by_force(&self, patience: Duration, check: &mut dyn FnMut() -> Result<()>) -> Result<Object> {
        match self.cancel(patience, check) {
            Err(error) if error.code() == ErrorCode::RunActive && !owner::here(self.dir()) => {
                self.give_up()?;
                self.listed()
            }
            ended => ended,
        }
    }

    /// Writes down that nothing is known of the process of the run, unless the run has ended meanwhile.
    fn give_up(&self) -> Result<()> {
        let _lock = self.lock()?;
        let mut record = self.read()?;
        if ended(&record).is_none() {
            stale::give_up(self.dir(), &mut record);
            self.write("run.json", &record)?;
        }
        Ok(())
    }

    fn goes_on(&self) -> Error {
        let hint = if owner::here(self.dir()) {
            "it was asked to end, and its process is none that could be ended from here"
        } else {
            "it was asked to end, and its process cannot be seen from here; where it is gone, run cancel --force writes the \
             run down as aborted"
        };
        Error::new(ErrorCode::RunActive, format!("run has not ended: {}", self.id())).with_hint(hint)
    }

    /// The record of the run, which is in the index too.
    fn listed(&self) -> Result<Object> {
        let record = self.record()?;
        match ArtifactIndex::open(self.home())?.list_run(self) {
            // The index is damaged; the run has ended nevertheless, as its directory says.
            Err(error) if error.code() == ErrorCode::MalformedFile => Ok(record),
            listed => listed,
        }
    }

    /// Ends the worker of the run, when it has one that is certainly there; the record of the run is not changed. `false`
    /// when there is none, or the system refuses.
    #[must_use]
    pub fn kill_worker(&self) -> bool {
        owner::kill(self.dir())
    }

    /// Waits until the run has ended and its worker is gone.
    fn gone_within(&self, patience: Duration, check: &mut dyn FnMut() -> Result<()>) -> Result<bool> {
        let began = Instant::now();
        loop {
            if ended(&self.record()?).is_some() && owner::worker(self.dir()).is_none() {
                return Ok(true);
            }
            if began.elapsed() >= patience {
                return Ok(false);
            }
            check()?;
            thread::sleep(TICK);
        }
    }
}

/// The status of a run that has ended.
pub(crate) fn ended(record: &Object) -> Option<&str> {
    record.get("status").and_then(|status| status.as_str()).filter(|status| RunStatus::ended(status))
}

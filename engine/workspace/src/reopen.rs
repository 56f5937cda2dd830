//! A run that has ended and goes on.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use velaria_contract::{Error, ErrorCode, Result};

use crate::cancel::{self, ended};
use crate::end::times_resumed;
use crate::failure::{invalid, refused};
use crate::run::{Run, RunStatus};
use crate::{Object, owner};

/// How long a worker that has said how its run ended may take to be gone.
const LEAVE: Duration = Duration::from_secs(2);

const TICK: Duration = Duration::from_millis(10);

impl Run {
    /// Makes a run that has ended without having succeeded one that runs, with this process as its owner. Only one of those
    /// who ask for it at the same time gets it. Its details count in `resumed` how often that was.
    ///
    /// # Errors
    /// `VEL-6203` when it has not ended, or its worker is still there; `VEL-7001` when it has succeeded; otherwise as [`Run::record`].
    pub fn reopen(&self) -> Result<Object> {
        self.record()?;
        self.wait_for_worker();
        let _lock = self.lock()?;
        let mut record = self.read()?;
        let id = self.id();
        match ended(&record) {
            None => return Err(Error::new(ErrorCode::RunActive, format!("run has not ended: {id}"))),
            Some(status) if status == RunStatus::Succeeded.as_str() => {
                return Err(invalid(format!("run has succeeded: {id}")).with_hint("there is nothing to go on with"));
            }
            Some(_) => {}
        }
        // Two that write into one checkpoint and one sink would spoil them.
        if let Some(pid) = owner::worker(self.dir()) {
            return Err(Error::new(ErrorCode::RunActive, format!("the process of the run is still there: {id}"))
                .with_hint(format!("the run has ended, but not the process {pid}: end it, or wait for its end")));
        }
        // Before run.json: a run that is said to run has an owner that does, and nobody's wish to end.
        owner::write(self.dir(), false)?;
        cancel::forget(self.dir())?;
        self.forget_result()?;
        for (key, value) in [("status", json!("running")), ("finished_at", Value::Null), ("error", Value::Null)] {
            record.insert(key.to_owned(), value);
        }
        count(&mut record);
        self.write("run.json", &record)?;
        Ok(record)
    }

    /// Waits a moment until the worker of the run is gone.
    fn wait_for_worker(&self) {
        let began = Instant::now();
        let lingers =
            || self.read().is_ok_and(|record| ended(&record).is_some()) && owner::worker(self.dir()).is_some();
        while lingers() && began.elapsed() < LEAVE {
            thread::sleep(TICK);
        }
    }

    fn forget_result(&self) -> Result<()> {
        let path = self.action_result_path();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(refused("cannot delete", &path, source)),
            _ => Ok(()),
        }
    }
}

fn count(record: &mut Object) {
    let times = times_resumed(record);
    let details = record.entry("details").or_insert_with(|| json!({}));
    if let Value::Object(details) = details {
        details.insert("resumed".to_owned(), json!(times + 1));
    }
}

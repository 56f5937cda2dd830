//! Which process runs a run, and whether it is still there.
//!
//! A number alone names two processes over time, so the owner is known by its number and the moment it started, within
//! one boot of one machine and one namespace of processes. Where a system does not say that much, an owner counts as
//! there: a run that is called abandoned too late is a nuisance, one too early is wrong.

use std::fs;
use std::path::Path;
use std::process;

use serde::{Deserialize, Serialize};
use velaria_contract::{Result, json};

use crate::{file, process as system};

/// Beside `run.json`, whose keys are the contract's.
const FILE: &str = "_owner.json";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    pid: u32,
    started: Option<u64>,
    namespace: Option<String>,
    boot: Option<String>,
    host: Option<String>,
    /// Whether it does nothing but this run, so that it may be ended with it.
    #[serde(default)]
    worker: bool,
}

/// Writes this process down as the owner of the run in `dir`.
pub(crate) fn write(dir: &Path, worker: bool) -> Result<()> {
    let owner = Owner { worker, ..Owner::this_process() };
    file::replace_lazily(&dir.join(FILE), json::to_pretty(&owner)?.as_bytes())
}

/// Whether the run in `dir` has an owner that is certainly gone.
pub(crate) fn gone(dir: &Path) -> bool {
    // Only a power cut leaves an empty file behind, and no process.
    file::read(&dir.join(FILE)).is_ok_and(|text| text.is_some_and(|text| text.is_empty()))
        || read(dir).is_some_and(|owner| owner.gone(&Owner::this_process()))
}

/// Whether nothing says who the owner of the run in `dir` is: another program made the run, or a crash cut the file.
pub(crate) fn unknown(dir: &Path) -> bool {
    read(dir).is_none()
}

/// The process of the run in `dir`, when it is a worker that certainly is there.
pub(crate) fn worker(dir: &Path) -> Option<u32> {
    read(dir).filter(|owner| owner.worker && owner.here(&Owner::this_process())).map(|owner| owner.pid)
}

/// Whether the run in `dir` has an owner that certainly is there.
pub(crate) fn here(dir: &Path) -> bool {
    read(dir).is_some_and(|owner| owner.here(&Owner::this_process()))
}

/// Whether a worker has written itself down as the owner of the run in `dir`.
pub(crate) fn is_worker(dir: &Path) -> bool {
    read(dir).is_some_and(|owner| owner.worker)
}

/// Ends the worker of the run in `dir`, and its group; `false` when the owner is none that may be ended.
pub(crate) fn kill(dir: &Path) -> bool {
    worker(dir).is_some_and(system::kill)
}

fn read(dir: &Path) -> Option<Owner> {
    serde_json::from_str(&file::read(&dir.join(FILE)).ok()??).ok()
}

impl Owner {
    fn this_process() -> Self {
        let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            pid: process::id(),
            started: started(process::id()),
            namespace: fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned()),
            boot: line("/proc/sys/kernel/random/boot_id"),
            host: line("/proc/sys/kernel/hostname"),
            worker: false,
        }
    }

    /// Whether this owner is there, as `here` can see it.
    fn here(&self, here: &Self) -> bool {
        let same = |of: fn(&Self) -> &Option<String>| of(self).is_some() && of(self) == of(here);
        let machine = same(|owner| &owner.host) && same(|owner| &owner.boot) && same(|owner| &owner.namespace);
        machine && self.started.is_some() && started(self.pid) == self.started
    }

    /// Whether this owner is gone, as `here` can see it.
    fn gone(&self, here: &Self) -> bool {
        let known = self.started.is_some() && self.boot.is_some() && self.host.is_some() && here.started.is_some();
        if !known || self.host != here.host {
            return false;
        }
        // After a boot nothing of before is left.
        self.boot != here.boot || (self.namespace == here.namespace && started(self.pid) != self.started)
    }
}

/// When the process `pid` started, in ticks since the boot; `None` when there is none, or it has ended and was not yet
/// waited for.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first()?;
    if matches!(*state, "Z" | "X") { None } else { fields.get(19)?.parse().ok() }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_is_certainly_gone_is_gone() {
        let here = Owner::this_process();
        let other = |change: &dyn Fn(&mut Owner)| {
            let mut owner = Owner::this_process();
            change(&mut owner);
            owner.gone(&here)
        };
        assert!(!other(&|_| {}));
        assert!(other(&|owner| owner.started = Some(1)), "the number is used again");
        assert!(other(&|owner| owner.pid = u32::MAX), "no such process");
        assert!(other(&|owner| owner.boot = Some("before".to_owned())));
        assert!(!other(&|owner| {
            owner.pid = u32::MAX;
            owner.namespace = Some("pid:[1]".to_owned());
        }));
        assert!(!other(&|owner| {
            owner.boot = Some("theirs".to_owned());
            owner.host = Some("elsewhere".to_owned());
        }));
        assert!(!other(&|owner| {
            owner.pid = u32::MAX;
            owner.started = None;
        }));
    }

    #[test]
    fn only_a_process_that_is_certainly_there_is_there() {
        let here = Owner::this_process();
        let other = |change: &dyn Fn(&mut Owner)| {
            let mut owner = Owner::this_process();
            change(&mut owner);
            owner.here(&here)
        };
        assert!(other(&|_| {}));
        assert!(!other(&|owner| owner.started = Some(1)), "the number is used again");
        assert!(!other(&|owner| owner.started = None));
        assert!(!other(&|owner| owner.boot = Some("before".to_owned())));
        assert!(!other(&|owner| owner.namespace = None));
        assert!(!other(&|owner| owner.host = Some("elsewhere".to_owned())));
    }
}

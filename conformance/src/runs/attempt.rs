//! One run: started, perhaps killed, and what its command said.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::Place;
use crate::Result;
use crate::random::Random;

/// The last moment of a kill. Alone a run takes a small part of it; among many others it takes longer.
const LIFE_MS: u64 = 400;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    /// The command that the user has started.
    Command,
    /// The process that does the action.
    Worker,
}

/// What came of one run.
pub(super) struct Attempt {
    pub(super) number: u64,
    pub(super) victim: Option<Victim>,
    /// Whether the victim was there when it was killed.
    pub(super) hit: bool,
    /// What the command printed, where that is one document and nothing else.
    pub(super) document: Option<Value>,
    /// The exit code and all that was printed, for the report.
    pub(super) told: String,
}

impl Attempt {
    /// Starts a run whose one row is `number`, and waits for its command.
    pub(super) fn make(place: &Place, number: u64, victim: Option<Victim>, random: &mut Random) -> Result<Self> {
        let (name, query) = (name(number), format!("SELECT {number} AS n, COUNT(*) AS people FROM input_table"));
        let args = ["run", "start", "--run-name", &name, "--", "csv-sql", "--csv", "in.csv", "--query", &query];
        let mut command = place.command(&args).spawn()?;
        let mut hit = false;
        if let Some(victim) = victim {
            thread::sleep(Duration::from_millis(random.between(1, LIFE_MS)));
            hit = kill(victim, &mut command)?;
        }
        let output = command.wait_with_output()?;
        let document = serde_json::from_slice(&output.stdout).ok();
        Ok(Self { number, victim, hit, document, told: told(&output) })
    }

    /// Whether the command said that the run succeeded.
    pub(super) fn succeeded(&self) -> bool {
        self.document.as_ref().is_some_and(|document| document["ok"] == true)
    }
}

/// The name of the run `number`, by which it is found again when its command could not say its id.
pub(super) fn name(number: u64) -> String {
    format!("run-{number}")
}

/// Kills `victim` of `command`; whether it was there.
fn kill(victim: Victim, command: &mut Child) -> Result<bool> {
    if command.try_wait()?.is_some() {
        return Ok(false);
    }
    match victim {
        Victim::Command => {
            command.kill()?;
            Ok(true)
        }
        // It is a child of a process that was not waited for, so that its number is still its own.
        Victim::Worker => Ok(child_of(command.id()).is_some_and(|worker| kill_process(&worker))),
    }
}

/// The child of the process `id`, where the system tells of it.
fn child_of(id: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

fn kill_process(id: &str) -> bool {
    let done = Command::new("kill").args(["-KILL", id]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    format!("{}: {} {}", output.status, text(&output.stdout), text(&output.stderr))
}

//! Tracked runs, many at a time on one home, some of whose processes are killed: every run that ended is recorded once and
//! with its files, and none is said to run for ever.
//!
//! [`attempt`] starts one run, as a user does it, and may kill the command or its worker; [`check`] looks at the home when
//! all is over.

mod attempt;
mod check;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

use self::attempt::{Attempt, Victim};
use self::check::check;
use crate::engine::default_cli;
use crate::random::Random;
use crate::{Error, Result};

/// Starts tracked runs at the same time, kills some, and checks what is left.
#[derive(Debug, clap::Args)]
pub(crate) struct Runs {
    /// How many times runs are started.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Runs that are started at the same time.
    #[arg(long, default_value_t = 32)]
    parallel: u64,
    /// The part of the runs whose command or worker is killed.
    #[arg(long, default_value_t = 0.1)]
    kill: f64,
    /// The moments of the kills follow from it, but for what the machine does.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The command line binary.
    #[arg(long)]
    cli: Option<PathBuf>,
}

impl Runs {
    /// Who of the run `number` is killed: kills are spread evenly, and hit the command and the worker by turns.
    fn victim(&self, number: u64) -> Option<Victim> {
        let kills = |runs: u64| (runs as f64 * self.kill.clamp(0.0, 1.0)) as u64;
        let is_killed = kills(number + 1) > kills(number);
        is_killed.then(|| if kills(number) % 2 == 0 { Victim::Command } else { Victim::Worker })
    }
}

/// The command line, a home, and a file to ask.
pub(crate) struct Place {
    program: PathBuf,
    folder: TempDir,
}

impl Place {
    fn new(program: PathBuf) -> Result<Self> {
        let place = Self { program, folder: tempfile::tempdir()? };
        let input = place.folder.path().join("in.csv");
        fs::write(&input, "name,score\nalice,10\nbob,22.5\n").map_err(Error::io(&input))?;
        Ok(place)
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.folder.path()).env("VELARIA_HOME", self.home());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Runs all rounds; whether everything is as it should be.
pub(crate) fn execute(runs: &Runs, out: &mut dyn Write) -> Result<bool> {
    let place = Place::new(runs.cli.clone().unwrap_or_else(default_cli))?;
    let mut attempts = Vec::new();
    for round in 0..runs.rounds {
        attempts.extend(start_round(&place, runs, round)?);
    }
    let findings = check(&place, &attempts)?;
    let killed = attempts.iter().filter(|attempt| attempt.victim.is_some()).count();
    let hit = attempts.iter().filter(|attempt| attempt.hit).count();
    writeln!(out, "runs: {} runs, {killed} killed ({hit} while they ran), {findings}", attempts.len())?;
    for line in &findings.broken {
        writeln!(out, "  {line}")?;
    }
    Ok(findings.broken.is_empty())
}

fn start_round(place: &Place, runs: &Runs, round: u64) -> Result<Vec<Attempt>> {
    let start = |number: u64| {
        let mut random = Random::new(runs.seed.wrapping_add(number));
        Attempt::make(place, number, runs.victim(number), &mut random)
    };
    thread::scope(|scope| {
        let numbers = round * runs.parallel..(round + 1) * runs.parallel;
        let threads: Vec<_> = numbers.map(|number| scope.spawn(move || start(number))).collect();
        let panicked = |_| Err(Error::Usage("a thread of the test panicked".to_owned()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

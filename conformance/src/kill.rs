//! Stream queries in a process of their own that is killed at random moments, again and again, while files arrive; then one run
//! to the end, and a look at what the sink has.
//!
//! [`worker`] is the process, [`trial`] starts and kills it, [`workload`] says what it reads and what should come of it, and
//! [`check`] compares.

mod check;
mod trial;
mod worker;
mod workload;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::check::Findings;
use self::trial::Trial;
pub(crate) use self::worker::{Worker, work};
use self::workload::Workload;
use crate::Result;
use crate::random::Random;

/// What a checkpoint promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    ExactlyOnce,
    AtLeastOnce,
    BestEffort,
}

impl Mode {
    const ALL: [Self; 3] = [Self::ExactlyOnce, Self::AtLeastOnce, Self::BestEffort];

    fn name(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly-once",
            Self::AtLeastOnce => "at-least-once",
            Self::BestEffort => "best-effort",
        }
    }
}

/// Kills stream queries at random and checks what is left.
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// How many trials, spread over the modes.
    #[arg(long, default_value_t = 100)]
    trials: u64,
    /// Only this mode; may be given more than once.
    #[arg(long = "mode", value_enum)]
    modes: Vec<Mode>,
    /// The first seed: a trial follows from its seed, but for the moments of the machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trials at the same time; as many as there are processors if it is not given.
    #[arg(long)]
    jobs: Option<usize>,
}

/// What all trials of a mode have shown.
#[derive(Debug, Default)]
struct Tally {
    trials: u64,
    kills: u64,
    amid: u64,
    findings: Findings,
    broken: Vec<String>,
}

/// Runs the trials; whether every promise was kept.
pub(crate) fn execute(kill: &Kill, out: &mut dyn Write) -> Result<bool> {
    let modes = if kill.modes.is_empty() { Mode::ALL.to_vec() } else { kill.modes.clone() };
    let tallies: Vec<Mutex<Tally>> = modes.iter().map(|_| Mutex::default()).collect();
    let next = AtomicU64::new(0);
    let jobs = kill.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
    let run_all = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= kill.trials {
                return Ok(());
            }
            let place = usize::try_from(number).unwrap_or_default() % modes.len();
            if let (Some(mode), Some(tally)) = (modes.get(place), tallies.get(place)) {
                run_one(*mode, kill.seed.wrapping_add(number), number / modes.len() as u64, tally)?;
            }
        }
    };
    let ran: Result<()> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(run_all)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    });
    ran?;
    let mut kept = true;
    for (mode, tally) in modes.iter().zip(&tallies) {
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        kept &= tally.broken.is_empty();
        print(*mode, &tally, out)?;
    }
    Ok(kept)
}

fn run_one(mode: Mode, seed: u64, number: u64, tally: &Mutex<Tally>) -> Result<()> {
    let mut random = Random::new(seed);
    let workload = Workload::nth(number);
    let ended = Trial::new(mode, workload)?.run(&mut random)?;
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.trials += 1;
    tally.kills += ended.kills;
    tally.amid += ended.amid;
    tally.findings.add(&ended.findings);
    let broken = ended.findings.broken(mode).map(|why| format!("seed {seed}, {}: {why}", workload.name()));
    tally.broken.extend(broken);
    Ok(())
}

fn print(mode: Mode, tally: &Tally, out: &mut dyn Write) -> Result<()> {
    let Tally { trials, kills, amid, findings, broken } = tally;
    writeln!(out, "{}: {trials} trials, {kills} kills ({amid} amid commits), {findings}", mode.name())?;
    for line in broken {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

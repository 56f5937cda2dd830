//! The process of a worker: started, told what to do, waited for, and ended when it does not end by itself.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use velaria::{Error, ErrorCode, Result};
use velaria_workspace::Run;

use crate::Check;

/// The longest time between two looks at the process, and the shortest: one that ends at once is not waited for long.
const TICK: Duration = Duration::from_millis(10);
const TICK_MIN: Duration = Duration::from_micros(500);

/// How a worker ended.
pub(crate) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// Because its time was over.
    TimedOut,
    /// Because somebody has cancelled its run.
    Cancelled,
    /// Because the command that waits for it was interrupted.
    Interrupted(Error),
}

/// How long is waited for a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For its action.
    pub(crate) timeout: Option<Duration>,
    /// For its end, once there is a reason for it.
    pub(crate) grace: Duration,
}

/// A process that belongs to its command, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// It ends with the command.
    Kept,
    /// It goes on.
    Released,
}

/// What is written down of a run before its worker may begin.
pub(crate) type Prepare<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Runs `program` (a program and its first arguments) on `order`, a line of text, until it ends or the patience does. The
/// process starts while `prepare` writes, and is told only then.
///
/// Its output goes to the logs of the run. An error of `check` is a wish to cancel the run. The worker follows every wish
/// by itself; one that does not is ended.
pub(crate) fn run_worker(
    program: &[OsString],
    order: &str,
    prepare: Prepare<'_>,
    run: &Run,
    patience: Patience,
    check: Check<'_>,
) -> Result<Ended> {
    let began = Instant::now();
    let mut worker = Worker::start(program, run, Bond::Kept)?;
    prepare()?;
    worker.tell(order);
    let mut end: Option<(Instant, Ended)> = None;
    loop {
        if let Some(status) = worker.ended()? {
            return Ok(end.map_or(Ended::Exited(status), |(_, reason)| reason));
        }
        match &end {
            Some((since, _)) if since.elapsed() >= patience.grace => break,
            Some(_) => {}
            None => end = reason(run, patience.timeout.is_some_and(|most| began.elapsed() >= most), check),
        }
        thread::sleep(pause(began));
    }
    // The worker of a run that was resumed meanwhile is another one.
    if run.is_in_turn().unwrap_or(false) {
        let _ = run.kill_worker();
    }
    Ok(end.map_or(Ended::Cancelled, |(_, reason)| reason))
}

/// How long to wait before the next look at a worker that began at `began`.
fn pause(began: Instant) -> Duration {
    (began.elapsed() / 16).clamp(TICK_MIN, TICK)
}

/// Why the worker shall end now, if there is a reason. Whoever looks at the run sees a wish to cancel it.
fn reason(run: &Run, is_over: bool, check: Check<'_>) -> Option<(Instant, Ended)> {
    let reason = if let Err(interrupt) = check() {
        // The worker is ended when it cannot be asked; that of another turn is asked by nobody.
        let _ = run.is_in_turn().and_then(|ours| if ours { run.request_cancel() } else { Ok(()) });
        Ended::Interrupted(interrupt)
    } else if run.cancel_requested() {
        Ended::Cancelled
    } else if is_over {
        Ended::TimedOut
    } else {
        return None;
    };
    Some((Instant::now(), reason))
}

/// Runs `program` on `order` without waiting for its end: returns when the worker has made the run its own, or has ended
/// before it could.
pub(crate) fn release_worker(
    program: &[OsString],
    order: &str,
    run: &Run,
    check: Check<'_>,
) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    let mut worker = Worker::start(program, run, Bond::Released)?;
    worker.tell(order);
    loop {
        // Whose number need not be that of the process that was started, which may be a launcher.
        if run.has_worker() {
            worker.bond = Bond::Released;
            return Ok(None);
        }
        if let Some(status) = worker.ended()? {
            return Ok(Some(status));
        }
        check()?;
        thread::sleep(pause(began));
    }
}

/// A worker. Dropping it ends the process, and waits until it is gone, unless it was released.
struct Worker {
    child: Child,
    bond: Bond,
}

impl Worker {
    fn start(program: &[OsString], run: &Run, bond: Bond) -> Result<Self> {
        let Some((program, args)) = program.split_first() else {
            return Err(Error::new(ErrorCode::Internal, "there is no program to run an action with"));
        };
        let mut command = Command::new(program);
        command.args(args).arg("__worker").stdin(Stdio::piped());
        // The worker may work in another directory, where a relative path would be another home.
        command.env("VELARIA_HOME", run.home().root());
        command.stdout(log(&run.stdout_path())?).stderr(log(&run.stderr_path())?);
        // One that is to leave the session makes one of its own, which the leader of a group cannot.
        if bond == Bond::Kept {
            own_group(&mut command);
        }
        let child = command.spawn().map_err(|error| {
            let message = format!("cannot start {}", Path::new(program).display());
            Error::new(ErrorCode::Io, message).with_hint(error.to_string())
        })?;
        Ok(Self { child, bond: Bond::Kept })
    }

    /// Writes the order. The pipe stays open: its end tells the worker that nobody waits for it any more.
    fn tell(&mut self, order: &str) {
        if let Some(input) = &mut self.child.stdin {
            // A worker that cannot be told has ended, and its status says how.
            let _ = input.write_all(order.as_bytes()).and_then(|()| input.flush());
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|error| failed(&error))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if self.bond == Bond::Kept {
            // A process that has ended cannot be ended, which is no harm. What it started sees the end of its input.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Keeps signals of the terminal from the worker: the command that started it decides what becomes of it.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

fn log(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
        Error::new(ErrorCode::Io, format!("cannot write {}", path.display())).with_hint(error.to_string())
    })
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorCode::Io, "cannot wait for the process of the action").with_hint(error.to_string())
}

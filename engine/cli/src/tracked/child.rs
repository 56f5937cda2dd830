//! The process of a worker: started, told what to do, waited for, and ended when its time is over.

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
    /// It was ended, because its time was over.
    TimedOut,
}

/// Runs `program` (a program and its first arguments) on `order`, a line of text, until it ends or `timeout` is over.
///
/// Its output goes to the logs of the run. An error of `check` ends it, and is returned.
pub(crate) fn run_worker(
    program: &[OsString],
    order: &str,
    run: &Run,
    timeout: Option<Duration>,
    check: Check<'_>,
) -> Result<Ended> {
    let began = Instant::now();
    let mut worker = Worker::start(program, run)?;
    worker.tell(order);
    loop {
        if let Some(status) = worker.child.try_wait().map_err(|error| failed(&error))? {
            return Ok(Ended::Exited(status));
        }
        check()?;
        if timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
            return Ok(Ended::TimedOut);
        }
        thread::sleep((began.elapsed() / 16).clamp(TICK_MIN, TICK));
    }
}

/// A worker. Dropping it ends the process, and waits until it is gone.
struct Worker {
    child: Child,
}

impl Worker {
    fn start(program: &[OsString], run: &Run) -> Result<Self> {
        let Some((program, args)) = program.split_first() else {
            return Err(Error::new(ErrorCode::Internal, "there is no program to run an action with"));
        };
        let mut command = Command::new(program);
        command.args(args).arg("__worker").stdin(Stdio::piped());
        // The worker may work in another directory, where a relative path would be another home.
        command.env("VELARIA_HOME", run.home().root());
        command.stdout(log(&run.stdout_path())?).stderr(log(&run.stderr_path())?);
        own_group(&mut command);
        let child = command.spawn().map_err(|error| {
            let message = format!("cannot start {}", Path::new(program).display());
            Error::new(ErrorCode::Io, message).with_hint(error.to_string())
        })?;
        Ok(Self { child })
    }

    /// Writes the order. The pipe stays open: its end tells the worker that nobody waits for it any more.
    fn tell(&mut self, order: &str) {
        if let Some(input) = &mut self.child.stdin {
            // A worker that cannot be told has ended, and its status says how.
            let _ = input.write_all(order.as_bytes()).and_then(|()| input.flush());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A process that has ended cannot be ended, which is no harm. What it started sees the end of its input.
        let _ = self.child.kill();
        drop(self.child.stdin.take());
        let _ = self.child.wait();
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

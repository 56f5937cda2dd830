//! Work on several threads: tasks that are taken one after the other, by whoever is free.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use velaria_contract::{Error, ErrorCode, Result};

/// Runs `work` for each of `0..tasks` on at most `threads` threads, this one among them, and gives what each thread made
/// of its tasks. The first error ends the work; so does one of `check`, which is asked before each task.
pub(crate) fn run<S: Send>(
    threads: usize,
    tasks: usize,
    check: &(dyn Fn() -> Result<()> + Sync),
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut state = start();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return Ok(state);
            }
            check().and_then(|()| work(&mut state, task)).inspect_err(|_| next.store(tasks, Ordering::Relaxed))?;
        }
    };
    thread::scope(|scope| {
        // A machine that refuses a thread is served by fewer.
        let others: Vec<_> =
            (1..threads.min(tasks)).map_while(|_| thread::Builder::new().spawn_scoped(scope, &worker).ok()).collect();
        let own = worker();
        let others = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "a thread of a search ended early")))
        });
        std::iter::once(own).chain(others).collect()
    })
}

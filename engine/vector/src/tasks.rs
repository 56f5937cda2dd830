//! Work in pieces, done by several threads of which none waits for another.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use velaria_contract::{Error, ErrorCode, Result};

/// Rows of one part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The number of the part.
    pub(crate) part: usize,
    /// The row of the table that is the first of the part.
    pub(crate) first_row: u64,
    /// The rows, counted in the part.
    pub(crate) rows: Range<usize>,
}

/// The rows of parts of so many rows, in order, in tasks of at most `most` rows.
pub(crate) fn cut(rows: impl IntoIterator<Item = usize>, most: NonZero<usize>) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut first_row = 0;
    for (part, rows) in rows.into_iter().enumerate() {
        let starts = (0..rows).step_by(most.get());
        tasks.extend(starts.map(|start| Task {
            part,
            first_row,
            rows: start..rows.min(start.saturating_add(most.get())),
        }));
        first_row += rows as u64;
    }
    tasks
}

/// Does every task once, on at most so many threads, the caller's being one of them: `start` makes what a thread works
/// with, and `work` does one task. Returns what the threads have ended with.
///
/// # Errors
/// The first error of `start` or `work`; the other threads end after the task they are at.
pub(crate) fn run<T: Sync, S: Send>(
    tasks: &[T],
    threads: usize,
    start: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, &T) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let one = || {
        let done = start().and_then(|mut state| {
            while !failed.load(Ordering::Relaxed)
                && let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed))
            {
                work(&mut state, task)?;
            }
            Ok(state)
        });
        failed.fetch_or(done.is_err(), Ordering::Relaxed);
        done
    };
    let others = threads.min(tasks.len()).saturating_sub(1);
    thread::scope(|scope| {
        // A thread that the system refuses is one fewer.
        let others: Vec<_> = (0..others).map_while(|_| thread::Builder::new().spawn_scoped(scope, one).ok()).collect();
        let own = one();
        let others = others.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(stopped())));
        std::iter::once(own).chain(others).collect()
    })
}

/// Nothing here panics; if it does, an error says so.
fn stopped() -> Error {
    Error::new(ErrorCode::Internal, "a thread of the search ended early")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(rows: &[usize], most: usize) -> Vec<Task> {
        cut(rows.iter().copied(), NonZero::new(most).unwrap())
    }

    #[test]
    fn every_row_is_in_one_task_in_order() {
        let tasks = tasks(&[5, 0, 1], 2);
        let seen: Vec<_> = tasks.iter().map(|task| (task.part, task.first_row, task.rows.clone())).collect();
        assert_eq!(seen, [(0, 0, 0..2), (0, 0, 2..4), (0, 0, 4..5), (2, 5, 0..1)]);
    }

    #[test]
    fn every_task_is_done_once_whatever_the_threads() {
        let tasks = tasks(&[1000, 3], 7);
        for threads in [0, 1, 2, 9, 1000] {
            let done = run(
                &tasks,
                threads,
                || Ok(Vec::new()),
                |done, task| {
                    done.extend(task.rows.clone().map(|row| task.first_row + row as u64));
                    Ok(())
                },
            );
            let mut rows: Vec<u64> = done.unwrap().into_iter().flatten().collect();
            rows.sort_unstable();
            assert_eq!(rows, (0..1003).collect::<Vec<_>>(), "{threads}");
        }
    }

    #[test]
    fn an_error_ends_all_threads() {
        let tasks = tasks(&[1_000_000], 1);
        let begun = AtomicUsize::new(0);
        let ended = run(
            &tasks,
            4,
            || Ok(()),
            |(), task| {
                begun.fetch_add(1, Ordering::Relaxed);
                if task.rows.start == 10 { Err(Error::new(ErrorCode::Cancelled, "enough")) } else { Ok(()) }
            },
        );
        assert_eq!(ended.unwrap_err().message(), "enough");
        assert!(begun.into_inner() < 1_000_000);
    }
}

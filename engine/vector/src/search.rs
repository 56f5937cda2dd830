//! The search: which rows are nearest, over all columns of a table and on several threads.

use std::num::NonZero;

use arrow::buffer::BooleanBuffer;
use velaria_contract::Result;

use crate::backend::Backend;
use crate::column::VectorColumn;
use crate::metric::Metric;
use crate::query::Queries;
use crate::scanner::Scanner;
use crate::tasks::{self, Task};
use crate::top_k::Hit;

#[cfg(test)]
mod tests;

/// A part of a table: its vectors, and which of its rows may be found.
#[derive(Debug, Clone)]
pub struct Part {
    /// The vectors.
    pub column: VectorColumn,
    /// The rows that may be found; `None` for all.
    pub selected: Option<BooleanBuffer>,
}

/// What is searched, and how.
#[derive(Clone, Copy)]
pub struct SearchOptions<'a> {
    /// What near means.
    pub metric: Metric,
    /// How many rows are found for each query, at most.
    pub top_k: usize,
    /// The instructions that are used.
    pub backend: Backend,
    /// How many threads may work at the same time.
    pub threads: usize,
    /// Asked often; its error ends the search.
    pub check: &'a (dyn Fn() -> Result<()> + Sync),
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Rows with a vector that could be found, for one query.
    pub candidates: u64,
    /// Scores that were computed in full, over all queries; the other rows were proven not to be among the nearest.
    pub scored: u64,
}

/// The rows that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// For each query the nearest rows, nearest first. Row ids count all rows of all parts.
    pub hits: Vec<Vec<Hit>>,
    /// What was done for it.
    pub figures: Figures,
}

/// Finds the rows of `parts` that are nearest to each of `queries`. The result does not depend on the number of threads,
/// nor on how the rows are cut into parts.
///
/// # Errors
/// `VEL-2004` when a part has vectors of another length than the queries; `VEL-7001` for a query that is infinite in the
/// type of the column, and when no row may be found; those of `options.check`.
pub fn search(parts: &[Part], queries: &Queries, options: &SearchOptions<'_>) -> Result<Found> {
    let tasks = tasks::cut(parts.iter().map(|part| part.column.rows()), task_rows(queries));
    let threads = options.threads.min(threads_worth(parts, queries));
    search_tasks(parts, queries, options, &tasks, threads)
}

fn search_tasks(
    parts: &[Part],
    queries: &Queries,
    options: &SearchOptions<'_>,
    tasks: &[Task],
    threads: usize,
) -> Result<Found> {
    let start = || Scanner::new(queries, options.metric, options.top_k, options.backend);
    let scanners = tasks::run(tasks, threads, start, |scanner, task| {
        (options.check)()?;
        let Some(part) = parts.get(task.part) else { return Ok(()) };
        scanner.push_rows(&part.column, task.rows.clone(), task.first_row, part.selected.as_ref())
    })?;
    let merged = scanners.into_iter().reduce(|mut all, other| {
        all.merge(other);
        all
    });
    Ok(merged.map_or_else(|| Found { hits: Vec::new(), figures: Figures::default() }, Scanner::finish))
}

/// So many rows that `check` is asked every few milliseconds.
fn task_rows(queries: &Queries) -> NonZero<usize> {
    let floats = TASK_FLOATS / queries.count().div_ceil(TASK_QUERIES);
    NonZero::new(floats / queries.dimension()).unwrap_or(NonZero::<usize>::MIN).max(TASK_ROWS_MIN)
}

/// Fewer rows would not be worth the queries that are read for them.
const TASK_ROWS_MIN: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(47);

const TASK_FLOATS: usize = 512 * 1024;

/// How many queries are about as much work as reading the rows.
const TASK_QUERIES: usize = 16;

/// The number of threads for which there is enough to do: to start one and to wait for it takes as
/// long as to read a megabyte or two.
fn threads_worth(parts: &[Part], queries: &Queries) -> usize {
    let rows: usize = parts.iter().map(|part| part.column.rows()).sum();
    let floats = rows.saturating_mul(queries.dimension());
    floats.saturating_mul(queries.count().div_ceil(TASK_QUERIES)).div_ceil(THREAD_FLOATS)
}

const THREAD_FLOATS: usize = 1024 * 1024;

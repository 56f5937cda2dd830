//! Queries that no thread waits for: their answer is handed to a function.
//!
//! A thread that waits looks at deadlines and tells listeners meanwhile. For these queries one thread of the process does,
//! and it sleeps while there are none.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use futures::FutureExt;
use tokio::task::AbortHandle;
use velaria_contract::{Error, Result};

use crate::progress::Reading;
use crate::runtime::{TICK, give_up, handle, panicked};
use crate::stop::Watch;

/// A query that runs. Dropping it tells the query to stop.
#[derive(Debug)]
pub struct Background {
    job: Arc<Job>,
}

/// Runs `future` on the engine's threads, and calls `answer` with what it gives, on a thread that may wait.
///
/// The answer is that of [`crate::wait`], and comes at most once: a query that was told to stop by [`Background::stop`]
/// gives none.
///
/// # Errors
/// `VEL-9001` when there can be no thread.
pub fn begin<T, F, A>(future: F, answer: A) -> Result<Background>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    A: FnOnce(Result<T>) + Send + 'static,
{
    let (watch, threads) = (Watch::default(), handle()?);
    let answer = Arc::new(Mutex::new(Some(answer)));
    let (told, answers, query) = (Arc::clone(&answer), threads.clone(), watch.clone());
    let watched = watch.clone().over(future);
    let task = threads.spawn(async move {
        let result = AssertUnwindSafe(watched).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
        if let Some(answer) = take(&told) {
            answers.spawn_blocking(move || {
                query.tell();
                answer(result);
            });
        }
    });
    let refuse = move |error: Option<Error>| match (take(&answer), error) {
        (None, _) => false,
        (Some(answer), Some(error)) => {
            threads.spawn_blocking(move || answer(Err(error)));
            true
        }
        (Some(_), None) => true,
    };
    let job = Arc::new(Job { watch, task: task.abort_handle(), refuse: Box::new(refuse) });
    WATCHER.add(Errand::Job(Arc::downgrade(&job)));
    Ok(Background { job })
}

/// What is dropped with it is dropped without the lock: it is the caller's.
fn take<A>(answer: &Mutex<Option<A>>) -> Option<A> {
    lock(answer).take()
}

impl Background {
    /// Tells the query to stop. Its answer is not wanted any more.
    pub fn stop(&self) {
        self.job.refuse(None);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends the wait for an answer, by an error or by none; whether somebody waited.
type Refuse = dyn Fn(Option<Error>) -> bool + Send + Sync;

struct Job {
    watch: Watch,
    task: AbortHandle,
    refuse: Box<Refuse>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("task", &self.task).finish_non_exhaustive()
    }
}

impl Job {
    /// What a thread that waits does at every tick.
    fn look(&self) {
        match self.watch.check() {
            Ok(()) => self.watch.tell(),
            Err(error) => self.refuse(Some(error)),
        }
    }

    fn refuse(&self, error: Option<Error>) {
        // A query whose answer is on its way has done its part; what it read from may go on.
        if (self.refuse)(error) {
            give_up(&self.watch, self.task.clone());
            self.watch.tell_end_later();
        }
    }
}

/// What the watcher does for others.
enum Errand {
    /// To look at a query now and then, for as long as somebody wants its answer.
    Job(Weak<Job>),
    /// To tell a listener of the end of a query that nobody waits for.
    End(Arc<Reading>),
}

/// Tells the listener of a query that it has ended, on a thread that holds no lock.
pub(crate) fn tell_end_later(reading: Arc<Reading>) {
    reading.end();
    WATCHER.add(Errand::End(reading));
}

/// The one thread that looks at queries which no thread waits for.
struct Watcher {
    state: Mutex<Watched>,
    added: Condvar,
}

struct Watched {
    errands: Vec<Errand>,
    has_thread: bool,
}

static WATCHER: Watcher =
    Watcher { state: Mutex::new(Watched { errands: Vec::new(), has_thread: false }), added: Condvar::new() };

impl Watcher {
    fn add(&'static self, errand: Errand) {
        let mut state = lock(&self.state);
        state.errands.push(errand);
        if !state.has_thread {
            // Without the thread queries run all the same, but no deadline is noticed inside of an operator.
            state.has_thread = thread::Builder::new().name("velaria-watch".to_owned()).spawn(|| self.run()).is_ok();
        }
        if state.errands.len() == 1 {
            self.added.notify_one();
        }
    }

    fn run(&self) {
        loop {
            let state = self.added.wait_while(lock(&self.state), |state| state.errands.is_empty());
            drop(state);
            thread::sleep(TICK);
            self.look();
        }
    }

    /// One round, without the lock: a listener may wait for a lock of its own.
    fn look(&self) {
        let mut kept = Vec::new();
        let errands = std::mem::take(&mut lock(&self.state).errands);
        for errand in errands {
            match &errand {
                Errand::End(reading) => reading.tell(),
                Errand::Job(job) => {
                    if let Some(job) = job.upgrade().filter(|job| !job.task.is_finished()) {
                        job.look();
                        kept.push(errand);
                    }
                }
            }
        }
        lock(&self.state).errands.append(&mut kept);
    }
}

// Each change is complete before anything that may panic.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

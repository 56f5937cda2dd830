//! The threads on which this process talks to services, and the only way to start something on them.
//!
//! Sockets need a reactor, which the threads of queries do not have. A task ends when nobody waits for it any more, so that
//! an interrupted caller leaves no request behind.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use velaria_contract::{Error, ErrorCode, Result};

static THREADS: Mutex<Option<Runtime>> = Mutex::new(None);

/// The threads, started with the first use.
pub(crate) fn handle() -> Result<Handle> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = threads.as_ref() {
        return Ok(runtime.handle().clone());
    }
    // They wait nearly always: one is enough for any number of requests.
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("velaria-network").enable_all().build();
    let runtime = runtime.map_err(|error| {
        Error::new(ErrorCode::Internal, "cannot start threads").with_hint(error.to_string()).with_source(error)
    })?;
    Ok(threads.insert(runtime).handle().clone())
}

/// Starts `future` on the threads of the network.
pub(crate) fn spawn<T, F>(future: F) -> Result<Task<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    Ok(Task(handle()?.spawn(future)))
}

/// What runs there; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<Result<T>>);

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|joined| joined.unwrap_or_else(|_| Err(stopped())))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn stopped() -> Error {
    Error::new(ErrorCode::Internal, "a request ended without an answer").with_hint("this is a bug in the engine")
}

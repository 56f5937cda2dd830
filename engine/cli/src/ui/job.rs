//! What is done for a request on a thread that may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use velaria::{Error, ErrorCode, Result};

use super::{Site, reply};
use crate::Check;

type Work<T> = Box<dyn FnOnce(&Site, Check<'_>) -> Result<T> + Send>;

/// The page that `work` makes, or the one of its error.
pub(super) async fn run(
    site: &Arc<Site>,
    work: impl FnOnce(&Site, Check<'_>) -> Result<Response> + Send + 'static,
) -> Response {
    done(site, Box::new(work)).await.unwrap_or_else(|error| reply::failed(site, &error))
}

/// Does `work`. Its check is an error when nobody waits for it any more: a browser that goes away drops this future.
pub(super) async fn done<T: Send + 'static>(site: &Arc<Site>, work: Work<T>) -> Result<T> {
    let place = Semaphore::acquire_owned(Arc::clone(&site.pages)).await;
    let (site, gone) = (Arc::clone(site), Arc::new(AtomicBool::new(false)));
    let _leaving = Leaving(Arc::clone(&gone));
    let task = spawn_blocking(move || {
        let _place = place;
        let mut check = || if gone.load(Ordering::SeqCst) { Err(left()) } else { site.check() };
        work(&site, &mut check)
    });
    task.await.unwrap_or_else(|_| Err(panicked()))
}

/// Says that nobody waits any more when it is dropped.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn left() -> Error {
    Error::new(ErrorCode::Cancelled, "the browser went away")
}

fn panicked() -> Error {
    Error::new(ErrorCode::Internal, "a page could not be made").with_hint("this is a bug; please report it")
}

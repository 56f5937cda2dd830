//! Pages that are kept up to date: their parts are made anew by the server when something has changed.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;
use velaria::Result;

use super::{Site, job, reply};
use crate::Check;

/// How often something is looked for.
const TICK: Duration = Duration::from_secs(1);
/// The ticks after which a part is made anew though nothing seems to have changed: a process that is gone changes no file.
const TICKS_MAX: u32 = 5;
/// How often a stream writes something, also to find out whether there is a reader.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A part of a page.
#[derive(Serialize)]
pub(super) struct Part {
    /// The elements that replace those of the same id.
    pub(super) html: String,
    /// Whether this is the last one.
    pub(super) ended: bool,
}

/// The size of a file, and when it was written.
pub(super) type Stamp = (u64, u128);

/// What makes a part.
pub(super) trait Source: Send + Sync {
    /// Something that is different when the part may be.
    fn stamp(&self, site: &Site) -> Vec<Stamp>;
    /// The part as it is now.
    ///
    /// # Errors
    /// When it is not there any more.
    fn part(&self, site: &Site, check: Check<'_>) -> Result<Part>;
}

/// The stream of a page.
struct Page {
    site: Arc<Site>,
    source: Arc<dyn Source>,
    stamp: Vec<Stamp>,
    told: Option<String>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// Sends the part of `source` now, and again whenever it has changed.
pub(super) fn stream(site: Arc<Site>, source: Box<dyn Source>) -> Response {
    let Ok(place) = Arc::clone(&site.streams).try_acquire_owned() else { return reply::busy() };
    let page = Page { site, source: source.into(), stamp: Vec::new(), told: None, ended: false, _place: place };
    let events = stream::unfold(page, |mut page| async move {
        let data = page.next().await?;
        Some((Ok::<_, Infallible>(Event::default().data(data)), page))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

impl Page {
    /// The next part that differs from the last one, as one line.
    async fn next(&mut self) -> Option<String> {
        while !self.ended {
            if self.told.is_some() {
                self.wait().await;
            }
            let source = Arc::clone(&self.source);
            let part =
                job::done(&self.site, Box::new(move |site: &Site, check: Check<'_>| source.part(site, check))).await;
            // What is gone stays on the page as it was.
            let part = part.unwrap_or_else(|_| Part { html: String::new(), ended: true });
            self.ended = part.ended;
            let data = serde_json::to_string(&part).ok()?;
            if self.told.as_ref() != Some(&data) {
                self.told = Some(data.clone());
                return Some(data);
            }
        }
        None
    }

    /// Waits until there may be something new.
    async fn wait(&mut self) {
        for _ in 0..TICKS_MAX {
            sleep(TICK).await;
            // A handful of file sizes: not worth another thread.
            let stamp = self.source.stamp(&self.site);
            if stamp != self.stamp {
                self.stamp = stamp;
                return;
            }
        }
    }
}

/// The stamp of the file at `path`; one that is not there has one too.
pub(super) fn stamp_of(path: &Path) -> Stamp {
    let Ok(meta) = fs::symlink_metadata(path) else { return (0, 0) };
    let written = meta.modified().ok().and_then(|written| written.duration_since(UNIX_EPOCH).ok());
    (meta.len(), written.map_or(0, |written| written.as_nanos()))
}

//! Planning where a large stack is guaranteed.
//!
//! Planning, printing and dropping an expression recurse over it. The front end bounds the depth; here every thread, also
//! a small one of a caller, gets the room that this depth needs. The memory is only reserved until it is used.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A statement up to this length cannot nest deeply enough to need more than [`SHORT_BYTES`].
const SHORT_TEXT_MAX: usize = 1024;
const SHORT_BYTES: usize = 1 << 20;
const LONG_BYTES: usize = 512 << 20;

/// Runs `work` on a statement that was read from `text` where it cannot run out of stack.
pub(crate) fn with_room<T>(text: &str, work: impl FnOnce() -> T) -> T {
    let bytes = if text.len() <= SHORT_TEXT_MAX { SHORT_BYTES } else { LONG_BYTES };
    stacker::maybe_grow(bytes, bytes, work)
}

/// A future that is polled by [`with_room`].
pub(crate) struct Roomy<'a, F> {
    text: &'a str,
    future: Pin<Box<F>>,
}

impl<'a, F> Roomy<'a, F> {
    /// The future of work on a statement that was read from `text`.
    pub(crate) fn new(text: &'a str, future: F) -> Self {
        Self { text, future: Box::pin(future) }
    }
}

impl<F: Future> Future for Roomy<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let Self { text, future } = &mut *self;
        with_room(text, || future.as_mut().poll(task))
    }
}

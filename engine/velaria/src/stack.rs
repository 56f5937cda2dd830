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

/// Up to so many levels of expressions and frames inside each other need no more than a short statement.
const SHALLOW_LEVELS_MAX: usize = 32;

/// How much room work needs: that of the text of a statement, or of what was built without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// For what cannot nest deeply.
    Small,
    /// For everything else.
    Large,
}

impl Room {
    /// For so many levels inside each other.
    pub(crate) fn of_levels(levels: usize) -> Self {
        if levels <= SHALLOW_LEVELS_MAX { Self::Small } else { Self::Large }
    }
}

impl From<&str> for Room {
    fn from(text: &str) -> Self {
        if text.len() <= SHORT_TEXT_MAX { Self::Small } else { Self::Large }
    }
}

impl From<&String> for Room {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

/// Runs `work` on a statement where it cannot run out of stack.
pub(crate) fn with_room<T>(room: impl Into<Room>, work: impl FnOnce() -> T) -> T {
    let bytes = match room.into() {
        Room::Small => SHORT_BYTES,
        Room::Large => LONG_BYTES,
    };
    stacker::maybe_grow(bytes, bytes, work)
}

/// A future that is polled by [`with_room`].
pub(crate) struct Roomy<F> {
    room: Room,
    future: Pin<Box<F>>,
}

impl<F> Roomy<F> {
    /// The future of work on a statement.
    pub(crate) fn new(room: impl Into<Room>, future: F) -> Self {
        Self { room: room.into(), future: Box::pin(future) }
    }
}

impl<F: Future> Future for Roomy<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let Self { room, future } = &mut *self;
        with_room(*room, || future.as_mut().poll(task))
    }
}

//! The end of the interpreter, which no thread of the engine may be inside of.
//!
//! A thread that asks for the interpreter lock while the interpreter ends is ended by it (before Python 3.14): the stack is
//! unwound, and destructors of ours would run without the lock. So threads of the engine enter by [`visit`], and the
//! interpreter waits for those that are inside before it begins to end.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::prelude::*;

use crate::logs;
use crate::runtime::{attached, check_process};

/// How long the end waits for a callback that does not return.
const PATIENCE: Duration = Duration::from_secs(5);

struct Door {
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    inside: usize,
    /// The thread on which the interpreter ends, once it does: that one may still come in.
    leaving: Option<ThreadId>,
}

impl State {
    fn is_closed(&self) -> bool {
        self.leaving.is_some_and(|thread| thread != thread::current().id())
    }
}

static DOOR: Door = Door { state: Mutex::new(State { inside: 0, leaving: None }), left: Condvar::new() };

/// Registers what has to be done before the interpreter ends.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(close, py)?,)).map(|_| ())
}

/// Attaches a thread that Python does not wait for to the interpreter; `None` when that ends.
pub(crate) fn visit<R>(action: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let _visit = Visit::begin()?;
    attached(action)
}

/// The leave of a thread of Python to take the lock again, which it holds until it has done so. It is never given while the
/// interpreter ends on another thread: that would end this one in the middle of our code.
pub(crate) fn come_back() -> Visit {
    loop {
        match Visit::begin() {
            Some(visit) => return visit,
            // Only the end of the process ends this wait.
            None => thread::park(),
        }
    }
}

/// Whether the interpreter ends, which this thread then may not ask for any more.
pub(crate) fn is_closed() -> bool {
    DOOR.lock().is_closed()
}

/// What somebody else lends, and what may need the interpreter when it is given back. Once that ends it is kept for ever.
pub(crate) struct Lent<T>(ManuallyDrop<T>);

impl<T> Lent<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        let Some(_visit) = Visit::begin() else { return };
        #[expect(unsafe_code, reason = "a drop that is left out on purpose has to be done by hand otherwise")]
        // SAFETY: the value is not used again: this is its owner's drop.
        unsafe {
            ManuallyDrop::drop(&mut self.0);
        }
    }
}

/// A thread that is inside, or on its way there.
pub(crate) struct Visit;

impl Visit {
    /// `None` when the interpreter ends.
    pub(crate) fn begin() -> Option<Self> {
        let mut state = DOOR.lock();
        if state.is_closed() {
            return None;
        }
        state.inside += 1;
        Some(Self)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        DOOR.lock().inside -= 1;
        DOOR.left.notify_all();
    }
}

impl Door {
    // Each change is complete before anything that may panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.lock();
        state.leaving = Some(thread::current().id());
        // Whether they have left: there is nothing else to do for those that have not.
        let _ = self.left.wait_timeout_while(state, PATIENCE, |state| state.inside > 0);
    }
}

#[pyfunction]
fn close(py: Python<'_>) {
    if check_process().is_err() {
        // No thread of the engine came along, and locks that one held are held for ever.
        return;
    }
    logs::close();
    py.detach(|| DOOR.close());
    logs::deliver_apart(py);
}

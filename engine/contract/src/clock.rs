//! The one door to time: what reads a clock asks a [`Clock`], so that tests bring their own.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Two clocks: one that only runs forward, and the calendar.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since some fixed moment; it never goes back.
    fn monotonic(&self) -> Duration;
    /// Milliseconds since 1970 in UTC; it may jump.
    fn wall_ms(&self) -> i64;
}

/// The clocks of the operating system.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall_ms(&self) -> i64 {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        }
    }
}

/// Clocks that stand still until they are moved: for tests and golden files.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<(Duration, i64)>,
}

impl ManualClock {
    /// Clocks at zero and at `wall_ms`.
    #[must_use]
    pub fn new(wall_ms: i64) -> Self {
        Self { now: Mutex::new((Duration::ZERO, wall_ms)) }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        now.0 += by;
        now.1 = now.1.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Sets the calendar alone, as an administrator may do.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.lock().1 = wall_ms;
    }

    // Two plain values cannot be left half-written.
    fn lock(&self) -> MutexGuard<'_, (Duration, i64)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.lock().0
    }

    fn wall_ms(&self) -> i64 {
        self.lock().1
    }
}

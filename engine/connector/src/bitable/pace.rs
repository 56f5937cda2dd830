//! How many requests go out in a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A bucket of as many requests as go out in one second: it may be emptied at once, and fills again at the same rate.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the bucket would be full, if nothing more were taken.
    full_at: Mutex<Option<Instant>>,
}

/// What the bucket holds.
const BUCKET: Duration = Duration::from_secs(1);

impl Pace {
    pub(super) fn new(requests_per_second: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / requests_per_second), full_at: Mutex::new(None) }
    }

    /// Waits for its turn.
    pub(super) async fn wait(&self) {
        let turn = self.take(Instant::now());
        sleep_until(turn).await;
    }

    /// When the request that is asked for at `now` may go out.
    fn take(&self, now: Instant) -> Instant {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = full_at.unwrap_or(now).max(now) + self.interval;
        *full_at = Some(taken);
        taken.checked_sub(BUCKET.max(self.interval)).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_goes_at_the_rate() {
        let pace = Pace::new(10.0);
        let now = Instant::now();
        let waits: Vec<u128> = (0..13).map(|_| (pace.take(now) - now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 300]);
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.take(later), later);
    }

    #[test]
    fn less_than_one_in_a_second_still_lets_the_first_go() {
        let pace = Pace::new(0.5);
        let now = Instant::now();
        assert_eq!((pace.take(now) - now).as_millis(), 0);
        assert_eq!((pace.take(now) - now).as_millis(), 2000);
    }
}

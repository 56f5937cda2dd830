//! When a request that failed for now is sent again. A decision over values: nothing here waits.

use std::time::Duration;

/// The first pause when the service does not say how long to wait.
const FIRST: Duration = Duration::from_millis(500);
/// No pause of our own is longer.
const LONGEST: Duration = Duration::from_secs(20);

/// Waited beyond what the service asks for, which may be nothing at all.
const MARGIN: Duration = Duration::from_millis(100);

/// The codes that mean "not now": the application's or the table's limit of requests, a conflict with a writer, a table that
/// is still being loaded, a time-out inside of the service.
const FOR_NOW: [i64; 5] = [99_991_400, 1_254_290, 1_254_291, 1_254_607, 1_255_040];

/// Those of them that mean that the request was turned away before anything was done for it.
const TURNED_AWAY: [i64; 2] = [99_991_400, 1_254_290];

/// Whether the answer `code` means that the same request may succeed later. What was begun inside of the service may have been
/// done, so a request that is not `repeatable` is sent again only when it was turned away.
pub(super) fn is_for_now(code: i64, repeatable: bool) -> bool {
    if repeatable { FOR_NOW.contains(&code) } else { TURNED_AWAY.contains(&code) }
}

/// Whether an HTTP status means so.
pub(super) fn is_for_now_status(status: u16, repeatable: bool) -> bool {
    status == 429 || (repeatable && matches!(status, 500 | 502 | 503 | 504))
}

/// How many times a request was sent, and how long all of that may take.
#[derive(Debug, Clone)]
pub(super) struct Attempts {
    pub(super) made: u32,
    paused: Duration,
    patience: Duration,
}

impl Attempts {
    pub(super) fn new(patience: Duration) -> Self {
        Self { made: 1, paused: Duration::ZERO, patience }
    }

    /// The pause before the next attempt, or `None` when it would take too long. `asked` is what the service wants, `dice` is
    /// between 0 and 1: without it, all who were turned away would come back together.
    pub(super) fn pause(&mut self, asked: Option<Duration>, dice: f64) -> Option<Duration> {
        let pause = match asked {
            Some(asked) => asked + MARGIN.mul_f64(0.5 + dice / 2.0),
            None => {
                let doubled = FIRST.saturating_mul(1 << (self.made - 1).min(10)).min(LONGEST);
                doubled.mul_f64(0.5 + dice / 2.0)
            }
        };
        let paused = self.paused + pause;
        if paused > self.patience {
            return None;
        }
        self.paused = paused;
        self.made += 1;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_patience() {
        let mut attempts = Attempts::new(Duration::from_secs(60));
        let pauses: Vec<u128> =
            std::iter::from_fn(|| attempts.pause(None, 1.0)).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000, 20000]);
        assert_eq!(attempts.made, 8);
    }

    #[test]
    fn what_the_service_asks_for_counts_unless_it_is_too_long() {
        let mut attempts = Attempts::new(Duration::from_secs(10));
        assert_eq!(attempts.pause(Some(Duration::from_secs(3)), 0.0), Some(Duration::from_millis(3050)));
        assert_eq!(attempts.pause(Some(Duration::from_secs(86_400)), 0.0), None);
        assert_eq!(Attempts::new(Duration::ZERO).pause(None, 0.0), None);
        assert_eq!(Attempts::new(Duration::ZERO).pause(Some(Duration::ZERO), 0.0), None);
    }
}

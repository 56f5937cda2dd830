//! The arithmetic of windows over whole numbers of any unit.

use arrow::datatypes::{DataType, TimeUnit};
use velaria_contract::{Error, ErrorCode, Result};

/// The starts of the windows of one length and one slide.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    every: i64,
    slide: i64,
    by_slide: Divisor,
}

impl Grid {
    /// The windows over a window column of type `column`.
    pub(crate) fn new(every_ms: u64, slide_ms: u64, column: &DataType) -> Result<Self> {
        let (every, slide) = (in_unit(every_ms, column)?, in_unit(slide_ms, column)?);
        Ok(Self { every, slide, by_slide: Divisor::new(slide) })
    }

    /// Whether every time is in one window.
    pub(crate) fn is_tumbling(&self) -> bool {
        self.every == self.slide
    }

    /// The distance between two starts.
    pub(crate) fn slide(&self) -> i64 {
        self.slide
    }

    /// The last start that is not after `time`. It is larger than `time` when no number is small enough for it: the caller
    /// looks, once for many times.
    #[inline]
    pub(crate) fn last_start(&self, time: i64) -> i64 {
        // All bits are 1 for a negative time: `!(!time / slide)` rounds down where `time / slide` rounds up.
        let sign = time >> 63;
        let quotient = self.by_slide.divide(time ^ sign) ^ sign;
        quotient.wrapping_mul(self.slide)
    }

    /// The first and the last start of the windows that `time` is in; `None` when no number is small enough.
    #[inline]
    pub(crate) fn first_and_last_start(&self, time: i64) -> Option<(i64, i64)> {
        let last = self.last_start(time);
        let before = time.checked_sub(self.every)?;
        let outside = self.last_start(before);
        (last <= time && outside <= before).then(|| (outside.wrapping_add(self.slide), last))
    }
}

/// `milliseconds` in the unit of a window column.
pub(super) fn in_unit(milliseconds: u64, column: &DataType) -> Result<i64> {
    let (times, parts) = match column {
        DataType::Timestamp(TimeUnit::Second, _) => (1, 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => (1_000, 1),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => (1_000_000, 1),
        DataType::Date32 => (1, super::DAY_MS),
        _ => (1, 1),
    };
    let units = milliseconds.checked_mul(times).map(|units| units / parts);
    units.and_then(|units| i64::try_from(units).ok()).ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidArgument,
            format!("a window of {milliseconds} ms is too long for a column of type {column}"),
        )
    })
}

/// Division of a number that is not negative, by multiplication: `n / d` is `n * m >> s` where `m` is `2^s / d` rounded up.
///
/// With `s = 63 + l` and `d <= 2^l` the error of `m` is too small to reach the next whole number for any `n < 2^63`
/// (T. Granlund, P. Montgomery, "Division by invariant integers using multiplication", 1994, theorem 4.2), and `m < 2^64`.
#[derive(Debug, Clone)]
struct Divisor {
    multiplier: u64,
    shift: u32,
}

impl Divisor {
    fn new(divisor: i64) -> Self {
        let divisor = divisor.max(1).unsigned_abs();
        let shift = 63 + divisor.next_power_of_two().trailing_zeros();
        let multiplier = (1_u128 << shift) / u128::from(divisor) + 1;
        // Below 2^64, see above.
        Self { multiplier: multiplier as u64, shift }
    }

    #[inline]
    fn divide(&self, number: i64) -> i64 {
        let product = u128::from(number.unsigned_abs()).wrapping_mul(u128::from(self.multiplier));
        // At most `number`.
        (product >> self.shift) as i64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(every: i64, slide: i64) -> Grid {
        Grid::new(every as u64, slide as u64, &DataType::Int64).unwrap()
    }

    fn any_time() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -100_000_i64..100_000, i64::MIN..i64::MIN + 1_000, i64::MAX - 1_000..=i64::MAX]
    }

    fn any_length() -> impl Strategy<Value = i64> {
        prop_oneof![1_i64..10_000, 1..=i64::MAX, (0_u32..63).prop_map(|bits| 1_i64 << bits), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn the_last_start_is_floor_division(time in any_time(), slide in any_length()) {
            let expected = i128::from(time).div_euclid(i128::from(slide)) * i128::from(slide);
            let found = grid(slide, slide).last_start(time);
            match i64::try_from(expected) {
                Ok(expected) => prop_assert_eq!(found, expected),
                Err(_) => prop_assert!(found > time),
            }
        }

        #[test]
        fn a_time_is_in_all_windows_from_first_to_last_and_in_no_other(
            time in any_time(),
            slide in 1_i64..50,
            more in 0_i64..200,
        ) {
            let every = slide + more;
            let Some((first, last)) = grid(every, slide).first_and_last_start(time) else {
                prop_assert!(time < i64::MIN + every + slide);
                return Ok(());
            };
            let contains = |start: i128| start <= i128::from(time) && i128::from(time) < start + i128::from(every);
            let (first, last, slide) = (i128::from(first), i128::from(last), i128::from(slide));
            prop_assert_eq!(first.rem_euclid(slide), 0);
            prop_assert_eq!(last.rem_euclid(slide), 0);
            prop_assert!(contains(first) && contains(last));
            prop_assert!(!contains(first - slide) && !contains(last + slide));
        }
    }

    #[test]
    fn a_window_that_is_longer_than_the_unit_can_count_is_refused() {
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let error = Grid::new(u64::MAX / 2_000_000, 1, &nanoseconds).map(|_| ());
        assert!(error.is_ok());
        let error = Grid::new(u64::MAX / 1_000_000, 1, &nanoseconds).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(Grid::new(u64::MAX, 1, &DataType::Int64).is_err());
    }
}

//! Dates as spreadsheets count them: days since an epoch, with the time as the fraction.
//!
//! In the system of 1900 the day 60 is 29 February 1900, which never was: days before it are one closer to the epoch than
//! those after it. Times are kept to the millisecond, as spreadsheets do.

use super::cell::Kind;
use super::number_format::Class;

const DAY_MS: i64 = 86_400_000;
/// 1970-01-01 in the system of 1900.
const UNIX_1900: i64 = 25_569;
/// 1970-01-01 in the system of 1904.
const UNIX_1904: i64 = 24_107;
/// 9999-12-31 in the system of 1900.
const LAST_DAY_1900: i64 = 2_958_465;
/// The day that never was.
const LEAP_DAY_1900: i64 = 60;

/// The day from which days are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Epoch {
    #[default]
    Year1900,
    Year1904,
}

/// What a serial number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A value of one of the kinds for dates and times: days or milliseconds.
    Known(Kind, i64),
    /// 29 February 1900, with its milliseconds.
    LeapDay1900(i64),
    /// No date or time: a number in spite of its format.
    None,
}

/// The date or time that `serial` is in a cell with a format of `class`.
pub(super) fn moment(serial: f64, class: Class, epoch: Epoch) -> Moment {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and what is out of range is refused below"
    )]
    let ms = (serial * 86_400_000.0).round() as i64;
    if serial.is_nan() || ms.unsigned_abs() > 1 << 60 {
        return Moment::None;
    }
    let (day, time) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    match class {
        Class::Number => Moment::None,
        Class::Duration => Moment::Known(Kind::Duration, ms),
        Class::Time if day == 0 => Moment::Known(Kind::Time, ms),
        Class::Date | Class::DateTime | Class::Time => dated(day, time, class, epoch),
    }
}

fn dated(day: i64, time: i64, class: Class, epoch: Epoch) -> Moment {
    let unix = match epoch {
        _ if day < 0 => return Moment::None,
        Epoch::Year1904 if day > LAST_DAY_1900 - UNIX_1900 + UNIX_1904 => return Moment::None,
        Epoch::Year1904 => day - UNIX_1904,
        Epoch::Year1900 if day == 0 => {
            return if class == Class::Date && time == 0 { Moment::None } else { Moment::Known(Kind::Time, time) };
        }
        Epoch::Year1900 if day == LEAP_DAY_1900 => return Moment::LeapDay1900(time),
        Epoch::Year1900 if day > LAST_DAY_1900 => return Moment::None,
        Epoch::Year1900 if day < LEAP_DAY_1900 => day - UNIX_1900 + 1,
        Epoch::Year1900 => day - UNIX_1900,
    };
    match class {
        Class::Date if time == 0 => Moment::Known(Kind::Date, unix),
        _ => Moment::Known(Kind::DateTime, unix * DAY_MS + time),
    }
}

/// The serial number of a moment in milliseconds since 1970, for the system of 1900. `None` before 1900 and after 9999.
pub(super) fn serial_of(unix_ms: i64) -> Option<f64> {
    let (day, time) = (unix_ms.div_euclid(DAY_MS), unix_ms.rem_euclid(DAY_MS));
    let serial = day + UNIX_1900;
    let serial = if serial <= LEAP_DAY_1900 { serial - 1 } else { serial };
    if !(1..=LAST_DAY_1900).contains(&serial) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Some(serial as f64 + time as f64 / 86_400_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(serial: f64, epoch: Epoch) -> Moment {
        moment(serial, Class::Date, epoch)
    }

    #[test]
    fn the_days_around_the_one_that_never_was() {
        // 1900-01-01 is 25,567 days before 1970.
        assert_eq!(date(1.0, Epoch::Year1900), Moment::Known(Kind::Date, -25_567));
        assert_eq!(date(59.0, Epoch::Year1900), Moment::Known(Kind::Date, -25_509));
        assert_eq!(date(60.0, Epoch::Year1900), Moment::LeapDay1900(0));
        assert_eq!(date(61.0, Epoch::Year1900), Moment::Known(Kind::Date, -25_508));
        assert_eq!(date(25_569.0, Epoch::Year1900), Moment::Known(Kind::Date, 0));
        assert_eq!(date(0.0, Epoch::Year1904), Moment::Known(Kind::Date, -24_107));
        assert_eq!(date(60.0, Epoch::Year1904), Moment::Known(Kind::Date, -24_047));
    }

    #[test]
    fn what_is_no_date_stays_a_number() {
        for serial in [-1.0, 0.0, 2_958_466.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(date(serial, Epoch::Year1900), Moment::None, "{serial}");
        }
    }

    #[test]
    fn times_and_durations() {
        assert_eq!(moment(0.5, Class::Time, Epoch::Year1900), Moment::Known(Kind::Time, DAY_MS / 2));
        assert_eq!(moment(1.25, Class::Duration, Epoch::Year1900), Moment::Known(Kind::Duration, DAY_MS * 5 / 4));
        assert_eq!(moment(-0.25, Class::Duration, Epoch::Year1900), Moment::Known(Kind::Duration, -DAY_MS / 4));
        assert_eq!(moment(25_569.5, Class::Date, Epoch::Year1900), Moment::Known(Kind::DateTime, DAY_MS / 2));
        // A time just before midnight does not become the 24th hour.
        assert_eq!(
            moment(25_569.999_999_999_9, Class::DateTime, Epoch::Year1900),
            Moment::Known(Kind::DateTime, DAY_MS)
        );
    }

    #[test]
    fn writing_is_the_reverse_of_reading() {
        for ms in
            [-2_208_988_800_000, -2_203_977_600_000, -2_203_891_200_000, 0, 1_719_792_000_123, 253_402_300_799_999]
        {
            let serial = serial_of(ms).unwrap();
            assert_eq!(moment(serial, Class::DateTime, Epoch::Year1900), Moment::Known(Kind::DateTime, ms), "{ms}");
        }
        assert_eq!(serial_of(-2_208_988_800_001), None);
        assert_eq!(serial_of(253_402_300_800_000), None);
    }
}

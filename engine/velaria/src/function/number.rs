//! Functions over numbers. A result that 64 bits cannot hold is an error, never a wrapped number.

use datafusion::error::Result;
use velaria_contract::{Error, ErrorCode};

use super::kernel::{Kind, Row, Spec, Value, invalid, overflow};

use Kind::{Bool, Float, Int};

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("div", &[Int, Int], Int, div),
    Spec::new("xor", &[Int, Int], Int, |row| Ok(Value::Int(row.int(0) ^ row.int(1)))),
    Spec::new("bit_count", &[Int], Int, |row| Ok(Value::Int(i64::from(row.int(0).count_ones())))),
    Spec::new("isinf", &[Float], Bool, |row| Ok(Value::Bool(row.float(0).is_infinite()))),
    Spec::new("isfinite", &[Float], Bool, |row| Ok(Value::Bool(row.float(0).is_finite()))),
    Spec::new("signbit", &[Float], Bool, |row| Ok(Value::Bool(row.float(0).is_sign_negative()))),
    Spec::new("even", &[Float], Float, |row| {
        let half = row.float(0) / 2.0;
        Ok(Value::Float(if half < 0.0 { half.floor() } else { half.ceil() } * 2.0))
    }),
    Spec::new("gamma", &[Float], Float, gamma),
    Spec::new("lgamma", &[Float], Float, lgamma),
    Spec::new("erf", &[Float], Float, |row| Ok(Value::Float(libm::erf(row.float(0))))),
    Spec::new("hypot", &[Float, Float], Float, |row| Ok(Value::Float(row.float(0).hypot(row.float(1))))),
    Spec::new("nextafter", &[Float, Float], Float, |row| Ok(Value::Float(libm::nextafter(row.float(0), row.float(1))))),
    Spec::new("round_even", &[Float, Int], Float, round_even).optional(1),
    Spec::new("width_bucket", &[Float, Float, Float, Int], Int, width_bucket),
];

/// A whole quotient, cut towards zero.
fn div(row: &Row<'_>) -> Result<Value> {
    let (dividend, divisor) = (row.int(0), row.int(1));
    if divisor == 0 {
        return Err(datafusion::error::DataFusionError::External(Box::new(
            Error::new(ErrorCode::DivisionByZero, "division by zero")
                .with_hint("NULLIF(divisor, 0) gives NULL instead"),
        )));
    }
    dividend
        .checked_div(divisor)
        .map(Value::Int)
        .ok_or_else(|| overflow(format!("{dividend} divided by {divisor} does not fit INT")))
}

/// The gamma function; it has no value at zero and at negative whole numbers.
fn gamma(row: &Row<'_>) -> Result<Value> {
    check_gamma(row.float(0))?;
    Ok(Value::Float(libm::tgamma(row.float(0))))
}

fn lgamma(row: &Row<'_>) -> Result<Value> {
    check_gamma(row.float(0))?;
    Ok(Value::Float(libm::lgamma(row.float(0))))
}

fn check_gamma(value: f64) -> Result<()> {
    if value <= 0.0 && value.is_finite() && value.fract() == 0.0 {
        return Err(invalid("the gamma function has no value at zero and at negative whole numbers"));
    }
    Ok(())
}

/// Halves go to the even neighbour.
fn round_even(row: &Row<'_>) -> Result<Value> {
    Ok(Value::Float(scaled(row.float(0), row.int(1), f64::round_ties_even)))
}

/// `round` applied to `places` digits after the point, without leaving the range of a float on the way.
pub(super) fn scaled(value: f64, places: i64, round: fn(f64) -> f64) -> f64 {
    // A float has at most 17 digits: further places change nothing, and farther before the point nothing is left.
    let Ok(places) = i32::try_from(places.clamp(-400, 400)) else { return value };
    let factor = 10_f64.powi(places.abs());
    let result = if places >= 0 { round(value * factor) / factor } else { round(value / factor) * factor };
    match (result.is_finite(), places >= 0) {
        (true, _) => result,
        (false, true) => value,
        (false, false) if value.is_finite() => 0.0_f64.copysign(value),
        (false, false) => value,
    }
}

/// The number of the bucket, from 1; 0 lies below all of them, and `count + 1` above.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the bucket is at most the count")]
fn width_bucket(row: &Row<'_>) -> Result<Value> {
    let (value, low, high, count) = (row.float(0), row.float(1), row.float(2), row.int(3));
    if count < 1 || count == i64::MAX || !low.is_finite() || !high.is_finite() || low == high || value.is_nan() {
        return Err(invalid("width_bucket takes a number, two different finite bounds and at least one bucket"));
    }
    let (value, span) = if low < high { (value - low, high - low) } else { (low - value, low - high) };
    Ok(Value::Int(if value < 0.0 {
        0
    } else if value >= span {
        count + 1
    } else {
        ((value / span * count as f64) as i64).min(count - 1) + 1
    }))
}

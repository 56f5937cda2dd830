//! Numbers as people read them.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

/// How numbers of about one size are written: divided, and with a word behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// What a number is divided by.
    pub(crate) divisor: f64,
    /// What stands behind it.
    pub(crate) suffix: &'static str,
}

impl Unit {
    /// How numbers up to `max` are written.
    pub(crate) fn scale(self, max: f64) -> Scale {
        let scales: &[(f64, &str)] = match self {
            Self::Count => &[(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")],
            Self::Bytes => &[(1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB")],
            Self::Milliseconds => &[(3.6e6, " h"), (1.2e5, " min"), (1e3, " s")],
        };
        match scales.iter().find(|(from, _)| max >= *from) {
            Some((from, suffix)) => Scale { divisor: divisor(self, *from), suffix },
            None => Scale { divisor: 1.0, suffix: self.word() },
        }
    }

    /// `number` with its unit.
    pub(crate) fn text(self, number: f64) -> String {
        if self == Self::Count && number.abs() < 1e15 && number.fract() == 0.0 {
            return grouped(number);
        }
        self.scale(number.abs()).text(number)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Bytes => " B",
            Self::Milliseconds => " ms",
        }
    }
}

impl Scale {
    /// `number` on this scale, with three digits that matter.
    pub(crate) fn text(&self, number: f64) -> String {
        let scaled = number / self.divisor;
        let decimals = match scaled.abs() {
            size if size >= 99.95 || size == 0.0 => 0,
            size if size >= 9.995 => 1,
            size if size >= 0.995 => 2,
            _ => 3,
        };
        let text = format!("{scaled:.decimals$}");
        let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        format!("{short}{}", self.suffix)
    }
}

/// What the step at `from` divides by: minutes begin at two, thousands at ten.
fn divisor(unit: Unit, from: f64) -> f64 {
    match unit {
        Unit::Count if from == 1e4 => 1e3,
        Unit::Milliseconds if from == 1.2e5 => 6e4,
        Unit::Count | Unit::Bytes | Unit::Milliseconds => from,
    }
}

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count as a number of a chart; beyond 2^53 the last digits do not matter there.
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// The places of about `count` lines between 0 and `max`, with the distance between two of them.
pub(crate) fn step(max: f64, count: f64) -> f64 {
    let rough = max / count;
    if !rough.is_normal() || rough <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 2.5, 5.0].into_iter().find(|nice| nice * power >= rough * 0.999).unwrap_or(10.0);
    nice * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 1234567.0, "1,234,567"),
            (Unit::Count, -12.0, "-12"),
            (Unit::Count, 12.5, "12.5"),
            (Unit::Count, 123456.7, "123 k"),
            (Unit::Bytes, 0.0, "0 B"),
            (Unit::Bytes, 999.0, "999 B"),
            (Unit::Bytes, 1536.0, "1.54 kB"),
            (Unit::Bytes, 2.5e9, "2.5 GB"),
            (Unit::Milliseconds, 0.0421, "0.042 ms"),
            (Unit::Milliseconds, 12.0, "12 ms"),
            (Unit::Milliseconds, 1500.0, "1.5 s"),
            (Unit::Milliseconds, 90_000.0, "90 s"),
            (Unit::Milliseconds, 150_000.0, "2.5 min"),
            (Unit::Milliseconds, 7_200_000.0, "2 h"),
        ];
        for (unit, number, text) in cases {
            assert_eq!(unit.text(number), text);
        }
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([step(10.0, 4.0), step(0.7, 4.0), step(1234.0, 4.0)], [2.5, 0.2, 500.0]);
        assert_eq!([step(0.0, 4.0), step(f64::NAN, 4.0), step(-1.0, 4.0), step(1e308, 4.0)], [1.0, 1.0, 1.0, 2.5e307]);
    }
}

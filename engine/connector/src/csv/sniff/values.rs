//! What a value looks like, as far as that tells a delimiter, a header or the way of writing numbers.

/// The look of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing, or a word for nothing.
    Null,
    /// Digits, with a sign perhaps.
    Integer,
    /// A number with a decimal point or an exponent.
    Point,
    /// Digits with one comma before one, two or more than three digits, or behind a zero: `1,5`.
    Comma,
    /// A number with groups of three digits and decimals, or with two groups at least: the group sign and the decimal sign.
    Grouped(char, Option<u8>),
    /// One to three digits, a comma or a point, and three digits: a thousand or a fraction.
    Thousand(u8),
    /// `true` or `false`.
    Boolean,
    /// A date, a time or both.
    Time,
    /// `[1 2 3]`.
    Vector,
    /// Anything else.
    Text,
}

impl Look {
    /// What `text` looks like.
    pub(super) fn of(text: &str) -> Self {
        // A tab is a delimiter somewhere else, so it is no blank here.
        let text = text.trim_matches(' ');
        if is_null(text) {
            return Self::Null;
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        match unsigned.as_bytes()[..] {
            [b'0'..=b'9' | b'.' | b',', ..] if unsigned.bytes().any(|byte| byte.is_ascii_digit()) => {
                number(unsigned).unwrap_or_else(|| other(text))
            }
            [b'[', .., b']'] => vector(unsigned),
            _ => other(text),
        }
    }

    /// Whether this is more than text.
    pub(super) fn is_typed(self) -> bool {
        !matches!(self, Self::Null | Self::Text)
    }

    /// Whether a value of this look may stand in a column of values that look like `column`.
    pub(super) fn fits(self, column: Self) -> bool {
        self == column || (self.is_number() && column.is_number())
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Point | Self::Comma | Self::Grouped(..) | Self::Thousand(_))
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "-" | "NA" | "N/A" | "n/a" | "NULL" | "null" | "None" | "NaN" | "nan" | "#N/A" | "\\N")
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Option<Look> {
    if is_digits(text) {
        return Some(Look::Integer);
    }
    if let Some((digits, fraction)) = text.split_once('.')
        && (digits.is_empty() || is_digits(digits))
        && is_fraction(fraction)
    {
        let thousand = is_group_of_three(digits, fraction);
        return Some(if thousand { Look::Thousand(b'.') } else { Look::Point });
    }
    if let Some((digits, exponent)) = text.split_once(['e', 'E'])
        && is_digits(digits)
        && is_exponent(exponent)
    {
        return Some(Look::Point);
    }
    if let Some((digits, fraction)) = text.split_once(',')
        && (digits.is_empty() || is_digits(digits))
        && is_fraction(fraction)
        && !fraction.is_empty()
    {
        let thousand = is_group_of_three(digits, fraction);
        return Some(if thousand { Look::Thousand(b',') } else { Look::Comma });
    }
    grouped(text)
}

/// `1.234`: it could be a thousand, unlike `0.234` and `1234.567`.
fn is_group_of_three(digits: &str, fraction: &str) -> bool {
    matches!(digits.len(), 1..=3) && !digits.starts_with('0') && fraction.len() == 3 && is_digits(fraction)
}

fn is_fraction(text: &str) -> bool {
    match text.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction.is_empty() || is_digits(fraction)) && is_exponent(exponent),
        None => text.is_empty() || is_digits(text),
    }
}

fn is_exponent(text: &str) -> bool {
    is_digits(text.strip_prefix(['-', '+']).unwrap_or(text))
}

fn grouped(text: &str) -> Option<Look> {
    let sign = text.chars().find(|character| !character.is_ascii_digit())?;
    if !matches!(sign, ',' | '.' | ' ' | '\'' | '\u{a0}' | '\u{202f}' | '’') {
        return None;
    }
    let decimal = text.rfind([',', '.']).filter(|place| text.get(*place..).is_some_and(|rest| !rest.starts_with(sign)));
    let (whole, fraction) = match decimal {
        Some(place) => (text.get(..place)?, text.get(place + 1..)),
        None => (text, None),
    };
    let mut groups = whole.split(sign);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let is_group = |group: &&str| group.len() == 3 && is_digits(group);
    if !matches!(first.len(), 1..=3) || !is_digits(first) || rest.is_empty() || !rest.iter().all(is_group) {
        return None;
    }
    match fraction {
        Some(fraction) if !is_digits(fraction) => None,
        Some(_) => Some(Look::Grouped(sign, decimal.and_then(|place| text.as_bytes().get(place).copied()))),
        None => Some(Look::Grouped(sign, None)),
    }
}

fn vector(text: &str) -> Look {
    let inner = text.trim_start_matches('[').trim_end_matches(']').trim();
    let mut parts = inner.split([' ', ',']).filter(|part| !part.is_empty()).peekable();
    let any = parts.peek().is_some();
    if any && parts.all(|part| part.parse::<f32>().is_ok()) { Look::Vector } else { Look::Text }
}

fn other(text: &str) -> Look {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Look::Boolean;
    }
    if is_time(text) { Look::Time } else { Look::Text }
}

/// Digits in two to eight groups with the signs of dates and times between them, at least two of which are the same.
fn is_time(text: &str) -> bool {
    if text.len() > 40 || !text.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let day = text.split(['T', ' ']).next().unwrap_or_default();
    let clock = text.get(day.len()..).unwrap_or_default().trim_start_matches(['T', ' ']);
    (is_day(day) && (clock.is_empty() || is_clock(clock))) || (clock.is_empty() && is_clock(day))
}

fn is_day(text: &str) -> bool {
    ['-', '/', '.'].iter().any(|sign| {
        let mut parts = text.split(*sign);
        let part = |part: Option<&str>| part.is_some_and(|part| is_digits(part) && matches!(part.len(), 1 | 2 | 4));
        part(parts.next()) && part(parts.next()) && part(parts.next()) && parts.next().is_none()
    })
}

fn is_clock(text: &str) -> bool {
    let text = text.trim_end_matches('Z');
    let text = text.rsplit_once(['+', '-']).filter(|(_, zone)| is_zone(zone)).map_or(text, |(clock, _)| clock);
    let mut parts = text.split(':');
    let two = |part: Option<&str>| part.is_some_and(|part| is_digits(part) && part.len() <= 2);
    let seconds = |part: &str| is_digits(part.split('.').next().unwrap_or_default());
    two(parts.next()) && two(parts.next()) && parts.next().is_none_or(seconds) && parts.next().is_none()
}

fn is_zone(text: &str) -> bool {
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    matches!(digits.len(), 2 | 4) && is_digits(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_like_what_they_are() {
        for (text, look) in [
            ("", Look::Null),
            ("NA", Look::Null),
            ("-12", Look::Integer),
            ("007", Look::Integer),
            ("1.5", Look::Point),
            (".5", Look::Point),
            ("1e5", Look::Point),
            ("1.2e-5", Look::Point),
            ("1234.567", Look::Point),
            ("1,5", Look::Comma),
            (",25", Look::Comma),
            ("0,125", Look::Comma),
            ("1234,567", Look::Comma),
            ("1,234", Look::Thousand(b',')),
            ("1.234", Look::Thousand(b'.')),
            ("1,234.50", Look::Grouped(',', Some(b'.'))),
            ("1.234,5", Look::Grouped('.', Some(b','))),
            ("1,234,567", Look::Grouped(',', None)),
            ("1 234", Look::Grouped(' ', None)),
            ("1'234.5", Look::Grouped('\'', Some(b'.'))),
            ("True", Look::Boolean),
            ("2024-01-31", Look::Time),
            ("31.12.2024", Look::Time),
            ("2024-01-31T10:00:00.5+02:00", Look::Time),
            ("10:30", Look::Time),
            ("[1 2 3]", Look::Vector),
            ("[1, 2.5]", Look::Vector),
            ("[]", Look::Text),
            ("1;2", Look::Text),
            ("1,2,3", Look::Text),
            ("12:30 pm", Look::Text),
            ("1-2", Look::Text),
            ("abc", Look::Text),
        ] {
            assert_eq!(Look::of(text), look, "{text}");
        }
    }
}

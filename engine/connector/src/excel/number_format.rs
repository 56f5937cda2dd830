//! What a number format says about a number: that it is one, or a date, a time, both, or a duration.

/// What numbers of a format are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Class {
    #[default]
    Number,
    /// A day.
    Date,
    /// A day with a time.
    DateTime,
    /// A time of day.
    Time,
    /// A length of time: `[h]:mm`.
    Duration,
}

/// The class of a format that is known by its number alone.
pub(super) fn builtin(id: u32) -> Class {
    match id {
        14..=17 | 27..=31 | 36 | 50..=54 | 57 | 58 => Class::Date,
        18..=21 | 32..=35 | 45 | 47 | 55 | 56 => Class::Time,
        22 => Class::DateTime,
        46 => Class::Duration,
        _ => Class::Number,
    }
}

/// The class of a format that is written out, such as `yyyy-mm-dd hh:mm`.
pub(super) fn classify(code: &str) -> Class {
    // A second section is for negative numbers, and dates have none.
    let mut chars = code.chars().peekable();
    let (mut date, mut time, mut months) = (false, false, false);
    while let Some(character) = chars.next() {
        match character.to_ascii_lowercase() {
            ';' => break,
            '"' => {
                chars.by_ref().find(|next| *next == '"');
            }
            '\\' | '_' | '*' => {
                chars.next();
            }
            '[' => {
                let inside: String = chars.by_ref().take_while(|next| *next != ']').collect();
                let inside = inside.to_ascii_lowercase();
                let repeated = |unit: char| !inside.is_empty() && inside.chars().all(|next| next == unit);
                if repeated('h') || repeated('m') || repeated('s') {
                    return Class::Duration;
                }
            }
            // `E+00` is an exponent, `e` alone a year of an era.
            'e' if matches!(chars.peek(), Some('+' | '-')) => return Class::Number,
            'y' | 'd' | 'e' => date = true,
            'h' | 's' => time = true,
            'm' => months = true,
            'g' if code.eq_ignore_ascii_case("general") => return Class::Number,
            _ => {}
        }
    }
    match (date, time, months) {
        (true, true, _) => Class::DateTime,
        (true, false, _) | (false, false, true) => Class::Date,
        (false, true, _) => Class::Time,
        (false, false, false) => Class::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_say_what_a_number_is() {
        for (code, class) in [
            ("General", Class::Number),
            ("0.00%", Class::Number),
            ("0.00E+00", Class::Number),
            ("#,##0 \"days\";[Red]-#,##0", Class::Number),
            ("[$-409]#,##0.00", Class::Number),
            ("@", Class::Number),
            ("yyyy-mm-dd", Class::Date),
            ("d/m/yy;@", Class::Date),
            ("mmm", Class::Date),
            ("[$-411]ggge\"年\"m\"月\"d\"日\"", Class::Date),
            ("yyyy\\-mm\\-dd\\ hh:mm:ss", Class::DateTime),
            ("yyyy-mm-dd\"T\"hh:mm", Class::DateTime),
            ("h:mm AM/PM", Class::Time),
            ("mm:ss.0", Class::Time),
            ("[h]:mm:ss", Class::Duration),
            ("[mm]:ss", Class::Duration),
            ("[Red]h:mm", Class::Time),
        ] {
            assert_eq!(classify(code), class, "{code}");
        }
        assert_eq!(
            [14, 20, 22, 46, 2].map(builtin),
            [Class::Date, Class::Time, Class::DateTime, Class::Duration, Class::Number]
        );
    }
}

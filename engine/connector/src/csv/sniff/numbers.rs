//! How numbers are written: the sign before the decimals and the sign between groups of three digits.
//!
//! Only whole columns count, and only values that can be read in one way: `1,5` has a decimal comma, `1,234.50` has groups.
//! `1,234` alone could be either and decides nothing.

use super::values::Look;
use crate::csv::CsvOptions;

/// How numbers are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) decimal: u8,
    pub(super) thousands: Option<char>,
    pub(super) warning: Option<String>,
}

/// What the columns, given as the looks of their values, say about numbers. Given options win.
pub(super) fn numbers(columns: &[(String, Vec<Look>)], options: &CsvOptions) -> Numbers {
    let numeric = || columns.iter().filter(|(_, looks)| is_numeric(looks));
    let has = |wanted: &dyn Fn(Look) -> bool| numeric().any(|(_, looks)| looks.iter().any(|look| wanted(*look)));
    let comma = has(&|look| matches!(look, Look::Comma | Look::Grouped(_, Some(b','))) || is_grouped_by(look, '.'));
    let point = has(&|look| matches!(look, Look::Point | Look::Grouped(_, Some(b'.'))) || is_grouped_by(look, ','));
    let decimal = options.decimal.unwrap_or(if comma && !point { b',' } else { b'.' });
    let thousands = match options.thousands {
        Some(given) => given,
        None => group_sign(numeric().map(|(_, looks)| looks.as_slice()), decimal, comma || point),
    };
    let unread = |look: &Look| match look {
        Look::Comma => decimal != b',',
        Look::Thousand(sign) => *sign != decimal && thousands != Some(char::from(*sign)),
        Look::Grouped(sign, fraction) => thousands != Some(*sign) || fraction.is_some_and(|sign| sign != decimal),
        _ => false,
    };
    let open = numeric().find(|(_, looks)| looks.iter().any(unread));
    let warning = open.filter(|_| options.decimal.is_none() && options.thousands.is_none()).map(|(name, _)| {
        format!("numbers of column {name} can be read in two ways and stay text; say decimal and thousands")
    });
    Numbers { decimal, thousands, warning }
}

/// Whether every value of a column is a number.
fn is_numeric(looks: &[Look]) -> bool {
    looks.iter().any(|look| look.is_number()) && looks.iter().all(|look| look.is_number() || *look == Look::Null)
}

fn is_grouped_by(look: Look, sign: char) -> bool {
    matches!(look, Look::Grouped(own, None) if own == sign)
}

/// The one sign that stands between groups. Where the decimal sign is known, `1,234` beside it has a group.
fn group_sign<'a>(columns: impl Iterator<Item = &'a [Look]>, decimal: u8, decimal_is_known: bool) -> Option<char> {
    let mut found = None;
    for look in columns.flatten() {
        let sign = match look {
            Look::Grouped(sign, _) => *sign,
            Look::Thousand(sign) if decimal_is_known && *sign != decimal => char::from(*sign),
            _ => continue,
        };
        if sign == char::from(decimal) || found.is_some_and(|other| other != sign) {
            return None;
        }
        found = Some(sign);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[&[&str]]) -> Numbers {
        let columns: Vec<(String, Vec<Look>)> =
            columns.iter().map(|texts| ("x".to_owned(), texts.iter().map(|text| Look::of(text)).collect())).collect();
        numbers(&columns, &CsvOptions::default())
    }

    fn signs(columns: &[&[&str]]) -> (u8, Option<char>, bool) {
        let numbers = of(columns);
        (numbers.decimal, numbers.thousands, numbers.warning.is_some())
    }

    #[test]
    fn clear_values_decide_for_the_file() {
        assert_eq!(signs(&[&["1,5", "2"], &["a", "b"]]), (b',', None, false));
        assert_eq!(signs(&[&["1.5", "2"]]), (b'.', None, false));
        assert_eq!(signs(&[&["1.234,50", "2,00"]]), (b',', Some('.'), false));
        assert_eq!(signs(&[&["1,234.50", "2.00"]]), (b'.', Some(','), false));
        assert_eq!(signs(&[&["1,234", "12"], &["1.5", "2.5"]]), (b'.', Some(','), false));
        assert_eq!(signs(&[&["1 234,50", "2"]]), (b',', Some(' '), false));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_left_alone() {
        assert_eq!(signs(&[&["1,234", "2,345"]]), (b'.', None, true));
        assert_eq!(signs(&[&["1,5"], &["1.5"]]), (b'.', None, true));
        assert_eq!(signs(&[&["1,5", "x"]]), (b'.', None, false));
        // A point before three digits is a number in every program.
        assert_eq!(signs(&[&["1.234", "2.345"]]), (b'.', None, false));
    }
}

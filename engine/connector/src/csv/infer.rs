//! Finds the type of a column from the text of its values.
//!
//! A type is what every value can be without losing a character that matters: `007` and `+49` are text, as is `1e999`.

use arrow::datatypes::{DataType, TimeUnit};

use super::column::Kind;
use super::dialect::DateOrder;
use super::value::{self, NumberStyle};
use velaria_vector::text as vector;

const BOOL: u16 = 1;
const INTEGER: u16 = 1 << 1;
const BIG_INTEGER: u16 = 1 << 2;
const FLOAT: u16 = 1 << 3;
const DATE: [u16; 3] = [1 << 4, 1 << 5, 1 << 6];
const TIMESTAMP: [u16; 3] = [1 << 7, 1 << 8, 1 << 9];
const ZONED: u16 = 1 << 10;
const TIME: u16 = 1 << 11;
const BRACKETED: u16 = 1 << 12;

const ORDERS: [DateOrder; 3] = [DateOrder::YearMonthDay, DateOrder::DayMonthYear, DateOrder::MonthDayYear];

/// Doubles hold every whole number up to this one.
const EXACT_MAX: u64 = 1 << 53;

/// What the values of a column have in common so far.
#[derive(Debug, Clone)]
pub(crate) struct Guess {
    style: NumberStyle,
    /// The orders that a date may have.
    orders: Option<DateOrder>,
    vectors: bool,
    types: u16,
    seen: bool,
    has_number: bool,
    fraction_digits: usize,
    /// The number of dimensions of the first value that is a vector.
    dimensions: Option<usize>,
    buffer: Vec<u8>,
}

/// The type of a column, with what a user should know about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Guessed {
    pub(crate) data_type: DataType,
    pub(crate) kind: Kind,
    pub(crate) note: Option<&'static str>,
}

impl Guess {
    pub(crate) fn new(style: NumberStyle, order: Option<DateOrder>, vectors: bool) -> Self {
        Self {
            style,
            orders: order,
            vectors,
            types: u16::MAX,
            seen: false,
            has_number: false,
            fraction_digits: 0,
            dimensions: None,
            buffer: Vec::new(),
        }
    }

    /// Takes one value that is not NULL into account.
    pub(crate) fn add(&mut self, text: &[u8]) {
        self.seen = true;
        if self.types != 0 {
            self.types &= self.types_of(text);
        }
    }

    /// Takes the values that `other` saw into account.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.types &= other.types;
        self.seen |= other.seen;
        self.has_number |= other.has_number;
        self.fraction_digits = self.fraction_digits.max(other.fraction_digits);
        self.dimensions = self.dimensions.or(other.dimensions);
    }

    /// Whether a further value can change anything.
    pub(crate) fn is_text(&self) -> bool {
        self.types == 0
    }

    fn types_of(&mut self, text: &[u8]) -> u16 {
        match text.first() {
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b',') => self.number(text) | self.dates(text),
            Some(b'[') if self.vectors => self.bracketed(text),
            Some(b't' | b'T' | b'f' | b'F') if value::boolean(text).is_some() => BOOL,
            Some(b'n' | b'N' | b'i' | b'I') if value::is_number_word(text) => FLOAT,
            _ => 0,
        }
    }

    fn number(&mut self, text: &[u8]) -> u16 {
        if let Some(value) = value::styled_integer(text, true, self.style, &mut self.buffer) {
            self.has_number = true;
            return INTEGER | BIG_INTEGER | if value.unsigned_abs() <= EXACT_MAX { FLOAT } else { 0 };
        }
        if value::big_integer(text).is_some() {
            return BIG_INTEGER;
        }
        let has_leading_zero = {
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            matches!(digits, [b'0', b'0'..=b'9', ..])
        };
        if has_leading_zero || text.first() == Some(&b'+') {
            return 0;
        }
        match value::styled_float(text, self.style, &mut self.buffer) {
            Some(_) if value::is_number_word(text) => FLOAT,
            // A negative zero and digits alone are no text of a double.
            Some(_) if text.iter().skip(1).all(u8::is_ascii_digit) && text != b"-0" => 0,
            Some(_) => {
                self.has_number = true;
                FLOAT
            }
            None => 0,
        }
    }

    fn dates(&mut self, text: &[u8]) -> u16 {
        if text.len() < 5 {
            return 0;
        }
        if let Some(time) = value::time(text) {
            self.fraction_digits = self.fraction_digits.max(time.digits);
            return TIME;
        }
        // Day, month and year with points between them have one order only, wherever they are written.
        let dotted = text.iter().take(3).any(|byte| *byte == b'.');
        let mut types = 0;
        for (index, order) in ORDERS.into_iter().enumerate() {
            let excluded = self.orders.is_some_and(|only| only != order && order != DateOrder::YearMonthDay)
                || dotted && order == DateOrder::MonthDayYear && self.orders.is_none();
            if excluded {
                continue;
            }
            if value::date(text, order).is_some() {
                types |= DATE[index] | TIMESTAMP[index];
            } else if let Some(instant) = value::timestamp(text, order) {
                self.fraction_digits = self.fraction_digits.max(instant.time.digits);
                types |= if instant.offset.is_some() { ZONED } else { TIMESTAMP[index] };
            }
        }
        types
    }

    fn bracketed(&mut self, text: &[u8]) -> u16 {
        if self.dimensions.is_none() {
            self.dimensions = vector::dimensions(text);
        }
        BRACKETED
    }

    /// The narrowest type for all values.
    pub(crate) fn finish(&self) -> Guessed {
        let of = |data_type: DataType, kind: Kind| Guessed { data_type, kind, note: None };
        let text = of(DataType::Utf8View, Kind::Text);
        if !self.seen {
            return text;
        }
        let has = |bits: u16| self.types & bits != 0;
        if has(BOOL) {
            of(DataType::Boolean, Kind::Boolean)
        } else if has(INTEGER) {
            of(DataType::Int64, Kind::Integer { canonical: true })
        } else if has(BIG_INTEGER) && self.style == NumberStyle::default() {
            of(DataType::Decimal128(38, 0), Kind::BigInteger)
        } else if has(FLOAT) && self.has_number {
            of(DataType::Float64, Kind::Float)
        } else if has(BRACKETED) {
            match self.dimensions {
                Some(dimensions) => {
                    let size = i32::try_from(dimensions).unwrap_or(i32::MAX);
                    of(vector::data_type(size), Kind::Vector(size))
                }
                None => text,
            }
        } else if has(TIME) {
            of(DataType::Time64(TimeUnit::Microsecond), Kind::Time)
        } else if has(ZONED) {
            let unit = self.unit();
            of(DataType::Timestamp(unit, Some("UTC".into())), Kind::Timestamp { unit, zoned: true, order: ORDERS[0] })
        } else {
            self.finish_dates().unwrap_or(text)
        }
    }

    /// Dates and timestamps, when only one order fits all of them.
    fn finish_dates(&self) -> Option<Guessed> {
        let possible = |bits: [u16; 3]| {
            ORDERS.into_iter().zip(bits).filter(|(_, bit)| self.types & bit != 0).map(|(order, _)| order).collect()
        };
        for (is_date, bits) in [(true, DATE), (false, TIMESTAMP)] {
            let orders: Vec<DateOrder> = possible(bits);
            let unit = self.unit();
            // Texts that begin with the year are the same in every order.
            let order = match orders.as_slice() {
                [] => continue,
                [first, ..] if *first == DateOrder::YearMonthDay => *first,
                [only] => *only,
                _ => {
                    let note = "day and month cannot be told apart, so dates stay text: give date_order";
                    return Some(Guessed { data_type: DataType::Utf8View, kind: Kind::Text, note: Some(note) });
                }
            };
            return Some(match is_date {
                true => Guessed { data_type: DataType::Date32, kind: Kind::Date(order), note: None },
                false => Guessed {
                    data_type: DataType::Timestamp(unit, None),
                    kind: Kind::Timestamp { unit, zoned: false, order },
                    note: None,
                },
            });
        }
        None
    }

    fn unit(&self) -> TimeUnit {
        if self.fraction_digits > 6 { TimeUnit::Nanosecond } else { TimeUnit::Microsecond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(values: &[&str]) -> Guessed {
        let mut guess = Guess::new(NumberStyle::default(), None, true);
        values.iter().for_each(|value| guess.add(value.as_bytes()));
        guess.finish()
    }

    fn type_of(values: &[&str]) -> DataType {
        guess(values).data_type
    }

    #[test]
    fn a_type_is_what_all_values_are() {
        let microseconds = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (values, expected) in [
            (&["1", "-2"][..], DataType::Int64),
            (&["1", "2.5"], DataType::Float64),
            (&["1.5", "nan"], DataType::Float64),
            (&["true", "False"], DataType::Boolean),
            (&["9223372036854775808", "1"], DataType::Decimal128(38, 0)),
            (&["2024-01-31"], DataType::Date32),
            (&["2024-01-31", "2024-02-01 10:00"], microseconds.clone()),
            (&["2024-02-01T10:00:00.123456"], microseconds),
            (&["2024-02-01T10:00:00.123456789"], DataType::Timestamp(TimeUnit::Nanosecond, None)),
            (&["2024-02-01T10:00:00Z"], DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            (&["10:00:00", "23:59"], DataType::Time64(TimeUnit::Microsecond)),
            (&["[1 2 3]", "[1, 2, 3]"], vector::data_type(3)),
        ] {
            assert_eq!(type_of(values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_would_lose_characters_is_text() {
        for values in [
            &["007"][..],
            &["1", "02"],
            &["+49"],
            &["1e999"],
            &["nan"],
            &["1", "x"],
            &["true", "1"],
            &["9007199254740993", "1.5"],
            &["9223372036854775808", "1.5"],
            &["12%"],
            &["0x10"],
            &["2024-01-31", "x"],
            &["2024-02-30"],
            &["[a b]"],
            &["00.5"],
            &[],
        ] {
            assert_eq!(type_of(values), DataType::Utf8View, "{values:?}");
        }
    }

    #[test]
    fn dates_with_two_readings_stay_text_and_say_so() {
        let ambiguous = guess(&["01/02/2024", "03/04/2024"]);
        assert_eq!(ambiguous.data_type, DataType::Utf8View);
        assert!(ambiguous.note.is_some_and(|note| note.contains("date_order")));
        let day_first = guess(&["01/02/2024", "31/04/2024", "13/04/2024"]);
        assert_eq!(day_first.data_type, DataType::Utf8View, "31 April is no day");
        assert_eq!(guess(&["01/02/2024", "13/04/2024"]).kind, Kind::Date(DateOrder::DayMonthYear));
        assert_eq!(guess(&["01/02/2024", "04/13/2024"]).kind, Kind::Date(DateOrder::MonthDayYear));
        assert_eq!(guess(&["01.02.2024"]).kind, Kind::Date(DateOrder::DayMonthYear));
    }
}

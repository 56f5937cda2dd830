//! Whether the first record holds names.
//!
//! A column whose values are all of one kind votes: for a header when the first field is of another kind, against it when
//! it is of the same. Columns of text do not vote, and without votes there is a header: files mostly have one. When the votes
//! are even the caller has to ask.

use std::collections::BTreeSet;

use super::values::Look;

/// What the first record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Names.
    Names,
    /// Names, since nothing speaks against it.
    NamesByDefault,
    /// Values.
    Values,
    /// As much speaks for names as for values.
    Unclear,
}

/// One column: its first field, and the values below.
pub(super) struct Column<'a> {
    pub(super) first: &'a str,
    pub(super) rest: Vec<&'a str>,
}

/// Whether the first fields of `columns` are their names.
pub(super) fn verdict(columns: &[Column<'_>]) -> Verdict {
    if columns.iter().all(|column| column.rest.is_empty()) {
        // One record alone: names, unless one of them is a number.
        let typed = columns.iter().any(|column| Look::of(column.first).is_typed());
        return if typed { Verdict::Values } else { Verdict::NamesByDefault };
    }
    // Tables have years for names; one alone could be a value as well.
    let has_year = |column: &&Column<'_>| is_year(column.first) && !column.rest.iter().all(|value| is_year(value));
    let years = columns.iter().filter(has_year).count();
    let votes: Vec<i64> = columns.iter().filter(|column| !has_year(column)).map(vote).collect();
    let (names, values) =
        (votes.iter().filter(|vote| **vote > 0).count(), votes.iter().filter(|vote| **vote < 0).count());
    match (names, values, years) {
        (0, 0, 0) => by_words(columns),
        // One name beside one year: both could be values.
        (0 | 1, 0, 1) => Verdict::Unclear,
        (names, values, _) if names > values => Verdict::Names,
        (names, values, _) if names < values => Verdict::Values,
        (0, ..) => Verdict::Names,
        _ => Verdict::Unclear,
    }
}

/// All is text: words that come again below, or that repeat beside each other, are no names.
fn by_words(columns: &[Column<'_>]) -> Verdict {
    let again = columns.iter().filter(|column| column.rest.contains(&column.first)).count();
    let names: BTreeSet<&str> = columns.iter().map(|column| column.first).collect();
    let unnamed = columns.iter().filter(|column| column.first.is_empty()).count();
    let values = again * 2 > columns.len() || unnamed * 2 > columns.len() || names.len() * 2 < columns.len();
    if values { Verdict::Values } else { Verdict::NamesByDefault }
}

fn vote(column: &Column<'_>) -> i64 {
    let Some(kind) = kind(&column.rest) else { return 0 };
    let first = Look::of(column.first);
    if first == Look::Null {
        return 0;
    }
    if first.fits(kind) { -1 } else { 1 }
}

/// What all values of a column that are not NULL look like, when that is more than text.
fn kind(values: &[&str]) -> Option<Look> {
    let mut looks = values.iter().map(|value| Look::of(value)).filter(|look| *look != Look::Null);
    let first = looks.next().filter(|look| look.is_typed())?;
    looks.all(|look| look.fits(first)).then_some(first)
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse().is_ok_and(|year: u32| (1900..=2100).contains(&year))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(records: &[&[&str]]) -> bool {
        let columns: Vec<Column<'_>> = (0..records[0].len())
            .map(|column| Column {
                first: records[0][column],
                rest: records[1..].iter().map(|record| record[column]).collect(),
            })
            .collect();
        match verdict(&columns) {
            Verdict::Names | Verdict::NamesByDefault => true,
            Verdict::Values => false,
            Verdict::Unclear => panic!("unclear"),
        }
    }

    #[test]
    fn names_stand_over_values_of_another_kind() {
        assert!(header(&[&["id", "name"], &["1", "ann"], &["2", "bob"]]));
        assert!(header(&[&["name", "2019", "2020"], &["ann", "1", "2"]]));
        assert!(header(&[&["2019", "day", "n"], &["1", "2024-01-01", "5"]]));
        assert!(header(&[&["country", "2019", "2020"], &["x", "1", "2"]]));
        assert!(header(&[&["a", "b"], &["x", "y"]]));
        assert!(header(&[&["", "a"], &["0", "x"], &["1", "y"]]));
        assert!(header(&[&["a", "b"]]));
    }

    #[test]
    fn values_over_values_of_their_kind_are_no_names() {
        assert!(!header(&[&["1", "ann"], &["2", "bob"]]));
        assert!(!header(&[&["1.5"], &["2"]]));
        assert!(!header(&[&["2019", "5"], &["2020", "6"]]));
        assert!(!header(&[&["m", "x"], &["f", "x"], &["m", "x"]]));
        assert!(!header(&[&["1", "2"]]));
        assert!(header(&[&["name", "."], &["ann", "."]]));
    }

    #[test]
    fn even_votes_are_not_counted_as_either() {
        let column = |first, rest: &[&'static str]| Column { first, rest: rest.to_vec() };
        assert_eq!(verdict(&[column("0", &["1"]), column("a", &["2"])]), Verdict::Unclear);
        assert_eq!(verdict(&[column("country", &["x"]), column("2020", &["1"])]), Verdict::Unclear);
        assert_eq!(verdict(&[column("2020", &["1"]), column("a", &["2"])]), Verdict::Unclear);
    }
}

//! What a query did: how many rows each of its operators made, and how long it computed.
//!
//! The text form is a table for people, one operator a line with its inputs below it and two spaces further in.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

/// Up to this many characters of what an operator was told stand in a line: a condition can be as long as the statement.
const DETAIL_CHARACTERS_MAX: usize = 120;

/// The profile of one query that has run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// How long the query ran, without the time for planning it.
    pub elapsed_ms: f64,
    /// The rows of its result.
    pub rows: u64,
    /// Its operators: the last one to run first, each before its inputs.
    pub operators: Vec<OperatorProfile>,
}

/// What one operator did. What it does not measure is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorProfile {
    /// Its place in the list, from 0 on.
    pub id: usize,
    /// The operator that takes its rows.
    pub parent: Option<usize>,
    /// What kind of operator it is, such as `SortExec`.
    pub name: String,
    /// What it was told to do.
    pub detail: String,
    /// The rows that it made.
    pub output_rows: Option<u64>,
    /// How long it computed. The times of threads that computed side by side are added up.
    pub elapsed_ms: Option<f64>,
    /// What it wrote into temporary files because memory was short.
    pub spilled_bytes: Option<u64>,
    /// The most memory that it kept rows in.
    pub memory_bytes: Option<u64>,
}

impl Profile {
    /// How far in the operator `id` stands: the number of operators above it.
    #[must_use]
    pub fn depth(&self, id: usize) -> usize {
        let parent = |id: &usize| self.operators.get(*id).and_then(|operator| operator.parent);
        // A parent stands before its inputs, which also ends the walk over a list that was read from a damaged file.
        std::iter::successors(Some(id), |id| parent(id).filter(|parent| parent < id)).count() - 1
    }

    /// The cells of the table: one line for the head, one for each operator.
    fn lines(&self) -> Vec<[String; 6]> {
        let head = ["operator", "rows", "time_ms", "memory", "spilled", "detail"].map(str::to_owned);
        let line = |operator: &OperatorProfile| {
            let name = operator.name.trim_end_matches("Exec");
            [
                format!("{:indent$}{name}", "", indent = 2 * self.depth(operator.id)),
                cell(operator.output_rows),
                operator.elapsed_ms.map(|time| format!("{time:.3}")).unwrap_or_default(),
                cell(operator.memory_bytes),
                cell(operator.spilled_bytes.filter(|bytes| *bytes > 0)),
                line_of(&operator.detail),
            ]
        };
        std::iter::once(head).chain(self.operators.iter().map(line)).collect()
    }
}

fn cell(value: Option<u64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The beginning of `text` on one line.
fn line_of(text: &str) -> String {
    let mut characters = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut line: String = characters.by_ref().take(DETAIL_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        for [name, rest @ .., detail] in &lines {
            let mut line = format!("{name:<width$}", width = widths[0]);
            for (cell, width) in rest.iter().zip(&widths[1..]) {
                write!(line, "  {cell:>width$}")?;
            }
            writeln!(f, "{}", format!("{line}  {detail}").trim_end())?;
        }
        writeln!(f, "{} rows in {:.3} ms", self.rows, self.elapsed_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(id: usize, parent: Option<usize>, name: &str) -> OperatorProfile {
        OperatorProfile {
            id,
            parent,
            name: name.to_owned(),
            detail: String::new(),
            output_rows: None,
            elapsed_ms: None,
            spilled_bytes: None,
            memory_bytes: None,
        }
    }

    fn sample() -> Profile {
        let sort = OperatorProfile {
            detail: "expr=[v ASC]".to_owned(),
            output_rows: Some(3),
            elapsed_ms: Some(1.25),
            spilled_bytes: Some(0),
            memory_bytes: Some(2048),
            ..operator(0, None, "SortExec")
        };
        Profile { elapsed_ms: 2.5, rows: 3, operators: vec![sort, operator(1, Some(0), "CsvExec")] }
    }

    #[test]
    fn text_has_a_line_for_each_operator_and_one_for_the_query() {
        let expected = "operator  rows  time_ms  memory  spilled  detail\n\
                        Sort         3    1.250    2048           expr=[v ASC]\n  \
                        Csv\n3 rows in 2.500 ms\n";
        assert_eq!(sample().to_string(), expected);
    }

    #[test]
    fn a_long_detail_is_cut_and_stays_on_its_line() {
        assert_eq!(line_of("a\nb"), "a b");
        let line = line_of(&"é".repeat(DETAIL_CHARACTERS_MAX + 1));
        assert_eq!((line.chars().count(), line.chars().last()), (DETAIL_CHARACTERS_MAX + 1, Some('…')));
    }

    #[test]
    fn json_has_every_key() {
        let json = serde_json::to_string(&sample()).unwrap();
        assert!(json.starts_with(r#"{"elapsed_ms":2.5,"rows":3,"operators":[{"id":0,"parent":null,"name":"SortExec""#));
        assert!(json.contains(r#""output_rows":null,"elapsed_ms":null,"spilled_bytes":null,"memory_bytes":null}"#));
    }

    #[test]
    fn a_depth_is_the_number_of_operators_above() {
        let mut profile = sample();
        profile.operators.push(operator(2, Some(1), "FilterExec"));
        profile.operators.push(operator(3, Some(3), "DamagedExec"));
        assert_eq!([0, 1, 2, 3].map(|id| profile.depth(id)), [0, 1, 2, 0]);
    }
}

//! What a query will do, in the three sections of the contract: `logical`, `physical`, `strategy`.
//!
//! The text form has each section name alone on its line and ends every line with a newline; the JSON form has one
//! string per section, without the section names and without the last newline.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StreamStrategy;

/// The explanation of one stream query.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamExplain {
    /// The source, the sink, and the numbered operators as the statement says them.
    pub logical: Vec<String>,
    /// What runs: what is kept, what can be spread, and the numbered operators.
    pub physical: Vec<String>,
    /// The choices that were made for this run.
    pub strategy: StreamStrategy,
}

impl StreamExplain {
    /// The sections as strings, for JSON.
    #[must_use]
    pub fn to_json(&self) -> ExplainJson {
        ExplainJson {
            logical: self.logical.join("\n"),
            physical: self.physical.join("\n"),
            strategy: self.strategy.lines().join("\n"),
        }
    }
}

impl fmt::Display for StreamExplain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sections(f, [&self.logical, &self.physical, &self.strategy.lines()])
    }
}

fn write_sections(f: &mut fmt::Formatter<'_>, sections: [&[String]; 3]) -> fmt::Result {
    for (name, lines) in ["logical", "physical", "strategy"].into_iter().zip(sections) {
        writeln!(f, "{name}")?;
        for line in lines {
            writeln!(f, "{line}")?;
        }
    }
    Ok(())
}

/// The explanation of one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explain {
    /// The statement as it was understood: one operator a line, inputs indented below.
    pub logical: Vec<String>,
    /// The operators that will run: one a line, inputs indented below.
    pub physical: Vec<String>,
    /// The choices that were made for this run.
    pub strategy: BatchStrategy,
}

/// The choices made for a batch query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchStrategy {
    /// The execution mode that was asked for.
    pub requested_mode: String,
    /// The execution mode that was chosen.
    pub selected_mode: String,
    /// Why, in words.
    pub reason: String,
    /// How rows travel between operators.
    pub transport_mode: String,
    /// Whether every source ends.
    pub source_is_bounded: bool,
    /// The number of partitions that run at the same time.
    pub target_partitions: usize,
    /// The largest number of rows in a batch between operators.
    pub batch_rows_max: usize,
}

impl BatchStrategy {
    fn lines(&self) -> [String; 7] {
        let Self {
            requested_mode,
            selected_mode,
            reason,
            transport_mode,
            source_is_bounded,
            target_partitions,
            batch_rows_max,
        } = self;
        [
            format!("requested_mode={requested_mode}"),
            format!("selected_mode={selected_mode}"),
            format!("reason={reason}"),
            format!("transport_mode={transport_mode}"),
            format!("source_is_bounded={source_is_bounded}"),
            format!("target_partitions={target_partitions}"),
            format!("batch_rows_max={batch_rows_max}"),
        ]
    }
}

/// The sections as strings, in the order of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainJson {
    /// The lines of `logical`, joined by newlines.
    pub logical: String,
    /// The lines of `physical`, joined by newlines.
    pub physical: String,
    /// The lines of `strategy`, joined by newlines.
    pub strategy: String,
}

impl Explain {
    /// The sections as strings, for JSON.
    #[must_use]
    pub fn to_json(&self) -> ExplainJson {
        ExplainJson {
            logical: self.logical.join("\n"),
            physical: self.physical.join("\n"),
            strategy: self.strategy.lines().join("\n"),
        }
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sections(f, [&self.logical, &self.physical, &self.strategy.lines()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Explain {
        Explain {
            logical: vec!["Limit n=3".into(), "  Scan table=t".into()],
            physical: vec!["Scan partitions=1".into()],
            strategy: BatchStrategy {
                requested_mode: "single-process".into(),
                selected_mode: "single-process".into(),
                reason: "configured single-process execution".into(),
                transport_mode: "inproc".into(),
                source_is_bounded: true,
                target_partitions: 2,
                batch_rows_max: 8192,
            },
        }
    }

    #[test]
    fn text_has_three_sections_in_order_and_ends_with_a_newline() {
        let text = sample().to_string();
        let headers: Vec<&str> = text.lines().filter(|line| !line.contains([' ', '='])).collect();
        assert_eq!(headers, ["logical", "physical", "strategy"]);
        assert!(text.ends_with("batch_rows_max=8192\n"));
    }

    #[test]
    fn json_carries_the_lines_without_headers() {
        let json = sample().to_json();
        assert_eq!(json.logical, "Limit n=3\n  Scan table=t");
        assert!(json.strategy.starts_with("requested_mode=single-process\n"));
    }
}

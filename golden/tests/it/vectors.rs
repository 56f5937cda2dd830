//! Every search for vectors: its rows and its explanation, or why it is refused, against its snapshot.

use std::path::Path;

use insta::assert_snapshot;
use velaria::ErrorReport;
use velaria::json::to_pretty;
use velaria_golden::{VectorCase, run_vector};

use crate::snapshots::{Outcome, for_each, sections};

#[test]
fn searches_show_what_they_find_and_say_what_they_do() {
    for_each("vector/*.toml", vector_case);
}

fn vector_case(path: &Path) -> Outcome {
    let outcome = run_vector(&VectorCase::read(path)?)?;
    let (rows, explained) = (text(outcome.rows)?, text(outcome.explained)?);
    assert_snapshot!("vector", sections(&[("rows", &rows), ("explain", &explained)]));
    Ok(())
}

fn text(outcome: Result<String, ErrorReport>) -> Result<String, Box<dyn std::error::Error>> {
    match outcome {
        Ok(text) => Ok(text),
        Err(report) => Ok(format!("{report}\n{}", to_pretty(&report)?)),
    }
}

//! What a record asks of streams: a line `--@ verb` above its SQL.
//!
//! The line is a comment of SQL, so that the rest of the record is the statement as a user writes it.

use super::SurfaceError;

/// The sign of such a line.
const SIGN: &str = "--@";

/// What is to be done with the SQL below the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// `stream NAME`: the rows of the batch query become a bounded stream of this name. The first column, `batch`, numbers
    /// the micro-batches from 1 and is no part of the stream; a number that is left out is a micro-batch without rows.
    Stream(String),
    /// `run`: the stream query runs to its end; the answer is the rows of all emissions, in their order.
    Run,
    /// `last`: the same, but only the last emission.
    Last,
    /// `progress FIELD, …`: the same, but the answer is one row with these fields of the progress, as text.
    Progress(Vec<String>),
    /// `explain`: the answer is the lines of the explanation.
    Explain,
    /// `start`: an `INSERT INTO` a sink runs to its end; the answer is the number of micro-batches.
    Start,
}

/// A verb and the options of its stream query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// What is to be done.
    pub verb: Verb,
    /// Names and values, in the order in which they are written.
    pub options: Vec<(String, String)>,
}

/// The directive above a statement, and the statement; `None` when there is only a statement.
///
/// # Errors
/// [`SurfaceError::Broken`] when the line is not one of the forms of [`Verb`].
pub fn split(sql: &str) -> Result<Option<(Directive, &str)>, SurfaceError> {
    let Some(rest) = sql.strip_prefix(SIGN) else { return Ok(None) };
    let (line, statement) = rest.split_once('\n').unwrap_or((rest, ""));
    let (verb, options) = line.split_once(':').unwrap_or((line, ""));
    let directive = Directive { verb: parse_verb(verb.trim())?, options: parse_options(options)? };
    Ok(Some((directive, statement)))
}

fn parse_verb(text: &str) -> Result<Verb, SurfaceError> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match (word, rest.trim()) {
        ("stream", name) if !name.is_empty() => Ok(Verb::Stream(name.to_owned())),
        ("progress", fields) if !fields.is_empty() => {
            Ok(Verb::Progress(fields.split(',').map(|field| field.trim().to_owned()).collect()))
        }
        ("run", "") => Ok(Verb::Run),
        ("last", "") => Ok(Verb::Last),
        ("explain", "") => Ok(Verb::Explain),
        ("start", "") => Ok(Verb::Start),
        _ => Err(SurfaceError::Broken(format!("not a directive of streams: {SIGN} {text}"))),
    }
}

fn parse_options(text: &str) -> Result<Vec<(String, String)>, SurfaceError> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(SurfaceError::Broken(format!("not an option of a stream query: {pair}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_the_sign_is_left_alone() {
        assert_eq!(split("SELECT 1"), Ok(None));
        assert_eq!(split("-- a comment\nSELECT 1"), Ok(None));
    }

    #[test]
    fn the_line_is_taken_off_and_read() {
        let (directive, statement) =
            split("--@ run: output_mode=complete, max_batches = 2\nSELECT 1\nFROM e").unwrap().unwrap();
        assert_eq!(statement, "SELECT 1\nFROM e");
        assert_eq!(directive.verb, Verb::Run);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(directive.options, [pair("output_mode", "complete"), pair("max_batches", "2")]);
        let (directive, _) = split("--@ progress late_rows, epoch\nSELECT 1").unwrap().unwrap();
        assert_eq!(directive.verb, Verb::Progress(vec!["late_rows".to_owned(), "epoch".to_owned()]));
    }

    #[test]
    fn other_lines_are_refused() {
        for text in ["--@", "--@ stream", "--@ walk", "--@ run fast", "--@ run: fast", "--@ progress"] {
            assert!(matches!(split(text), Err(SurfaceError::Broken(_))), "{text}");
        }
    }
}

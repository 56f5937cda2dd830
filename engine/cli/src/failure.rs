//! A command that did not work, and how the contract says so.

use std::io;

use serde::Serialize;
use velaria::{Error, ErrorCode, ErrorKind, ErrorReport, Position, json};

use crate::phase::{self, Place};

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line itself is wrong.
    Usage(String),
    /// The engine refused.
    Engine(Error),
    /// Standard output cannot be written.
    Output(io::Error),
    /// The document that says what happened was printed already.
    Told,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The error document of the contract.
#[derive(Serialize)]
struct ErrorJson<'a> {
    ok: bool,
    #[serde(flatten)]
    body: ErrorBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

/// What an error document says of the error.
#[derive(Serialize)]
pub(crate) struct ErrorBody<'a> {
    error: &'a str,
    error_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ErrorKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<&'a Position>,
}

impl Failure {
    /// The document of a command that failed at `place`, or before there was a command; indented.
    pub(crate) fn json(&self, place: Option<&Place>) -> String {
        self.write(place, |document| json::to_pretty(document))
    }

    /// The document of one statement of many, on one line.
    pub(crate) fn json_line(&self) -> String {
        self.write(None, |document| json::to_line(document))
    }

    /// The text for a person.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Usage(message) => format!("error: {message}\n"),
            Self::Engine(error) => format!("error: {}\n", error.report()),
            Self::Output(error) => format!("error: {error}\n"),
            Self::Told => String::new(),
        }
    }

    fn write(&self, place: Option<&Place>, print: impl Fn(&ErrorJson<'_>) -> velaria::Result<String>) -> String {
        let report;
        let body = match self {
            Self::Usage(message) => ErrorBody::plain(message, "usage_error"),
            Self::Output(_) => ErrorBody::plain("cannot write to standard output", "internal_error"),
            Self::Engine(error) => {
                report = error.report();
                ErrorBody::engine(&report)
            }
            Self::Told => return String::new(),
        };
        // Text and numbers always make a document.
        let run_id = place.and_then(|place| place.run_id.as_deref());
        print(&ErrorJson { ok: false, body, phase: self.phase(place), run_id }).unwrap_or_default()
    }

    fn phase(&self, place: Option<&Place>) -> Option<&'static str> {
        match self {
            Self::Usage(_) => Some(phase::ARGUMENTS),
            Self::Engine(error) => place.and_then(|place| place.task.phase(error)),
            Self::Output(_) | Self::Told => None,
        }
    }
}

impl<'a> ErrorBody<'a> {
    fn plain(error: &'a str, error_type: &'static str) -> Self {
        Self { error, error_type, code: None, kind: None, hint: None, position: None }
    }

    /// What the document says of an error of the engine.
    pub(crate) fn engine(report: &'a ErrorReport) -> Self {
        Self {
            error: &report.message,
            error_type: error_type(report),
            code: Some(&report.code),
            kind: Some(report.kind),
            hint: report.hint.as_deref(),
            position: report.position.as_ref(),
        }
    }
}

/// The four words that the contract has for the type of an error.
fn error_type(report: &ErrorReport) -> &'static str {
    // The id of a run is a value; that it is also the name of a file is nobody's business.
    let ids = [ErrorCode::RunNotFound, ErrorCode::ArtifactNotFound];
    match report.kind {
        ErrorKind::Usage => "value_error",
        ErrorKind::FileNotFound if ids.iter().any(|code| code.as_str() == report.code) => "value_error",
        ErrorKind::FileNotFound => "file_not_found",
        _ => "internal_error",
    }
}

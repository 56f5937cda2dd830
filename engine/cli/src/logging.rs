//! What the engine logs, as lines on standard error.
//!
//! A program has one logger. Where the command line is the program it is this one; in the wheel Python's own comes first,
//! and hands over what [`log_record`] takes.

mod filter;

use std::fmt;
use std::panic;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use log::{Log, Metadata, Record};
use serde::Serialize;
use velaria_workspace::Redactor;

pub(crate) use self::filter::Filter;
use crate::screen;

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    Text,
    /// One JSON object a line
    Json,
}

/// Who writes, once the command line has said how.
struct Writer {
    filter: Filter,
    format: LogFormat,
    redactor: Redactor,
}

static WRITER: RwLock<Option<Writer>> = RwLock::new(None);

/// The logger of the process.
struct Logger;

static LOGGER: Logger = Logger;

/// Begins to write what `filter` lets through. For the program whose process it is.
pub(crate) fn start(filter: Filter, format: LogFormat) {
    let level = filter.level();
    let writer = Writer { filter, format, redactor: Redactor::from_env() };
    *WRITER.write().unwrap_or_else(PoisonError::into_inner) = Some(writer);
    // In the wheel there is another one, which asks this one.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
    panic::set_hook(Box::new(|panicked| log::error!(target: "velaria.panic", "{panicked}")));
}

/// Writes `record` where the command line is the program of this process; `false` says that it is somebody else's.
#[must_use]
pub fn log_record(record: &Record<'_>) -> bool {
    match &*WRITER.read().unwrap_or_else(PoisonError::into_inner) {
        Some(writer) => {
            writer.write(record);
            true
        }
        None => false,
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let writer = WRITER.read().unwrap_or_else(PoisonError::into_inner);
        writer.as_ref().is_some_and(|writer| writer.filter.lets(metadata.level(), &target(metadata.target())))
    }

    fn log(&self, record: &Record<'_>) {
        // Without a writer nobody has asked for it.
        let _ = log_record(record);
    }

    fn flush(&self) {}
}

/// One thing that was logged.
#[derive(Serialize)]
struct Line {
    time: String,
    level: String,
    target: String,
    message: String,
}

impl Writer {
    fn write(&self, record: &Record<'_>) {
        let target = target(record.target());
        if self.filter.lets(record.level(), &target) {
            let line = self.line(record, target);
            screen::write(&self.text(&line));
        }
    }

    fn line(&self, record: &Record<'_>, target: String) -> Line {
        Line {
            time: DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Millis, true),
            level: record.level().as_str().to_lowercase(),
            target,
            message: self.redactor.text(&record.args().to_string()),
        }
    }

    fn text(&self, line: &Line) -> String {
        match self.format {
            LogFormat::Text => format!("{line}\n"),
            // Text always makes a document.
            LogFormat::Json => serde_json::to_string(line).map(|line| line + "\n").unwrap_or_default(),
        }
    }
}

/// A line stays one line, and does to a terminal what text does.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:5} {}: ", self.time, self.level.to_uppercase(), self.target)?;
        self.message.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_default()),
            false => write!(f, "{character}"),
        })
    }
}

/// The name of a module as the engine's own names are written.
fn target(target: &str) -> String {
    target.replace("velaria_", "velaria.").replace("::", ".")
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn line(format: LogFormat, message: &str) -> String {
        let redactor = Redactor::default().with_values(["s3cr3t-value".to_owned()]);
        let writer = Writer { filter: Filter::of(Level::Info.to_level_filter()), format, redactor };
        let target = "velaria_stream::driver";
        let line = writer.line(
            &Record::builder().level(Level::Warn).target(target).args(format_args!("{message}")).build(),
            super::target(target),
        );
        writer.text(&Line { time: "T".to_owned(), ..line })
    }

    #[test]
    fn a_line_of_text_is_one_line_without_secrets() {
        assert_eq!(
            line(LogFormat::Text, "a\n\u{1b}[31mb s3cr3t-value"),
            format!("T WARN  velaria.stream.driver: a\\n\\u{{1b}}[31mb {}\n", redacted())
        );
    }

    #[test]
    fn a_line_of_json_is_a_document() {
        let text = line(LogFormat::Json, "a\n\"b\"");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            document,
            serde_json::json!({ "time": "T", "level": "warn", "target": "velaria.stream.driver", "message": "a\n\"b\"" })
        );
        assert_eq!(text.lines().count(), 1);
    }

    fn redacted() -> String {
        Redactor::default().with_values(["s3cr3t-value".to_owned()]).text("s3cr3t-value")
    }
}

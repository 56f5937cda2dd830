//! `WINDOW BY column EVERY milliseconds [SLIDE milliseconds] AS name`.

use std::fmt;

use sqlparser::ast::Ident;
use velaria_contract::Result;

use crate::cursor::Cursor;

/// The windows of a stream query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowBy {
    /// The column of event time.
    pub column: String,
    /// The length of a window.
    pub every_ms: u64,
    /// The distance between the starts of two windows.
    pub slide_ms: u64,
    /// The name of the column that holds the start of the window.
    pub name: String,
}

impl WindowBy {
    /// Reads the clause after `WINDOW BY`.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let column = cursor.name()?;
        cursor.expect_word("EVERY")?;
        let every_ms = every(cursor)?;
        let slide_ms = if cursor.word("SLIDE") { slide(cursor, every_ms)? } else { every_ms };
        cursor.expect_word("AS")?;
        Ok(Self { column, every_ms, slide_ms, name: cursor.name()? })
    }
}

fn every(cursor: &mut Cursor<'_>) -> Result<u64> {
    let place = cursor.error("WINDOW EVERY must be numeric");
    let digits = cursor.number().map_err(|_| place.clone())?;
    match digits.parse() {
        Ok(0) => Err(cursor.error("window size must be positive").with_position(place.position().cloned())),
        Ok(every) => Ok(every),
        Err(_) => {
            Err(cursor.error(format!("invalid WINDOW EVERY value: {digits}")).with_position(place.position().cloned()))
        }
    }
}

fn slide(cursor: &mut Cursor<'_>, every_ms: u64) -> Result<u64> {
    let error = cursor.error("stream SQL WINDOW SLIDE must be > 0 and <= EVERY");
    let slide = cursor.number().ok().and_then(|digits| digits.parse().ok());
    slide.filter(|slide| (1..=every_ms).contains(slide)).ok_or(error)
}

impl fmt::Display for WindowBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str| Ident::with_quote('"', name).to_string();
        write!(f, "WINDOW BY {} EVERY {}", quoted(&self.column), self.every_ms)?;
        if self.slide_ms != self.every_ms {
            write!(f, " SLIDE {}", self.slide_ms)?;
        }
        write!(f, " AS {}", quoted(&self.name))
    }
}

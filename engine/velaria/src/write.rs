//! How a frame is written to a file.

use velaria_connector::{CsvStyle, Existing, JsonLayout};
use velaria_sql::Format;

/// The format of a file, and how it is written.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WriteOptions {
    /// The format.
    pub format: Format,
    /// What happens to a file that is there already.
    pub existing: Existing,
    /// Whether a CSV file starts with the names of the columns.
    pub header: bool,
    /// How CSV is written.
    pub csv: CsvStyle,
    /// How JSON objects stand in the file.
    pub json: JsonLayout,
}

impl WriteOptions {
    /// A new file of `format`; one that is there already stays.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, existing: Existing::Keep, header: true, csv: CsvStyle::default(), json: JsonLayout::Lines }
    }
}

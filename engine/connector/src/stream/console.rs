//! A sink that shows every batch as a table of text.
//!
//! Where the text goes is said by the caller: a library does not own the standard output of its program.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;
use velaria_contract::{Error, ErrorCode, Result};

use crate::{Epoch, Prepared, SinkContext, SinkDescription, SinkGuarantee, SinkTable, StreamSink, formatter};

/// Takes the text of a console sink.
pub trait ConsoleOutput: Debug + Send + Sync {
    /// Writes `text`, which ends with a line end, and flushes it.
    ///
    /// # Errors
    /// Those of the output; the query fails with them.
    fn write_text(&self, text: &str) -> io::Result<()>;
}

/// The sink.
#[derive(Debug, Clone)]
pub struct ConsoleSinkTable {
    output: Arc<dyn ConsoleOutput>,
}

impl ConsoleSinkTable {
    /// A sink that writes to `output`.
    #[must_use]
    pub fn new(output: Arc<dyn ConsoleOutput>) -> Self {
        Self { output }
    }
}

impl SinkTable for ConsoleSinkTable {
    fn description(&self) -> SinkDescription {
        let guarantee = SinkGuarantee::AtLeastOnce;
        SinkDescription { name: "console".to_owned(), blocking: false, guarantee, schema: None }
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        Ok(Box::new(ConsoleSink { output: Arc::clone(&self.output), text: String::new() }))
    }
}

struct ConsoleSink {
    output: Arc<dyn ConsoleOutput>,
    text: String,
}

impl StreamSink for ConsoleSink {
    fn open(&mut self, _: &SinkContext) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, _: Epoch, batch: &RecordBatch) -> Result<()> {
        self.text.clear();
        self.text.push_str("[console:console] batch\n");
        let shown = show(batch, &mut self.text);
        shown.map_err(|error| Error::new(ErrorCode::InvalidValue, format!("a value has no text: {error}")))?;
        self.output.write_text(&self.text).map_err(|error| {
            Error::new(ErrorCode::Io, "cannot write to the console").with_hint(error.to_string()).with_source(error)
        })
    }

    fn prepare(&mut self, _: Epoch) -> Result<Prepared> {
        Ok(Prepared::default())
    }
}

/// Adds the names and the rows of `batch`, with tabs between the columns.
fn show(batch: &RecordBatch, text: &mut String) -> Result<(), ArrowError> {
    let names = batch.schema_ref().fields().iter().map(|field| field.name().as_str());
    push_line(names, text);
    let columns = batch.columns().iter().map(|column| formatter(column)).collect::<Result<Vec<_>, _>>()?;
    let mut cell = String::new();
    for row in 0..batch.num_rows() {
        for (place, (column, array)) in columns.iter().zip(batch.columns()).enumerate() {
            cell.clear();
            match array.is_null(row) {
                true => cell.push_str("null"),
                false => cell.push_str(&column.value(row).try_to_string()?),
            }
            push_cell(place, &cell, text);
        }
        text.push('\n');
    }
    Ok(())
}

fn push_line<'a>(cells: impl Iterator<Item = &'a str>, text: &mut String) {
    cells.enumerate().for_each(|(place, cell)| push_cell(place, cell, text));
    text.push('\n');
}

/// A value stays on its line and in its column.
fn push_cell(place: usize, cell: &str, text: &mut String) {
    if place > 0 {
        text.push('\t');
    }
    for character in cell.chars() {
        match character {
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[derive(Debug, Default)]
    struct Kept(Mutex<String>);

    impl ConsoleOutput for Kept {
        fn write_text(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
    }

    #[test]
    fn a_batch_is_a_table_of_text() {
        let kept = Arc::new(Kept::default());
        let sink = ConsoleSinkTable::new(Arc::<Kept>::clone(&kept));
        let keys: ArrayRef = Arc::new(StringArray::from(vec![Some("a\tb"), None]));
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, -2]));
        let batch = RecordBatch::try_from_iter([("k", keys), ("v", values)]).unwrap();
        let mut writer = sink.writer().unwrap();
        writer.write(1, &batch).unwrap();
        writer.write(2, &batch.slice(0, 0)).unwrap();
        let expected = "[console:console] batch\nk\tv\na\\tb\t1\nnull\t-2\n[console:console] batch\nk\tv\n";
        assert_eq!(*kept.0.lock().unwrap(), expected);
    }
}

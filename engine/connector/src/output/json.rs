//! JSON files: one object a line, or an array of objects.

use std::io::{self, Write};

use arrow::array::RecordBatch;

use super::Object;

/// How the objects stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonLayout {
    /// One object a line.
    Lines,
    /// The elements of one array, one a line.
    Array,
}

/// Writes batches as JSON.
#[derive(Debug)]
pub struct JsonWriter<W> {
    out: W,
    layout: JsonLayout,
    rows: usize,
}

impl<W: Write> JsonWriter<W> {
    /// A writer into `out`.
    pub fn new(out: W, layout: JsonLayout) -> Self {
        Self { out, layout, rows: 0 }
    }

    /// Writes the rows of `batch`, whose columns have different names.
    ///
    /// # Errors
    /// What the output says, and an error for a value that has no text.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            match (self.layout, self.rows) {
                (JsonLayout::Lines, _) => {}
                (JsonLayout::Array, 0) => self.out.write_all(b"[\n")?,
                (JsonLayout::Array, _) => self.out.write_all(b",\n")?,
            }
            serde_json::to_writer(&mut self.out, &Object { batch, row }).map_err(io::Error::from)?;
            if self.layout == JsonLayout::Lines {
                self.out.write_all(b"\n")?;
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// The output, with everything written to it.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(mut self) -> io::Result<W> {
        match (self.layout, self.rows) {
            (JsonLayout::Lines, _) => {}
            (JsonLayout::Array, 0) => self.out.write_all(b"[]\n")?,
            (JsonLayout::Array, _) => self.out.write_all(b"\n]\n")?,
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

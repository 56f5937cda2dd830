//! What the dot commands do.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use clap::ValueEnum;
use velaria::{Error, ErrorCode, Result, wait};

use super::commands::{self, Verb};
use super::files::{Opening, quoted};
use super::statement::planned;
use super::target::{Existing, Target};
use super::{Flow, Shell, names, script, words};
use crate::command::{Table, collect};
use crate::failure::Failure;
use crate::output::Format;
use crate::{Check, Io};

impl Shell {
    /// Runs `text`, which begins with a dot.
    pub(super) fn run_command(
        &mut self,
        text: &str,
        io: &mut Io<'_>,
        check: Check<'_>,
    ) -> std::result::Result<Flow, Failure> {
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        // A semicolon is what a hand types after a line.
        let name = name.trim_end_matches(';');
        let rest = rest.trim().trim_end_matches(';').trim_end();
        match commands::find(name)? {
            Verb::Quit => return Ok(Flow::Leave),
            Verb::Read => return self.read(rest, io, check),
            Verb::Help => self.show_text(&commands::help(), io)?,
            Verb::Tables => self.run_statement("SHOW TABLES", io, check)?,
            Verb::Schema if rest.is_empty() => self.show_schema(io, check)?,
            Verb::Schema => self.run_statement(&format!("DESCRIBE {rest}"), io, check)?,
            Verb::Explain => self.explain(rest, io, check)?,
            Verb::Mode => self.set_mode(rest, io)?,
            Verb::MaxRows => self.set_max_rows(rest, io)?,
            Verb::Timer => set(&mut self.is_timed, ".timer", rest, io)?,
            Verb::Pager => set(&mut self.is_paged, ".pager", rest, io)?,
            Verb::Open => io.complain(&Opening::of_words(&words::split(rest)?)?.open(&self.session, check)?)?,
            Verb::Output => self.set_target(rest)?,
        }
        Ok(Flow::GoOn)
    }

    fn read(&mut self, rest: &str, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<Flow, Failure> {
        let path = one_word(rest, ".read FILE")?;
        self.limits.check_read(Path::new(&path))?;
        script::run_file(self, &path, io, check)
    }

    /// The columns of every table, as `DESCRIBE` has them, behind the name of the table.
    fn show_schema(&mut self, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
        let session = self.session.clone();
        let tables = wait(async move { names::tables(&session).await }, &mut *check)?;
        let mut batches = Vec::new();
        let mut schema = Schema::new(vec![Field::new("table_name", DataType::Utf8, false)]);
        for (name, _) in tables {
            let described = planned(&self.session, &format!("DESCRIBE {}", quoted(&name)), &mut *check);
            // A view whose table is gone has no columns, and those of the others can be shown all the same.
            let Ok(described) = described else { continue };
            let described = collect(described, &mut *check)?;
            let fields = schema.fields().iter().take(1).chain(described.schema.fields());
            schema = Schema::new(fields.cloned().collect::<Vec<_>>());
            batches.extend(
                described.batches.iter().map(|batch| named(&name, batch, &schema)).collect::<Result<Vec<_>>>()?,
            );
        }
        self.show(&Table { schema: Arc::new(schema), batches, notices: Vec::new() }, io)
    }

    /// The lines of a plan as they are, where a person reads them.
    fn explain(&mut self, query: &str, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
        let frame = planned(&self.session, &format!("EXPLAIN {query}"), &mut *check)?;
        let table = collect(frame, check)?;
        if self.output.format() != Format::Table || self.target.is_some() {
            return self.show(&table, io);
        }
        let lines: Vec<String> = table.batches.iter().flat_map(|batch| names::texts(batch, 0)).collect();
        self.show_text(&format!("{}\n", lines.join("\n")), io)
    }

    fn set_mode(&mut self, rest: &str, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
        if rest.is_empty() {
            return Ok(io.complain(&format!("{}\n", word(self.output.format())))?);
        }
        let format = Format::from_str(rest, true).map_err(|_| {
            let words: Vec<String> = Format::value_variants().iter().map(|format| word(*format)).collect();
            invalid(format!("no such format: {rest}")).with_hint(format!("the formats are {}", words.join(", ")))
        })?;
        self.output.output = Some(format);
        Ok(())
    }

    fn set_max_rows(&mut self, rest: &str, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
        if rest.is_empty() {
            return Ok(io.complain(&format!("{}\n", self.output.rows_max()))?);
        }
        let rows = rest.parse();
        let rows =
            rows.map_err(|_| invalid(format!("not a number of rows: {rest}")).with_hint("write .maxrows 100"))?;
        self.output.max_rows = Some(rows);
        Ok(())
    }

    fn set_target(&mut self, rest: &str) -> Result<()> {
        let words = words::split(rest)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (path, existing) = match words.as_slice() {
            [] => {
                self.target = None;
                return Ok(());
            }
            ["--force", path] => (Path::new(*path), Existing::Replace),
            [path] => (Path::new(*path), Existing::Keep),
            _ => return Err(invalid("write .output [--force] FILE, or .output alone".to_owned())),
        };
        self.limits.check_write(path)?;
        self.target = Some(Target::create(path, existing)?);
        Ok(())
    }
}

/// `batch` with the name of its table in front.
fn named(name: &str, batch: &RecordBatch, schema: &Schema) -> Result<RecordBatch> {
    let names: ArrayRef = Arc::new(StringArray::from(vec![name; batch.num_rows()]));
    let columns = std::iter::once(names).chain(batch.columns().iter().cloned()).collect();
    RecordBatch::try_new(Arc::new(schema.clone()), columns)
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot put tables together").with_source(error))
}

/// Switches `switch`, or says how it is.
fn set(switch: &mut bool, name: &str, rest: &str, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    match rest.to_ascii_lowercase().as_str() {
        "on" => *switch = true,
        "off" => *switch = false,
        "" => io.complain(if *switch { "on\n" } else { "off\n" })?,
        _ => return Err(invalid(format!("neither on nor off: {rest}")).with_hint(format!("write {name} on")).into()),
    }
    Ok(())
}

/// The one word of `rest`.
fn one_word(rest: &str, usage: &str) -> Result<String> {
    match <[String; 1]>::try_from(words::split(rest)?) {
        Ok([word]) => Ok(word),
        Err(_) => Err(invalid(format!("write {usage}"))),
    }
}

/// The word for a format.
fn word(format: Format) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

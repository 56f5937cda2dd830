//! One statement: run, and shown in the format of the session.

use std::time::Instant;

use velaria::{DataFrame, Session, wait};

use super::pager::{self, Screen};
use super::{Shell, names, stream};
use crate::command::{Table, collect};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::{Check, Io};

impl Shell {
    /// Runs `text`, which is one statement.
    pub(super) fn run_statement(&mut self, text: &str, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
        let began = Instant::now();
        let done = if self.session.is_stream_insert(text) {
            stream::run(&self.session, text, io, check)
        } else {
            self.run_batch(text, io, check)
        };
        if self.is_timed && done.is_ok() {
            io.complain(&format!("time: {:.3} s\n", began.elapsed().as_secs_f64()))?;
        }
        done
    }

    fn run_batch(&mut self, text: &str, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
        let frame = planned(&self.session, text, &mut *check)?;
        let changed = frame.affected_rows();
        let table = collect(frame, check)?;
        match changed {
            Some(rows) => self.show_change(&table, rows, io),
            None => self.show(&table, io),
        }
    }

    /// Says what a statement did. Formats for programs hold the rows of queries, and nothing else.
    fn show_change(&mut self, table: &Table, rows: usize, io: &mut Io<'_>) -> Result<(), Failure> {
        output::say(table, io)?;
        if self.output.format() != Format::Table || self.target.is_some() {
            return Ok(());
        }
        let message = table.batches.iter().flat_map(|batch| names::texts(batch, 1)).next().unwrap_or_default();
        let rows = match rows {
            0 => String::new(),
            1 => ", 1 row".to_owned(),
            rows => format!(", {rows} rows"),
        };
        Ok(io.print(&format!("{message}{rows}\n"))?)
    }

    /// Shows a result, or writes it where results go.
    pub(super) fn show(&mut self, table: &Table, io: &mut Io<'_>) -> Result<(), Failure> {
        if let Some(target) = &mut self.target {
            return target.write(table, &self.output, io);
        }
        let is_text = !matches!(self.output.format(), Format::Parquet | Format::Arrow | Format::Xlsx);
        if !is_text || !self.pages(io) {
            return output::write(table, &self.output, io);
        }
        let mut text = Vec::new();
        output::write(table, &self.output, &mut io.redirected(&mut text))?;
        self.show_text(&String::from_utf8_lossy(&text), io)
    }

    /// Shows `text` with the pager, when it is longer than the screen and there is one.
    pub(super) fn show_text(&self, text: &str, io: &mut Io<'_>) -> Result<(), Failure> {
        io.flush()?;
        let is_long = self.pages(io) && Screen::of_terminal().is_some_and(|screen| !screen.fits(text));
        if !is_long || !pager::show(text, &io.signals()) {
            io.print(text)?;
        }
        Ok(())
    }

    /// Whether a person is there to turn pages.
    fn pages(&self, io: &Io<'_>) -> bool {
        self.is_paged && io.stdout_is_terminal() && io.stdin_is_terminal()
    }
}

/// The frame of a statement.
pub(super) fn planned(session: &Session, text: &str, check: Check<'_>) -> velaria::Result<DataFrame> {
    let (session, text) = (session.clone(), text.to_owned());
    wait(async move { session.sql(&text).await }, check)
}

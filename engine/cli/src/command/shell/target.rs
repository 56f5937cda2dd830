//! The file that results go to instead of the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use velaria::{Error, ErrorCode, Result};

use crate::Io;
use crate::args::OutputArgs;
use crate::command::Table;
use crate::failure::Failure;
use crate::output::{self, Format};

/// Whether a file that is there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

/// A file that was made for results.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether it has a result already.
    is_begun: bool,
}

impl Target {
    pub(super) fn create(path: &Path, existing: Existing) -> Result<Self> {
        let mut options = OpenOptions::new();
        match existing {
            Existing::Keep => options.write(true).create_new(true),
            Existing::Replace => options.write(true).create(true).truncate(true),
        };
        let file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::new(ErrorCode::Io, format!("the file exists already: {}", path.display()))
                    .with_hint("name another one, or write .output --force FILE")
            }
            _ => unwritable(path, &error),
        })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), is_begun: false })
    }

    /// Adds a result to the file. One of Parquet, Arrow or a workbook is a whole file.
    pub(super) fn write(
        &mut self,
        table: &Table,
        args: &OutputArgs,
        io: &mut Io<'_>,
    ) -> std::result::Result<(), Failure> {
        let is_whole = matches!(args.format(), Format::Parquet | Format::Arrow | Format::Xlsx);
        if is_whole && self.is_begun {
            return Err(Error::new(ErrorCode::InvalidArgument, "a file of this format holds one result")
                .with_hint("name another one with .output FILE")
                .into());
        }
        self.is_begun = true;
        let written = output::write(table, &args.for_file(), &mut io.redirected(&mut self.file));
        written.and_then(|()| Ok(self.file.flush()?)).map_err(|failure| match failure {
            // It is not standard output that cannot be written.
            Failure::Output(error) => unwritable(&self.path, &error).into(),
            other => other,
        })
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot write {}", path.display())).with_hint(error.to_string())
}

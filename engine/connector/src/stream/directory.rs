//! A folder in which files arrive: each is a micro-batch, or several.
//!
//! The files of one look at the folder are read in the order of their names, then it is looked at again; a file that arrives later
//! is read whatever its name is. [`listing`] says which files count and when they are complete, [`progress`] which of them were
//! read, [`history`] how that is remembered, [`decode`] makes rows of them, [`rejects`] keeps the malformed ones, and [`reader`] brings these
//! together.

mod decode;
mod history;
mod listing;
mod progress;
mod reader;
mod rejects;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};

use self::decode::Decoder;
use self::listing::Folder;
use self::reader::DirectoryReader;
pub use self::settings::{DIRECTORY_OPTIONS, DirectorySettings, OnBadRow, OnChange};
use crate::{FileAccess, Format, Pulling, ReadOptions, Replay, SourceDescription, StreamSource, StreamTable, TypeOf};

/// What is to be read.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    /// The folder, relative to the working directory; it need not exist when the columns are declared.
    pub path: &'a str,
    /// CSV, JSON or Parquet; `None` is to be found in the first file.
    pub format: Option<Format>,
    /// The options of the format, and those of [`DIRECTORY_OPTIONS`].
    pub options: &'a ReadOptions,
    /// The columns, when they were declared.
    pub columns: Option<&'a Schema>,
    /// The types that words in options mean.
    pub type_of: TypeOf<'a>,
}

/// The stream of the rows of a folder's files. It never ends.
#[derive(Debug, Clone)]
pub struct DirectoryStream {
    shared: Arc<Shared>,
}

/// What all readers of the folder have in common.
#[derive(Debug)]
struct Shared {
    folder: Folder,
    settings: DirectorySettings,
    schema: SchemaRef,
    decoder: Decoder,
}

impl DirectoryStream {
    /// The stream of `directory` for a session with `access`. Its columns are those that are declared, and otherwise those of the first
    /// file that is there.
    ///
    /// # Errors
    /// `VEL-7001` for an option that is not one, or without declared columns as long as there is no file to take them from;
    /// `VEL-6002` when the path is no folder; `VEL-6004` when the session may not read it; those of reading the first file.
    pub fn open(access: &FileAccess, directory: &Directory<'_>) -> Result<Self> {
        let (settings, options) = DirectorySettings::take(directory.options)?;
        let path = absolute(directory.path)?;
        access.check_path(&path)?;
        if let Some(quarantine) = &settings.quarantine_path {
            access.check_change("a quarantine path")?;
            access.check_path(quarantine)?;
            if *quarantine == path {
                return Err(Error::new(ErrorCode::InvalidArgument, "quarantine_path is the folder that is read"));
            }
        }
        let folder = Folder::new(path, &settings)?;
        let first = folder.first()?;
        let decoder = Decoder::new(access, directory, &options, first.as_deref())?;
        let schema = Arc::clone(decoder.schema());
        Ok(Self { shared: Arc::new(Shared { folder, settings, schema, decoder }) })
    }

    /// What a person should know about how the files are read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.shared.decoder.notes()
    }
}

fn absolute(path: &str) -> Result<PathBuf> {
    if path.is_empty() || path.contains('\0') {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("not a path: {path:?}")));
    }
    std::path::absolute(path)
        .map_err(|error| Error::new(ErrorCode::Io, format!("cannot read directory: {path}")).with_source(error))
}

fn no_columns(path: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("the columns of {path} are not known: there is no file yet"))
        .with_hint("declare the columns of the stream, or create it when the first file is there")
}

/// Any column of a file may be without a value.
fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl StreamTable for DirectoryStream {
    fn description(&self) -> SourceDescription {
        SourceDescription {
            schema: Arc::clone(&self.shared.schema),
            bounded: false,
            replay: Replay::FromOffset,
            pulling: Pulling::Blocking,
        }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        Ok(Box::new(DirectoryReader::new(Arc::clone(&self.shared))))
    }
}

//! `run report`: what is known of a run, as one HTML file that needs nothing else.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{Home, Run};

use crate::args::RunReportArgs;
use crate::failure::Failure;
use crate::output::write_json;
use crate::report::body::run_body;
use crate::report::model::Model;
use crate::report::page::{GENERATOR, page};
use crate::{Check, Io};

/// A report says what it is within this many bytes.
const HEAD_BYTES: u64 = 1024;

/// The document of `run report`.
#[derive(Serialize)]
pub(super) struct ReportJson {
    ok: bool,
    run_id: String,
    pub(super) path: String,
    bytes: usize,
}

pub(super) fn run(args: &RunReportArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    write_json(&report(args, check)?, io)
}

/// Writes the report of a run.
pub(super) fn report(args: &RunReportArgs, check: Check<'_>) -> Result<ReportJson> {
    let home = Home::from_env()?;
    let run = Run::open(&home, &args.run_id)?;
    let path = match &args.output {
        Some(path) => wanted(path, args.force)?,
        None => run.dir().join("report.html"),
    };
    let model = Model::load(&home, &args.run_id, check)?;
    let text = page(&format!("{} · Velaria", model.title()), &run_body(&model)).into_string();
    let access = if args.output.is_some() { Access::Usual } else { Access::Owner };
    write(&path, text.as_bytes(), access).map_err(|error| {
        Error::new(ErrorCode::Io, format!("cannot write file: {}", path.display())).with_hint(error.to_string())
    })?;
    Ok(ReportJson { ok: true, run_id: model.run_id, path: path.to_string_lossy().into_owned(), bytes: text.len() })
}

/// The path that was asked for, where nothing is lost when it is written.
fn wanted(path: &Path, force: bool) -> Result<PathBuf> {
    if path == Path::new("-") {
        return Err(Error::new(ErrorCode::InvalidArgument, "a report is written to a file, not to standard output")
            .with_hint("the document says where it is"));
    }
    let absolute = std::path::absolute(path).map_err(|error| {
        Error::new(ErrorCode::Io, format!("cannot resolve {}", path.display())).with_hint(error.to_string())
    })?;
    match fs::symlink_metadata(&absolute) {
        Ok(meta) if meta.is_dir() => {
            Err(Error::new(ErrorCode::NotAFile, format!("is a directory: {}", absolute.display()))
                .with_hint("name the file of the report"))
        }
        Ok(meta) if force || (meta.is_file() && is_report(&absolute)) => Ok(absolute),
        Ok(_) => Err(Error::new(ErrorCode::InvalidArgument, format!("file exists already: {}", absolute.display()))
            .with_hint("--force replaces it; a report is replaced without")),
        Err(_) => Ok(absolute),
    }
}

/// Whether the file at `path` is a report of before.
fn is_report(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && String::from_utf8_lossy(&head).contains(GENERATOR)
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Its user, like everything in a home.
    Owner,
    /// Whoever may read what its user writes elsewhere.
    Usual,
}

/// Writes a file that has its name when it is whole.
fn write(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-");
    #[cfg(unix)]
    let usual = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
    #[cfg(unix)]
    if access == Access::Usual {
        builder.permissions(usual);
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

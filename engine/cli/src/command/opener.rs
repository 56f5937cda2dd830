//! Opens a file, or a page of this program, with the program that the system has for it. No shell is asked, and nothing
//! that a desktop might run.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use velaria::{Error, ErrorCode, Result};

use crate::Check;

/// The program that opens files.
const PROGRAM: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

/// The endings of files that are looked at. A desktop runs others, such as `.desktop`.
const ENDINGS: [&str; 13] =
    ["html", "csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "pq", "arrow", "feather", "xlsx", "log"];

/// How long the program may take to say that it cannot open the file; one that is still there shows it.
const PATIENCE: Duration = Duration::from_secs(3);

const TICK: Duration = Duration::from_millis(20);

/// Opens the file at `path`.
///
/// # Errors
/// `VEL-6001` when there is no file, `VEL-6004` for a file that is not one to look at, `VEL-6003` when the system has no
/// program for it.
pub(crate) fn open(path: &Path, check: Check<'_>) -> Result<()> {
    check_kind(path)?;
    started(path.as_os_str(), check)?.map_err(|reason| {
        Error::new(ErrorCode::Io, format!("cannot open {} with {PROGRAM}: {reason}", path.display()))
            .with_hint("--print says where it is")
    })
}

/// Opens the page at `url`, which this program serves.
///
/// # Errors
/// `VEL-6003` when the system has no program for it. The address is a secret, and not in the error.
pub(crate) fn open_page(url: &str, check: Check<'_>) -> Result<()> {
    let refused = |reason: String| Error::new(ErrorCode::Io, format!("cannot open a browser with {PROGRAM}: {reason}"));
    started(OsStr::new(url), check)?.map_err(refused)
}

/// Starts the program with `what`, and says why where it does not open that.
fn started(what: &OsStr, check: Check<'_>) -> Result<std::result::Result<(), String>> {
    let mut program = match start(what) {
        Ok(program) => program,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(match wait(&mut program, check)? {
        Some(status) if !status.success() => Err("it found no program for it".to_owned()),
        _ => Ok(()),
    })
}

fn check_kind(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Err(Error::new(ErrorCode::FileNotFound, format!("file not found: {}", path.display())));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    if path.is_absolute() && ENDINGS.contains(&ending.as_str()) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::AccessDenied, format!("not a kind of file that is opened: {}", path.display()))
        .with_hint("--print says where it is"))
}

fn start(what: &OsStr) -> io::Result<Child> {
    let mut command = Command::new(PROGRAM);
    command.arg(what).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    own_group(&mut command);
    command.spawn()
}

/// How the program ended, unless it is still there.
fn wait(program: &mut Child, check: Check<'_>) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Ok(Some(status)) = program.try_wait() {
            return Ok(Some(status));
        }
        check()?;
        thread::sleep(TICK);
    }
    Ok(None)
}

/// Keeps Ctrl-C in the terminal from ending what shows the file.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_to_look_at_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            path
        };
        for name in ["a.csv", "a.HTML", "a b.parquet"] {
            check_kind(&file(name)).unwrap();
        }
        for name in ["a.desktop", "a.sh", "a", "csv"] {
            assert_eq!(check_kind(&file(name)).unwrap_err().code(), ErrorCode::AccessDenied, "{name}");
        }
        assert_eq!(check_kind(&dir.path().join("missing.csv")).unwrap_err().code(), ErrorCode::FileNotFound);
        assert_eq!(check_kind(dir.path()).unwrap_err().code(), ErrorCode::FileNotFound);
    }
}

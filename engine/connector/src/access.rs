//! Which files a session may open, and whether it may change anything.
//!
//! The answer travels inside DataFusion's configuration, so that every decoder meets it at the door ([`crate::LocalFile`])
//! and nobody can forget to pass it on. Paths are compared after symbolic links are resolved; what was opened is looked at
//! once more, because a path may change between the check and the opening.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use velaria_contract::{Error, ErrorCode, Result};

/// What a session may do outside of its own memory.
#[derive(Debug, Clone, Default)]
pub struct FileAccess {
    rules: Arc<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    read_only: bool,
    /// Directories and files with their links resolved; `None` allows every path.
    allowed: Option<Vec<PathBuf>>,
    /// Whether `-` was among the allowed paths.
    standard_input: bool,
    /// Whether no file may be opened at all.
    closed: bool,
}

impl FileAccess {
    /// Access to `allowed` directories, with everything beneath them, and files; `None` is access to every path.
    ///
    /// # Errors
    /// `VEL-7001` for a path that cannot be followed.
    pub fn new(read_only: bool, allowed: Option<&[PathBuf]>) -> Result<Self> {
        let standard_input = allowed.is_some_and(|paths| paths.iter().any(|path| path.as_os_str() == "-"));
        let allowed = allowed.map(|paths| paths.iter().map(|path| root(path)).collect()).transpose()?;
        Ok(Self { rules: Arc::new(Rules { read_only, allowed, standard_input, closed: false }) })
    }

    /// Access to no file at all.
    #[must_use]
    pub fn none(read_only: bool) -> Self {
        let rules = Rules { read_only, allowed: Some(Vec::new()), standard_input: false, closed: true };
        Self { rules: Arc::new(rules) }
    }

    /// The rules of the session that `config` belongs to.
    ///
    /// # Errors
    /// `VEL-9001` for a configuration that no session made: without rules nothing is opened.
    pub fn of(config: &ConfigOptions) -> Result<Self> {
        let rules = config.extensions.get::<Self>().cloned();
        rules.ok_or_else(|| Error::new(ErrorCode::Internal, "the session has no rules for files"))
    }

    /// Whether only some paths may be opened.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.rules.allowed.is_some()
    }

    /// Checks that `what`, which changes something, is allowed.
    ///
    /// # Errors
    /// `VEL-6004` in a read-only session.
    pub fn check_change(&self, what: &str) -> Result<()> {
        if !self.rules.read_only {
            return Ok(());
        }
        Err(Error::new(ErrorCode::AccessDenied, format!("{what} is not allowed: the session is read-only")))
    }

    /// Checks that the file at `path` may be opened; it need not exist.
    ///
    /// # Errors
    /// `VEL-6004` when it is neither an allowed file nor beneath an allowed directory.
    pub fn check_path(&self, path: &Path) -> Result<()> {
        let Some(allowed) = &self.rules.allowed else { return Ok(()) };
        if self.is_standard_input(path) {
            return Ok(());
        }
        match resolve(path) {
            Ok(real) if allowed.iter().any(|root| real.starts_with(root)) => Ok(()),
            _ => Err(self.denied(path)),
        }
    }

    /// Checks that standard input may be read.
    ///
    /// # Errors
    /// `VEL-6004` when the session was given paths and `-` is not among them.
    pub(crate) fn check_standard_input(&self) -> Result<()> {
        match &self.rules.allowed {
            Some(_) if !self.rules.standard_input => Err(self.denied(Path::new("-"))),
            _ => Ok(()),
        }
    }

    /// Whether `path` is that of the copy of standard input, in a session that may read it.
    fn is_standard_input(&self, path: &Path) -> bool {
        self.rules.standard_input && crate::stdin::is_copy(path)
    }

    /// Opens the file at `path` for reading.
    pub(crate) fn open(&self, path: &Path) -> Result<File, OpenError> {
        self.check_path(path).map_err(OpenError::Denied)?;
        let file = File::open(path).map_err(OpenError::Io)?;
        self.check_opened(&file, path).map_err(OpenError::Denied)?;
        Ok(file)
    }

    /// Checks `file`, which was opened as `path`, by its own name: the path may have become a link in between.
    pub(crate) fn check_opened(&self, file: &File, path: &Path) -> Result<()> {
        let Some(allowed) = &self.rules.allowed else { return Ok(()) };
        if self.is_standard_input(path) {
            return Ok(());
        }
        match real_path(file, path) {
            Ok(real) if allowed.iter().any(|root| real.starts_with(root)) => Ok(()),
            _ => Err(self.denied(path)),
        }
    }

    /// Checks the place of `file`, which was made as `path` to become `target` in the same directory. Where `target` alone
    /// is allowed, its directory is not, so the place of `target` counts.
    pub(crate) fn check_beside(&self, file: &File, path: &Path, target: &Path) -> Result<()> {
        let Some(allowed) = &self.rules.allowed else { return Ok(()) };
        let place = real_path(file, path).ok().zip(target.file_name()).map(|(real, name)| real.with_file_name(name));
        match place {
            Some(place) if allowed.iter().any(|root| place.starts_with(root)) => Ok(()),
            _ => Err(self.denied(target)),
        }
    }

    fn denied(&self, path: &Path) -> Error {
        let hint = if self.rules.closed {
            "local files are switched off in this session"
        } else {
            "the session may only open the files and directories that it was given"
        };
        Error::new(ErrorCode::AccessDenied, format!("access denied: {}", path.display())).with_hint(hint)
    }
}

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The session may not.
    Denied(Error),
    /// The operating system said no.
    Io(io::Error),
}

fn root(path: &Path) -> Result<PathBuf> {
    resolve(path).map_err(|error| {
        Error::new(ErrorCode::InvalidArgument, format!("an allowed path cannot be resolved: {}", path.display()))
            .with_hint(error.to_string())
    })
}

/// The absolute path without links and dots. What does not exist stands for itself: a file may be made there.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut known = absolute.as_path();
    loop {
        match (fs::canonicalize(known), known.parent(), known.file_name()) {
            (Ok(real), _, _) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            // A link that leads nowhere exists itself, and writing to it would make a file elsewhere. A `..` has no name.
            (Err(error), Some(parent), Some(name))
                if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(known).is_err() =>
            {
                missing.push(name);
                known = parent;
            }
            (Err(error), _, _) => return Err(error),
        }
    }
}

#[cfg(target_os = "linux")]
fn real_path(file: &File, _path: &Path) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Elsewhere a file does not tell its name; the path is resolved once more.
#[cfg(not(target_os = "linux"))]
fn real_path(_file: &File, path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

impl ConfigExtension for FileAccess {
    const PREFIX: &'static str = "velaria_files";
}

impl ExtensionOptions for FileAccess {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    /// The rules are set when a session is made and never again.
    fn set(&mut self, key: &str, _value: &str) -> DataFusionResult<()> {
        Err(DataFusionError::Configuration(format!("cannot set {key}")))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(roots: &[&Path]) -> FileAccess {
        let roots: Vec<PathBuf> = roots.iter().map(|path| path.to_path_buf()).collect();
        FileAccess::new(false, Some(&roots)).unwrap()
    }

    #[test]
    fn only_what_is_beneath_an_allowed_path_may_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("in_too.csv"));
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("a.csv"), "a\n").unwrap();
        fs::write(&outside, "a\n").unwrap();
        let access = access(&[&inside]);
        for path in ["a.csv", "new.csv", "no/such.csv", "../in/a.csv"].map(|name| inside.join(name)) {
            assert!(access.check_path(&path).is_ok(), "{}", path.display());
        }
        let climbing = ["../in_too.csv", "..", "no/../../in_too.csv"].map(|name| inside.join(name));
        for path in climbing.into_iter().chain([outside, PathBuf::from("/etc/passwd"), PathBuf::from("/none/a.csv")]) {
            let error = access.check_path(&path).unwrap_err();
            assert_eq!(error.code(), ErrorCode::AccessDenied, "{}", path.display());
        }
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_before_the_check() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, secret) = (dir.path().join("in"), dir.path().join("secret"));
        fs::create_dir_all(&inside).unwrap();
        fs::write(&secret, "x").unwrap();
        std::os::unix::fs::symlink(&secret, inside.join("link")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("none"), inside.join("dangling")).unwrap();
        std::os::unix::fs::symlink(dir.path(), inside.join("up")).unwrap();
        let access = access(&[&inside]);
        for name in ["link", "dangling", "up/secret"] {
            assert!(access.check_path(&inside.join(name)).is_err(), "{name}");
        }
        // A path that became a link after the check is caught by the name of the opened file.
        let opened = File::open(inside.join("link")).unwrap();
        assert!(access.check_opened(&opened, &inside.join("link")).is_err());
    }

    #[test]
    fn one_file_alone_can_be_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "x").unwrap();
        fs::write(&two, "x").unwrap();
        let access = access(&[&one]);
        assert!(access.open(&one).is_ok());
        assert!(matches!(access.open(&two), Err(OpenError::Denied(_))));
    }
}

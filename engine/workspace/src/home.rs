//! Where runs live: `VELARIA_HOME`, or `.velaria` in the user's home directory.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use velaria_contract::{Clock, Error, ErrorCode, Result, SystemClock};

use crate::failure::refused;
use crate::redact::Redactor;
use crate::run_id::RunId;
use crate::time;

/// The directory that holds runs and their index, with the clock and the redactor that go with it.
///
/// Nothing is created before [`Home::ensure_dirs`], which everything that writes calls.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
}

impl Home {
    /// The home that the environment names now: `VELARIA_HOME` with a leading `~` expanded and links resolved, or else
    /// `~/.velaria`.
    ///
    /// # Errors
    /// `VEL-7001` when neither says a directory.
    pub fn from_env() -> Result<Self> {
        let named = env::var_os("VELARIA_HOME").filter(|value| !value.is_empty());
        let root = match &named {
            Some(value) => expanded(Path::new(value))?,
            None => user_home()?.join(".velaria"),
        };
        Ok(Self { redactor: Arc::new(Redactor::from_env()), ..Self::at(root)? })
    }

    /// The home at `root`, for tests and for programs that have their own place.
    ///
    /// # Errors
    /// `VEL-6003` when `root` is relative and there is no current directory.
    pub fn at(root: impl AsRef<Path>) -> Result<Self> {
        let root = resolved(root.as_ref())?;
        Ok(Self { root, clock: Arc::new(SystemClock::default()), redactor: Arc::new(Redactor::default()) })
    }

    /// The same home with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same home with another redactor.
    #[must_use]
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = Arc::new(redactor);
        self
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the runs' directories.
    #[must_use]
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The directory of the index.
    #[must_use]
    pub fn index_dir(&self) -> PathBuf {
        self.root.join("index")
    }

    /// The directory of one run.
    #[must_use]
    pub fn run_dir(&self, id: &RunId) -> PathBuf {
        self.runs_dir().join(id.as_str())
    }

    /// Creates the home, `runs` and `index` where they are missing, for this user alone (mode 0700).
    ///
    /// # Errors
    /// `VEL-6003` or `VEL-6002` when a directory cannot be made, such as when the home is a file.
    pub fn ensure_dirs(&self) -> Result<()> {
        [self.root.clone(), self.runs_dir(), self.index_dir()].iter().try_for_each(|dir| create_private_dir(dir))
    }

    /// Whether `path`, with every link resolved, is inside of this home.
    #[must_use]
    pub fn contains(&self, path: &Path) -> bool {
        match (fs::canonicalize(path), fs::canonicalize(&self.root)) {
            (Ok(path), Ok(root)) => path.starts_with(root),
            _ => false,
        }
    }

    /// This moment as records say it: `YYYY-MM-DDTHH:MM:SSZ`.
    #[must_use]
    pub fn now(&self) -> String {
        time::seconds(self.clock.wall_ms())
    }

    /// The clock of this home.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// What is not to be written down.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// Makes `dir` and what is missing above it, for this user alone; a directory that is there already stays as it is.
pub(crate) fn create_private_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    private(&mut builder).recursive(true);
    builder.create(dir).map_err(|source| refused("cannot create the directory", dir, source))
}

/// Makes the directory `dir` itself, for this user alone; one that is there already is an error.
pub(crate) fn create_new_private_dir(dir: &Path) -> io::Result<()> {
    private(&mut DirBuilder::new()).create(dir)
}

#[cfg(unix)]
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    builder.mode(0o700)
}

#[cfg(not(unix))]
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

/// `path` with a leading `~` replaced by the user's home directory.
fn expanded(path: &Path) -> Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => Ok(user_home()?.join(rest)),
        Err(_) => Ok(path.to_owned()),
    }
}

fn user_home() -> Result<PathBuf> {
    env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or_else(|| {
        Error::new(ErrorCode::InvalidArgument, "there is no home directory for tracked runs")
            .with_hint("set VELARIA_HOME to a directory")
    })
}

/// `path`, absolute and without links as far as it exists.
fn resolved(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|source| refused("cannot resolve", path, source))?;
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(real) = fs::canonicalize(there) {
            return Ok(missing.into_iter().rev().fold(real, climbed));
        }
        let (Some(parent), Some(last)) = (there.parent(), there.components().next_back()) else {
            return Ok(absolute);
        };
        missing.push(last.as_os_str());
        there = parent;
    }
}

/// `path/name`, where `..` goes one up: what does not exist cannot be a link.
fn climbed(mut path: PathBuf, name: &OsStr) -> PathBuf {
    if Path::new(name).components().next() == Some(Component::ParentDir) {
        path.pop();
    } else {
        path.push(name);
    }
    path
}

//! How much memory and disk the queries of one session may use.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SpillFile, TempFileFactory};
use datafusion::prelude::SessionConfig as DataFusionConfig;
use tempfile::TempDir;
use url::Url;
use velaria_connector::{FileAccess, LocalFiles};
use velaria_contract::{Error, ErrorCode, Result};

use crate::config::SessionConfig;

/// How many operators an error about memory names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// The most bytes of temporary files at one time.
const SPILL_BYTES_MAX: u64 = 100 << 30;

/// What a sort sets aside to merge its temporary files, unless that is a large part of the limit.
const SORT_RESERVATION_BYTES: u64 = 10 << 20;

/// The surroundings in which the queries of a session run.
pub(crate) fn runtime(config: &SessionConfig, access: &FileAccess) -> Result<Arc<RuntimeEnv>> {
    let limit = usize::try_from(memory_limit(config)?).unwrap_or(usize::MAX);
    let pool = TrackConsumersPool::new(FairSpillPool::new(limit), NAMED_CONSUMERS);
    let spill = SpillDirectory::new(config.temp_dir.as_deref())?;
    let disk = DiskManagerBuilder::default().with_temp_file_factory(Arc::new(spill));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(internal)?;
    if access.is_restricted() {
        let files = Url::parse("file://").map_err(internal)?;
        runtime.register_object_store(&files, Arc::new(LocalFiles::new(access.clone())));
    }
    Ok(runtime)
}

/// Makes the settings of operators fit the memory limit.
pub(crate) fn fit(options: &mut DataFusionConfig, config: &SessionConfig, partitions: usize) -> Result<()> {
    let share = memory_limit(config)? / (8 * partitions.max(1) as u64);
    let reservation = SORT_RESERVATION_BYTES.min(share);
    options.options_mut().execution.sort_spill_reservation_bytes = usize::try_from(reservation).unwrap_or(usize::MAX);
    Ok(())
}

/// The memory of functions that belong to no session; they are as bounded as the others.
pub(crate) fn shared_pool() -> Arc<dyn MemoryPool> {
    static POOL: LazyLock<Arc<dyn MemoryPool>> =
        LazyLock::new(|| Arc::new(FairSpillPool::new(usize::try_from(*DEFAULT_LIMIT).unwrap_or(usize::MAX))));
    Arc::clone(&POOL)
}

/// The most that compressed copies of vectors may take.
pub(crate) fn vector_cache_bytes(config: &SessionConfig) -> Result<u64> {
    Ok(memory_limit(config)? / 4)
}

fn memory_limit(config: &SessionConfig) -> Result<u64> {
    match config.memory_limit_bytes {
        Some(0) => Err(Error::new(ErrorCode::InvalidArgument, "memory_limit must be at least 1 byte")),
        Some(bytes) => Ok(bytes),
        None => Ok(*DEFAULT_LIMIT),
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorCode::Internal, "cannot set up the limits of the session").with_source(error)
}

/// Three quarters of what the process may use; without a limit where the system does not say.
static DEFAULT_LIMIT: LazyLock<u64> = LazyLock::new(|| available().map_or(u64::MAX, |bytes| bytes / 4 * 3));

/// The memory of the machine, or of the control group that the process runs in.
fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo_total(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| group_limit(&text));
    machine.into_iter().chain(group).min()
}

fn meminfo_total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The lowest limit of the groups named by `/proc/self/cgroup`, from the innermost to the root.
fn group_limit(groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let folder = Path::new(root).join(path.trim_start_matches('/'));
        let inside = folder.ancestors().take_while(|folder| folder.starts_with(root));
        inside.filter_map(|folder| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok()).min()
    });
    limits.min()
}

/// A private directory for temporary files. It is made with the first file and removed with the session.
#[derive(Debug)]
struct SpillDirectory {
    parent: Option<PathBuf>,
    made: Mutex<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    files: Arc<DiskManager>,
    /// Dropped last: it removes what is left.
    _directory: TempDir,
}

impl SpillDirectory {
    fn new(parent: Option<&Path>) -> Result<Self> {
        if let Some(parent) = parent
            && !parent.is_dir()
        {
            return Err(Error::new(
                ErrorCode::InvalidArgument,
                format!("temp_dir is no directory: {}", parent.display()),
            ));
        }
        Ok(Self { parent: parent.map(Path::to_path_buf), made: Mutex::new(None) })
    }

    fn make(&self) -> DataFusionResult<Made> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("velaria-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let directory = match &self.parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let directory = directory.map_err(no_directory)?;
        let files = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![directory.path().to_path_buf()]))
            .with_max_temp_directory_size(SPILL_BYTES_MAX)
            .build()?;
        Ok(Made { files: Arc::new(files), _directory: directory })
    }
}

fn no_directory(error: io::Error) -> DataFusionError {
    let error = Error::new(ErrorCode::Io, "cannot make a directory for temporary files").with_hint(error.to_string());
    DataFusionError::External(Box::new(error))
}

impl TempFileFactory for SpillDirectory {
    fn create_temp_file(&self, description: &str) -> DataFusionResult<Arc<dyn SpillFile>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match &mut *made {
            Some(made) => made,
            empty => empty.insert(self.make()?),
        };
        made.files.create_tmp_file(description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(meminfo_total("MemTotal:       24576 kB\nMemFree: 1 kB\n"), Some(24 << 20));
        assert_eq!(meminfo_total("MemFree: 1 kB\n"), None);
        assert_eq!(group_limit("12:cpu,cpuacct:/x\n"), None);
    }

    #[test]
    #[cfg(unix)]
    fn temporary_files_are_private_and_go_with_the_session() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let entries = || fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        let spill = SpillDirectory::new(Some(parent.path())).unwrap();
        assert!(entries().is_empty());
        let file = spill.create_temp_file("test").unwrap();
        assert_eq!(entries()[0].metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(file);
        drop(spill);
        assert!(entries().is_empty());
    }
}

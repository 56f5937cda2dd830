//! Sources whose rows are kept: in a cache on disk for the next session, or in memory for this one.

use std::env;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use datafusion::catalog::TableProvider;
use futures::TryStreamExt;
use velaria_connector::{CachedTable, DataFormat, LocalFile, Materialization, ReadOptions, SourceIdentity, Store};
use velaria_contract::Result;

use crate::config::bytes_of;
use crate::context::Context;
use crate::dataframe::DataFrame;

const DIR: &str = "VELARIA_MATERIALIZATION_DIR";
const FORMAT: &str = "VELARIA_MATERIALIZATION_FORMAT";
const MAX_BYTES: &str = "VELARIA_MATERIALIZATION_MAX_BYTES";

/// Whether and where the rows of a source are kept. The default keeps nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceOptions {
    materialization: Option<Materialization>,
    rows_in_memory: bool,
}

impl SourceOptions {
    /// What the environment says: `VELARIA_MATERIALIZATION_DIR` and `VELARIA_MATERIALIZATION_FORMAT` ask for a cache on
    /// disk, `VELARIA_MATERIALIZATION_MAX_BYTES` bounds it. A format that does not exist is passed over.
    ///
    /// # Errors
    /// `VEL-7001` for a bound that is no number of bytes.
    pub fn from_environment() -> Result<Self> {
        let dir = env::var_os(DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let format = env::var(FORMAT).ok().and_then(|word| DataFormat::named(&word));
        let options = Self::default();
        if dir.is_none() && format.is_none() { Ok(options) } else { options.with_materialization(dir, format) }
    }

    /// These options with a cache on disk. Without `dir` it is the one of the environment, or one in the temporary
    /// directory; without `format` that of the environment, or Arrow IPC in `table.bin`.
    ///
    /// # Errors
    /// `VEL-7001` when the environment bounds it by something that is no number of bytes.
    pub fn with_materialization(mut self, dir: Option<PathBuf>, format: Option<DataFormat>) -> Result<Self> {
        let bounded = || -> Result<Materialization> {
            let mut cache = Materialization::new(Materialization::default_dir(&env::temp_dir()));
            if let Ok(text) = env::var(MAX_BYTES) {
                cache.bytes_max = bytes_of(&text)?;
            }
            Ok(cache)
        };
        let mut cache = self.materialization.take().map_or_else(bounded, Ok)?;
        cache.dir = dir.unwrap_or(cache.dir);
        cache.format = format.unwrap_or(cache.format);
        self.materialization = Some(cache);
        Ok(self)
    }

    /// These options, with the rows read once and kept in memory.
    #[must_use]
    pub fn with_rows_in_memory(mut self) -> Self {
        self.rows_in_memory = true;
        self
    }
}

/// The options of a reader as the text that tells one source from another. The delimiter always stands in it.
pub(crate) fn options_text(options: &ReadOptions) -> String {
    let mut words: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if options.text("delimiter").is_none() {
        words.push("delimiter=,".to_owned());
    }
    words.sort();
    words.join(";")
}

/// The frame of a source, which `open` opens when its rows are not kept; `identity` says which source it is.
pub(crate) async fn frame(
    context: &Arc<Context>,
    path: &str,
    options: &SourceOptions,
    identity: impl Fn(&LocalFile) -> Result<SourceIdentity>,
    open: impl Future<Output = Result<DataFrame>>,
) -> Result<DataFrame> {
    let frame = match &options.materialization {
        None => open.await?,
        Some(settings) => match Store::open(&context.access, settings)? {
            None => open.await?,
            Some(store) => cached(context, path, &store, identity, open).await?,
        },
    };
    if !options.rows_in_memory {
        return Ok(frame);
    }
    let batches = frame.collect().await?;
    DataFrame::from_batches(context, "source", frame.schema(), batches)
}

async fn cached(
    context: &Arc<Context>,
    path: &str,
    store: &Store,
    identity: impl Fn(&LocalFile) -> Result<SourceIdentity>,
    open: impl Future<Output = Result<DataFrame>>,
) -> Result<DataFrame> {
    // A pattern, a directory or standard input.
    let Ok(file) = LocalFile::open(&context.access, path) else { return open.await };
    let mut source = identity(&file)?;
    if let Some(table) = store.find(&source) {
        return of_table(context, table);
    }
    if let Some(wait) = source.unsettled() {
        // A moment, and only for a file that was written just now.
        thread::sleep(wait);
        source = identity(&file)?;
    }
    let frame = open.await?;
    match keep(store, &source, &frame).await? {
        // What was read may be neither the old nor the new file.
        Some(_) if identity(&file)? != source => Ok(frame),
        Some(kept) => match store.publish(&source, kept) {
            Ok(table) => of_table(context, table),
            Err(_) => Ok(frame),
        },
        None => Ok(frame),
    }
}

/// The rows of `frame`, written but not published. `None` when they cannot be written, which is no error: the source itself
/// is there. An error in the rows is one.
async fn keep(
    store: &Store,
    source: &SourceIdentity,
    frame: &DataFrame,
) -> Result<Option<velaria_connector::CacheWriter>> {
    let mut batches = frame.execute().await?;
    let Ok(mut writer) = store.writer(source, &batches.schema()) else { return Ok(None) };
    while let Some(batch) = batches.try_next().await? {
        if writer.write(&batch).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(writer))
}

fn of_table(context: &Arc<Context>, table: CachedTable) -> Result<DataFrame> {
    let table: Arc<dyn TableProvider> = Arc::new(table);
    DataFrame::from_table(context, "source", table)
}

//! The one store of files that DataFusion reads from: the local file system, behind the rules of the session.
//!
//! Every file that is opened is checked after opening, by its own name: no path can change in between. Nothing is ever
//! written through it.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::FileAccess;

const NAME: &str = "local files";

/// Local files that a session may read.
#[derive(Debug)]
pub struct LocalFiles {
    files: LocalFileSystem,
    access: FileAccess,
}

impl LocalFiles {
    /// The files that `access` allows.
    #[must_use]
    pub fn new(access: FileAccess) -> Self {
        Self { files: LocalFileSystem::new(), access }
    }

    fn check(&self, location: &Path) -> Result<()> {
        let path = PathBuf::from(format!("/{location}"));
        self.access.check_path(&path).map_err(|error| Error::Generic { store: NAME, source: Box::new(error) })
    }
}

impl fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "files are only read here".into() }
}

#[async_trait]
impl ObjectStore for LocalFiles {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        let result = self.files.get_opts(location, options).await?;
        if let GetResultPayload::File(file, path) = &result.payload {
            self.access
                .check_opened(file, path)
                .map_err(|error| Error::Generic { store: NAME, source: Box::new(error) })?;
        }
        Ok(result)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match prefix.map_or(Err(read_only()), |prefix| self.check(prefix)) {
            Ok(()) => self.files.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        prefix.map_or(Err(read_only()), |prefix| self.check(prefix))?;
        self.files.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

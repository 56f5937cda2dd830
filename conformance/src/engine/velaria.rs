//! The engine in process, with a given number of threads.

use velaria::arrow::datatypes::SchemaRef;
use velaria::arrow::record_batch::RecordBatch;
use velaria::{CsvOptions, DataFrame, Session, SessionConfig};

use super::{Connection, Surface, SurfaceError, Table};
use crate::corpus::{DataFile, Format};
use crate::render::{Letter, rows_of_batch};

/// The engine in process.
#[derive(Debug, Clone)]
pub struct EngineSurface {
    name: String,
    threads: usize,
}

impl EngineSurface {
    /// The engine with `threads` threads, named `engine-<threads>`.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { name: format!("engine-{threads}"), threads }
    }
}

impl Surface for EngineSurface {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Result<Box<dyn Connection>, SurfaceError> {
        let session = Session::new(SessionConfig::default().with_threads(self.threads)).map_err(report)?;
        Ok(Box::new(EngineConnection { session }))
    }
}

struct EngineConnection {
    session: Session,
}

impl Connection for EngineConnection {
    fn execute(&mut self, sql: &str) -> Result<Table, SurfaceError> {
        let (session, sql) = (self.session.clone(), sql.to_owned());
        let (schema, batches) = blocking(async move {
            let frame = session.sql(&sql).await?;
            Ok((frame.schema(), frame.collect().await?))
        })?;
        table(&schema, &batches)
    }

    fn register(&mut self, file: &DataFile) -> Result<(), SurfaceError> {
        let (session, file) = (self.session.clone(), file.clone());
        blocking(async move {
            let frame = read(&session, &file).await?;
            session.create_temp_view(&file.view, &frame)
        })
    }
}

async fn read(session: &Session, file: &DataFile) -> velaria::Result<DataFrame> {
    let path = file.path.to_string_lossy();
    match file.format {
        Format::Csv => session.read_csv(&path, &CsvOptions::default()).await,
        Format::Parquet => session.read_parquet(&path).await,
        Format::Ndjson => session.read_json(&path).await,
    }
}

fn blocking<T: Send + 'static>(
    future: impl Future<Output = velaria::Result<T>> + Send + 'static,
) -> Result<T, SurfaceError> {
    velaria::wait(future, || Ok(())).map_err(report)
}

#[expect(clippy::needless_pass_by_value, reason = "called by map_err")]
fn report(error: velaria::Error) -> SurfaceError {
    SurfaceError::Report(error.report().to_string())
}

fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Table, SurfaceError> {
    let mut rows = Vec::new();
    for batch in batches {
        if batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type())
            .ne(schema.fields().iter().map(|field| field.data_type()))
        {
            return Err(SurfaceError::Broken(format!(
                "a batch has another schema than its frame: {:?}",
                batch.schema()
            )));
        }
        rows.extend(rows_of_batch(batch).map_err(|error| SurfaceError::Broken(error.to_string()))?);
    }
    Ok(Table {
        names: schema.fields().iter().map(|field| field.name().clone()).collect(),
        letters: schema.fields().iter().map(|field| Letter::of(field.data_type())).collect(),
        rows,
    })
}

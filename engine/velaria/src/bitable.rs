//! Tables of Feishu and Lark Bases in a session.

use std::sync::Arc;

pub use velaria_connector::{
    BitableClient, BitableSettings, BitableSource, BitableStreamSettings, Blocking, Origin, PageHead, PageRequest,
    Pages, RecordQuery, Secret, TableAddress, TextTransport, Transport,
};
use velaria_connector::{BitableRows, BitableStream, StreamTable, read_records};
use velaria_contract::Result;

use crate::Session;
use crate::dataframe::DataFrame;
use crate::streaming_dataframe::StreamingDataFrame;

/// The records of a table as a frame. They are in memory.
#[derive(Debug, Clone)]
pub struct BitableFrame {
    /// The rows.
    pub frame: DataFrame,
    /// What a person should know: columns that became text, a table that was changed while it was read.
    pub warnings: Vec<String>,
}

impl Session {
    /// A frame over the records of a table, which are read now and whole.
    ///
    /// # Errors
    /// `VEL-6301` to `VEL-6303` of the service; `VEL-7001` for a query that cannot be, `VEL-2001` for a field that is not there.
    pub async fn read_bitable(&self, source: &BitableSource) -> Result<BitableFrame> {
        let BitableRows { schema, batches, warnings } = read_records(source).await?;
        let frame = DataFrame::from_batches(self.context(), "bitable", schema, batches)?;
        Ok(BitableFrame { frame, warnings })
    }

    /// A stream over the records of a table, and over those that are modified from then on. Its fields are looked at now.
    ///
    /// # Errors
    /// Those of [`Session::read_bitable`].
    pub async fn read_bitable_stream(
        &self,
        source: &BitableSource,
        settings: BitableStreamSettings,
    ) -> Result<(StreamingDataFrame, Vec<String>)> {
        let stream = BitableStream::open(source, settings).await?;
        let warnings = stream.take_warnings();
        let name = format!("bitable {}", source.table.table_id);
        let table: Arc<dyn StreamTable> = Arc::new(stream);
        Ok((self.read_stream_table(&name, table)?, warnings))
    }
}

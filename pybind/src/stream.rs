//! Streams: their frames, their queries, and the sources and sinks that a program feeds and drains itself.

mod custom_sink;
mod custom_source;
mod emission;
mod frame;
mod options;
mod query;
mod realtime;
mod report;
mod rows;

pub(crate) use custom_sink::sink_table;
pub(crate) use custom_source::{Emit, source_table};
pub(crate) use emission::Emission;
pub(crate) use frame::StreamingDataFrame;
pub(crate) use options::{CheckpointPath, Contract, count, named};
pub(crate) use query::StreamingQuery;
pub(crate) use realtime::{RealtimeStreamSink, RealtimeStreamSource, declared_schema};

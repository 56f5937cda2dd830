//! Streams: their frames, their queries, and the sources and sinks that a program feeds and drains itself.

mod frame;
mod options;
mod query;
mod realtime;

pub(crate) use frame::StreamingDataFrame;
pub(crate) use options::{CheckpointPath, Contract, count, named};
pub(crate) use query::StreamingQuery;
pub(crate) use realtime::{RealtimeStreamSink, RealtimeStreamSource, declared_schema};

//! The commands, one file each, and what they share.

pub(crate) mod answer;
pub(crate) mod artifacts;
pub(crate) mod completions;
pub(crate) mod csv_sql;
pub(crate) mod describe;
pub(crate) mod file_sql;
pub(crate) mod functions;
pub(crate) mod index;
pub(crate) mod man;
pub(crate) mod opener;
pub(crate) mod run;
pub(crate) mod shell;
pub(crate) mod sniff;
pub(crate) mod sql;
pub(crate) mod ui;
pub(crate) mod vector_search;

use velaria::arrow::array::RecordBatch;
use velaria::arrow::datatypes::SchemaRef;
use velaria::{DataFrame, Profile, Result, wait};

use crate::Check;

/// A finished result: its columns, and its rows in batches.
pub(crate) struct Table {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    /// What a user should know about how files were read.
    pub(crate) notices: Vec<String>,
}

/// Runs the query of `frame` to its end, so that nothing is printed before it is known to have worked.
pub(crate) fn collect(frame: DataFrame, check: Check<'_>) -> Result<Table> {
    let query = frame.clone();
    let batches = wait(async move { query.collect().await }, check)?;
    // The types are known when all rows are there.
    Ok(Table { schema: frame.schema(), batches, notices: frame.take_notices() })
}

/// Runs the query as [`collect`] does, and tells what each of its operators did.
pub(crate) fn collect_with_profile(frame: DataFrame, check: Check<'_>) -> Result<(Table, Profile)> {
    let query = frame.clone();
    let (batches, profile) = wait(async move { query.collect_with_profile().await }, check)?;
    Ok((Table { schema: frame.schema(), batches, notices: frame.take_notices() }, profile))
}

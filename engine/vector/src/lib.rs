//! Exact vector search over Arrow columns, keyword search over texts, and the fusion of their ranks.
//!
//! One specification gives every score its bits ([`exact`]); everything faster only leaves out rows of which it proves
//! that they are not among the nearest. So results are the same on every machine, for every number of threads and for
//! every way the rows are cut into batches.
//!
//! Invariant: this crate never sees SQL, a plan or a file; it scores slices and Arrow columns.

pub mod backend;
mod batch;
mod bound;
pub mod column;
pub mod compressed;
pub mod exact;
pub mod fusion;
mod kernel;
pub mod keyword;
pub mod metric;
#[cfg(test)]
mod noise;
pub mod query;
pub mod scanner;
pub mod search;
mod tasks;
pub mod text;
pub mod top_k;

// The public interface.
pub use backend::Backend;
pub use column::VectorColumn;
pub use compressed::{COMPRESSED_DIMENSIONS_MAX, CompressedColumn};
pub use keyword::{KeywordQuery, KeywordScanner, TextColumn};
pub use metric::Metric;
pub use query::Queries;
pub use scanner::Scanner;
pub use search::{Figures, Found, Part, SearchOptions, search};
pub use top_k::{Hit, TopK};

//! The engine through its public interface: what the corpus cannot say, because it needs files, threads or generated
//! data.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure of the test")]

mod background;
mod changes;
mod copy;
mod csv_laws;
mod files;
mod hostile;
mod laws;
mod limits;
mod once;
mod plan_cache;
mod profile;
mod relation;
mod search;
mod session;
mod stream_laws;
mod stream_plan;
mod stream_run;
mod variables;
mod vector_cache;
mod vector_search;

use velaria::arrow::array::RecordBatch;
use velaria::arrow::util::pretty::pretty_format_batches;
use velaria::{DataFrame, Result, Session, SessionConfig, wait};

fn session(threads: usize) -> Session {
    Session::new(SessionConfig::default().with_threads(threads)).unwrap()
}

fn sql(session: &Session, text: &str) -> Result<DataFrame> {
    let (session, text) = (session.clone(), text.to_owned());
    wait(async move { session.sql(&text).await }, || Ok(()))
}

fn rows(frame: &DataFrame) -> Result<Vec<RecordBatch>> {
    let frame = frame.clone();
    wait(async move { frame.collect().await }, || Ok(()))
}

/// The whole result as text, which is easy to compare and to read when it differs.
fn text(frame: &DataFrame) -> String {
    let batches = rows(frame).unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

//! Rows that can be read once: pulled while the query runs, no further than it needs, and never twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use velaria::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use velaria::{DataFrame, Error, ErrorCode, Result, Session, wait};

use crate::{session, sql};

fn batch(value: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).unwrap()
}

/// A frame over `count` batches of one row, and the number of those that were pulled.
fn counted(session: &Session, count: i64) -> (DataFrame, Arc<AtomicUsize>) {
    let pulled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&pulled);
    let batches = (0..count).map(move |value| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(batch(value))
    });
    (session.read_batches_once(batch(0).schema(), Box::new(batches)).unwrap(), pulled)
}

fn count(frame: &DataFrame) -> Result<u64> {
    let frame = frame.clone();
    wait(async move { frame.count().await }, || Ok(()))
}

#[test]
fn nothing_is_pulled_before_the_query_runs_and_nothing_twice() {
    let session = session(2);
    let (frame, pulled) = counted(&session, 5);
    session.create_temp_view("s", &frame).unwrap();
    assert!(sql(&session, "SELECT n FROM s WHERE n > 1").is_ok());
    assert_eq!(count(&frame.limit(0).unwrap()).unwrap(), 0);
    assert_eq!(count(&frame).unwrap(), 5);
    assert_eq!(pulled.load(Ordering::Relaxed), 5);
    assert_eq!(count(&frame).unwrap_err().code(), ErrorCode::InvalidArrow);
}

#[test]
fn an_endless_stream_is_left_where_the_query_ends() {
    let session = session(2);
    let (frame, pulled) = counted(&session, i64::MAX);
    assert_eq!(count(&frame.limit(3).unwrap()).unwrap(), 3);
    assert!(pulled.load(Ordering::Relaxed) < 100);
}

#[test]
fn an_error_of_the_stream_is_the_error_of_the_query() {
    let session = session(2);
    let failing = [Ok(batch(1)), Err(Error::new(ErrorCode::InvalidArrow, "out of paper"))];
    let frame = session.read_batches_once(batch(0).schema(), Box::new(failing.into_iter())).unwrap();
    let error = count(&frame).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::InvalidArrow, "out of paper"));
}

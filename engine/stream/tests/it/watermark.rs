//! The watermark: what it waits for, and that it never goes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use proptest::prelude::*;
use velaria_contract::ErrorCode;
use velaria_stream::{CommitHead, Watermark, WatermarkSpec};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn of_columns(time: ArrayRef) -> RecordBatch {
    let other: ArrayRef = Arc::new(Int64Array::from(vec![9_999; time.len()]));
    RecordBatch::try_from_iter([("other", other), ("ts", time)]).unwrap()
}

fn times(values: &[Option<i64>]) -> RecordBatch {
    of_columns(Arc::new(Int64Array::from(values.to_vec())))
}

fn at(time: i64) -> RecordBatch {
    times(&[Some(time)])
}

/// Inputs `a`, `b`, … with these delays.
fn watching(delays: &[Option<u64>], idle_timeout: Option<Duration>) -> Watermark {
    let spec = |delay: &Option<u64>| delay.map(|delay_ms| WatermarkSpec { column: 1, delay_ms });
    let names = ["a", "b", "c"].into_iter().map(str::to_owned);
    Watermark::watching(names.zip(delays.iter().map(spec)), idle_timeout, Duration::ZERO)
}

#[test]
fn it_is_the_largest_event_time_minus_the_delay() {
    let mut watermark = watching(&[Some(10)], None);
    assert_eq!(watermark.advance(seconds(0)), None);
    watermark.observe(0, &times(&[Some(100), None, Some(300), Some(200)]), seconds(1)).unwrap();
    assert_eq!(watermark.current_ms(), None);
    assert_eq!(watermark.advance(seconds(1)), Some(290));
    watermark.observe(0, &at(50), seconds(2)).unwrap();
    assert_eq!(watermark.advance(seconds(2)), Some(290));
    watermark.observe(0, &times(&[None]), seconds(3)).unwrap();
    watermark.observe(0, &times(&[]), seconds(3)).unwrap();
    assert_eq!(watermark.advance(seconds(3)), Some(290));
    assert_eq!(watermark.event_times(), BTreeMap::from([("a".to_owned(), 300)]));
}

#[test]
fn an_input_without_event_time_is_not_waited_for() {
    let mut watermark = watching(&[None, Some(0)], None);
    watermark.observe(0, &at(5), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), None);
    watermark.observe(1, &at(7), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), Some(7));
    let mut none = watching(&[None], None);
    none.observe(0, &at(5), seconds(0)).unwrap();
    assert_eq!(none.advance(seconds(0)), None);
}

#[test]
fn the_slowest_input_holds_back_the_others_until_it_is_idle() {
    let mut watermark = watching(&[Some(0), Some(5)], Some(seconds(10)));
    watermark.observe(0, &at(1_000), seconds(1)).unwrap();
    assert_eq!(watermark.advance(seconds(9)), None);
    watermark.observe(1, &at(105), seconds(9)).unwrap();
    assert_eq!(watermark.advance(seconds(9)), Some(100));
    watermark.observe(0, &at(2_000), seconds(15)).unwrap();
    assert_eq!(watermark.advance(seconds(18)), Some(100));
    assert_eq!(watermark.advance(seconds(19)), Some(2_000));
    // It is heard of again, and far behind.
    watermark.observe(1, &at(200), seconds(20)).unwrap();
    assert_eq!(watermark.advance(seconds(20)), Some(2_000));
    // All are idle: nothing moves.
    assert_eq!(watermark.advance(seconds(99)), Some(2_000));
}

#[test]
fn an_input_that_never_came_is_idle_from_the_start_of_the_query() {
    let mut watermark = watching(&[Some(0), Some(0)], Some(seconds(10)));
    watermark.observe(0, &at(50), seconds(10)).unwrap();
    assert_eq!(watermark.advance(seconds(10)), Some(50));
}

#[test]
fn an_input_that_ended_holds_back_nothing() {
    let mut watermark = watching(&[Some(0), Some(0)], None);
    watermark.observe(0, &at(500), seconds(0)).unwrap();
    watermark.observe(1, &at(100), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), Some(100));
    watermark.end(1);
    assert_eq!(watermark.advance(seconds(0)), Some(500));
    watermark.observe(0, &at(600), seconds(0)).unwrap();
    watermark.end(0);
    assert_eq!(watermark.advance(seconds(0)), Some(600));
}

#[test]
fn it_goes_on_from_a_commit() {
    let head = CommitHead {
        event_times: BTreeMap::from([("a".to_owned(), 700), ("gone".to_owned(), 1)]),
        watermark_ms: Some(650),
        ..CommitHead::default()
    };
    let mut watermark = watching(&[Some(100), Some(0)], None);
    watermark.restore(&head);
    assert_eq!(watermark.current_ms(), Some(650));
    assert_eq!(watermark.event_times(), BTreeMap::from([("a".to_owned(), 700)]));
    watermark.observe(1, &at(800), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), Some(650));
    watermark.observe(0, &at(800), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), Some(700));
}

#[test]
fn smaller_units_are_rounded_down_and_limits_are_kept() {
    let mut watermark = watching(&[Some(0)], None);
    let nanoseconds: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_999_999, -1]));
    watermark.observe(0, &of_columns(nanoseconds), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), Some(1));
    let mut watermark = watching(&[Some(u64::MAX)], None);
    watermark.observe(0, &at(0), seconds(0)).unwrap();
    assert_eq!(watermark.advance(seconds(0)), Some(i64::MIN));
}

#[test]
fn an_event_time_that_cannot_be_read_is_told_with_its_stream() {
    let mut watermark = watching(&[Some(0)], None);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["2026-01-01", "soon"]));
    let error = watermark.observe(0, &of_columns(text), seconds(0)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cast);
    assert_eq!(error.message(), "cannot read 'soon' as a time in the event time of stream 'a'");
    let narrow = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    assert_eq!(watermark.observe(0, &narrow, seconds(0)).unwrap_err().code(), ErrorCode::SchemaMismatch);
}

proptest! {
    /// Steps are (input, event time, seconds that pass).
    #[test]
    fn it_never_goes_back_and_a_restart_changes_nothing(
        steps in prop::collection::vec((0_usize..3, -50_i64..50, 0_u64..4), 1..40),
        stop in 0_usize..40,
    ) {
        let build = || watching(&[Some(3), None, Some(0)], None);
        let mut watermark = build();
        let mut restarted = build();
        let mut now = 0;
        for (number, (input, time, pause)) in steps.iter().enumerate() {
            now += pause;
            let before = watermark.current_ms();
            for each in [&mut watermark, &mut restarted] {
                each.observe(*input, &at(*time), seconds(now)).unwrap();
                each.advance(seconds(now));
            }
            prop_assert!(watermark.current_ms() >= before);
            if number == stop {
                let head = CommitHead {
                    event_times: restarted.event_times(), watermark_ms: restarted.current_ms(), ..CommitHead::default()
                };
                restarted = build();
                restarted.restore(&head);
            }
            prop_assert_eq!(watermark.current_ms(), restarted.current_ms());
        }
    }
}

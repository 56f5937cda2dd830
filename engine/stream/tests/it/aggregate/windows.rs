//! Windows: what closes them, what is late, and what is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, StringViewArray, TimestampNanosecondArray,
};
use arrow::compute::concat_batches;
use velaria_connector::EmissionKind;
use velaria_stream::AggregateSettings;

use super::support::{Query, Run, query, settings, texts};

const COUNTS: &str = "SELECT w, k, COUNT(*), array_agg(k) FROM t GROUP BY w, k";

fn windowed(starts: ArrayRef, keys: &[i64]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("w", starts, true), ("k", keys, true)]).unwrap()
}

fn ints(rows: &[(Option<i64>, i64)]) -> RecordBatch {
    let keys: Vec<i64> = rows.iter().map(|row| row.1).collect();
    windowed(Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()), &keys)
}

fn counts(rows: &RecordBatch) -> Query {
    query(COUNTS, rows).windowed(0, 10)
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    texts(batches).into_iter().map(|row| row[..3].join(" ")).collect()
}

fn late_rows(run: &Run) -> u64 {
    run.operator.counts().late_rows
}

#[test]
fn append_emits_a_window_once_when_the_watermark_reaches_its_end() {
    let first = ints(&[(Some(10), 1), (Some(0), 2), (Some(0), 1), (None, 3)]);
    let mut run = counts(&first).start(&settings(EmissionKind::Append));
    assert!(run.step(&first).is_empty());
    assert!(run.advance(9).is_empty());
    assert_eq!(lines(&run.advance(10)), ["0 2 1", "0 1 1"]);
    assert!(run.advance(10).is_empty());
    assert_eq!(lines(&run.advance(25)), ["10 1 1"]);
    assert!(run.advance(i64::MAX).is_empty(), "rows without a time are in no window that ends");
    assert_eq!(run.operator.state().unwrap().rows(), 1);
}

#[test]
fn several_windows_close_in_the_order_of_their_starts() {
    let first = ints(&[(Some(20), 1), (Some(-10), 1), (Some(0), 9), (Some(0), 1), (Some(-10), 2)]);
    let mut run = counts(&first).start(&settings(EmissionKind::Append));
    run.step(&first);
    assert_eq!(lines(&run.advance(100)), ["-10 1 1", "-10 2 1", "0 9 1", "0 1 1", "20 1 1"]);
}

#[test]
fn rows_of_closed_windows_are_dropped_and_counted() {
    let first = ints(&[(Some(0), 1), (Some(10), 1)]);
    for output in [EmissionKind::Update, EmissionKind::Append, EmissionKind::Complete, EmissionKind::Changelog] {
        let mut run = counts(&first).start(&settings(output));
        run.step(&first);
        run.advance(10);
        run.step(&ints(&[(Some(0), 1), (Some(-20), 1), (Some(10), 1), (None, 1)]));
        assert_eq!((late_rows(&run), run.operator.state().unwrap().rows()), (2, 2));
    }
}

#[test]
fn late_rows_count_as_long_as_lateness_is_allowed() {
    let first = ints(&[(Some(0), 1)]);
    let lenient = AggregateSettings { allowed_lateness_ms: 5, ..settings(EmissionKind::Append) };
    let mut run = counts(&first).start(&lenient);
    run.step(&first);
    assert!(run.advance(14).is_empty());
    run.step(&first);
    assert_eq!(late_rows(&run), 0);
    assert_eq!(lines(&run.advance(15)), ["0 1 2"]);
    run.step(&first);
    assert_eq!(late_rows(&run), 1);
}

#[test]
fn only_the_newest_windows_are_retained() {
    let first = ints(&[(Some(0), 1), (Some(20), 1), (Some(10), 1)]);
    for workers in [1, 3] {
        let retaining = AggregateSettings { max_retained_windows: 2, workers, ..settings(EmissionKind::Complete) };
        let mut run = counts(&first).start(&retaining);
        assert_eq!(lines(&run.step(&first)), ["0 1 1", "20 1 1", "10 1 1"]);
        assert_eq!(lines(&run.pushes(&[]).unwrap()), ["20 1 1", "10 1 1"]);
        let again = ints(&[(Some(0), 1), (Some(20), 1)]);
        assert_eq!(lines(&run.step(&again)), ["20 1 2", "10 1 1", "0 1 1"], "a window that comes back begins anew");
        assert_eq!(run.operator.state().unwrap().rows(), 2);
    }
}

#[test]
fn keys_of_every_type_are_starts_of_windows() {
    let day = 86_400_000;
    let columns: [ArrayRef; 4] = [
        Arc::new(TimestampNanosecondArray::from(vec![-(day * 1_000_000), day * 1_000_000])),
        Arc::new(Date32Array::from(vec![-1, 1])),
        Arc::new(StringArray::from(vec!["1969-12-31T00:00:00", "1970-01-02T00:00:00"])),
        Arc::new(StringViewArray::from(vec!["1969-12-31T00:00:00.000", "1970-01-02T00:00:00"])),
    ];
    for starts in columns {
        let rows = windowed(starts, &[1, 2]);
        let query = query(COUNTS, &rows).windowed(0, 86_400_000);
        let mut run = query.start(&settings(EmissionKind::Append));
        run.step(&rows);
        assert!(run.advance(-1).is_empty());
        assert_eq!(run.advance(0)[0].num_rows(), 1);
        run.step(&rows);
        assert_eq!(late_rows(&run), 1);
        assert!(run.advance(day * 2 - 1).is_empty());
        assert_eq!(run.advance(day * 2)[0].num_rows(), 1);
    }
}

#[test]
fn text_that_is_no_time_is_an_error() {
    let rows = windowed(Arc::new(StringArray::from(vec!["yesterday"])), &[1]);
    let mut run = counts(&rows).start(&settings(EmissionKind::Append));
    assert_eq!(run.try_step(&rows).unwrap_err().code(), velaria_contract::ErrorCode::Cast);
}

#[test]
fn memory_stays_flat_over_rolling_windows() {
    let keys = 200;
    let of = |start: i64| ints(&(0..keys).map(|key| (Some(start), key)).collect::<Vec<_>>());
    let query = query("SELECT w, k, COUNT(*), SUM(k) FROM t GROUP BY w, k", &of(0)).windowed(0, 10);
    let mut run = query.start(&settings(EmissionKind::Update));
    let mut largest = 0;
    for window in 0..500 {
        run.step(&of(window * 10));
        run.advance(window * 10 - 10);
        let state = run.operator.state().unwrap();
        assert!(state.rows() <= 3 * 200);
        if window == 20 {
            largest = state.bytes();
        }
        assert!(window <= 20 || state.bytes() <= largest * 2, "{} bytes after {window} windows", state.bytes());
    }
}

/// Every window once, with the rows of all micro-batches that came in time.
#[test]
fn append_gives_every_window_its_rows_once_over_restores() {
    let rows: Vec<RecordBatch> = (0..60_i64)
        .map(|step| {
            ints(&[(Some(step / 3 * 10), step % 4), (Some(step / 3 * 10 - 10), 1), (Some((step % 5) * 100), 2)])
        })
        .collect();
    let query = counts(&concat_batches(&rows[0].schema(), &rows).unwrap());
    let mut run = query.start(&settings(EmissionKind::Append));
    let (mut frames, mut emitted, mut applied) = (Vec::new(), Vec::new(), BTreeMap::<String, u64>::new());
    for (step, batch) in (0_i64..).zip(&rows) {
        let watermark_ms = (step - 1) / 3 * 10 - 5;
        for row in texts(std::slice::from_ref(batch)) {
            if step == 0 || row[0].parse::<i64>().unwrap() + 10 > watermark_ms {
                *applied.entry(format!("{} {}", row[0], row[1])).or_default() += 1;
            }
        }
        run.step(batch);
        emitted.extend(lines(&run.advance(step / 3 * 10 - 5)));
        frames.extend(run.delta());
        if step % 7 == 0 {
            let mut next =
                query.start(&AggregateSettings { workers: 1 + step as usize % 3, ..settings(EmissionKind::Append) });
            next.resume(&run, &frames);
            run = next;
        }
        if step % 11 == 0 {
            frames = run.snapshot();
        }
    }
    emitted.extend(lines(&run.advance(i64::MAX)));
    let mut expected: Vec<String> = applied.into_iter().map(|(key, count)| format!("{key} {count}")).collect();
    expected.sort();
    emitted.sort();
    assert_eq!(emitted, expected);
}

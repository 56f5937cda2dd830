//! Windows: every row is in the windows that arithmetic says, for every type of time.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray,
    TimestampMillisecondArray, TimestampSecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;
use velaria_contract::{ErrorCode, Result};
use velaria_stream::{
    Operator, WindowSpec, check_window, event_times_ms, max_event_time_ms, window_end_ms, window_operator,
    window_start_ms, window_type,
};

use crate::rows::{push, rows};

const DAY_MS: i64 = 86_400_000;

fn spec(every_ms: u64, slide_ms: u64) -> WindowSpec {
    WindowSpec { time_column: 0, time_name: "ts".to_owned(), every_ms, slide_ms, output: "w".to_owned() }
}

fn schemas(time: &DataType, every_ms: u64, slide_ms: u64) -> (SchemaRef, SchemaRef) {
    let input = vec![Field::new("ts", time.clone(), true), Field::new("id", DataType::Int64, false)];
    let mut output = input.clone();
    output.push(Field::new("w", window_type(time, every_ms, slide_ms).unwrap(), true));
    (Arc::new(Schema::new(input)), Arc::new(Schema::new(output)))
}

fn operator(time: &DataType, every_ms: u64, slide_ms: u64) -> Box<dyn Operator> {
    let (input, output) = schemas(time, every_ms, slide_ms);
    window_operator(&spec(every_ms, slide_ms), &input, &output).unwrap()
}

/// The number of each row that comes out, and its window column.
fn windows(times: &ArrayRef, every_ms: u64, slide_ms: u64) -> Result<(Vec<i64>, ArrayRef)> {
    let (input, output) = schemas(times.data_type(), every_ms, slide_ms);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..times.len() as i64));
    let batch = RecordBatch::try_new(input, vec![Arc::clone(times), ids]).unwrap();
    let out = push(operator(times.data_type(), every_ms, slide_ms).as_mut(), &batch)?;
    assert!(every_ms == slide_ms || out.iter().all(|batch| (1..=8_192).contains(&batch.num_rows())));
    let all = arrow::compute::concat_batches(&output, &out).unwrap();
    Ok((all.column(1).as_primitive::<Int64Type>().values().to_vec(), Arc::clone(all.column(2))))
}

/// Row numbers and starts by trying every start that could be one.
fn by_force(times: &[Option<i64>], every: i64, slide: i64) -> Vec<(i64, Option<i64>)> {
    let mut found = Vec::new();
    for (row, time) in (0..).zip(times) {
        let Some(time) = *time else {
            found.push((row, None));
            continue;
        };
        let (from, to) = ((time - every) / slide - 2, time / slide + 2);
        found.extend((from..=to).map(|k| k * slide).filter(|s| *s <= time && time < s + every).map(|s| (row, Some(s))));
    }
    found
}

fn numbers(array: &ArrayRef) -> Vec<Option<i64>> {
    let array = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32).unwrap(),
        _ => Arc::clone(array),
    };
    cast(&array, &DataType::Int64).unwrap().as_primitive::<Int64Type>().iter().collect()
}

/// Types whose unit is a whole number of milliseconds or less, with units in a millisecond.
fn small_units() -> Vec<(DataType, i64)> {
    let zone = Some(Arc::from("America/New_York"));
    vec![
        (DataType::Int64, 1),
        (DataType::Timestamp(TimeUnit::Millisecond, None), 1),
        (DataType::Timestamp(TimeUnit::Millisecond, zone.clone()), 1),
        (DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("+05:30"))), 1_000),
        (DataType::Timestamp(TimeUnit::Nanosecond, zone), 1_000_000),
    ]
}

fn some_times(limit: i64) -> impl Strategy<Value = Vec<Option<i64>>> {
    prop::collection::vec(prop::option::weighted(0.9, -limit..limit), 0..60)
}

fn every_and_slide() -> impl Strategy<Value = (i64, i64)> {
    (1_i64..60).prop_flat_map(|every| (Just(every), prop_oneof![Just(every), 1..=every]))
}

proptest! {
    #[test]
    fn rows_are_in_the_windows_that_contain_them_in_every_unit(
        times in some_times(400),
        (every, slide) in every_and_slide(),
        fine in any::<bool>(),
    ) {
        for (time_type, units) in small_units() {
            // Times between two milliseconds, too.
            let scale = if fine { (units / 7).max(1) } else { units };
            let times: Vec<_> = times.iter().map(|time| time.map(|time| time * scale)).collect();
            let column = cast(&(Arc::new(Int64Array::from(times.clone())) as ArrayRef), &time_type).unwrap();
            let (ids, starts) = windows(&column, every as u64, slide as u64).unwrap();
            prop_assert_eq!(starts.data_type(), &time_type);
            let found: Vec<_> = ids.into_iter().zip(numbers(&starts)).collect();
            prop_assert_eq!(found, by_force(&times, every * units, slide * units), "{}", time_type);
            let start_ms: Vec<_> = window_start_ms(&starts).unwrap().iter().collect();
            prop_assert_eq!(start_ms, numbers(&starts).into_iter().map(|start| start.map(|s| s / units)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seconds_and_dates_keep_their_type_for_whole_windows_and_become_milliseconds_for_others(
        times in some_times(200),
        (every, slide) in every_and_slide(),
        odd in 0_i64..2,
    ) {
        let seconds = DataType::Timestamp(TimeUnit::Second, Some(Arc::from("Europe/Berlin")));
        for (time_type, unit_ms) in [(seconds, 1_000), (DataType::Date32, DAY_MS), (DataType::Date64, DAY_MS)] {
            let stored = if time_type == DataType::Date64 { DAY_MS } else { 1 };
            let values = Int64Array::from_iter(times.iter().map(|time| time.map(|time| time * stored)));
            let column = if time_type == DataType::Date32 {
                Arc::new(Date32Array::from_iter(times.iter().map(|time| time.map(|time| time as i32)))) as ArrayRef
            } else {
                cast(&(Arc::new(values) as ArrayRef), &time_type).unwrap()
            };
            let (every_ms, slide_ms) = (every * unit_ms + odd * unit_ms / 2, slide * unit_ms);
            let (ids, starts) = windows(&column, every_ms as u64, slide_ms as u64).unwrap();
            prop_assert_eq!(*starts.data_type() == time_type, odd == 0);
            let found: Vec<_> = ids.into_iter().zip(window_start_ms(&starts).unwrap().iter()).collect();
            let times_ms: Vec<_> = times.iter().map(|time| time.map(|time| time * unit_ms)).collect();
            prop_assert_eq!(found, by_force(&times_ms, every_ms, slide_ms), "{}", time_type);
            let seen: Vec<_> = event_times_ms(&column).unwrap().iter().collect();
            prop_assert_eq!(seen, times_ms);
        }
    }

    #[test]
    fn text_has_the_windows_of_its_time(
        times in some_times(5_000_000_000_000),
        (every, slide) in (1_i64..90_000).prop_flat_map(|every| (Just(every), (every + 9) / 10..=every)),
    ) {
        let stamps: ArrayRef = Arc::new(TimestampMillisecondArray::from(times.clone()));
        let text = cast(&stamps, &DataType::Utf8).unwrap();
        let digits = cast(&(Arc::new(Int64Array::from(times.clone())) as ArrayRef), &DataType::Utf8).unwrap();
        let expected = by_force(&times, every, slide);
        let starts_ms = TimestampMillisecondArray::from_iter(expected.iter().map(|(_, start)| *start));
        let expected_text = cast(&(Arc::new(starts_ms) as ArrayRef), &DataType::Utf8).unwrap();
        for column in [&text, &digits] {
            for text_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
                let column = cast(column, &text_type).unwrap();
                let (ids, starts) = windows(&column, every as u64, slide as u64).unwrap();
                prop_assert_eq!(&starts, &expected_text);
                prop_assert_eq!(ids, expected.iter().map(|(row, _)| *row).collect::<Vec<_>>());
                let read: Vec<_> = window_start_ms(&starts).unwrap().iter().collect();
                prop_assert_eq!(read, expected.iter().map(|(_, start)| *start).collect::<Vec<_>>());
                prop_assert_eq!(max_event_time_ms(&column).unwrap(), times.iter().copied().flatten().max());
            }
        }
    }

    #[test]
    fn no_time_makes_it_panic(
        times in prop::collection::vec(prop::option::of(prop_oneof![any::<i64>(), i64::MIN..i64::MIN + 99, i64::MAX - 99..=i64::MAX]), 1..5),
        every in prop_oneof![1_u64..100, 1..=i64::MAX as u64, any::<u64>()],
        parts in 1_u64..5,
    ) {
        let slide = (every / parts).max(1);
        let types = small_units().into_iter().map(|(time_type, _)| time_type);
        for time_type in types.chain([DataType::Timestamp(TimeUnit::Second, None), DataType::Date64]) {
            let column = cast(&(Arc::new(Int64Array::from(times.clone())) as ArrayRef), &time_type).unwrap();
            let (input, output) = schemas(&time_type, every, slide);
            max_event_time_ms(&column).unwrap();
            let made = window_operator(&spec(every, slide), &input, &output);
            let Ok(mut made) = made else { continue };
            let ids: ArrayRef = Arc::new(Int64Array::from(vec![0; times.len()]));
            let batch = RecordBatch::try_new(input, vec![column, ids]).unwrap();
            if let Err(error) = push(made.as_mut(), &batch) {
                prop_assert_eq!(error.code(), ErrorCode::Overflow);
            }
        }
    }
}

#[test]
fn the_example_of_the_documentation_comes_out() {
    let times: ArrayRef =
        Arc::new(StringArray::from(vec!["2026-01-01T10:00:00", "2026-01-01 10:00:10Z", "2026-01-01T12:00:35+02:00"]));
    let (ids, starts) = windows(&times, 60_000, 30_000).unwrap();
    assert_eq!(ids, [0, 0, 1, 1, 2, 2]);
    let starts: Vec<_> = starts.as_string::<i32>().iter().flatten().collect();
    assert_eq!(
        starts,
        [
            "2026-01-01T09:59:30",
            "2026-01-01T10:00:00",
            "2026-01-01T09:59:30",
            "2026-01-01T10:00:00",
            "2026-01-01T10:00:00",
            "2026-01-01T10:00:30"
        ]
    );
}

#[test]
fn text_that_is_no_time_is_told_with_its_column() {
    for texts in [vec![Some("2026-01-01"), Some("")], vec![None, Some("noon")]] {
        let wrong = texts[1].unwrap();
        for column in [
            Arc::new(StringArray::from(texts.clone())) as ArrayRef,
            Arc::new(LargeStringArray::from(texts.clone())),
            Arc::new(StringViewArray::from(texts.clone())),
        ] {
            for slide in [10, 5] {
                let error = windows(&column, 10, slide).unwrap_err();
                assert_eq!(error.code(), ErrorCode::Cast);
                assert_eq!(error.message(), format!("cannot read '{wrong}' as a time in column 'ts'"));
                assert!(error.hint().is_some());
            }
        }
    }
}

#[test]
fn a_window_that_begins_before_all_numbers_is_an_error_and_never_wraps() {
    let first: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN]));
    for (every, slide) in [(10, 10), (10, 3)] {
        let error = windows(&first, every, slide).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Overflow);
        assert!(error.message().contains("'ts'"), "{error}");
    }
    let last: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
    let (_, starts) = windows(&last, 10, 10).unwrap();
    assert_eq!(numbers(&starts), [Some(i64::MAX / 10 * 10)]);
    assert_eq!(window_end_ms(i64::MAX / 10 * 10, 10), i64::MAX);
    assert_eq!(window_end_ms(-10, 10), 0);
    let date: ArrayRef = Arc::new(Date32Array::from(vec![i32::MIN]));
    let week = 7 * DAY_MS as u64;
    assert_eq!(windows(&date, week, week).unwrap_err().code(), ErrorCode::Overflow);
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    assert_eq!(windows(&seconds, 500, 500).unwrap_err().code(), ErrorCode::Overflow);
    assert_eq!(event_times_ms(&seconds).unwrap_err().code(), ErrorCode::Overflow);
    assert_eq!(max_event_time_ms(&seconds).unwrap(), Some(i64::MAX));
}

#[test]
fn what_stands_below_a_null_does_not_matter() {
    let nulls = arrow::buffer::NullBuffer::from(vec![false, true]);
    let times: ArrayRef = Arc::new(Int64Array::new(vec![i64::MIN, 25].into(), Some(nulls)));
    for (slide, expected) in [(10, vec![None, Some(20)]), (5, vec![None, Some(20), Some(25)])] {
        let (_, starts) = windows(&times, 10, slide).unwrap();
        assert_eq!(numbers(&starts), expected);
    }
}

#[test]
fn many_windows_come_in_batches_and_too_many_are_refused() {
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
    let (ids, starts) = windows(&times, 10_000, 1).unwrap();
    assert_eq!(ids.len(), 50_000);
    assert_eq!(numbers(&starts)[49_999], Some(4));
    let error = check_window(&DataType::Int64, 10_001, 1).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::InvalidArgument, "a row would be in 10001 windows"));
    for (every, slide) in [(0, 0), (10, 0), (10, 11)] {
        assert_eq!(check_window(&DataType::Int64, every, slide).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    for wrong in [DataType::Float64, DataType::Int32, DataType::Boolean, DataType::Time64(TimeUnit::Microsecond)] {
        assert_eq!(check_window(&wrong, 10, 10).unwrap_err().code(), ErrorCode::TypeMismatch);
        assert_eq!(window_type(&wrong, 10, 10), None);
    }
}

#[test]
fn a_plan_that_does_not_fit_is_refused() {
    let (input, output) = schemas(&DataType::Int64, 10, 10);
    let beyond = WindowSpec { time_column: 2, ..spec(10, 10) };
    assert_eq!(window_operator(&beyond, &input, &output).err().unwrap().code(), ErrorCode::Internal);
    assert_eq!(
        window_operator(&spec(10, 10), &input, &Arc::new(Schema::empty())).err().unwrap().code(),
        ErrorCode::Internal
    );
    let empty = RecordBatch::new_empty(input);
    for slide in [10, 5] {
        let out = push(operator(&DataType::Int64, 10, slide).as_mut(), &empty).unwrap();
        assert!(rows(&out).is_empty());
    }
}

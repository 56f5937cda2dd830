//! Both roads to a cell give the same text: Arrow batches of the engine in process, JSON of the other surfaces.

use std::sync::Arc;

use proptest::prelude::*;
use sqllogictest::ColumnType;
use velaria::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, Int64Builder,
    IntervalMonthDayNanoArray, ListArray, MapBuilder, NullArray, StringArray, StringBuilder, StringViewArray,
    StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt64Array,
};
use velaria::arrow::datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano};
use velaria_conformance::Json;
use velaria_conformance::render::{Letter, cell_of_json, cells_of_array};

/// The texts of an array, the same from its JSON; the type survives its own text.
#[track_caller]
fn check(letter: char, array: &ArrayRef, json: &str, texts: &[&str]) {
    let data_type: DataType = array.data_type().to_string().parse().unwrap();
    assert_eq!(&data_type, array.data_type());
    assert_eq!(Letter::of(&data_type).to_char(), letter);
    let from_arrow: Vec<String> = cells_of_array(array).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(from_arrow, texts);
    let json = Json::parse(json).unwrap();
    let from_json: Vec<String> =
        json.items().unwrap().iter().map(|item| cell_of_json(item, Some(&data_type)).to_string()).collect();
    assert_eq!(from_json, texts);
}

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

#[test]
fn numbers_and_booleans() {
    check('I', &array(Int8Array::from(vec![Some(-128), None])), "[-128, null]", &["-128", "NULL"]);
    check('I', &array(Int64Array::from(vec![i64::MIN])), "[-9223372036854775808]", &["-9223372036854775808"]);
    check('I', &array(UInt64Array::from(vec![u64::MAX])), "[18446744073709551615]", &["18446744073709551615"]);
    check(
        'B',
        &array(BooleanArray::from(vec![Some(true), Some(false), None])),
        "[true, false, null]",
        &["true", "false", "NULL"],
    );
    let decimals = Decimal128Array::from(vec![150, -5]).with_precision_and_scale(10, 2).unwrap();
    check('N', &array(decimals), r#"["1.50", "-0.05"]"#, &["1.50", "-0.05"]);
    check('O', &array(NullArray::new(1)), "[null]", &["NULL"]);
}

#[test]
fn floats_are_printed_shortest_whoever_wrote_them() {
    let floats = Float64Array::from(vec![1.0, 0.1, 1e300, 1e16, 1e-7, -0.0, 10.0 / 3.0]);
    let json = "[1.0, 0.1, 1e+300, 10000000000000000.0, 1e-07, -0.0, 3.3333333333333335]";
    check('R', &array(floats), json, &["1.0", "0.1", "1e300", "1e16", "1e-7", "-0.0", "3.3333333333333335"]);
    let floats = Float32Array::from(vec![0.1, 1.5, 16_777_216.0, f32::MAX]);
    check('R', &array(floats), "[0.1, 1.5, 16777216.0, 3.4028235e38]", &["0.1", "1.5", "16777216.0", "3.4028235e38"]);
}

#[test]
fn text_stays_on_its_line() {
    let texts = vec![Some("a b"), Some(""), None, Some("one\ntwo\tthree\\n\r"), Some("größe 😀")];
    let json = r#"["a b", "", null, "one\ntwo\tthree\\n\r", "größe 😀"]"#;
    let expected = ["a b", "(empty)", "NULL", r"one\ntwo\tthree\\n\r", "größe 😀"];
    check('T', &array(StringArray::from(texts.clone())), json, &expected);
    check('T', &array(StringViewArray::from(texts)), json, &expected);
    let dictionary: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    check('T', &array(dictionary), r#"["x", "y", "x"]"#, &["x", "y", "x"]);
    check('O', &array(BinaryArray::from(vec![&b"\x00\xff"[..], b""])), r#"["00ff", ""]"#, &["00ff", "(empty)"]);
}

#[test]
fn times() {
    check(
        'D',
        &array(Date32Array::from(vec![20_541, -1])),
        r#"["2026-03-29", "1969-12-31"]"#,
        &["2026-03-29", "1969-12-31"],
    );
    let micros = vec![1_774_778_400_000_000, 1_774_778_400_123_456, 1_774_778_400_120_000];
    let texts = ["2026-03-29T10:00:00", "2026-03-29T10:00:00.123456", "2026-03-29T10:00:00.120"];
    let json = format!("{texts:?}");
    check('P', &array(TimestampMicrosecondArray::from(micros.clone())), &json, &texts);
    let zoned = texts.map(|text| format!("{text}Z"));
    let json = format!("{zoned:?}");
    let texts = [zoned[0].as_str(), &zoned[1], &zoned[2]];
    check('P', &array(TimestampMicrosecondArray::from(micros).with_timezone("UTC")), &json, &texts);
    let seconds = TimestampSecondArray::from(vec![0]);
    check('P', &array(seconds), r#"["1970-01-01T00:00:00"]"#, &["1970-01-01T00:00:00"]);
    let nanos = TimestampNanosecondArray::from(vec![1]);
    check('P', &array(nanos), r#"["1970-01-01T00:00:00.000000001"]"#, &["1970-01-01T00:00:00.000000001"]);
    check('O', &array(Time64MicrosecondArray::from(vec![36_000_000_000])), r#"["10:00:00"]"#, &["10:00:00"]);
    check('O', &array(DurationMillisecondArray::from(vec![1500, 0])), r#"["PT1.5S", "P0D"]"#, &["PT1.5S", "P0D"]);
    let intervals = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3_000_000_000)]);
    let interval = "1 mons 2 days 3.000000000 secs";
    check('O', &array(intervals), &format!("[{interval:?}]"), &[interval]);
}

#[test]
fn nested_values() {
    let lists =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2), None]), None, Some(vec![])]);
    check('O', &array(lists), "[[1, 2, null], null, []]", &["[1, 2, NULL]", "NULL", "[]"]);
    let fields = vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), array(Int32Array::from(vec![Some(1), None]))),
        (Arc::new(Field::new("b", DataType::Utf8, true)), array(StringArray::from(vec!["x", ""]))),
    ];
    check(
        'O',
        &array(StructArray::from(fields)),
        r#"[{"a": 1, "b": "x"}, {"a": null, "b": ""}]"#,
        &["{a: 1, b: x}", "{a: NULL, b: (empty)}"],
    );
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(1);
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    check('O', &array(maps.finish()), r#"[[["k", 1]], null]"#, &["{k: 1}", "NULL"]);
}

#[test]
fn a_letter_outside_the_list_is_refused() {
    assert!(Letter::from_char('I').is_some());
    assert!(Letter::from_char('?').is_none());
}

proptest! {
    #[test]
    fn any_float_reads_the_same_on_both_roads(value in any::<f64>().prop_filter("JSON has no NaN", |value| value.is_finite())) {
        let json = Json::parse(&serde_json::to_string(&value).unwrap()).unwrap();
        prop_assert_eq!(cell_of_json(&json, Some(&DataType::Float64)).to_string(), format!("{value:?}"));
    }

    #[test]
    fn any_narrow_float_reads_the_same_on_both_roads(value in any::<f32>().prop_filter("JSON has no NaN", |value| value.is_finite())) {
        let json = Json::parse(&serde_json::to_string(&value).unwrap()).unwrap();
        prop_assert_eq!(cell_of_json(&json, Some(&DataType::Float32)).to_string(), format!("{value:?}"));
    }

    #[test]
    fn any_text_reads_the_same_on_both_roads_and_stays_on_one_line(value in any::<String>()) {
        let json = Json::parse(&serde_json::to_string(&value).unwrap()).unwrap();
        let text = cell_of_json(&json, Some(&DataType::Utf8)).to_string();
        let cells = cells_of_array(&array(StringArray::from(vec![value]))).unwrap();
        prop_assert_eq!(cells[0].to_string(), text.clone());
        prop_assert!(!text.is_empty() && !text.contains(['\n', '\r', '\t']));
    }
}

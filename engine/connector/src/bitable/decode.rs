//! Values of records as arrays.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    StructArray, TimestampMillisecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Fields};
use serde_json::Value;
use velaria_contract::{Error, ErrorCode, Result};

use super::fault::shown;
use super::fields::{Columns, Kind, id, value};

/// Beyond it, a double no longer is the number that was written.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A value that is not of its kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Misfit {
    pub(super) row: usize,
    /// Its beginning.
    pub(super) shown: String,
}

impl Misfit {
    fn at(row: usize, value: &Value) -> Self {
        Self { row, shown: shown(&value.to_string()) }
    }
}

/// Why there is no batch.
#[derive(Debug)]
pub(super) enum Undecoded {
    /// The value of a column is not of its kind.
    Misfit(usize, Misfit),
    Error(Error),
}

/// The rows of `records`.
pub(super) fn batch(columns: &Columns, records: &[Value]) -> Result<RecordBatch, Undecoded> {
    let ids: StringArray = records.iter().map(id).collect();
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids)];
    for (place, column) in columns.columns.iter().enumerate() {
        let values: Vec<Option<&Value>> = records.iter().map(|record| value(record, &column.name)).collect();
        arrays.push(array(&column.kind, &values).map_err(|misfit| Undecoded::Misfit(place, misfit))?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
    RecordBatch::try_new_with_options(columns.schema(), arrays, &options).map_err(|error| {
        Undecoded::Error(Error::new(ErrorCode::Internal, "records do not make a batch").with_source(error))
    })
}

/// The array of `values`, or the first that is not of the kind.
pub(super) fn array(kind: &Kind, values: &[Option<&Value>]) -> Result<ArrayRef, Misfit> {
    Ok(match kind {
        Kind::Text => Arc::new(StringArray::from_iter(each(values, text)?)),
        Kind::Flat => Arc::new(StringArray::from_iter(each(values, |value| Some(flat(value)))?)),
        Kind::Json => Arc::new(StringArray::from_iter(each(values, |value| Some(value.to_string()))?)),
        Kind::Number => Arc::new(Float64Array::from_iter(each(values, number)?)),
        Kind::Integer => Arc::new(Int64Array::from_iter(each(values, integer)?)),
        Kind::Bool => Arc::new(BooleanArray::from_iter(each(values, Value::as_bool)?)),
        Kind::Time => Arc::new(TimestampMillisecondArray::from_iter(each(values, integer)?).with_timezone("UTC")),
        Kind::Object(members) => object(members, values)?,
        Kind::Many(item) => many(kind, item, &each(values, elements)?)?,
        Kind::Links => {
            let links = each(values, links)?;
            let borrowed: Vec<Option<Vec<&Value>>> =
                links.iter().map(|ids| Some(ids.as_ref()?.iter().collect())).collect();
            many(kind, &Kind::Text, &borrowed)?
        }
        Kind::Computed(inner) => unwrapped(inner, values, single)?,
        Kind::Looked(inner) => unwrapped(inner, values, |value| Some(Some(wrapped(value))))?,
    })
}

/// What `read` makes of each value that is there.
fn each<'a, T>(values: &[Option<&'a Value>], read: impl Fn(&'a Value) -> Option<T>) -> Result<Vec<Option<T>>, Misfit> {
    let one = |(row, value): (usize, &Option<&'a Value>)| match value {
        None => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| Misfit::at(row, value)),
    };
    values.iter().enumerate().map(one).collect()
}

/// Runs of text are one text. Numbers and truth are as they are written.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(runs) => runs.iter().map(run).collect(),
        Value::Object(_) => run(value).or_else(|| text(value.get("value")?)),
        Value::Null => None,
    }
}

fn run(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => Some(value.get("text")?.as_str()?.to_owned()),
    }
}

/// The text that stands for a value: the first of several, the name of a person or a file.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.first().is_some_and(|item| item.get("type").is_some()) => {
            text(value).or_else(|| items.first().map(flat)).unwrap_or_default()
        }
        Value::Array(items) => items.first().map(flat).unwrap_or_default(),
        Value::Object(members) => {
            let known = ["name", "text", "full_address"];
            let named = known.iter().find_map(|name| members.get(*name)?.as_str().map(str::to_owned));
            let inside =
                || ["value", "link_record_ids", "record_ids"].iter().find_map(|name| members.get(*name)).map(flat);
            named.or_else(inside).unwrap_or_else(|| value.to_string())
        }
        Value::Null => String::new(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = number(value)?;
        // The comparison holds for whole numbers of this size only, so nothing is cut off.
        (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
    })
}

/// The elements of a list; one object stands for a list of itself.
fn elements(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Object(_) => Some(vec![value]),
        _ => None,
    }
}

/// The ids of records: a list of them, or objects that have them in one of two members.
fn links(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::String(_) => Some(vec![value.clone()]),
        Value::Array(items) => Some(items.iter().map(links).collect::<Option<Vec<_>>>()?.concat()),
        Value::Object(members) => {
            let ids = ["link_record_ids", "record_ids"].iter().find_map(|name| members.get(*name));
            ids.map_or_else(|| members.get("record_id").map(|id| vec![id.clone()]), links)
        }
        _ => None,
    }
}

fn many(kind: &Kind, item: &Kind, lists: &[Option<Vec<&Value>>]) -> Result<ArrayRef, Misfit> {
    let flattened: Vec<Option<&Value>> =
        lists.iter().flatten().flatten().map(|value| Some(*value).filter(|value| !value.is_null())).collect();
    let lengths: Vec<usize> = lists.iter().map(|list| list.as_ref().map_or(0, Vec::len)).collect();
    let items = array(item, &flattened).map_err(|misfit| Misfit { row: row_of(&lengths, misfit.row), ..misfit })?;
    let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
    let DataType::List(field) = kind.data_type() else { return Err(Misfit { row: 0, shown: String::new() }) };
    // The offsets are those of the items, whose type is that of the field.
    Ok(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, Some(nulls))))
}

/// The list that has element `element` of all.
fn row_of(lengths: &[usize], element: usize) -> usize {
    let mut seen = 0;
    let holds = |length: &usize| {
        seen += length;
        seen > element
    };
    lengths.iter().position(holds).unwrap_or(0)
}

fn object(members: &'static [(&'static str, Kind)], values: &[Option<&Value>]) -> Result<ArrayRef, Misfit> {
    let objects = each(values, |value| value.is_object().then_some(value))?;
    let nulls = NullBuffer::from_iter(objects.iter().map(Option::is_some));
    let mut arrays = Vec::with_capacity(members.len());
    for (name, kind) in members {
        let inside: Vec<Option<&Value>> =
            values.iter().map(|value| (*value)?.get(*name).filter(|member| !member.is_null())).collect();
        arrays.push(array(kind, &inside)?);
    }
    let DataType::Struct(fields) = Kind::Object(members).data_type() else {
        return Err(Misfit { row: 0, shown: String::new() });
    };
    let fields: Fields = fields;
    // Each array is of its field's type and has a value for each row.
    Ok(Arc::new(StructArray::new(fields, arrays, Some(nulls))))
}

/// The values inside of wrappers.
fn unwrapped<'a>(
    inner: &Kind,
    values: &[Option<&'a Value>],
    open: impl Fn(&'a Value) -> Option<Option<&'a Value>>,
) -> Result<ArrayRef, Misfit> {
    let opened = each(values, open)?.into_iter().map(|value| value.flatten().filter(|value| !value.is_null()));
    array(inner, &opened.collect::<Vec<_>>())
}

/// What `{"type": .., "value": ..}` holds.
fn wrapped(value: &Value) -> &Value {
    value.get("value").unwrap_or(value)
}

/// The one value in a wrapper. Runs of text stay together, and persons too.
fn single(value: &Value) -> Option<Option<&Value>> {
    let inside = wrapped(value);
    match inside {
        Value::Array(items) => match items.as_slice() {
            [] => Some(None),
            [only] if !only.is_object() => Some(Some(only)),
            items if items.iter().all(Value::is_object) => Some(Some(inside)),
            _ => None,
        },
        _ => Some(Some(inside)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::display::array_value_to_string;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::bitable::RecordQuery;

    /// What a field of type `number` makes of `value`, as text.
    fn decoded_with(number: i64, property: Value, value: Value, flat: bool) -> Result<String, Misfit> {
        let field = json!({"field_name": "f", "type": number, "property": property});
        let query = RecordQuery { flat, ..RecordQuery::default() };
        let columns = Columns::of(&[field], &query).unwrap();
        match batch(&columns, &[json!({"record_id": "r", "fields": {"f": value}}), json!({"record_id": "s"})]) {
            Ok(batch) => {
                assert!(batch.column(1).is_null(1));
                Ok(array_value_to_string(batch.column(1), 0).unwrap())
            }
            Err(Undecoded::Misfit(_, misfit)) => Err(misfit),
            Err(Undecoded::Error(error)) => panic!("{error}"),
        }
    }

    fn decoded(number: i64, value: Value) -> String {
        decoded_with(number, Value::Null, value, false).unwrap()
    }

    fn flat_of(number: i64, value: Value) -> String {
        decoded_with(number, Value::Null, value, true).unwrap()
    }

    #[test]
    fn every_type_of_field_has_its_values() {
        let runs = json!([{"text": "a ", "type": "text"}, {"text": "@bo", "type": "mention"}]);
        assert_eq!(decoded(1, runs.clone()), "a @bo");
        assert_eq!(decoded(1, json!("plain")), "plain");
        assert_eq!(decoded(2, json!(1.5)), "1.5");
        assert_eq!(decoded(2, json!("2.50")), "2.5");
        assert_eq!(decoded(3, json!("open")), "open");
        assert_eq!(decoded(4, json!(["a", "b"])), "[a, b]");
        assert_eq!(decoded(5, json!(1_700_000_000_000_i64)), "2023-11-14T22:13:20Z");
        assert_eq!(decoded(7, json!(true)), "true");
        let people = json!([{"id": "ou_1", "name": "Ada", "en_name": "Ada", "avatar": {}}, {"name": null}]);
        assert_eq!(
            decoded(11, people.clone()),
            "[{id: ou_1, name: Ada, en_name: Ada, email: }, {id: , name: , en_name: , email: }]"
        );
        assert_eq!(decoded(1003, json!({"id": "ou_1"})), "[{id: ou_1, name: , en_name: , email: }]");
        assert_eq!(decoded(13, json!("+49 1")), "+49 1");
        assert_eq!(decoded(15, json!({"text": "t", "link": "l"})), "{text: t, link: l}");
        let files =
            json!([{"file_token": "b", "name": "n", "size": 7, "type": "image/png", "url": "u", "tmp_url": "x"}]);
        assert_eq!(decoded(17, files), "[{file_token: b, name: n, size: 7, type: image/png, url: u}]");
        assert_eq!(decoded(18, json!({"link_record_ids": ["recA", "recB"]})), "[recA, recB]");
        assert_eq!(decoded(21, json!([{"record_ids": ["recA"], "table_id": "t"}])), "[recA]");
        assert!(decoded(22, json!({"location": "1,2", "full_address": "x"})).starts_with("{location: 1,2, name: , "));
        assert_eq!(decoded(23, json!([{"id": "oc", "name": "g"}])), "[{id: oc, name: g, avatar_url: }]");
        assert_eq!(decoded(1005, json!("NO.1")), "NO.1");
        assert_eq!(decoded(4711, json!({"odd": [1]})), r#"{"odd":[1]}"#);
    }

    #[test]
    fn formulas_and_lookups_have_the_type_that_they_declare() {
        let of = |number, data_type: i64, value| {
            decoded_with(
                number,
                json!({"type": {"data_type": data_type}}),
                json!({"type": data_type, "value": value}),
                false,
            )
        };
        assert_eq!(of(20, 2, json!([3.5])).unwrap(), "3.5");
        assert_eq!(of(20, 1, json!([{"text": "a"}, {"text": "b"}])).unwrap(), "ab");
        assert_eq!(of(20, 2, json!([])).unwrap(), "");
        assert_eq!(of(19, 2, json!([1, 2])).unwrap(), "[1.0, 2.0]");
        assert_eq!(of(19, 4, json!(["a", "b"])).unwrap(), "[a, b]");
        assert!(of(20, 2, json!([1, 2])).is_err());
        assert_eq!(decoded(20, json!({"type": 2, "value": [1]})), r#"{"type":2,"value":[1]}"#);
    }

    #[test]
    fn flat_is_the_first_or_the_whole_text() {
        assert_eq!(flat_of(11, json!([{"name": "Ada"}, {"name": "Bo"}])), "Ada");
        assert_eq!(flat_of(4, json!(["a", "b"])), "a");
        assert_eq!(flat_of(15, json!({"text": "t", "link": "l"})), "t");
        assert_eq!(flat_of(17, json!([{"file_token": "b", "name": "n", "type": "image/png"}])), "n");
        assert_eq!(flat_of(18, json!({"link_record_ids": ["recA", "recB"]})), "recA");
        assert_eq!(flat_of(22, json!({"location": "1,2", "full_address": "x"})), "x");
        assert_eq!(
            flat_of(20, json!({"type": 1, "value": [{"text": "a", "type": "text"}, {"text": "b", "type": "text"}]})),
            "ab"
        );
        assert_eq!(flat_of(2, json!(5)), "5.0");
    }

    #[test]
    fn a_value_of_another_kind_is_found_and_shown() {
        let misfit = decoded_with(2, Value::Null, json!("many"), false).unwrap_err();
        assert_eq!(misfit, Misfit { row: 0, shown: "\"many\"".to_owned() });
        for (number, value) in
            [(5, json!("x")), (7, json!(1)), (11, json!([1])), (15, json!("u")), (4, json!("a")), (18, json!(7))]
        {
            assert!(decoded_with(number, Value::Null, value, false).is_err(), "{number}");
        }
        assert_eq!(row_of(&[0, 2, 0, 1], 2), 3);
    }

    /// Values as the service sends them, and as it never would: the names of members are those that are looked for.
    fn value_strategy() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[0-9a-z.é\u{0}-]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let name = prop::sample::select(vec![
                "name",
                "text",
                "type",
                "value",
                "id",
                "size",
                "link_record_ids",
                "record_ids",
            ]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((name, inner), 0..4).prop_map(|members| {
                    Value::Object(
                        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_batch_or_a_misfit_and_is_always_json(
            values in prop::collection::vec(value_strategy(), 0..6),
            number in prop::sample::select(vec![1, 2, 3, 4, 5, 7, 11, 13, 15, 17, 18, 19, 20, 21, 22, 23, 1001, 1005, 99]),
            declared in prop::sample::select(vec![0, 1, 2, 4, 5, 7, 11, 15, 18, 20]),
            flat in any::<bool>(),
        ) {
            let field = json!({"field_name": "f", "type": number, "property": {"type": {"data_type": declared}}});
            let records: Vec<Value> = values.iter().map(|value| json!({"record_id": "r", "fields": {"f": value}})).collect();
            for json_columns in [Vec::new(), vec!["f".to_owned()]] {
                let is_json = !json_columns.is_empty();
                let query = RecordQuery { flat, json_columns, ..RecordQuery::default() };
                let columns = Columns::of(std::slice::from_ref(&field), &query).unwrap();
                match batch(&columns, &records) {
                    Ok(batch) => {
                        prop_assert_eq!(batch.num_rows(), records.len());
                        prop_assert!(batch.column(1).to_data().validate_full().is_ok());
                    }
                    Err(Undecoded::Misfit(place, misfit)) => {
                        prop_assert!(!is_json && place == 0 && misfit.row < records.len());
                    }
                    Err(Undecoded::Error(error)) => prop_assert!(false, "{}", error),
                }
            }
        }
    }
}

//! The fields of a table, and the column that each becomes.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde_json::Value;
use velaria_contract::{Error, ErrorCode, Result};

use super::decode::{Misfit, array};
use super::fault::unexpected;
use super::paging::RecordQuery;

/// Where the id of a record is.
const RECORD_ID: &str = "record_id";

/// The time at which a record was modified last.
const MODIFIED_TIME: i64 = 1002;

/// What the values of a field are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A text, or runs of text.
    Text,
    /// A number.
    Number,
    /// A number without decimals.
    Integer,
    /// Yes or no.
    Bool,
    /// Milliseconds since 1970.
    Time,
    /// The members of an object that have these names and kinds.
    Object(&'static [(&'static str, Kind)]),
    /// A list.
    Many(Box<Kind>),
    /// The ids of other records, in one of several forms.
    Links,
    /// One value in a wrapper that says its type.
    Computed(Box<Kind>),
    /// Several values in such a wrapper.
    Looked(Box<Kind>),
    /// The text that stands for the value where there is room for one.
    Flat,
    /// Whatever it is, as JSON.
    Json,
}

const PERSON: &[(&str, Kind)] =
    &[("id", Kind::Text), ("name", Kind::Text), ("en_name", Kind::Text), ("email", Kind::Text)];
const GROUP: &[(&str, Kind)] = &[("id", Kind::Text), ("name", Kind::Text), ("avatar_url", Kind::Text)];
const URL: &[(&str, Kind)] = &[("text", Kind::Text), ("link", Kind::Text)];
const ATTACHMENT: &[(&str, Kind)] = &[
    ("file_token", Kind::Text),
    ("name", Kind::Text),
    ("size", Kind::Integer),
    ("type", Kind::Text),
    ("url", Kind::Text),
];
const LOCATION: &[(&str, Kind)] = &[
    ("location", Kind::Text),
    ("name", Kind::Text),
    ("address", Kind::Text),
    ("full_address", Kind::Text),
    ("pname", Kind::Text),
    ("cityname", Kind::Text),
    ("adname", Kind::Text),
];

impl Kind {
    /// The type of its column.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Text | Self::Flat | Self::Json => DataType::Utf8,
            Self::Number => DataType::Float64,
            Self::Integer => DataType::Int64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Self::Object(members) => DataType::Struct(members.iter().map(|(name, kind)| kind.field(name)).collect()),
            Self::Many(kind) => DataType::List(Arc::new(kind.field("item"))),
            Self::Links => DataType::List(Arc::new(Self::Text.field("item"))),
            Self::Computed(kind) | Self::Looked(kind) => kind.data_type(),
        }
    }

    fn field(&self, name: &str) -> Field {
        Field::new(name, self.data_type(), true)
    }

    /// What the service calls by this number, of a field with these properties.
    fn of(number: i64, property: &Value) -> Self {
        let many = |kind| Self::Many(Box::new(kind));
        match number {
            1 | 3 | 13 | 1005 => Self::Text,
            2 => Self::Number,
            4 => many(Self::Text),
            5 | 1001 | MODIFIED_TIME => Self::Time,
            7 => Self::Bool,
            11 | 1003 | 1004 => many(Self::Object(PERSON)),
            15 => Self::Object(URL),
            17 => many(Self::Object(ATTACHMENT)),
            18 | 21 => Self::Links,
            22 => Self::Object(LOCATION),
            23 => many(Self::Object(GROUP)),
            20 => declared(property).map_or(Self::Json, |kind| Self::Computed(Box::new(kind))),
            19 => declared(property).map_or(Self::Json, |kind| {
                Self::Looked(Box::new(if matches!(kind, Self::Many(_)) { kind } else { many(kind) }))
            }),
            _ => Self::Json,
        }
    }
}

/// The kind of the result that a formula or a lookup declares.
fn declared(property: &Value) -> Option<Kind> {
    let number = property.get("type")?.get("data_type")?.as_i64()?;
    let kind = Kind::of(number, &Value::Null);
    // A declaration of what is computed itself says nothing, and the forms of links inside of a wrapper are not known.
    (!matches!(kind, Kind::Json | Kind::Links)).then_some(kind)
}

/// One field of a table.
#[derive(Debug, Clone)]
struct FieldSpec {
    name: String,
    number: i64,
    formatter: Option<String>,
    kind: Kind,
}

impl FieldSpec {
    fn of(value: &Value) -> Result<Self> {
        let name = value.get("field_name").and_then(Value::as_str);
        let name = name.ok_or_else(|| unexpected("a field of the table has no name"))?.to_owned();
        let number = value.get("type").and_then(Value::as_i64).unwrap_or(0);
        let property = value.get("property").unwrap_or(&Value::Null);
        let formatter = property.get("formatter").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { name, number, formatter, kind: Kind::of(number, property) })
    }

    /// Whether its numbers are shown without decimals.
    fn shows_integers(&self) -> bool {
        self.kind == Kind::Number && matches!(self.formatter.as_deref(), Some("0" | "1,000" | "1000" | "#,##0"))
    }
}

/// One column and the field that it is of.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    shows_integers: bool,
}

/// The columns of a reading: the record's id, then the fields.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    id_name: String,
    /// The field that says when a record was modified.
    pub(super) modified_field: Option<String>,
}

impl Columns {
    /// The columns that `query` wants of `fields`, as the service lists them.
    pub(super) fn of(fields: &[Value], query: &RecordQuery) -> Result<Self> {
        let specs = fields.iter().map(FieldSpec::of).collect::<Result<Vec<_>>>()?;
        let modified_field = specs.iter().find(|spec| spec.number == MODIFIED_TIME).map(|spec| spec.name.clone());
        for name in query.columns.iter().chain(&query.json_columns) {
            check_known(name, &specs)?;
        }
        let wanted: Vec<&FieldSpec> = if query.columns.is_empty() {
            specs.iter().collect()
        } else {
            query.columns.iter().filter_map(|name| specs.iter().find(|spec| spec.name == *name)).collect()
        };
        let columns: Vec<Column> = wanted.into_iter().map(|spec| column(spec, query)).collect();
        let mut names = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
            return Err(Error::new(ErrorCode::DuplicateColumn, format!("the field {} is there twice", twice.name)));
        }
        let mut id_name = RECORD_ID.to_owned();
        while columns.iter().any(|column| column.name.eq_ignore_ascii_case(&id_name)) {
            id_name.insert(0, '_');
        }
        Ok(Self { columns, id_name, modified_field })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let id = Field::new(&self.id_name, DataType::Utf8, true);
        let fields = self.columns.iter().map(|column| column.kind.field(&column.name));
        Arc::new(Schema::new(std::iter::once(id).chain(fields).collect::<Vec<_>>()))
    }

    /// Makes integers of the numbers that are shown as such, where every value of `records` is one.
    pub(super) fn settle_integers<'a>(&mut self, records: impl Iterator<Item = &'a Value> + Clone) {
        for column in self.columns.iter_mut().filter(|column| column.shows_integers) {
            let values: Vec<Option<&Value>> = records.clone().map(|record| value(record, &column.name)).collect();
            if array(&Kind::Integer, &values).is_ok() {
                column.kind = Kind::Integer;
            }
        }
    }
}

fn check_known(name: &str, specs: &[FieldSpec]) -> Result<()> {
    if specs.iter().any(|spec| spec.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).take(50).collect();
    Err(Error::new(ErrorCode::ColumnNotFound, format!("the table has no field {name}"))
        .with_hint(format!("its fields are {}", names.join(", "))))
}

fn column(spec: &FieldSpec, query: &RecordQuery) -> Column {
    let kind = if query.json_columns.contains(&spec.name) {
        Kind::Json
    } else if query.flat {
        flat(&spec.kind)
    } else {
        spec.kind.clone()
    };
    Column { name: spec.name.clone(), shows_integers: kind == Kind::Number && spec.shows_integers(), kind }
}

/// Values that are one thing stay as they are.
fn flat(kind: &Kind) -> Kind {
    match kind {
        Kind::Text | Kind::Number | Kind::Integer | Kind::Bool | Kind::Time => kind.clone(),
        Kind::Computed(inner) if !matches!(**inner, Kind::Many(_) | Kind::Object(_)) => kind.clone(),
        _ => Kind::Flat,
    }
}

/// The value of a field in a record; what is not there is NULL.
pub(super) fn value<'a>(record: &'a Value, field: &str) -> Option<&'a Value> {
    record.get("fields")?.get(field).filter(|value| !value.is_null())
}

/// The id of a record.
pub(super) fn id(record: &Value) -> Option<&str> {
    record.get(RECORD_ID).and_then(Value::as_str)
}

/// The error for a value that its column cannot hold.
pub(super) fn misfit(column: &Column, record: Option<&Value>, misfit: &Misfit) -> Error {
    let id = record.and_then(id).unwrap_or("without an id");
    let (name, shown, wanted) = (&column.name, &misfit.shown, column.kind.data_type());
    Error::new(ErrorCode::Cast, format!("the field {name} of record {id} is no {wanted}: {shown}"))
        .with_hint(format!("json_columns=[\"{name}\"] reads its values as JSON text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> Vec<Value> {
        vec![
            json!({"field_name": "name", "type": 1}),
            json!({"field_name": "amount", "type": 2, "property": {"formatter": "0"}}),
            json!({"field_name": "price", "type": 2, "property": {"formatter": "0.00"}}),
            json!({"field_name": "owner", "type": 11}),
            json!({"field_name": "sum", "type": 20, "property": {"type": {"data_type": 2}}}),
            json!({"field_name": "odd", "type": 4711}),
            json!({"field_name": "Record_ID", "type": 3}),
            json!({"field_name": "changed", "type": 1002}),
        ]
    }

    fn types(query: &RecordQuery) -> Vec<String> {
        let columns = Columns::of(&fields(), query).unwrap();
        let schema = columns.schema();
        schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect()
    }

    #[test]
    fn the_schema_is_that_of_the_fields() {
        let person = r#"owner: List(Struct("id": Utf8, "name": Utf8, "en_name": Utf8, "email": Utf8))"#;
        assert_eq!(
            types(&RecordQuery::default()),
            [
                "_record_id: Utf8",
                "name: Utf8",
                "amount: Float64",
                "price: Float64",
                person,
                "sum: Float64",
                "odd: Utf8",
                "Record_ID: Utf8",
                r#"changed: Timestamp(ms, "UTC")"#
            ]
        );
    }

    #[test]
    fn flat_columns_hold_one_value_and_wishes_are_kept_in_order() {
        let columns = vec!["owner".to_owned(), "amount".to_owned()];
        let query = RecordQuery { columns, flat: true, ..RecordQuery::default() };
        assert_eq!(types(&query), ["record_id: Utf8", "owner: Utf8", "amount: Float64"]);
        let query = RecordQuery { columns: vec!["nmae".to_owned()], ..RecordQuery::default() };
        let error = Columns::of(&fields(), &query).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ColumnNotFound);
        assert!(error.hint().unwrap().contains("name, amount"));
    }

    #[test]
    fn numbers_become_integers_only_where_all_are() {
        let record = |amount: Value, price: Value| json!({"fields": {"amount": amount, "price": price}});
        let mut columns = Columns::of(&fields(), &RecordQuery::default()).unwrap();
        columns.settle_integers([record(json!(3.0), json!(1)), record(Value::Null, json!(2))].iter());
        assert_eq!((&columns.columns[1].kind, &columns.columns[2].kind), (&Kind::Integer, &Kind::Number));
        let mut columns = Columns::of(&fields(), &RecordQuery::default()).unwrap();
        columns.settle_integers([record(json!(3), json!(1)), record(json!(2.5), json!(2))].iter());
        assert_eq!(columns.columns[1].kind, Kind::Number);
    }

    #[test]
    fn a_field_without_a_name_and_one_that_is_there_twice_are_errors() {
        let of = |fields: &[Value]| Columns::of(fields, &RecordQuery::default()).unwrap_err().code();
        assert_eq!(of(&[json!({"type": 1})]), ErrorCode::ServiceAnswer);
        let twice = json!({"field_name": "a", "type": 1});
        assert_eq!(of(&[twice.clone(), twice]), ErrorCode::DuplicateColumn);
    }
}

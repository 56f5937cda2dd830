//! Functions about types and the engine itself.

use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::kernel::{Kind, Row, Spec, Value, invalid};
use crate::words::type_word;

use Kind::{Any, Text};

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("typeof", &[Any], Text, |row| Ok(Value::Text(word(&row.data_type(0))))).sees_null().or(&["pg_typeof"]),
    Spec::new("version", &[], Text, |_| Ok(Value::Text(format!("Velaria {}", env!("CARGO_PKG_VERSION"))))),
    Spec::new("error", &[Text], Text, error),
];

fn word(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", word(item.data_type()))
        }
        DataType::Dictionary(_, value) => word(value),
        other => type_word(other),
    }
}

fn error(row: &Row<'_>) -> Result<Value> {
    Err(invalid(row.text(0)))
}

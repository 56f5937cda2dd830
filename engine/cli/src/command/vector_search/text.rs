//! What the arguments say: a query vector, and a condition on a column.

use arrow::datatypes::{DataType, Schema};
use velaria::{Error, ErrorCode, Result};

use crate::quoting::quoted;

/// The operators of a condition; `==` is what programs write for `=`.
const OPERATORS: [&str; 8] = ["=", "==", "!=", "<>", "<", ">", "<=", ">="];

/// The numbers of `[1,2,3]`, `1,2,3` or `1 2 3`.
pub(super) fn vector(text: &str) -> Result<Vec<f64>> {
    let text = text.trim();
    let text = text.strip_prefix('[').unwrap_or(text);
    let text = text.strip_suffix(']').unwrap_or(text).trim();
    if text.is_empty() {
        return Err(invalid("--query-vector must not be empty".to_owned()));
    }
    match text.contains(',') {
        true => text.split(',').map(number).collect(),
        false => text.split_whitespace().map(number).collect(),
    }
}

fn number(text: &str) -> Result<f64> {
    let text = text.trim();
    text.parse().map_err(|_| {
        invalid(format!("--query-vector holds '{text}', which is not a number"))
            .with_hint("write --query-vector '1.0,0.5,0.0'")
    })
}

/// A condition on a column, whose value has no type yet.
#[derive(Debug)]
pub(super) struct Condition {
    column: String,
    operator: String,
    value: String,
}

impl Condition {
    pub(super) fn new(column: &str, operator: &str, value: &str) -> Result<Self> {
        if !OPERATORS.contains(&operator) {
            let error = invalid(format!("unsupported filter op: {operator}"));
            return Err(error.with_hint("the operators are =, ==, !=, <>, <, >, <= and >="));
        }
        let operator = if operator == "==" { "=" } else { operator };
        Ok(Self { column: column.to_owned(), operator: operator.to_owned(), value: value.to_owned() })
    }

    /// The condition as SQL. The value is a number or a boolean where the column is, and text everywhere else.
    pub(super) fn to_sql(&self, schema: &Schema) -> String {
        let data_type = schema.field_with_name(&self.column).map_or(&DataType::Utf8, |field| field.data_type());
        format!("{} {} {}", quoted(&self.column, '"'), self.operator, literal(data_type, &self.value))
    }
}

fn literal(data_type: &DataType, value: &str) -> String {
    let word = value.trim();
    let is_number = data_type.is_numeric() && word.parse::<f64>().is_ok_and(f64::is_finite);
    let is_boolean = *data_type == DataType::Boolean && ["true", "false"].contains(&word.to_lowercase().as_str());
    if is_number || is_boolean { word.to_owned() } else { quoted(value, '\'') }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn spellings_of_one_vector_are_equal() {
        for text in ["1,-2.5,3e0", "[1, -2.5 ,3]", "1 -2.5\t3", " [ 1  -2.5 3 ] "] {
            assert_eq!(vector(text).unwrap(), [1.0, -2.5, 3.0], "{text}");
        }
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for text in ["", "  ", "[]", "[ ]"] {
            assert_eq!(vector(text).unwrap_err().message(), "--query-vector must not be empty");
        }
        assert_eq!(vector("1,x").unwrap_err().message(), "--query-vector holds 'x', which is not a number");
        assert!(["1,,2", "1;2", "[[1]", "1,2 3"].iter().all(|text| vector(text).is_err()));
    }

    fn written(column: &str, operator: &str, value: &str) -> Result<String> {
        let fields = [("n", DataType::Int64), ("s", DataType::Utf8), ("b", DataType::Boolean)];
        let fields: Vec<Field> = fields.map(|(name, data_type)| Field::new(name, data_type, true)).into();
        Condition::new(column, operator, value).map(|condition| condition.to_sql(&Schema::new(fields)))
    }

    #[test]
    fn a_condition_fits_the_type_of_its_column() {
        assert_eq!(written("n", "==", " 7 ").unwrap(), "\"n\" = 7");
        assert_eq!(written("n", ">", "-1.5").unwrap(), "\"n\" > -1.5");
        assert_eq!(written("n", "=", "7 OR 1=1").unwrap(), "\"n\" = '7 OR 1=1'");
        assert_eq!(written("s", "!=", "7").unwrap(), "\"s\" != '7'");
        assert_eq!(written("s", "=", " it's").unwrap(), "\"s\" = ' it''s'");
        assert_eq!(written("b", "=", "True").unwrap(), "\"b\" = True");
        assert_eq!(written("no\"pe", "<=", "1").unwrap(), "\"no\"\"pe\" <= '1'");
        assert_eq!(written("n", "LIKE", "7").unwrap_err().message(), "unsupported filter op: LIKE");
    }
}

//! Types and literals in the words of SQL, for messages that people read.

use arrow::datatypes::DataType;

/// The type word that makes a column of `data_type`, where there is one.
pub(crate) fn type_word(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT32".to_owned(),
        DataType::Int64 => "INT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BINARY".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_owned(),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        other => other.to_string(),
    }
}

/// The names by which DataFusion's messages call types, longest first where one starts with another.
const TYPE_NAMES: [(&str, &str); 20] = [
    ("LargeUtf8", "STRING"),
    ("Utf8View", "STRING"),
    ("Utf8", "STRING"),
    ("LargeBinary", "BINARY"),
    ("BinaryView", "BINARY"),
    ("Binary", "BINARY"),
    ("Boolean", "BOOLEAN"),
    ("Int8", "TINYINT"),
    ("Int16", "SMALLINT"),
    ("Int32", "INT32"),
    ("Int64", "INT"),
    ("Float32", "FLOAT"),
    ("Float64", "DOUBLE"),
    ("Decimal128", "DECIMAL"),
    ("Date32", "DATE"),
    ("Date64", "DATE"),
    ("TimestampMicrosecond", "TIMESTAMP"),
    ("TimestampNanosecond", "TIMESTAMP"),
    ("IntervalMonthDayNano", "INTERVAL"),
    ("Null", "NULL"),
];

/// `message` with types and literals as SQL writes them: `INT` for `Int64`, `1` for `Int64(1)`, `'x'` for `Utf8("x")`.
pub(crate) fn sql_words(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(|character: char| character.is_ascii_alphabetic()) {
        let (before, word_on) = rest.split_at(start);
        text.push_str(before);
        let end = word_on
            .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .unwrap_or(word_on.len());
        let (word, after) = word_on.split_at(end);
        rest = push_word(&mut text, word, after);
    }
    text.push_str(rest);
    text
}

/// Writes one word and returns what is left to read.
fn push_word<'a>(text: &mut String, word: &str, after: &'a str) -> &'a str {
    let Some((_, sql)) = TYPE_NAMES.iter().find(|(name, _)| *name == word) else {
        text.push_str(word);
        return after;
    };
    match literal(after) {
        Some((value, after)) => {
            text.push_str(&value);
            after
        }
        None => {
            text.push_str(sql);
            after
        }
    }
}

/// The value in `(value)`, with what follows it. A type with parameters, such as `(10, 2)`, is no literal.
fn literal(after: &str) -> Option<(String, &str)> {
    let inside = after.strip_prefix('(')?;
    if let Some(quoted) = inside.strip_prefix('"') {
        let (value, after) = quoted.split_once("\")")?;
        return Some((format!("'{value}'"), after));
    }
    let (value, after) = inside.split_once(')')?;
    let plain =
        value.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '+'));
    plain.then(|| (value.to_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_literals_are_written_as_in_sql() {
        assert_eq!(sql_words("t.id + Int64(1) gives Int64"), "t.id + 1 gives INT");
        assert_eq!(sql_words("Utf8(\"a (b)\") = Boolean(NULL)"), "'a (b)' = NULL");
        assert_eq!(sql_words("Decimal128(10, 2) and Int64Array, MyInt64"), "DECIMAL(10, 2) and Int64Array, MyInt64");
    }
}

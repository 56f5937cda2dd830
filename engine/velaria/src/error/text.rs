//! The messages of DataFusion and Arrow that come as text only.
//!
//! Each pattern that people meet is one line of a table or one function here. Everything else is passed on, cleaned of
//! prefixes and with the type words of SQL.

use velaria_contract::{Error, ErrorCode};
use velaria_sql::lower_first;

use crate::words::sql_words;

/// A plan error.
pub(super) fn from_plan(message: &str) -> Error {
    let message = clean(message);
    not_grouped(&message)
        .or_else(|| own_signature(&message))
        .or_else(|| signature(&message))
        .or_else(|| operator(&message))
        .or_else(|| fixed(&message, PLAN_TEXTS))
        .or_else(|| duplicate_projection(&message))
        .unwrap_or_else(|| Error::new(ErrorCode::InvalidStatement, lower_first(&sql_words(&message))))
}

/// An error of something that DataFusion does not do.
pub(super) fn from_not_implemented(message: &str) -> Error {
    let message = clean(message);
    if let Some(word) = message.strip_prefix("Unsupported SQL type ") {
        return Error::new(ErrorCode::TypeMismatch, format!("unknown type: {word}")).with_hint(TYPE_HINT);
    }
    fixed(&message, NOT_IMPLEMENTED_TEXTS)
        .unwrap_or_else(|| Error::new(ErrorCode::Unsupported, lower_first(&sql_words(&message))))
}

/// An error while rows are computed.
pub(super) fn from_execution(message: &str) -> Error {
    let message = clean(message);
    // The analyzer says so as well, and as an error of the execution.
    own_signature(&message)
        .or_else(|| cast(&message))
        .or_else(|| fixed(&message, EXECUTION_TEXTS))
        .unwrap_or_else(|| Error::new(ErrorCode::InvalidValue, lower_first(&sql_words(&message))))
}

/// What DataFusion takes for a bug of its own, although the statement is to blame.
pub(super) fn from_internal(message: &str) -> Option<Error> {
    fixed(message, INTERNAL_TEXTS)
}

/// A value that could not be converted.
pub(super) fn from_cast(message: &str) -> Error {
    let message = clean(message);
    cast(&message)
        .or_else(|| fixed(&message, EXECUTION_TEXTS))
        .unwrap_or_else(|| Error::new(ErrorCode::Cast, lower_first(&sql_words(&message))).with_hint(CAST_HINT))
}

/// What types there are.
pub(crate) const TYPE_HINT: &str =
    "types are BOOL, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), STRING, BINARY, DATE, TIME, TIMESTAMP, …";

const CAST_HINT: &str = "TRY_CAST gives NULL for values that cannot be converted";

/// A pattern that the message holds, and what is said instead: code, message, hint.
type FixedText = (&'static str, ErrorCode, &'static str, &'static str);

const PLAN_TEXTS: &[FixedText] = &[
    (
        "Aggregate functions are not allowed in the WHERE clause",
        ErrorCode::InvalidStatement,
        "WHERE does not support aggregate expressions",
        "use HAVING",
    ),
    (
        "ggregate function calls cannot be nested",
        ErrorCode::InvalidStatement,
        "aggregate functions cannot be nested",
        "compute the inner one in a subquery",
    ),
    (
        "UNION queries have different number of columns",
        ErrorCode::InvalidStatement,
        "UNION requires the same number of projected columns",
        "",
    ),
    (
        "INTERSECT queries have different number of columns",
        ErrorCode::InvalidStatement,
        "INTERSECT requires the same number of projected columns",
        "",
    ),
    (
        "EXCEPT queries have different number of columns",
        ErrorCode::InvalidStatement,
        "EXCEPT requires the same number of projected columns",
        "",
    ),
    (
        "Too many columns! The subquery should only return one column",
        ErrorCode::InvalidStatement,
        "a subquery used as a value must have one column",
        "",
    ),
    (
        "Inconsistent data length across values list",
        ErrorCode::InvalidStatement,
        "VALUES rows have different numbers of values",
        "",
    ),
    (
        "Order by column out of bounds",
        ErrorCode::InvalidStatement,
        "ORDER BY position is not in the select list",
        "positions count the columns of the select list from 1",
    ),
    (
        "Cannot find column with position",
        ErrorCode::InvalidStatement,
        "GROUP BY position is not in the select list",
        "positions count the columns of the select list from 1",
    ),
    ("LIMIT must be >= 0", ErrorCode::InvalidLimit, "LIMIT must be a non-negative integer", ""),
    ("OFFSET must be >=0", ErrorCode::InvalidLimit, "OFFSET must be a non-negative integer", ""),
    (
        "Correlated scalar subquery must be aggregated",
        ErrorCode::Unsupported,
        "a correlated subquery used as a value must be an aggregate",
        "write it as a JOIN",
    ),
];

const NOT_IMPLEMENTED_TEXTS: &[FixedText] = &[
    (
        "Physical plan does not support logical expression AggregateFunction",
        ErrorCode::InvalidStatement,
        "an aggregate function is not allowed here",
        "compute it in a subquery",
    ),
    (
        "Physical plan does not support logical expression WindowFunction",
        ErrorCode::InvalidStatement,
        "a window function is not allowed here",
        "compute it in a subquery, or use QUALIFY",
    ),
    (
        "Physical plan does not support logical expression",
        ErrorCode::Unsupported,
        "this form of subquery is not supported",
        "write it as a JOIN",
    ),
];

const INTERNAL_TEXTS: &[FixedText] = &[
    ("Uncomparable values", ErrorCode::TypeMismatch, "values of this type have no order", ""),
    ("Min/Max accumulator not implemented", ErrorCode::TypeMismatch, "values of this type have no order", ""),
    ("Nth value indices are 1 based", ErrorCode::InvalidValue, "nth_value counts places from 1", ""),
];

const EXECUTION_TEXTS: &[FixedText] = &[
    ("regex parse error", ErrorCode::InvalidValue, "invalid regular expression", ""),
    ("egular expression", ErrorCode::InvalidValue, "invalid regular expression", ""),
    (
        "calar subquery returned more than one row",
        ErrorCode::InvalidValue,
        "a subquery used as a value gave more than one row",
        "add LIMIT 1 or an aggregate",
    ),
    ("ivide by zero", ErrorCode::DivisionByZero, "division by zero", super::DIVISION_HINT),
];

fn fixed(message: &str, texts: &[FixedText]) -> Option<Error> {
    let (_, code, text, hint) = texts.iter().find(|(pattern, ..)| message.contains(pattern))?;
    let error = Error::new(*code, *text);
    Some(if hint.is_empty() { error } else { error.with_hint(*hint) })
}

fn not_grouped(message: &str) -> Option<Error> {
    let column = if let Some((_, rest)) = message.split_once("While expanding wildcard, column \"") {
        rest.split('"').next()?
    } else if let Some((_, rest)) = message.split_once("HAVING clause references: ") {
        rest.split(" must appear").next()?
    } else {
        let (column, _) = message.split_once(" must appear in GROUP BY clause")?;
        column.trim_matches('\'')
    };
    let column = sql_words(column);
    let plain = column.chars().all(|character| character.is_alphanumeric() || matches!(character, '.' | '_'));
    let column = if plain { column.rsplit('.').next().unwrap_or(&column) } else { &column };
    Some(
        Error::new(ErrorCode::NotGrouped, format!("non-aggregate field must appear in GROUP BY: {column}"))
            .with_hint("group by it, or put it into an aggregate such as MIN or FIRST_VALUE"),
    )
}

/// What a function of our own says about its arguments, without the list of candidates that DataFusion appends.
fn own_signature(message: &str) -> Option<Error> {
    let (_, said) = message.split_once("user-defined coercion failed with: ")?;
    let said = said.split(" No function matches").next()?;
    let said = said.strip_prefix("Error during planning: ").unwrap_or(said);
    Some(Error::new(ErrorCode::TypeMismatch, lower_first(&sql_words(said.trim_end_matches('.')))))
}

/// `No function matches the given name and argument types 'upper(Int64)'`.
fn signature(message: &str) -> Option<Error> {
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let (call, rest) = rest.split_once("'.")?;
    let (function, arguments) = call.strip_suffix(')')?.split_once('(')?;
    let arguments = if arguments.is_empty() { "no arguments".to_owned() } else { sql_words(arguments) };
    let error = Error::new(ErrorCode::TypeMismatch, format!("{function} does not accept {arguments}"));
    let candidates = rest.split_once("Candidate functions:").map(|(_, candidates)| sql_words(candidates.trim()));
    Some(match candidates.filter(|candidates| !candidates.is_empty()) {
        Some(candidates) => error.with_hint(format!("it accepts {}", candidates.replace('\t', " "))),
        None => error,
    })
}

/// Operators whose operands do not fit.
fn operator(message: &str) -> Option<Error> {
    let text = if let Some((_, rest)) = message.split_once("Cannot coerce arithmetic expression ") {
        let (left, operator, right) = operands(rest.split(" to valid types").next()?)?;
        format!("cannot use {operator} with {left} and {right}")
    } else if let Some((_, rest)) = message.split_once("Cannot infer common argument type for comparison operation ") {
        let (left, _, right) = operands(rest)?;
        format!("cannot compare {left} with {right}")
    } else if message.contains("non-boolean predicate") {
        let (_, found) = message.rsplit_once(" returning ")?;
        format!("a condition must be BOOLEAN, not {}", sql_words(found))
    } else if message.contains("nary operator")
        || ["coerce", "coercion", "Unsupported CAST", "not supported for type"]
            .iter()
            .any(|mark| message.contains(mark))
    {
        lower_first(&sql_words(message))
    } else {
        return None;
    };
    Some(Error::new(ErrorCode::TypeMismatch, text).with_hint("convert one side with CAST"))
}

fn operands(text: &str) -> Option<(String, String, String)> {
    let mut parts = text.split(' ');
    let (left, operator, right) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then(|| (sql_words(left), operator.to_owned(), sql_words(right)))
}

fn duplicate_projection(message: &str) -> Option<Error> {
    if !message.starts_with("Projections require unique expression names") {
        return None;
    }
    let name = message.split('"').nth(1)?;
    let name = name.rsplit(" AS ").next()?;
    Some(super::duplicate_column(&sql_words(name.rsplit('.').next()?)))
}

/// Values that do not convert: text that does not parse, numbers that do not fit.
fn cast(message: &str) -> Option<Error> {
    let unreadable = |value: &str, word: &str| {
        Error::new(ErrorCode::Cast, format!("cannot read '{value}' as {word}")).with_hint(CAST_HINT)
    };
    if let Some((_, rest)) =
        message.split_once("annot cast string '").or_else(|| message.split_once("annot cast value '"))
    {
        let (value, rest) = rest.rsplit_once("' to value of ")?;
        return Some(unreadable(value, &sql_words(rest.split(" type").next()?)));
    }
    if let Some((_, rest)) = message.split_once("rror parsing timestamp from '") {
        return Some(unreadable(rest.split("':").next()?, "TIMESTAMP"));
    }
    if let Some((_, rest)) = message.split_once("an't cast value ") {
        let (value, data_type) = rest.rsplit_once(" to type ")?;
        return Some(overflow(format!("{value} does not fit {}", sql_words(data_type))));
    }
    if message.contains("is too large to store in a Decimal")
        || message.contains("verflow")
        || message.contains("out of range")
        || message.contains("exceeds the representable")
    {
        return Some(overflow(lower_first(&sql_words(message))));
    }
    None
}

fn overflow(message: String) -> Error {
    Error::new(ErrorCode::Overflow, message).with_hint("use a wider type, or TRY_CAST to get NULL")
}

/// A message without the prefixes that DataFusion and Arrow add, on one line.
pub(super) fn clean(message: &str) -> String {
    const PREFIXES: [&str; 10] = [
        "Error during planning: ",
        "Internal error: ",
        "External error: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Json error: ",
        "Parser error: ",
        "Invalid argument error: ",
        "This feature is not implemented: ",
    ];
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let message =
        message.split("This issue was likely caused by a bug in DataFusion").next().unwrap_or(message).to_owned()
            + message
                .split_once("issue tracker: https://github.com/apache/datafusion/issues")
                .map_or("", |(_, rest)| rest);
    let mut text = message.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim_start().to_owned();
    }
    text.trim_end_matches(['.', ' ']).to_owned()
}

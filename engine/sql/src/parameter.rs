//! Values for the places that a statement leaves open: `?`, `$1` and `:name`.
//!
//! A value becomes a literal of its type in the syntax tree; it is never text of the statement, so nothing in it can be
//! read as SQL. Names of output columns come from the statement as it was written and do not depend on values.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Array, CastKind, DataType, ExactNumberInfo, Expr, Query, TimezoneInfo, UnaryOperator, Value, VisitMut, VisitorMut,
};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use velaria_contract::{Error, ErrorCode, Result};

use crate::clauses;
use crate::diagnostic::{closest, position_of};
use crate::extension::Extensions;
use crate::inspect::Subject;
use crate::statement::Statement;

/// The most digits of a decimal.
const DECIMAL_DIGITS_MAX: usize = 38;

/// One value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Parameter {
    /// `NULL`.
    Null,
    /// `TRUE` or `FALSE`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number, also one that is not finite.
    Float(f64),
    /// A decimal number, as its digits: `-12.50`.
    Decimal(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date: `2026-03-29`.
    Date(String),
    /// A time of day: `10:30:00.5`.
    Time(String),
    /// A date and time without a zone: `2026-03-29T10:30:00`.
    Timestamp(String),
    /// A date and time with the offset of its zone: `2026-03-29T10:30:00+02:00`.
    TimestampWithZone(String),
    /// A span of time, in microseconds.
    Duration(i64),
    /// A list of values of one type.
    List(Vec<Parameter>),
}

/// The values of one statement.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum Parameters {
    /// No values.
    #[default]
    None,
    /// For `?` from left to right, or for `$1`, `$2` and so on.
    Positional(Vec<Parameter>),
    /// For `:name` or `$name`.
    Named(BTreeMap<String, Parameter>),
}

impl From<Vec<Parameter>> for Parameters {
    fn from(values: Vec<Parameter>) -> Self {
        Self::Positional(values)
    }
}

impl From<BTreeMap<String, Parameter>> for Parameters {
    fn from(values: BTreeMap<String, Parameter>) -> Self {
        Self::Named(values)
    }
}

/// Numbers each `?` from left to right, and tells whether the statement can have open places at all.
pub(crate) fn number(tokens: &mut [TokenWithSpan]) -> bool {
    let (mut open, mut count) = (false, 0);
    for token in tokens {
        match &mut token.token {
            Token::Placeholder(name) => {
                open = true;
                if name == "?" {
                    count += 1;
                    name.push_str(&count.to_string());
                }
            }
            Token::Colon | Token::AtSign => open = true,
            _ => {}
        }
    }
    open
}

/// Puts `parameters` into the open places of `statement`, which was read from `text`.
pub(crate) fn bind(text: &str, statement: &mut Statement, parameters: &Parameters) -> Result<()> {
    let mut binder = Binder { text, parameters, style: None, used: Vec::new() };
    for query in queries(statement) {
        if let ControlFlow::Break(error) = query.visit(&mut binder) {
            return Err(error);
        }
        // LIMIT has a value now.
        clauses::check(text, query)?;
    }
    for expr in expressions(statement) {
        if let ControlFlow::Break(error) = expr.visit(&mut binder) {
            return Err(error);
        }
    }
    binder.check_all_used()
}

/// Puts `parameters` into the open places of `expr`, which was read from `text`.
pub(crate) fn bind_expression(text: &str, expr: &mut Expr, parameters: &Parameters) -> Result<()> {
    let mut binder = Binder { text, parameters, style: None, used: Vec::new() };
    match expr.visit(&mut binder) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => binder.check_all_used(),
    }
}

fn queries(statement: &mut Statement) -> Vec<&mut Query> {
    match statement {
        Statement::Query(query) => vec![query],
        Statement::ExtendedQuery(extended) => vec![&mut extended.query],
        Statement::CreateTable(create) => create.query.iter_mut().map(Box::as_mut).collect(),
        Statement::CreateView(create) => vec![&mut create.query],
        Statement::Insert(insert) => vec![&mut insert.source],
        Statement::Copy(copy) => vec![&mut copy.source],
        Statement::Explain(explain) => vec![&mut explain.query],
        Statement::Describe(Subject::Query(query)) | Statement::Summarize(Subject::Query(query)) => vec![query],
        _ => Vec::new(),
    }
}

/// The expressions of a statement that stand in no query.
fn expressions(statement: &mut Statement) -> Vec<&mut Expr> {
    match statement {
        Statement::Update(update) => {
            let values = update.assignments.iter_mut().map(|assignment| &mut assignment.value);
            values.chain(&mut update.selection).collect()
        }
        Statement::Delete(delete) => delete.selection.iter_mut().collect(),
        Statement::ExtendedQuery(extended) => searched(&mut extended.extensions),
        Statement::Explain(explain) => searched(&mut explain.extensions),
        _ => Vec::new(),
    }
}

/// What the clauses of a query search for.
fn searched(extensions: &mut Extensions) -> Vec<&mut Expr> {
    let words = extensions.keyword_search.iter_mut().map(|search| &mut search.query);
    words.chain(extensions.hybrid_search.iter_mut().map(|search| &mut search.query)).collect()
}

/// How a statement writes its open places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Question,
    Number,
    Name,
}

impl Style {
    fn example(self) -> &'static str {
        match self {
            Self::Question => "?",
            Self::Number => "$1",
            Self::Name => ":name",
        }
    }
}

struct Binder<'a> {
    text: &'a str,
    parameters: &'a Parameters,
    style: Option<Style>,
    /// Positions from 0, or names, as text.
    used: Vec<String>,
}

impl VisitorMut for Binder<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Value(value) = &*expr else { return ControlFlow::Continue(()) };
        let (Value::Placeholder(name), span) = (&value.value, value.span) else { return ControlFlow::Continue(()) };
        match self.literal(&name.clone(), span) {
            Ok(literal) => *expr = literal,
            Err(error) => return ControlFlow::Break(error.with_position(position_of(self.text, span))),
        }
        ControlFlow::Continue(())
    }
}

impl<'a> Binder<'a> {
    fn literal(&mut self, placeholder: &str, span: Span) -> Result<Expr> {
        let (style, key) = split(placeholder)?;
        if let Some(first) = self.style.replace(style).filter(|first| *first != style) {
            return Err(usage(format!(
                "parameters are written both as {} and as {}",
                first.example(),
                style.example()
            ))
            .with_hint("write all parameters of a statement the same way"));
        }
        let shown = if style == Style::Question { "?" } else { placeholder };
        let parameter = self.find(style, key, shown)?;
        self.used.push(key.to_owned());
        literal(parameter, span)
    }

    fn find(&self, style: Style, key: &str, shown: &str) -> Result<&'a Parameter> {
        let missing = || usage(format!("no value for parameter {shown}"));
        match (self.parameters, style) {
            (Parameters::None, _) => Err(missing().with_hint("give the values of parameters beside the statement")),
            (Parameters::Positional(values), Style::Question | Style::Number) => {
                let index = key.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let value = index.and_then(|index| values.get(index));
                value.ok_or_else(|| missing().with_hint(format!("values given: {}", values.len())))
            }
            (Parameters::Named(values), Style::Name) => {
                values.get(key).ok_or_else(|| match closest(key, values.keys().map(String::as_str)) {
                    Some(meant) => missing().with_hint(format!("did you mean \"{meant}\"?")),
                    None => missing(),
                })
            }
            (Parameters::Positional(_), Style::Name) => {
                Err(missing().with_hint("the values have positions: write ? or $1, or give them by name"))
            }
            (Parameters::Named(_), Style::Question | Style::Number) => {
                Err(missing().with_hint("the values have names: write :name, or give them as a list"))
            }
        }
    }

    fn check_all_used(&self) -> Result<()> {
        match self.parameters {
            Parameters::None => Ok(()),
            Parameters::Positional(values) => {
                let wanted = self.used.iter().filter_map(|key| key.parse().ok()).max().unwrap_or(0);
                if values.len() <= wanted {
                    return Ok(());
                }
                Err(usage(format!("the statement has {wanted} parameters, and {} values are given", values.len())))
            }
            Parameters::Named(values) => match values.keys().find(|name| !self.used.contains(name)) {
                None => Ok(()),
                Some(name) => Err(usage(format!("the statement has no parameter :{name}"))),
            },
        }
    }
}

fn split(placeholder: &str) -> Result<(Style, &str)> {
    let is_number = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    match (placeholder.get(..1), placeholder.get(1..)) {
        (Some("?"), Some(key)) => Ok((Style::Question, key)),
        (Some("$"), Some(key)) if is_number(key) => Ok((Style::Number, key)),
        (Some("$" | ":"), Some(key)) if !key.is_empty() => Ok((Style::Name, key)),
        _ => Err(Error::new(ErrorCode::Syntax, format!("unexpected token: {placeholder}"))
            .with_hint("a parameter is written ?, $1, $name or :name")),
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

pub(crate) fn literal(parameter: &Parameter, span: Span) -> Result<Expr> {
    let value = |value: Value| Expr::Value(value.with_span(span));
    let text = |text: &str| value(Value::SingleQuotedString(text.to_owned()));
    Ok(match parameter {
        Parameter::Null => value(Value::Null),
        Parameter::Boolean(truth) => value(Value::Boolean(*truth)),
        Parameter::Integer(i64::MIN) => cast(text(&i64::MIN.to_string()), DataType::BigInt(None)),
        Parameter::Integer(number) => {
            signed(*number < 0, value(Value::Number(number.unsigned_abs().to_string(), false)))
        }
        Parameter::Float(number) if number.is_finite() => {
            signed(number.is_sign_negative(), value(Value::Number(format!("{:e}", number.abs()), false)))
        }
        Parameter::Float(number) => cast(text(&number.to_string()), DataType::Double(ExactNumberInfo::None)),
        Parameter::Decimal(digits) => cast(text(digits), decimal_type(digits)?),
        Parameter::Text(content) => text(content),
        Parameter::Bytes(bytes) => value(Value::HexStringLiteral(hex(bytes))),
        Parameter::Date(date) => cast(text(date), DataType::Date),
        Parameter::Time(time) => cast(text(time), DataType::Time(None, TimezoneInfo::None)),
        Parameter::Timestamp(time) => cast(text(time), DataType::Timestamp(None, TimezoneInfo::None)),
        Parameter::TimestampWithZone(time) => cast(text(time), DataType::Timestamp(None, TimezoneInfo::WithTimeZone)),
        Parameter::Duration(micros) => {
            cast(text(&interval(*micros)), DataType::Interval { fields: None, precision: None })
        }
        Parameter::List(items) => {
            let elem = items.iter().map(|item| literal(item, span)).collect::<Result<_>>()?;
            Expr::Array(Array { elem, named: false })
        }
    })
}

fn signed(negative: bool, expr: Expr) -> Expr {
    if !negative {
        return expr;
    }
    Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(expr) }))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// The smallest type that holds all digits.
fn decimal_type(text: &str) -> Result<DataType> {
    let invalid = || usage(format!("not a decimal number of at most {DECIMAL_DIGITS_MAX} digits: {text}"));
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.trim_start_matches('0').len() + fraction.len();
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || whole.len() + fraction.len() == 0 || digits > DECIMAL_DIGITS_MAX {
        return Err(invalid());
    }
    let precision = u64::try_from(digits.max(1)).map_err(|_| invalid())?;
    let scale = i64::try_from(fraction.len()).map_err(|_| invalid())?;
    Ok(DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)))
}

fn interval(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06} seconds", micros / 1_000_000, micros % 1_000_000)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_with;

    fn bound(text: &str, parameters: impl Into<Parameters>) -> Result<String> {
        match parse_with(text, &parameters.into())? {
            Statement::Query(query) => Ok(query.to_string()),
            other => panic!("not a query: {other:?}"),
        }
    }

    fn named(values: &[(&str, Parameter)]) -> Parameters {
        Parameters::Named(values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn values_become_literals_of_their_type() {
        let values = vec![
            Parameter::Integer(-5),
            Parameter::Float(0.1),
            Parameter::Text("it's; --".to_owned()),
            Parameter::Decimal("-0012.50".to_owned()),
            Parameter::Bytes(vec![0, 255]),
            Parameter::List(vec![Parameter::Null, Parameter::Boolean(true)]),
        ];
        assert_eq!(
            bound("SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f", values).unwrap(),
            "SELECT (-5) AS a, 1e-1 AS b, 'it''s; --' AS c, CAST('-0012.50' AS DECIMAL(4,2)) AS d, X'00ff' AS e, \
             [NULL, true] AS f"
        );
    }

    #[test]
    fn colons_of_casts_and_slices_are_no_parameters() {
        let text = "SELECT a[1:2] AS s, b::INT AS i FROM t WHERE c = :x AND d = $x";
        let printed = bound(text, named(&[("x", Parameter::Integer(1))])).unwrap();
        assert_eq!(printed, "SELECT a[1:2] AS s, b::INT AS i FROM t WHERE c = 1 AND d = 1");
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_place() {
        let one = || Parameters::from(vec![Parameter::Integer(1)]);
        for (text, parameters, message) in [
            ("SELECT ?, ?", one(), "no value for parameter ?"),
            ("SELECT $2", one(), "no value for parameter $2"),
            ("SELECT :a", one(), "no value for parameter :a"),
            ("SELECT ?", Parameters::None, "no value for parameter ?"),
            ("SELECT ?, $1", one(), "parameters are written both as ? and as $1"),
            ("SELECT 1", one(), "the statement has 0 parameters, and 1 values are given"),
            ("SELECT ?", named(&[("a", Parameter::Null)]), "no value for parameter ?"),
            (
                "SELECT :a",
                named(&[("a", Parameter::Null), ("b", Parameter::Null)]),
                "the statement has no parameter :b",
            ),
            ("SELECT @a", one(), "unexpected token: @a"),
            (
                "SELECT 1 LIMIT ?",
                Parameters::from(vec![Parameter::Integer(-1)]),
                "LIMIT must be a non-negative integer: -1",
            ),
        ] {
            let error = parse_with(text, &parameters).unwrap_err();
            assert_eq!(error.message(), message, "{text}");
        }
    }
}

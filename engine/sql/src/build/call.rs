//! Calls of functions, windows over them, and CASE.

use std::fmt::Write;

use sqlparser::ast::{CaseWhen, Expr};
use velaria_contract::{Error, ErrorCode, Result};

use crate::build::expression::Expression;
use crate::build::query::SortKey;
use crate::build::template;

/// Whether an aggregate takes equal values once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distinctness {
    /// It takes every value.
    All,
    /// It takes each value once: `DISTINCT`.
    Distinct,
}

/// A call of a function.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The name of the function.
    pub name: &'a str,
    /// Its arguments; `count` without any is `count(*)`.
    pub arguments: &'a [Expression],
    /// Which values an aggregate takes.
    pub distinctness: Distinctness,
    /// The order in which an aggregate takes values.
    pub order_by: &'a [SortKey],
    /// The rows that an aggregate takes.
    pub filter: Option<&'a Expression>,
}

impl<'a> Call<'a> {
    /// A call without modifiers.
    #[must_use]
    pub fn new(name: &'a str, arguments: &'a [Expression]) -> Self {
        Self { name, arguments, distinctness: Distinctness::All, order_by: &[], filter: None }
    }

    fn text(&self) -> String {
        let mut places = 1..;
        let mut text = format!("{}(", self.name);
        if self.distinctness == Distinctness::Distinct {
            text.push_str("DISTINCT ");
        }
        match self.arguments {
            [] if self.name.eq_ignore_ascii_case("count") => text.push('*'),
            arguments => text.push_str(&listed(&mut places, arguments.len())),
        }
        push_keys(&mut text, " ORDER BY ", &mut places, self.order_by);
        text.push(')');
        if self.filter.is_some() {
            // Writing to text cannot fail, as everywhere below.
            let _ = write!(text, " FILTER (WHERE {})", listed(&mut places, 1));
        }
        text
    }
}

/// One end of the rows that a window takes, from the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowBound {
    /// So many rows before it, or after it where the number is positive.
    Rows(i64),
    /// The first row of the part for a start, the last for an end.
    Unbounded,
}

impl RowBound {
    fn text(self, unbounded: &str) -> String {
        match self {
            Self::Unbounded => format!("UNBOUNDED {unbounded}"),
            Self::Rows(0) => "CURRENT ROW".to_owned(),
            Self::Rows(rows) if rows < 0 => format!("{} PRECEDING", rows.unsigned_abs()),
            Self::Rows(rows) => format!("{rows} FOLLOWING"),
        }
    }
}

impl Expression {
    /// What a function makes of its arguments.
    ///
    /// # Errors
    /// `VEL-7001` for a name that is none of a function, `VEL-1001` for a function that is not called with a list of
    /// arguments, and those of [`Expression::binary`]. Whether there is such a function is seen when a query is planned.
    pub fn call(call: &Call<'_>) -> Result<Self> {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !call.name.chars().all(letters) || !call.name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("not the name of a function: {}", call.name)));
        }
        let keys = call.order_by.iter().map(|key| &key.expression);
        let parts: Vec<&Self> = call.arguments.iter().chain(keys).chain(call.filter).collect();
        Self::call_of(&parts, |parts| template::expression(&call.text(), parts)).map_err(|error| {
            match error.position() {
                // A place in our own piece of text says nothing to a caller.
                Some(_) => {
                    let message = format!("{} is not called with a list of arguments: {}", call.name, error.message());
                    Error::new(error.code(), message).with_hint("write it as text, with sql_expr")
                }
                None => error,
            }
        })
    }

    /// This call of a function over a window of rows.
    ///
    /// # Errors
    /// `VEL-7001` for an expression that is not a call, and those of [`Expression::binary`].
    pub fn over(
        &self,
        partition_by: &[Self],
        order_by: &[SortKey],
        rows: Option<(RowBound, RowBound)>,
    ) -> Result<Self> {
        if !matches!(self.peek(), Expr::Function(function) if function.over.is_none()) {
            return Err(Error::new(ErrorCode::InvalidArgument, "over follows the call of a function")
                .with_hint("fn.sum(col(\"x\")).over(partition_by=\"k\") + 1"));
        }
        let mut places = 1..;
        let mut window = "f() OVER (".to_owned();
        if !partition_by.is_empty() {
            let _ = write!(window, "PARTITION BY {}", listed(&mut places, partition_by.len()));
        }
        push_keys(&mut window, " ORDER BY ", &mut places, order_by);
        if let Some((start, end)) = rows {
            let _ = write!(window, " ROWS BETWEEN {} AND {}", start.text("PRECEDING"), end.text("FOLLOWING"));
        }
        window.push(')');
        let keys = order_by.iter().map(|key| &key.expression);
        let parts: Vec<&Self> = partition_by.iter().chain(keys).chain(std::iter::once(self)).collect();
        Self::made_of(&parts, |mut parts| match (parts.pop(), template::expression(&window, parts)?) {
            (Some(Expr::Function(mut call)), Expr::Function(window)) => {
                call.over = window.over;
                Ok(Expr::Function(call))
            }
            _ => Err(Error::new(ErrorCode::Internal, "a window was lost")),
        })
    }

    /// `CASE WHEN condition THEN value END`
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn case(condition: &Self, value: &Self) -> Result<Self> {
        Self::made_of(&[condition, value], |parts| template::expression("CASE WHEN $1 THEN $2 END", parts))
    }

    /// This CASE with one more condition.
    ///
    /// # Errors
    /// `VEL-7001` for an expression that is not a CASE, or that has its ELSE already, and those of [`Expression::binary`].
    pub fn when(&self, condition: &Self, value: &Self) -> Result<Self> {
        Self::made_of(&[self, condition, value], |parts| match <[Expr; 3]>::try_from(parts) {
            Ok(
                [Expr::Case { case_token, end_token, operand, mut conditions, else_result: None }, condition, result],
            ) => {
                conditions.push(CaseWhen { condition, result });
                Ok(Expr::Case { case_token, end_token, operand, conditions, else_result: None })
            }
            _ => Err(no_case("when")),
        })
    }

    /// This CASE with the value for rows that fit no condition.
    ///
    /// # Errors
    /// Those of [`Expression::when`].
    pub fn otherwise(&self, value: &Self) -> Result<Self> {
        Self::made_of(&[self, value], |parts| match <[Expr; 2]>::try_from(parts) {
            Ok([Expr::Case { case_token, end_token, operand, conditions, else_result: None }, value]) => {
                Ok(Expr::Case { case_token, end_token, operand, conditions, else_result: Some(Box::new(value)) })
            }
            _ => Err(no_case("otherwise")),
        })
    }
}

fn no_case(method: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("{method} follows when(…) and comes before otherwise(…)"))
}

/// So many places with commas between them.
fn listed(places: &mut impl Iterator<Item = usize>, count: usize) -> String {
    places.take(count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

fn push_keys(text: &mut String, words: &str, places: &mut impl Iterator<Item = usize>, keys: &[SortKey]) {
    let keys: Vec<String> = keys.iter().zip(places).map(|(key, place)| format!("${place}{}", key.words())).collect();
    if !keys.is_empty() {
        let _ = write!(text, "{words}{}", keys.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{NullsPlace, Operator, SortDirection};
    use crate::parameter::Parameter;

    fn column(name: &str) -> Expression {
        Expression::column(name).unwrap()
    }

    fn key(name: &str) -> SortKey {
        SortKey { expression: column(name), direction: SortDirection::Descending, nulls: NullsPlace::Last }
    }

    #[test]
    fn calls_are_written_as_in_a_statement() {
        let (a, b) = ([column("a")], column("b"));
        let plain = Call::new("upper", &a);
        assert_eq!(Expression::call(&plain).unwrap().to_string(), "upper(a)");
        assert_eq!(Expression::call(&Call::new("COUNT", &[])).unwrap().to_string(), "COUNT(*)");
        let full = Call {
            distinctness: Distinctness::Distinct,
            order_by: &[key("k")],
            filter: Some(&b.is_null().unwrap()),
            ..Call::new("array_agg", &a)
        };
        let text = "array_agg(DISTINCT a ORDER BY k DESC NULLS LAST) FILTER (WHERE b IS NULL)";
        assert_eq!(Expression::call(&full).unwrap().to_string(), text);
        for name in ["", "a b", "f(", "1f", "a.b", "\"a\""] {
            assert!(Expression::call(&Call::new(name, &a)).is_err(), "{name}");
        }
    }

    #[test]
    fn windows_follow_calls() {
        let sum = Expression::call(&Call::new("sum", &[column("a")])).unwrap();
        let over = sum.over(&[column("g")], &[key("t")], Some((RowBound::Rows(-3), RowBound::Rows(0)))).unwrap();
        let text = "sum(a) OVER (PARTITION BY g ORDER BY t DESC NULLS LAST ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)";
        assert_eq!(over.to_string(), text);
        assert_eq!(sum.over(&[], &[], None).unwrap().to_string(), "sum(a) OVER ()");
        let all = (RowBound::Unbounded, RowBound::Unbounded);
        assert!(sum.over(&[], &[key("t")], Some(all)).unwrap().to_string().contains("AND UNBOUNDED FOLLOWING"));
        assert!(over.over(&[], &[], None).is_err());
        assert!(column("a").over(&[], &[], None).is_err());
    }

    #[test]
    fn cases_grow_until_their_else() {
        let one = Expression::value(&Parameter::Integer(1)).unwrap();
        let positive = column("a").binary(Operator::Greater, &one).unwrap();
        let case = Expression::case(&positive, &one).unwrap().when(&column("b"), &column("c")).unwrap();
        let done = case.otherwise(&one).unwrap();
        assert_eq!(done.to_string(), "CASE WHEN a > 1 THEN 1 WHEN b THEN c ELSE 1 END");
        assert!(done.when(&positive, &one).is_err() && done.otherwise(&one).is_err() && one.otherwise(&one).is_err());
    }

    #[test]
    fn calls_inside_each_other_are_bounded() {
        let deep = (0..400).try_fold(column("a"), |inner, _| Expression::call(&Call::new("upper", &[inner])));
        assert_eq!(deep.unwrap_err().code(), ErrorCode::StatementTooLarge);
    }
}

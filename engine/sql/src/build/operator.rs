//! Operators: what two expressions make, and what one makes alone.
//!
//! An operand is put into parentheses where the text would read as another tree without them, and nowhere else: the text
//! is the name of the column.

use sqlparser::ast::{BinaryOperator, CastKind, Expr, UnaryOperator, Value};
use sqlparser::tokenizer::Span;
use velaria_contract::{Error, ErrorCode, Result};

use crate::build::expression::Expression;
use crate::diagnostic;
use crate::parser::{expect_end, sql_parser, tokenize};

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `AND`
    And,
    /// `OR`
    Or,
}

/// What a value becomes that cannot be cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastFailure {
    /// An error: `CAST`.
    Error,
    /// NULL: `TRY_CAST`.
    Null,
}

/// Whether a pattern minds the case of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterCase {
    /// It does: `LIKE`.
    Minded,
    /// It does not: `ILIKE`.
    Ignored,
}

const LOWEST: u8 = 0;
const OR: u8 = 1;
pub(super) const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const SIGN: u8 = 7;
const ATOM: u8 = 8;

impl Operator {
    fn of_tree(self) -> (BinaryOperator, u8) {
        match self {
            Self::Add => (BinaryOperator::Plus, SUM),
            Self::Subtract => (BinaryOperator::Minus, SUM),
            Self::Multiply => (BinaryOperator::Multiply, PRODUCT),
            Self::Divide => (BinaryOperator::Divide, PRODUCT),
            Self::Modulo => (BinaryOperator::Modulo, PRODUCT),
            Self::Equal => (BinaryOperator::Eq, COMPARISON),
            Self::NotEqual => (BinaryOperator::NotEq, COMPARISON),
            Self::Less => (BinaryOperator::Lt, COMPARISON),
            Self::LessOrEqual => (BinaryOperator::LtEq, COMPARISON),
            Self::Greater => (BinaryOperator::Gt, COMPARISON),
            Self::GreaterOrEqual => (BinaryOperator::GtEq, COMPARISON),
            Self::And => (BinaryOperator::And, AND),
            Self::Or => (BinaryOperator::Or, OR),
        }
    }
}

/// How tightly the parts of `expr` hold together.
fn precedence(expr: &Expr) -> u8 {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Function(_)
        | Expr::Nested(_)
        | Expr::Cast { .. }
        | Expr::Case { .. }
        | Expr::Array(_)
        | Expr::Subquery(_) => ATOM,
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => NOT,
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => SIGN,
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. } => COMPARISON,
        Expr::BinaryOp { op, .. } => operator_precedence(op),
        // How the grammar takes the others depends on the dialect: parentheses are always right.
        _ => LOWEST,
    }
}

fn operator_precedence(operator: &BinaryOperator) -> u8 {
    match operator {
        BinaryOperator::Plus | BinaryOperator::Minus => SUM,
        BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo => PRODUCT,
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq => COMPARISON,
        BinaryOperator::And => AND,
        BinaryOperator::Or => OR,
        _ => LOWEST,
    }
}

/// `expr`, in parentheses unless it holds together at least as tightly as `level`.
pub(super) fn held(expr: Expr, level: u8) -> Box<Expr> {
    match precedence(&expr) >= level {
        true => Box::new(expr),
        false => Box::new(Expr::Nested(Box::new(expr))),
    }
}

impl Expression {
    /// What `operator` makes of this expression and `right`.
    ///
    /// # Errors
    /// `VEL-1004` when it is nested too deeply, `VEL-7001` for an expression that has a name.
    pub fn binary(&self, operator: Operator, right: &Self) -> Result<Self> {
        let (op, level) = operator.of_tree();
        // Comparisons do not follow each other, and the others group to the left.
        let left_level = if level == COMPARISON { level + 1 } else { level };
        Self::pair(self, right, |left, right| Expr::BinaryOp {
            left: held(left, left_level),
            op,
            right: held(right, level + 1),
        })
    }

    fn pair(left: &Self, right: &Self, build: impl FnOnce(Expr, Expr) -> Expr) -> Result<Self> {
        Self::made_of(&[left, right], |parts| match <[Expr; 2]>::try_from(parts) {
            Ok([left, right]) => Ok(build(left, right)),
            Err(_) => Err(lost()),
        })
    }

    fn alone(&self, build: impl FnOnce(Expr) -> Expr) -> Result<Self> {
        Self::made_of(&[self], |parts| parts.into_iter().next().map(build).ok_or_else(lost))
    }

    /// `NOT` this expression.
    ///
    /// # Errors
    /// Those of [`Expression::binary`], as of all methods that follow.
    pub fn not(&self) -> Result<Self> {
        self.alone(|expr| Expr::UnaryOp { op: UnaryOperator::Not, expr: held(expr, NOT + 1) })
    }

    /// The negative of this expression.
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn negative(&self) -> Result<Self> {
        self.alone(|expr| Expr::UnaryOp { op: UnaryOperator::Minus, expr: held(expr, SIGN + 1) })
    }

    /// `IS NULL`
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn is_null(&self) -> Result<Self> {
        self.alone(|expr| Expr::IsNull(held(expr, COMPARISON + 1)))
    }

    /// `IS NOT NULL`
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn is_not_null(&self) -> Result<Self> {
        self.alone(|expr| Expr::IsNotNull(held(expr, COMPARISON + 1)))
    }

    /// `IN` a list. Nothing is in an empty one, and that is never unknown.
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn is_in(&self, list: &[Self]) -> Result<Self> {
        let parts: Vec<&Self> = std::iter::once(self).chain(list).collect();
        Self::made_of(&parts, |parts| {
            let mut parts = parts.into_iter();
            let expr = held(parts.next().ok_or_else(lost)?, COMPARISON + 1);
            let list: Vec<Expr> = parts.collect();
            Ok(match list.is_empty() {
                true => Expr::value(Value::Boolean(false)),
                false => Expr::InList { expr, list, negated: false },
            })
        })
    }

    /// `BETWEEN low AND high`
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn between(&self, low: &Self, high: &Self) -> Result<Self> {
        Self::made_of(&[self, low, high], |parts| match <[Expr; 3]>::try_from(parts) {
            Ok(parts) => {
                let [expr, low, high] = parts.map(|part| held(part, COMPARISON + 1));
                Ok(Expr::Between { expr, negated: false, low, high })
            }
            Err(_) => Err(lost()),
        })
    }

    /// `LIKE pattern`
    ///
    /// # Errors
    /// Those of [`Expression::binary`].
    pub fn like(&self, pattern: &Self, escape: Option<char>, case: LetterCase) -> Result<Self> {
        let escape_char = escape.map(|escape| Value::SingleQuotedString(escape.to_string()).with_span(Span::empty()));
        Self::pair(self, pattern, |expr, pattern| {
            let (expr, pattern) = (held(expr, COMPARISON + 1), held(pattern, COMPARISON + 1));
            let (negated, any) = (false, false);
            match case {
                LetterCase::Minded => Expr::Like { negated, any, expr, pattern, escape_char },
                LetterCase::Ignored => Expr::ILike { negated, any, expr, pattern, escape_char },
            }
        })
    }

    /// This expression as another type, which is written as in a statement.
    ///
    /// # Errors
    /// Those of [`Expression::binary`], and `VEL-1001` for text that is not a type.
    pub fn cast(&self, data_type: &str, failure: CastFailure) -> Result<Self> {
        let mut parser = sql_parser(tokenize(data_type)?);
        let parsed = parser.parse_data_type().map_err(|error| diagnostic::from_parser(data_type, &error))?;
        expect_end(data_type, &parser)?;
        let kind = match failure {
            CastFailure::Error => CastKind::Cast,
            CastFailure::Null => CastKind::TryCast,
        };
        self.alone(|expr| Expr::Cast { kind, expr: Box::new(expr), data_type: parsed, array: false, format: None })
    }
}

fn lost() -> Error {
    Error::new(ErrorCode::Internal, "a part of an expression was lost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::{Parameter, Parameters};

    fn column(name: &str) -> Expression {
        Expression::column(name).unwrap()
    }

    fn number(value: i64) -> Expression {
        Expression::value(&Parameter::Integer(value)).unwrap()
    }

    #[test]
    fn parentheses_stand_where_they_are_needed() {
        use Operator::{Add, And, Equal, Greater, Multiply, Or, Subtract};
        let (a, b, c) = (column("a"), column("b"), column("c"));
        let of = |left: &Expression, operator, right: &Expression| left.binary(operator, right).unwrap();
        let shown = [
            (of(&of(&a, Add, &b), Multiply, &c), "(a + b) * c"),
            (of(&of(&a, Multiply, &b), Add, &c), "a * b + c"),
            (of(&a, Subtract, &of(&b, Subtract, &c)), "a - (b - c)"),
            (of(&of(&a, Subtract, &b), Subtract, &c), "a - b - c"),
            (of(&a, Subtract, &number(-1)), "a - (-1)"),
            (of(&of(&a, Or, &b), And, &c), "(a OR b) AND c"),
            (of(&of(&a, Greater, &b), And, &of(&b, Greater, &c)), "a > b AND b > c"),
            (of(&of(&a, Equal, &b), Equal, &c), "(a = b) = c"),
            (a.not().unwrap().is_null().unwrap(), "(NOT a) IS NULL"),
            (of(&a, Or, &b).not().unwrap(), "NOT (a OR b)"),
            (a.negative().unwrap().negative().unwrap(), "-(-a)"),
            (of(&a, Add, &b).between(&number(1), &of(&c, Add, &number(1))).unwrap(), "a + b BETWEEN 1 AND c + 1"),
            (of(&a, Add, &b).cast("DECIMAL(10, 2)", CastFailure::Null).unwrap(), "TRY_CAST(a + b AS DECIMAL(10,2))"),
            (a.is_in(&[number(1), b.clone()]).unwrap(), "a IN (1, b)"),
            (a.is_in(&[]).unwrap(), "false"),
            (a.like(&b, Some('!'), LetterCase::Ignored).unwrap(), "a ILIKE b ESCAPE '!'"),
            (of(&Expression::sql("a || b", &Parameters::None).unwrap(), Equal, &c), "(a || b) = c"),
        ];
        for (expression, text) in shown {
            assert_eq!(expression.to_string(), text);
        }
    }

    #[test]
    fn a_type_is_one_type() {
        for text in ["", "INT) + (1", "INT, b INT", "42"] {
            assert!(column("a").cast(text, CastFailure::Error).is_err(), "{text}");
        }
    }

    /// Any tree reads back as itself from its text: no operand is grouped in another way.
    #[test]
    fn the_text_reads_as_the_same_tree() {
        let operators =
            [Operator::Add, Operator::Subtract, Operator::Divide, Operator::Less, Operator::And, Operator::Or];
        let mut seed = 7_u64;
        let mut next = |bound: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % bound
        };
        let mut pool: Vec<Expression> = vec![column("a"), column("b"), number(2), number(-3)];
        for _ in 0..400 {
            let (left, right) = (pool[next(pool.len())].clone(), pool[next(pool.len())].clone());
            if left.depth() + right.depth() > 12 {
                continue;
            }
            let made = match next(9) {
                0 => left.not(),
                1 => left.negative(),
                2 => left.is_null(),
                3 => left.between(&right, &column("c")),
                4 => left.is_in(&[right]),
                5 => left.like(&right, None, LetterCase::Minded),
                _ => left.binary(operators[next(operators.len())], &right),
            };
            pool.push(made.unwrap());
        }
        for expression in pool {
            let text = expression.to_string();
            let read = Expression::sql(&text, &Parameters::None).unwrap();
            assert_eq!(read.peek(), expression.peek(), "{text}");
        }
    }
}

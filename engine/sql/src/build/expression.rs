//! One expression: a column, a value, text of SQL, or something made of other expressions.

use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Expr, Ident, SelectItem, Value, Visit, Visitor};
use sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS as RESERVED};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic;
use crate::in_list;
use crate::limits::{self, CALL_DEPTH_MAX};
use crate::nesting;
use crate::parameter::{self, Parameter, Parameters};
use crate::parser::{expect_end, sql_parser, tokenize};
use crate::stack;

/// How deep an expression may be. Reading text has a higher limit for parentheses, and the same for operators in a row is
/// reached by programs in loops only.
const DEPTH_MAX: usize = 1_000;

/// What one level of an expression takes of the stack, in tokens of a statement.
const LEVEL_TOKENS: usize = 8;

/// An expression of SQL. It is never changed: what is made of it is another one.
///
/// Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Expression {
    node: Arc<Node>,
}

#[derive(Debug)]
struct Node {
    expr: Expr,
    alias: Option<String>,
    /// The levels of expressions inside each other.
    depth: usize,
    /// The levels of function calls inside each other.
    calls: usize,
}

impl Drop for Node {
    fn drop(&mut self) {
        let expr = mem::replace(&mut self.expr, Expr::value(Value::Null));
        with_levels(self.depth, || drop(expr));
    }
}

/// Runs `work` over an expression of so many levels where it cannot run out of stack.
pub(super) fn with_levels<T>(depth: usize, work: impl FnOnce() -> T) -> T {
    stack::with_room(depth.saturating_mul(LEVEL_TOKENS), work)
}

impl Expression {
    /// A column by its name. It is found as a name in a statement is: in exactly this spelling or, when nothing is called
    /// that, as the only name that differs from it in case.
    ///
    /// # Errors
    /// `VEL-7001` for an empty name or one with a NUL.
    pub fn column(name: &str) -> Result<Self> {
        Ok(Self::leaf(Expr::Identifier(ident(name)?)))
    }

    /// A column of the table called `table`.
    ///
    /// # Errors
    /// Those of [`Expression::column`].
    pub fn column_of(table: &str, name: &str) -> Result<Self> {
        Ok(Self::leaf(Expr::CompoundIdentifier(vec![ident(table)?, ident(name)?])))
    }

    /// A value.
    ///
    /// # Errors
    /// `VEL-7001` for a decimal of too many digits.
    pub fn value(value: &Parameter) -> Result<Self> {
        parameter::literal(value, Span::empty()).map(Self::leaf)
    }

    /// One expression as text, with values for its parameters; `AS name` may follow it.
    ///
    /// # Errors
    /// `VEL-1001` for text that is not an expression, `VEL-1004` for one beyond the limits, `VEL-7001` when values and open
    /// places do not fit.
    pub fn sql(text: &str, parameters: &Parameters) -> Result<Self> {
        limits::check_text(text)?;
        let mut tokens = tokenize(text)?;
        limits::check_count(text, &tokens)?;
        nesting::check(text, &tokens)?;
        parameter::number(&mut tokens);
        in_list::mark(&mut tokens);
        stack::with_room(tokens.len(), || {
            let mut parser = sql_parser(tokens);
            let parsed = parser.parse_expr().and_then(|expr| {
                let named = parser.parse_keyword(Keyword::AS);
                Ok((expr, named.then(|| parser.parse_identifier()).transpose()?))
            });
            let (mut expr, alias) = parsed.map_err(|error| diagnostic::from_parser(text, &error))?;
            expect_end(text, &parser)?;
            parameter::bind_expression(text, &mut expr, parameters)?;
            let (depth, calls) = Levels::of(&expr);
            Self::new(expr, depth, calls)?.named(alias.map(|alias| alias.value))
        })
    }

    /// This expression as the column `name` of a result.
    ///
    /// # Errors
    /// `VEL-7001` for an empty name or one with a NUL.
    pub fn alias(&self, name: &str) -> Result<Self> {
        check_name(name)?;
        self.named(Some(name.to_owned()))
    }

    fn named(&self, alias: Option<String>) -> Result<Self> {
        let node = Node { expr: self.tree(), alias, depth: self.node.depth, calls: self.node.calls };
        Ok(Self { node: Arc::new(node) })
    }

    fn leaf(expr: Expr) -> Self {
        Self { node: Arc::new(Node { expr, alias: None, depth: 1, calls: 0 }) }
    }

    fn new(expr: Expr, depth: usize, calls: usize) -> Result<Self> {
        let node = Node { expr, alias: None, depth, calls };
        if node.depth > DEPTH_MAX {
            return Err(Error::new(ErrorCode::StatementTooLarge, "expression is nested too deeply").with_hint(format!(
                "at most {DEPTH_MAX} levels are followed: use is_in for many values, or several conditions in one filter"
            )));
        }
        if node.calls > CALL_DEPTH_MAX {
            return Err(limits::too_many_calls("", Span::empty()));
        }
        Ok(Self { node: Arc::new(node) })
    }

    /// What `build` makes of the trees of `parts`.
    pub(super) fn made_of(parts: &[&Self], build: impl FnOnce(Vec<Expr>) -> Result<Expr>) -> Result<Self> {
        Self::made(parts, 0, build)
    }

    /// The same for a function call, whose arguments are `parts`.
    pub(super) fn call_of(parts: &[&Self], build: impl FnOnce(Vec<Expr>) -> Result<Expr>) -> Result<Self> {
        Self::made(parts, 1, build)
    }

    fn made(parts: &[&Self], call: usize, build: impl FnOnce(Vec<Expr>) -> Result<Expr>) -> Result<Self> {
        if let Some(named) = parts.iter().find_map(|part| part.name()) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("the expression {named} has its name already"))
                .with_hint("give the name last, to the whole expression"));
        }
        let depth = 1 + parts.iter().map(|part| part.node.depth).max().unwrap_or(0);
        let calls = call + parts.iter().map(|part| part.node.calls).max().unwrap_or(0);
        with_levels(depth, || Self::new(build(parts.iter().map(|part| part.tree()).collect())?, depth, calls))
    }

    /// The syntax tree, without the name.
    pub(super) fn tree(&self) -> Expr {
        with_levels(self.node.depth, || self.node.expr.clone())
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.node.alias.as_deref()
    }

    pub(super) fn peek(&self) -> &Expr {
        &self.node.expr
    }

    pub(super) fn depth(&self) -> usize {
        self.node.depth
    }

    /// The item of a SELECT list.
    pub(super) fn item(&self) -> SelectItem {
        match &self.node.alias {
            Some(alias) => SelectItem::ExprWithAlias { expr: self.tree(), alias: Ident::with_quote('"', alias) },
            None => SelectItem::UnnamedExpr(self.tree()),
        }
    }
}

/// The text of the expression, as a statement would have it.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_levels(self.node.depth, || match &self.node.alias {
            Some(alias) => write!(f, "{} AS {}", self.node.expr, Ident::with_quote('"', alias)),
            None => self.node.expr.fmt(f),
        })
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains('\0') {
        return Err(Error::new(ErrorCode::InvalidArgument, "a column needs a name without NUL characters"));
    }
    Ok(())
}

/// `name` as one name: without quotes where it reads as one without them.
pub(super) fn ident(name: &str) -> Result<Ident> {
    check_name(name)?;
    let simple = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    match simple && reads_as_name(name) {
        true => Ok(Ident::new(name)),
        false => Ok(Ident::with_quote('"', name)),
    }
}

/// Whether `text` alone is a name, wherever it stands in an expression.
fn reads_as_name(text: &str) -> bool {
    let Ok(tokens) = tokenize(text) else { return false };
    let reserved = matches!(tokens.as_slice(), [TokenWithSpan { token: Token::Word(word), .. }, ..] if RESERVED.contains(&word.keyword));
    !reserved && matches!(sql_parser(tokens).parse_expr(), Ok(Expr::Identifier(read)) if read.value == text)
}

/// Counts the levels of an expression.
#[derive(Default)]
struct Levels {
    depth: usize,
    calls: usize,
    deepest: (usize, usize),
}

impl Levels {
    fn of(expr: &Expr) -> (usize, usize) {
        let mut levels = Self::default();
        let _: ControlFlow<()> = expr.visit(&mut levels);
        levels.deepest
    }
}

impl Visitor for Levels {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.depth += 1;
        self.calls += usize::from(matches!(expr, Expr::Function(_)));
        self.deepest = (self.deepest.0.max(self.depth), self.deepest.1.max(self.calls));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.depth -= 1;
        self.calls -= usize::from(matches!(expr, Expr::Function(_)));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Operator;

    fn number(value: i64) -> Expression {
        Expression::value(&Parameter::Integer(value)).unwrap()
    }

    #[test]
    fn names_are_quoted_where_they_would_read_as_something_else() {
        for (name, shown) in [
            ("a", "a"),
            ("Total_1", "Total_1"),
            ("value", "value"),
            ("select", "\"select\""),
            ("a b", "\"a b\""),
            ("1", "\"1\""),
            ("true", "\"true\""),
            ("a.b", "\"a.b\""),
            ("now()", "\"now()\""),
            ("年", "\"年\""),
        ] {
            assert_eq!(Expression::column(name).unwrap().to_string(), shown);
        }
        assert!(Expression::column("").is_err());
    }

    #[test]
    fn text_is_one_expression_and_may_have_a_name() {
        let read = |text: &str| Expression::sql(text, &Parameters::None);
        assert_eq!(read("a + 1 AS b").unwrap().to_string(), "a + 1 AS \"b\"");
        for text in ["", "a, b", "a FROM t", "a; b", "(a", "a AS", "a AS b AS c", "?"] {
            assert!(read(text).is_err(), "{text}");
        }
        let bound = Expression::sql("a = ?", &Parameters::Positional(vec![Parameter::Text("' OR 1".to_owned())]));
        assert_eq!(bound.unwrap().to_string(), "a = ''' OR 1'");
    }

    #[test]
    fn depth_is_bounded_and_a_deep_expression_goes_away_quietly() {
        let mut sum = number(1);
        let failed = (0..2 * DEPTH_MAX).find_map(|_| match sum.binary(Operator::Add, &number(1)) {
            Ok(more) => {
                sum = more;
                None
            }
            Err(error) => Some(error),
        });
        assert_eq!(failed.unwrap().code(), ErrorCode::StatementTooLarge);
        std::thread::Builder::new().stack_size(256 << 10).spawn(move || drop(sum.clone())).unwrap().join().unwrap();
    }

    #[test]
    fn a_name_is_given_last() {
        let named = number(1).alias("one").unwrap();
        assert_eq!(named.binary(Operator::Add, &number(1)).unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(named.alias("eins").unwrap().to_string(), "1 AS \"eins\"");
    }
}

//! Text to one expression, for rewrites that are written as SQL.

use sqlparser::ast::Expr;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use velaria_contract::Result;

use crate::diagnostic;

/// Reads one expression; `$1`, `$2` and so on come back as placeholders.
///
/// # Errors
/// `VEL-1001` for text that is not an expression.
pub fn parse_expression(text: &str) -> Result<Expr> {
    Parser::new(&GenericDialect {})
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| diagnostic::from_parser(text, &error))
}

//! The documented limits on one statement.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic::position_of;

/// The longest statement, in bytes of its text.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The deepest nesting of expressions and queries that the parser follows.
pub const EXPRESSION_DEPTH_MAX: usize = 300;

/// The most operators, or arms of a set operation, that follow each other in one expression or query.
pub const CHAIN_OPERATORS_MAX: usize = 5_000;

/// Refuses text that is too long to be a statement, before a single token is made of it.
pub(crate) fn check_text(text: &str) -> Result<()> {
    if text.len() <= STATEMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("statement of {} bytes is longer than {STATEMENT_BYTES_MAX}", text.len());
    Err(Error::new(ErrorCode::StatementTooLarge, message).with_hint("load the data from a file or from Arrow instead"))
}

/// Refuses chains of operators that later passes, which recurse over them, could not survive.
pub(crate) fn check_tokens(text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    // The length of the chain at each level of parentheses; a comma starts another expression.
    let mut chains = vec![0];
    for token in tokens {
        match &token.token {
            Token::LParen => chains.push(0),
            Token::RParen if chains.len() > 1 => {
                chains.pop();
            }
            Token::Comma => chains.iter_mut().last().into_iter().for_each(|chain| *chain = 0),
            other if is_operator(other) => {
                let chain = chains.iter_mut().last().map_or(0, |chain| {
                    *chain += 1;
                    *chain
                });
                if chain > CHAIN_OPERATORS_MAX {
                    return Err(chain_too_long(text, token));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_operator(token: &Token) -> bool {
    const WORDS: [Keyword; 5] = [Keyword::OR, Keyword::AND, Keyword::UNION, Keyword::INTERSECT, Keyword::EXCEPT];
    match token {
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Word(word) => WORDS.contains(&word.keyword),
        _ => false,
    }
}

fn chain_too_long(text: &str, token: &TokenWithSpan) -> Error {
    Error::new(ErrorCode::StatementTooLarge, format!("more than {CHAIN_OPERATORS_MAX} operators in a row"))
        .with_hint("use IN with a list, or join a table that holds the values")
        .with_position(position_of(text, token.span))
}

/// The error for nesting beyond [`EXPRESSION_DEPTH_MAX`].
pub(crate) fn too_deep() -> Error {
    Error::new(ErrorCode::StatementTooLarge, "statement is nested too deeply")
        .with_hint(format!("at most {EXPRESSION_DEPTH_MAX} levels of expressions and queries are followed"))
}

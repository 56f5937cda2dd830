//! IN lists that begin with a subquery: `x IN ((SELECT 1), 2)`.
//!
//! The parser takes the subquery for the whole right side and stumbles over the comma. A plus before it, which means
//! nothing and is taken off again after parsing, tells it that an expression comes.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Marks the subqueries that are the first of several items.
pub(crate) fn mark(tokens: &mut Vec<TokenWithSpan>) {
    if !tokens.iter().any(|token| is_word(token, &[Keyword::IN])) {
        return;
    }
    let meaningful: Vec<usize> = (0..tokens.len())
        .filter(|index| tokens.get(*index).is_some_and(|token| !matches!(token.token, Token::Whitespace(_))))
        .collect();
    let places: Vec<usize> = (0..meaningful.len()).filter_map(|at| first_item(tokens, &meaningful, at)).collect();
    for place in places.into_iter().rev() {
        let span = tokens.get(place).map_or_else(sqlparser::tokenizer::Span::empty, |token| token.span);
        tokens.insert(place, TokenWithSpan::new(Token::Plus, span));
    }
}

/// Where the first item begins, if the word at `at` is an IN whose list begins with a subquery and goes on after it.
fn first_item(tokens: &[TokenWithSpan], meaningful: &[usize], at: usize) -> Option<usize> {
    let token = |offset: usize| meaningful.get(at + offset).and_then(|index| tokens.get(*index));
    if !is_word(token(0)?, &[Keyword::IN]) || token(1)?.token != Token::LParen || token(2)?.token != Token::LParen {
        return None;
    }
    let mut inside = 3;
    while token(inside)?.token == Token::LParen {
        inside += 1;
    }
    if !is_word(token(inside)?, &[Keyword::SELECT, Keyword::WITH, Keyword::VALUES]) {
        return None;
    }
    let (mut depth, mut next) = (1_usize, 3);
    while depth > 0 {
        match token(next)?.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        next += 1;
    }
    let set_operation = [Keyword::UNION, Keyword::INTERSECT, Keyword::EXCEPT, Keyword::ORDER, Keyword::LIMIT];
    let after = token(next)?;
    let whole = after.token == Token::RParen || is_word(after, &set_operation);
    if whole { None } else { meaningful.get(at + 2).copied() }
}

fn is_word(token: &TokenWithSpan, words: &[Keyword]) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && words.contains(&word.keyword))
}

//! The parts of CREATE TABLE that are Velaria's own: the kind of the table, its provider and its options. They are taken
//! out of the tokens before the parser reads the rest.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::Result;

use crate::cursor::Cursor;
use crate::options::{self, TableOption};
use crate::statement::TableKind;

/// What was taken out.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) kind: TableKind,
    pub(crate) provider: Option<String>,
    pub(crate) options: Vec<TableOption>,
}

/// Takes kind, provider and options out of `tokens`, which were read from `text`.
pub(crate) fn take(text: &str, tokens: &mut Vec<TokenWithSpan>) -> Result<Outside> {
    let mut outside = Outside::default();
    let mut cursor = Cursor::new(text, tokens, 0);
    if !cursor.word("CREATE") {
        return Ok(outside);
    }
    if cursor.word("OR") {
        cursor.word("REPLACE");
    }
    let word = cursor.index();
    outside.kind = kind(&mut cursor);
    if !cursor.word("TABLE") {
        return Ok(Outside::default());
    }
    if let Some(start) = after_columns(tokens, cursor.index()) {
        let mut cursor = Cursor::new(text, tokens, start);
        if cursor.word("USING") {
            outside.provider = Some(cursor.name()?.to_lowercase());
        }
        if cursor.word("OPTIONS") {
            outside.options = options::read(&mut cursor)?;
        }
        let end = cursor.index();
        tokens.drain(start..end);
    }
    if outside.kind != TableKind::Regular {
        tokens.remove(word);
    }
    quote_column_names(tokens);
    Ok(outside)
}

/// `KEY` and `INDEX` begin a rule in other dialects. Before another word they are the name of a column.
fn quote_column_names(tokens: &mut [TokenWithSpan]) {
    let mut depth = 0_usize;
    let mut begins = false;
    let mut found = Vec::new();
    let visible = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let mut rest = tokens.iter().enumerate().filter(|(_, token)| visible(token)).peekable();
    while let Some((index, token)) = rest.next() {
        let next_is_word = rest.peek().is_some_and(|(_, next)| matches!(next.token, Token::Word(_)));
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if word.keyword == Keyword::AS && depth == 0 => break,
            Token::Word(word) if begins && next_is_word && matches!(word.keyword, Keyword::KEY | Keyword::INDEX) => {
                found.push(index);
            }
            _ => {}
        }
        begins = depth == 1 && matches!(token.token, Token::LParen | Token::Comma);
    }
    for index in found {
        if let Some(TokenWithSpan { token: Token::Word(word), .. }) = tokens.get_mut(index) {
            word.quote_style = Some('"');
            word.keyword = Keyword::NoKeyword;
        }
    }
}

fn kind(cursor: &mut Cursor<'_>) -> TableKind {
    if cursor.word("SOURCE") {
        TableKind::Source
    } else if cursor.word("SINK") {
        TableKind::Sink
    } else {
        TableKind::Regular
    }
}

/// The index of USING or OPTIONS after name and columns, before any AS.
fn after_columns(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => match word.keyword {
                Keyword::AS => return None,
                Keyword::USING | Keyword::OPTIONS => return Some(index),
                _ => {}
            },
            _ => {}
        }
    }
    None
}

//! `FROM t …` without a `SELECT` is short for `SELECT * FROM t …`.
//!
//! It is completed among the tokens, where a query may begin, so that `WHERE`, `ORDER BY` and everything else can follow.
//! `FROM t SELECT a` is a form of the grammar's own.

use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, SelectFlavor, SelectItem, VisitMut, VisitorMut, WildcardAdditionalOptions};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Puts `SELECT *` before every `FROM` that begins a query without one.
pub(crate) fn complete(tokens: &mut Vec<TokenWithSpan>) {
    let short = short(tokens);
    if short.is_empty() {
        return;
    }
    let mut places = short.into_iter().peekable();
    let mut completed = Vec::with_capacity(tokens.len() + 2 * places.len());
    for (index, token) in tokens.drain(..).enumerate() {
        if places.next_if_eq(&index).is_some() {
            completed.extend([select(), Token::Mul].map(|added| TokenWithSpan::new(added, token.span)));
        }
        completed.push(token);
    }
    *tokens = completed;
}

/// Gives every query that still has no list its `*`: those that the tokens alone do not tell, as in `INSERT INTO t FROM u`.
pub(crate) fn expand(query: &mut Query) {
    let _: ControlFlow<()> = query.visit(&mut Expander);
}

struct Expander;

impl VisitorMut for Expander {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
            select.flavor = SelectFlavor::Standard;
        }
        ControlFlow::Continue(())
    }
}

fn select() -> Token {
    Token::Word(Word { value: "SELECT".to_owned(), quote_style: None, keyword: Keyword::SELECT })
}

/// The places of every `FROM` that begins a query without a `SELECT`, in order.
fn short(tokens: &[TokenWithSpan]) -> Vec<usize> {
    let mut short = Vec::new();
    // One entry for each open parenthesis, and one for the statement.
    let mut levels = vec![Level::default()];
    let mut before = None;
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| is_visible(token)) {
        let Some(level) = levels.last_mut() else { break };
        match (&token.token, keyword(token)) {
            (Token::LParen, _) => levels.push(Level::default()),
            (Token::RParen, _) => short.extend(levels.pop().and_then(|level| level.open)),
            (_, Some(Keyword::SELECT)) => *level = Level { queried: true, ..Level::default() },
            (_, Some(Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT)) => short.extend(level.open.take()),
            (_, Some(Keyword::WITH)) => level.with = true,
            (_, Some(Keyword::FROM)) if level.begins_query(before) => level.open = Some(index),
            _ => {}
        }
        before = Some(token);
    }
    short.extend(levels.into_iter().filter_map(|level| level.open));
    short.sort_unstable();
    short
}

/// What was seen inside of one pair of parentheses.
#[derive(Default)]
struct Level {
    /// Whether there was a `SELECT`.
    queried: bool,
    /// Whether there was a `WITH`.
    with: bool,
    /// A `FROM` that began a query and waits for its `SELECT`.
    open: Option<usize>,
}

impl Level {
    /// Whether a query may begin behind `before`.
    fn begins_query(&self, before: Option<&TokenWithSpan>) -> bool {
        let Some(before) = before else { return true };
        match (&before.token, keyword(before)) {
            (Token::LParen, _) | (_, Some(Keyword::UNION | Keyword::ALL | Keyword::EXCEPT | Keyword::INTERSECT)) => {
                true
            }
            // Behind the definitions of WITH.
            (Token::RParen, _) => self.with && self.is_fresh(),
            // CREATE TABLE t AS FROM u; in SELECT a AS from it is a name.
            (_, Some(Keyword::AS)) => self.is_fresh(),
            (Token::Word(word), _) => {
                let opens = ["EXPLAIN", "ANALYZE", "DESCRIBE", "DESC", "SUMMARIZE"];
                self.is_fresh()
                    && word.quote_style.is_none()
                    && opens.iter().any(|own| word.value.eq_ignore_ascii_case(own))
            }
            _ => false,
        }
    }

    /// Whether no query has begun.
    fn is_fresh(&self) -> bool {
        !self.queried && self.open.is_none()
    }
}

fn keyword(token: &TokenWithSpan) -> Option<Keyword> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

fn is_visible(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_))
}

#[cfg(test)]
mod tests {
    use crate::{Statement, parse};

    fn same(short: &str, long: &str) {
        assert_eq!(parse(short).unwrap(), parse(long).unwrap(), "{short}");
    }

    #[test]
    fn from_alone_selects_everything() {
        same("FROM t", "SELECT * FROM t");
        same("from t WHERE a > 1 ORDER BY a LIMIT 2", "SELECT * FROM t WHERE a > 1 ORDER BY a LIMIT 2");
        same("-- all\nFROM t JOIN u USING (a)", "SELECT * FROM t JOIN u USING (a)");
        same("FROM (FROM t WHERE a = 1) AS s", "SELECT * FROM (SELECT * FROM t WHERE a = 1) AS s");
        same("FROM t UNION ALL FROM u", "SELECT * FROM t UNION ALL SELECT * FROM u");
        same("FROM t UNION ALL SELECT a FROM u", "SELECT * FROM t UNION ALL SELECT a FROM u");
        same("WITH c AS (FROM t) SELECT a FROM c", "WITH c AS (SELECT * FROM t) SELECT a FROM c");
        same("WITH c AS (SELECT 1 AS a) FROM c WHERE a = 1", "WITH c AS (SELECT 1 AS a) SELECT * FROM c WHERE a = 1");
        same("INSERT INTO v FROM t", "INSERT INTO v SELECT * FROM t");
        same("SUMMARIZE FROM t WHERE a = 1", "SUMMARIZE SELECT * FROM t WHERE a = 1");
        same("CREATE TABLE v AS FROM t", "CREATE TABLE v AS SELECT * FROM t");
        same("DESCRIBE FROM t", "DESCRIBE SELECT * FROM t");
        same("EXPLAIN ANALYZE FROM t", "EXPLAIN ANALYZE SELECT * FROM t");
        same("SELECT 1 AS x WHERE EXISTS (FROM t)", "SELECT 1 AS x WHERE EXISTS (SELECT * FROM t)");
    }

    #[test]
    fn other_words_from_stay_what_they_are() {
        for text in [
            "SELECT a IS DISTINCT FROM b AS x FROM t",
            "SELECT a IS NOT DISTINCT FROM b AS x FROM t",
            "SELECT extract(year FROM d) AS y, trim(both 'x' FROM a) AS z FROM t",
            "DELETE FROM t WHERE a = 1",
            "FROM t SELECT a WHERE a = 1",
            "SELECT 1 AS from FROM t",
            "SELECT (1) FROM t",
            "FROM t AS \"from\" SELECT a",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        assert!(matches!(parse("FROM t SELECT a").unwrap(), Statement::Query(_)));
        assert!(parse("FROM").is_err());
        assert!(parse("SELECT FROM").is_err());
    }
}

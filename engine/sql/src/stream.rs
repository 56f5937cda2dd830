//! Statements over streams: a query, or `INSERT INTO sink` of one, with `WINDOW BY` in any of its SELECTs and `OPTIONS (…)` at
//! the end.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::Result;

use crate::cursor::Cursor;
use crate::options::{self, TableOption};
use crate::statement::Statement;
use crate::window_by::WindowBy;

/// A statement over streams.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamStatement {
    /// The statement without these clauses. A SELECT that had a `WINDOW BY` is told by [`crate::marked_window`].
    pub statement: Statement,
    /// The `WINDOW BY` clauses.
    pub windows: Vec<WindowBy>,
    /// The options of the query.
    pub options: Vec<TableOption>,
}

/// Takes `OPTIONS (…)` off the end of `tokens`, which were read from `text`.
pub(crate) fn take_options(text: &str, tokens: &mut Vec<TokenWithSpan>) -> Result<Vec<TableOption>> {
    let Some(start) = last_options(tokens) else { return Ok(Vec::new()) };
    let mut cursor = Cursor::new(text, tokens, start + 1);
    let options = options::read(&mut cursor)?;
    tokens.truncate(start);
    Ok(options)
}

/// The index of the word when it stands before the parentheses that end the statement.
fn last_options(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut visible =
        tokens.iter().enumerate().rev().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    visible.clone().next().filter(|(_, token)| token.token == Token::RParen)?;
    loop {
        match visible.next()?.1.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 1 => break,
            Token::LParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    let (index, token) = visible.next()?;
    let is_options =
        matches!(&token.token, Token::Word(word) if word.keyword == Keyword::OPTIONS && word.quote_style.is_none());
    // A function of this name stands behind a word or a comma that begins an item.
    let (_, before) = visible.next()?;
    let begins_item = match &before.token {
        Token::Comma | Token::LParen => true,
        Token::Word(word) => word.quote_style.is_none() && matches!(word.keyword, Keyword::SELECT | Keyword::BY),
        _ => false,
    };
    (is_options && !begins_item).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{marked_window, parse, parse_stream};
    use sqlparser::ast::{Query, Select, SetExpr, VisitMut, VisitorMut};
    use std::ops::ControlFlow;

    /// The windows in the order of the SELECTs that they belong to.
    #[derive(Default)]
    struct Marked(Vec<Option<usize>>);

    impl VisitorMut for Marked {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            self.0.push(marked_window(select));
            ControlFlow::Continue(())
        }
    }

    fn marked(text: &str) -> (Box<Query>, Vec<Option<usize>>) {
        let mut read = match parse_stream(text).unwrap().statement {
            Statement::Query(query) => query,
            Statement::Insert(insert) => insert.source,
            other => panic!("{other}"),
        };
        let mut marked = Marked::default();
        let _: ControlFlow<()> = read.visit(&mut marked);
        (read, marked.0)
    }

    #[test]
    fn a_window_belongs_to_the_select_that_it_stands_in() {
        let window = "WINDOW BY ts EVERY 10 AS w";
        let one = [Some(0)];
        assert_eq!(marked(&format!("SELECT * FROM s {window} GROUP BY w")).1, one);
        assert_eq!(marked(&format!("FROM s {window}")).1, one);
        assert_eq!(marked(&format!("FROM s SELECT w WHERE a IS DISTINCT FROM b {window}")).1, one);
        assert_eq!(marked(&format!("INSERT INTO t SELECT extract(year FROM d) AS y FROM s {window}")).1, one);
        assert_eq!(marked(&format!("SELECT a FROM (SELECT * FROM s {window}) AS x")).1, [None, Some(0)]);
        assert_eq!(
            marked(&format!("SELECT a FROM s {window} UNION ALL SELECT a FROM u {window}")).1,
            [Some(0), Some(1)]
        );
    }

    #[test]
    fn without_its_clauses_the_statement_is_what_it_was() {
        let (query, _) =
            marked("SELECT a, w FROM s WHERE a > 1 WINDOW BY ts EVERY 10 SLIDE 5 AS w LIMIT 3 OPTIONS(x: 1)");
        let Statement::Query(plain) = parse("SELECT a, w FROM s WHERE a > 1 LIMIT 3").unwrap() else { panic!() };
        assert_eq!(query, plain);
        assert!(matches!(query.body.as_ref(), SetExpr::Select(_)));
    }

    #[test]
    fn options_stand_at_the_end_in_three_spellings() {
        let options = |text: &str| {
            let read = parse_stream(text).unwrap();
            read.options.into_iter().map(|option| (option.key, option.value)).collect::<Vec<_>>()
        };
        let expected = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x".to_owned())];
        for text in ["OPTIONS(a: 1, b: 'x')", "OPTIONS (a = 1, b 'x')", "options(A 1, B = 'x');"] {
            assert_eq!(options(&format!("SELECT * FROM s {text}")), expected, "{text}");
        }
        assert_eq!(options("SELECT a FROM s GROUP BY options(a)"), Vec::new());
        assert_eq!(options("SELECT \"options\"(a) AS x FROM s"), Vec::new());
    }

    #[test]
    fn a_window_without_a_from_or_a_second_one_is_refused() {
        for text in
            ["SELECT 1 WINDOW BY ts EVERY 10 AS w", "SELECT * FROM s WINDOW BY a EVERY 1 AS w WINDOW BY b EVERY 1 AS v"]
        {
            assert!(parse_stream(text).unwrap_err().position().is_some(), "{text}");
        }
    }

    #[test]
    fn a_column_may_be_called_key() {
        let text = "CREATE SOURCE TABLE s (key STRING, index INT, v INT) USING csv OPTIONS(path 'x')";
        let Statement::CreateTable(create) = parse(text).unwrap() else { panic!() };
        let names: Vec<&str> = create.columns.iter().map(|column| column.name.value.as_str()).collect();
        assert_eq!(names, ["key", "index", "v"]);
        assert!(parse("CREATE TABLE t (a INT, PRIMARY KEY (a))").is_ok());
    }
}

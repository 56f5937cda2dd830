//! How deep the syntax tree of a statement can become, told from its tokens alone.
//!
//! A tree is deep where parentheses nest and where operators follow each other. The estimate is an upper bound: at each
//! level of parentheses or CASE, the operators since the last comma, AND, OR or set operation are counted, and the deepest
//! level inside them is added. Chains of AND and OR and of set operations are cut, because `balance` makes them flat.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::Result;

use crate::limits::{
    self, CALL_DEPTH_MAX, CHAIN_OPERATORS_MAX, EXPRESSION_DEPTH_MAX, SET_ARMS_MAX, SUBQUERY_DEPTH_MAX,
};

/// Words that a table in parentheses can follow.
const BEFORE_TABLES: [Keyword; 4] = [Keyword::AS, Keyword::FROM, Keyword::JOIN, Keyword::LATERAL];

/// Words that parentheses can follow without a call.
const BEFORE_PARENTHESES: [Keyword; 25] = [
    Keyword::ALL,
    Keyword::AND,
    Keyword::ANY,
    Keyword::AS,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::CASE,
    Keyword::ELSE,
    Keyword::EXCEPT,
    Keyword::EXISTS,
    Keyword::FROM,
    Keyword::HAVING,
    Keyword::IN,
    Keyword::INTERSECT,
    Keyword::JOIN,
    Keyword::LATERAL,
    Keyword::LIKE,
    Keyword::NOT,
    Keyword::ON,
    Keyword::OR,
    Keyword::SELECT,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::WHEN,
    Keyword::WHERE,
];

/// Refuses statements whose syntax tree could be too deep to recurse over.
pub(crate) fn check(text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    // A statement that cannot be beyond any limit is not looked at twice.
    if tokens.len() <= 2 * CALL_DEPTH_MAX.min(SUBQUERY_DEPTH_MAX) {
        return Ok(());
    }
    let mut levels = Levels {
        open: Vec::new(),
        current: Level::new(Opener::Parenthesis),
        calls: 0,
        queries: 0,
        after_from: false,
        after_name: false,
    };
    tokens.iter().try_for_each(|token| levels.take(text, token))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Parenthesis,
    /// Also the brackets of a list or subscript.
    Call,
    /// A subquery as a value.
    Query,
    /// Parentheses in FROM or WITH.
    Table,
    Case,
}

/// One level of parentheses or of CASE.
struct Level {
    opener: Opener,
    /// Operators since the chain at this level began.
    run: usize,
    /// The depth of the deepest level inside the current chain.
    inside: usize,
    /// The depth of the deepest chain so far.
    deepest: usize,
    /// BETWEEN whose AND is still to come.
    betweens: usize,
    arms: usize,
}

impl Level {
    fn new(opener: Opener) -> Self {
        Self { opener, run: 0, inside: 0, deepest: 0, betweens: 0, arms: 1 }
    }

    fn depth(&self) -> usize {
        self.deepest.max(self.run + self.inside)
    }

    fn cut(&mut self) {
        self.deepest = self.depth();
        (self.run, self.inside) = (0, 0);
    }
}

struct Levels {
    open: Vec<Level>,
    current: Level,
    /// The levels that are calls.
    calls: usize,
    /// The levels that are subqueries.
    queries: usize,
    /// Whether parentheses after the token before hold a table.
    after_from: bool,
    /// Whether the token before is a word that can be the name of a function.
    after_name: bool,
}

impl Levels {
    fn take(&mut self, text: &str, token: &TokenWithSpan) -> Result<()> {
        match &token.token {
            Token::Whitespace(_) => return Ok(()),
            Token::LParen if self.after_name => self.enter(Opener::Call)?,
            Token::LBracket | Token::LBrace => self.enter(Opener::Call)?,
            Token::LParen if self.after_from => self.enter(Opener::Table)?,
            Token::LParen => self.enter(Opener::Parenthesis)?,
            Token::RParen | Token::RBracket | Token::RBrace => self.leave_parenthesis(),
            Token::Comma => self.current.cut(),
            Token::Word(word) => self.word(word.keyword)?,
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
            _ => self.current.run += 1,
        }
        self.after_from = matches!(&token.token, Token::Word(word) if BEFORE_TABLES.contains(&word.keyword));
        self.after_name = matches!(&token.token, Token::Word(word) if !BEFORE_PARENTHESES.contains(&word.keyword));
        if self.calls > CALL_DEPTH_MAX {
            return Err(limits::too_many_calls(text, token.span));
        }
        if self.queries > SUBQUERY_DEPTH_MAX {
            return Err(limits::too_many_queries(text, token.span));
        }
        if self.current.arms > SET_ARMS_MAX {
            return Err(limits::too_many_arms(text, token.span));
        }
        if self.current.run + self.current.inside > CHAIN_OPERATORS_MAX {
            return Err(limits::chain_too_long(text, token.span));
        }
        Ok(())
    }

    fn word(&mut self, keyword: Keyword) -> Result<()> {
        match keyword {
            Keyword::CASE => return self.enter(Opener::Case),
            Keyword::END if self.current.opener == Opener::Case => self.leave(),
            Keyword::AND if self.current.betweens > 0 => {
                self.current.betweens -= 1;
                self.current.run += 1;
            }
            Keyword::AND | Keyword::OR | Keyword::WHEN | Keyword::JOIN => self.current.cut(),
            Keyword::SELECT => self.select(),
            Keyword::NoKeyword => {}
            Keyword::UNION | Keyword::INTERSECT => {
                self.current.cut();
                self.current.arms += 1;
            }
            Keyword::EXCEPT | Keyword::MINUS => {
                self.current.run += 1;
                self.current.arms += 1;
            }
            Keyword::BETWEEN => {
                self.current.betweens += 1;
                self.current.run += 1;
            }
            _ => self.current.run += 1,
        }
        Ok(())
    }

    fn enter(&mut self, opener: Opener) -> Result<()> {
        if self.open.len() >= EXPRESSION_DEPTH_MAX {
            return Err(limits::too_deep());
        }
        self.calls += usize::from(opener == Opener::Call);
        self.open.push(std::mem::replace(&mut self.current, Level::new(opener)));
        Ok(())
    }

    fn leave_parenthesis(&mut self) {
        while self.current.opener == Opener::Case && !self.open.is_empty() {
            self.leave();
        }
        self.leave();
    }

    fn leave(&mut self) {
        let Some(outer) = self.open.pop() else { return };
        self.calls -= usize::from(self.current.opener == Opener::Call);
        self.queries -= usize::from(self.current.opener == Opener::Query);
        let depth = self.current.depth();
        self.current = outer;
        self.current.inside = self.current.inside.max(depth);
    }

    /// Parentheses turn out to hold a query.
    fn select(&mut self) {
        if self.current.opener == Opener::Parenthesis && !self.open.is_empty() {
            self.current.opener = Opener::Query;
            self.queries += 1;
        }
    }
}

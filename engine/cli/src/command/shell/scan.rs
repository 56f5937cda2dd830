//! The pieces of SQL text that matter for its end: quotes, comments, words and everything else.
//!
//! The engine reads a statement when it is whole. To know when that is, and what stands at the cursor, the shell follows the
//! same quotes and comments; a test holds the two together.

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Blank,
    /// A comment.
    Comment,
    /// A name without quotes, or a keyword.
    Word,
    /// Text or a name in quotes, with the quotes.
    Quoted,
    /// Any other character, or a number.
    Symbol,
}

/// Where text was left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    /// Between two quotes of this kind; of the two kinds of text one knows backslashes.
    Quote { quote: char, backslash: bool },
    /// Between three quotes and three more.
    Triple(char),
    /// In `q'[ … ]'`, with the character before the last quote.
    Delimited(char),
    /// In `$tag$ … $tag$`, with the whole mark.
    Dollar(String),
    /// Behind `--`.
    Line,
    /// In comments, so many inside each other.
    Block(usize),
}

/// Goes through text, which may come in parts that end with a line.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    inside: Option<Inside>,
}

impl Scanner {
    /// What is still open.
    pub(super) fn inside(&self) -> Option<&Inside> {
        self.inside.as_ref()
    }

    /// The piece of `text` that begins at `at`, which is not the end: its end and its kind.
    pub(super) fn step(&mut self, text: &str, at: usize) -> (usize, Kind) {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(inside) = self.inside.take() {
            return self.go_on(inside, rest, at, 0);
        }
        let first = rest.chars().next().unwrap_or(' ');
        match first {
            _ if first.is_whitespace() => (at + run(rest, char::is_whitespace), Kind::Blank),
            '\'' | '"' | '`' => self.go_on(Inside::Quote { quote: first, backslash: false }, rest, at, 1),
            '-' if rest.starts_with("--") => self.go_on(Inside::Line, rest, at, 2),
            '/' if rest.starts_with("/*") => self.go_on(Inside::Block(1), rest, at, 2),
            '$' => self.dollar(rest, at),
            _ if begins_word(first) => self.word(rest, at),
            _ if first.is_ascii_digit() => (at + run(rest, |letter| letter.is_ascii_digit()), Kind::Symbol),
            _ => (at + first.len_utf8(), Kind::Symbol),
        }
    }

    /// A word, or text that has letters before its quotes.
    fn word(&mut self, rest: &str, at: usize) -> (usize, Kind) {
        let mut letters = rest.chars().map(|letter| letter.to_ascii_lowercase());
        match (letters.next(), letters.next(), letters.next()) {
            (Some('e' | 'x'), Some('\''), _) => self.go_on(Inside::Quote { quote: '\'', backslash: true }, rest, at, 2),
            (Some('r'), Some(quote @ ('\'' | '"')), _) => self.raw(quote, rest, at),
            (Some('q'), Some('\''), Some(open)) if !open.is_whitespace() => self.delimited(open, rest, at, 2),
            (Some('n'), Some('q'), Some('\'')) => match rest.chars().nth(3) {
                Some(open) if !open.is_whitespace() => self.delimited(open, rest, at, 3),
                _ => (at + 2, Kind::Word),
            },
            _ => (at + run(rest, continues_word), Kind::Word),
        }
    }

    /// `r'…'` or `r'''…'''`.
    fn raw(&mut self, quote: char, rest: &str, at: usize) -> (usize, Kind) {
        match rest.chars().skip(1).take_while(|letter| *letter == quote).count() {
            1 => self.go_on(Inside::Quote { quote, backslash: false }, rest, at, 2),
            2 => (at + 3, Kind::Quoted),
            _ => self.go_on(Inside::Triple(quote), rest, at, 4),
        }
    }

    fn delimited(&mut self, open: char, rest: &str, at: usize, before: usize) -> (usize, Kind) {
        let close = match open {
            '[' => ']',
            '{' => '}',
            '<' => '>',
            '(' => ')',
            other => other,
        };
        self.go_on(Inside::Delimited(close), rest, at, before + open.len_utf8())
    }

    /// `$tag$ … $tag$`, or the place of a parameter.
    fn dollar(&mut self, rest: &str, at: usize) -> (usize, Kind) {
        let tag = 1 + run(rest.get(1..).unwrap_or_default(), |letter| letter.is_alphanumeric() || letter == '_');
        match rest.get(..=tag) {
            Some(mark) if mark.ends_with('$') => self.go_on(Inside::Dollar(mark.to_owned()), rest, at, mark.len()),
            _ => (at + tag, Kind::Symbol),
        }
    }

    /// Looks for the end of `inside` in `rest` behind its first `from` bytes.
    fn go_on(&mut self, inside: Inside, rest: &str, at: usize, from: usize) -> (usize, Kind) {
        let kind = match inside {
            Inside::Line | Inside::Block(_) => Kind::Comment,
            _ => Kind::Quoted,
        };
        let body = rest.get(from..).unwrap_or_default();
        let end = match &inside {
            Inside::Quote { quote, backslash } => quote_end(body, *quote, *backslash),
            Inside::Triple(quote) => after(body, &quote.to_string().repeat(3)),
            Inside::Delimited(close) => after(body, &format!("{close}'")),
            Inside::Dollar(mark) => after(body, mark),
            Inside::Line => after(body, "\n"),
            Inside::Block(depth) => match block_end(body, *depth) {
                Ok(end) => Some(end),
                Err(depth) => {
                    self.inside = Some(Inside::Block(depth));
                    return (at + rest.len(), kind);
                }
            },
        };
        match end {
            Some(end) => (at + from + end, kind),
            None => {
                self.inside = Some(inside);
                (at + rest.len(), kind)
            }
        }
    }
}

/// Whether `letter` may begin a name without quotes.
fn begins_word(letter: char) -> bool {
    letter.is_alphabetic() || matches!(letter, '_' | '#' | '@')
}

/// Whether `letter` may go on with a name without quotes.
pub(super) fn continues_word(letter: char) -> bool {
    begins_word(letter) || letter.is_ascii_digit() || letter == '$'
}

/// The length of the beginning of `text` whose characters all are `fit`.
fn run(text: &str, fit: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !fit(letter)).unwrap_or(text.len())
}

/// The place behind the first `mark` in `text`.
fn after(text: &str, mark: &str) -> Option<usize> {
    text.find(mark).map(|start| start + mark.len())
}

/// The place behind the quote that ends `text`; two quotes are one in it.
fn quote_end(text: &str, quote: char, backslash: bool) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        if letter == '\\' && backslash {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(place + letter.len_utf8());
        }
    }
    None
}

/// The place behind the end of a comment, or how deep it is at the end of `text`.
fn block_end(text: &str, mut depth: usize) -> Result<usize, usize> {
    let mut at = 0;
    while let Some(place) = text.get(at..).and_then(|rest| rest.find(['*', '/'])).map(|place| at + place) {
        let rest = text.get(place..).unwrap_or_default();
        at = place + if rest.starts_with("/*") || rest.starts_with("*/") { 2 } else { 1 };
        if rest.starts_with("/*") {
            depth += 1;
        } else if rest.starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return Ok(at);
            }
        }
    }
    Err(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(&str, Kind)> {
        let (mut scanner, mut at, mut pieces) = (Scanner::default(), 0, Vec::new());
        while at < text.len() {
            let (end, kind) = scanner.step(text, at);
            assert!(end > at, "it goes on: {text:?}");
            if kind != Kind::Blank {
                pieces.push((&text[at..end], kind));
            }
            at = end;
        }
        pieces
    }

    #[test]
    fn quotes_of_every_kind_are_one_piece() {
        for quoted in [
            "'a;b'",
            "'it''s'",
            "\"a\"\"b\"",
            "`a;b`",
            "e'a\\';b'",
            "E'a''b'",
            "x'0\\'1'",
            "r'a\\'",
            "R'''a';'b'''",
            "r\"a;b\"",
            "q'[it's; ]'",
            "Q'!a'b;!'",
            "nq'{a'}'",
            "$$a;$b$$",
            "$tag$a;$$b$tag$",
            "''",
        ] {
            assert_eq!(pieces(quoted), [(quoted, Kind::Quoted)]);
        }
        for comment in ["-- a;b", "/* a;b */", "/* a /* b */ ; */", "/* * / **/"] {
            assert_eq!(pieces(comment), [(comment, Kind::Comment)]);
        }
    }

    #[test]
    fn what_only_looks_like_a_quote_is_not_one() {
        assert_eq!(pieces("name'x'"), [("name", Kind::Word), ("'x'", Kind::Quoted)]);
        assert_eq!(pieces("$1 $name")[0], ("$1", Kind::Symbol));
        assert_eq!(pieces("a$b$c"), [("a$b$c", Kind::Word)]);
        assert_eq!(pieces("a - -b").len(), 4);
        assert_eq!(pieces("r''';"), [("r''';", Kind::Quoted)]);
        assert_eq!(pieces("r'';"), [("r''", Kind::Quoted), (";", Kind::Symbol)]);
    }

    #[test]
    fn open_text_goes_on_in_the_next_part() {
        for (first, second) in [("'a\n", "b;'"), ("/* /* \n", "*/ ; */"), ("$x$ \n", "$$ ; $x$"), ("e'\\'\n", ";'")] {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.step(first, 0).0, first.len());
            assert!(scanner.inside().is_some());
            let whole = format!("{first}{second}");
            assert_eq!(scanner.step(&whole, first.len()).0, whole.len(), "{whole:?}");
            assert!(scanner.inside().is_none());
        }
    }
}

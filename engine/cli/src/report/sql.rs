//! The text of a query, with its words told apart by colour.

use maud::{Markup, PreEscaped};

use super::text::visible;

/// A larger text is shown without colours, which take many bytes.
const COLOURED_BYTES_MAX: usize = 6 << 10;

/// What a person would write large.
const WORDS: &[&str] = &[
    "ALL",
    "AND",
    "ANTI",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE",
    "CROSS",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FILTER",
    "FIRST",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "QUALIFY",
    "RECURSIVE",
    "RIGHT",
    "ROWS",
    "SELECT",
    "SEMI",
    "SET",
    "TABLE",
    "THEN",
    "TRUE",
    "UNION",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
];

/// `query` for a place that keeps its lines.
pub(crate) fn highlighted(query: &str) -> Markup {
    if query.len() > COLOURED_BYTES_MAX {
        return visible(query);
    }
    let mut drawn = String::with_capacity(query.len() * 2);
    let mut rest = query;
    while !rest.is_empty() {
        let (kind, bytes) = token(rest);
        let (part, after) = rest.split_at(bytes);
        let text = visible(part).into_string();
        match kind.class() {
            Some(class) => drawn.extend(["<span class=\"", class, "\">", &text, "</span>"]),
            None => drawn.push_str(&text),
        }
        rest = after;
    }
    PreEscaped(drawn)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Literal,
    Comment,
    Other,
}

impl Kind {
    fn class(self) -> Option<&'static str> {
        match self {
            Self::Word => Some("w"),
            Self::Literal => Some("l"),
            Self::Comment => Some("c"),
            Self::Other => None,
        }
    }
}

/// What `text`, which is not empty, begins with, and its bytes.
fn token(text: &str) -> (Kind, usize) {
    let first = text.chars().next().unwrap_or_default();
    match first {
        '\'' => (Kind::Literal, quoted(text, '\'')),
        '"' => (Kind::Other, quoted(text, '"')),
        '-' if text.starts_with("--") => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        '/' if text.starts_with("/*") => {
            (Kind::Comment, text[2..].find("*/").map_or(text.len(), |end| end + "/**/".len()))
        }
        _ if first.is_ascii_digit() => (Kind::Literal, while_(text, |letter| is_part(letter) || letter == '.')),
        _ if is_part(first) => {
            let bytes = while_(text, is_part);
            (if is_word(&text[..bytes]) { Kind::Word } else { Kind::Other }, bytes)
        }
        _ => (Kind::Other, while_(text, |letter| !is_part(letter) && !"'\"-/".contains(letter)).max(first.len_utf8())),
    }
}

/// The bytes of the quoted text at the beginning of `text`; a doubled quote is one, and goes on as another quoted text.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

fn while_(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !wanted(letter)).unwrap_or(text.len())
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn is_word(text: &str) -> bool {
    WORDS.binary_search_by(|word| word.bytes().cmp(text.bytes().map(|byte| byte.to_ascii_uppercase()))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_can_be_looked_up() {
        assert!(WORDS.is_sorted() && WORDS.iter().all(|word| is_word(word)));
        assert!(is_word("select") && !is_word("selects") && !is_word(""));
    }

    #[test]
    fn a_query_is_coloured() {
        assert_eq!(
            highlighted("SELECT a1, 'it''s<' -- x\nfrom \"order\" WHERE b >= 1.5").0,
            "<span class=\"w\">SELECT</span> a1, <span class=\"l\">'it'</span><span class=\"l\">'s&lt;'</span> \
             <span class=\"c\">-- x</span>\n<span class=\"w\">from</span> &quot;order&quot; <span class=\"w\">WHERE</span> \
             b &gt;= <span class=\"l\">1.5</span>"
        );
    }

    #[test]
    fn every_letter_is_there_whatever_the_text() {
        let texts =
            ["'open", "\"open", "/* open", "/", "-", "--", "a/b-c", "é'ü'北", "", "1e5x", "/**/x", "\u{202e}SELECT"];
        for text in texts {
            let drawn = highlighted(text).into_string();
            let mut bare = String::new();
            let mut inside = false;
            for letter in drawn.chars() {
                match letter {
                    '<' => inside = true,
                    '>' => inside = false,
                    _ if !inside => bare.push(letter),
                    _ => {}
                }
            }
            assert_eq!(bare.replace("&quot;", "\"").replace("U+202E", "\u{202e}"), text);
        }
    }
}

//! Colours of what is typed: keywords, text and comments.

use super::keywords::is_keyword;
use super::scan::{Kind, Scanner};

const KEYWORD: &str = "\x1b[1;34m";
const TEXT: &str = "\x1b[32m";
const COMMENT: &str = "\x1b[90m";
const PLAIN: &str = "\x1b[0m";

/// `text` with escape sequences. A dot command has none.
pub(super) fn coloured(text: &str) -> String {
    if text.trim_start().starts_with('.') {
        return text.to_owned();
    }
    let (mut scanner, mut at, mut out) = (Scanner::default(), 0, String::with_capacity(text.len() * 2));
    while at < text.len() {
        let (end, kind) = scanner.step(text, at);
        let piece = text.get(at..end).unwrap_or_default();
        match colour(piece, kind) {
            Some(colour) => out.extend([colour, piece, PLAIN]),
            None => out.push_str(piece),
        }
        at = end;
    }
    out
}

fn colour(piece: &str, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Word if is_keyword(piece) => Some(KEYWORD),
        Kind::Quoted if !piece.starts_with(['"', '`']) => Some(TEXT),
        Kind::Comment => Some(COMMENT),
        Kind::Word | Kind::Quoted | Kind::Symbol | Kind::Blank => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_around_the_text_and_do_not_change_it() {
        let text = "select \"a\", 'b' -- c";
        let coloured = coloured(text);
        assert_eq!(coloured, "\x1b[1;34mselect\x1b[0m \"a\", \x1b[32m'b'\x1b[0m \x1b[90m-- c\x1b[0m");
        assert_eq!(super::coloured(".tables"), ".tables");
    }
}

//! Text that is cut into statements and dot commands, as it comes.

use super::scan::{Kind, Scanner};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// A statement without its semicolon, or a dot command without its line end.
    pub(super) text: String,
    /// The line that it begins in, counted from 1.
    pub(super) line: u64,
}

impl Piece {
    /// Whether this is for the shell and not for the engine.
    pub(super) fn is_command(&self) -> bool {
        self.text.starts_with('.')
    }
}

/// Cuts text that comes line by line.
///
/// A statement ends with a semicolon; a line that begins with a dot where no statement is open is a command.
#[derive(Debug)]
pub(super) struct Cutter {
    text: String,
    at: usize,
    scanner: Scanner,
    /// The line of `at`.
    line: u64,
    /// Where the open statement begins, and in which line.
    start: Option<(usize, u64)>,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self { text: String::new(), at: 0, scanner: Scanner::default(), line: 1, start: None }
    }

    /// Adds text: whole lines, unless it is the last one.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The next thing to do, when it is there as a whole.
    pub(super) fn cut(&mut self) -> Option<Piece> {
        while self.at < self.text.len() {
            if self.is_between() && self.text[self.at..].starts_with('.') {
                return self.command();
            }
            let (end, kind) = self.scanner.step(&self.text, self.at);
            let passed = &self.text[self.at..end];
            if passed == ";" && kind == Kind::Symbol {
                if let Some(piece) = self.statement(end) {
                    return Some(piece);
                }
                continue;
            }
            if self.start.is_none() && !matches!(kind, Kind::Blank | Kind::Comment) {
                self.start = Some((self.at, self.line));
            }
            self.line += lines(passed);
            self.at = end;
        }
        None
    }

    /// What is left at the end of the text.
    pub(super) fn rest(&mut self) -> Option<Piece> {
        let (start, line) = self.start.take()?;
        let text = self.text[start..].trim_end().to_owned();
        self.text.clear();
        self.at = 0;
        Some(Piece { text, line })
    }

    /// Whether nothing is open: neither a statement nor a comment.
    pub(super) fn is_between(&self) -> bool {
        self.start.is_none() && self.scanner.inside().is_none()
    }

    /// The command at this place, once its line is whole.
    fn command(&mut self) -> Option<Piece> {
        let end = self.at + self.text[self.at..].find('\n')? + 1;
        let piece = Piece { text: self.text[self.at..end].trim_end().to_owned(), line: self.line };
        self.line += 1;
        self.forget(end);
        Some(piece)
    }

    /// The statement whose semicolon ends at `end`, unless there is none before it.
    fn statement(&mut self, end: usize) -> Option<Piece> {
        let piece = self.start.take().map(|(start, line)| {
            let text = self.text[start..end - 1].trim_end().to_owned();
            Piece { text, line }
        });
        self.forget(end);
        piece
    }

    fn forget(&mut self, end: usize) {
        self.text.drain(..end);
        self.at = 0;
    }
}

/// Everything that is whole in `text`, and what is left.
pub(super) fn pieces(text: &str) -> (Vec<Piece>, Option<Piece>) {
    let mut cutter = Cutter::new();
    cutter.push(text);
    cutter.push("\n");
    let whole = std::iter::from_fn(|| cutter.cut()).collect();
    (whole, cutter.rest())
}

/// Whether nothing is open at the end of `text`, so that it can be run.
pub(super) fn is_complete(text: &str) -> bool {
    let mut cutter = Cutter::new();
    cutter.push(text);
    cutter.push("\n");
    while cutter.cut().is_some() {}
    cutter.is_between()
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use velaria::{ErrorCode, Parameters, Session, SessionConfig, plan};

    use super::*;

    fn texts(text: &str) -> (Vec<(String, u64)>, Option<String>) {
        let (whole, rest) = pieces(text);
        (whole.into_iter().map(|piece| (piece.text, piece.line)).collect(), rest.map(|piece| piece.text))
    }

    #[test]
    fn statements_and_commands_are_cut_with_their_lines() {
        let (whole, rest) =
            texts("-- first\nSELECT 1;\n.tables  \n\n;SELECT ';' AS a,\n 2 ; SELECT 3; .mode csv\nSELECT\n4\n");
        let expected =
            [("SELECT 1", 2), (".tables", 3), ("SELECT ';' AS a,\n 2", 5), ("SELECT 3", 6), (".mode csv", 6)];
        assert_eq!(whole, expected.map(|(text, line)| (text.to_owned(), line)));
        assert_eq!(rest.as_deref(), Some("SELECT\n4"));
    }

    #[test]
    fn lines_that_come_one_by_one_are_cut_as_the_whole_is() {
        let text = "SELECT 'a\n;b'\n, $$;\n$$ /* ;\n*/; SELECT 2;\n.read 'x;y'\nSELECT 3";
        let mut cutter = Cutter::new();
        let mut found = Vec::new();
        for line in text.split_inclusive('\n') {
            cutter.push(line);
            found.extend(std::iter::from_fn(|| cutter.cut()));
        }
        assert_eq!((found, cutter.rest()), pieces(text));
    }

    #[test]
    fn text_is_complete_when_nothing_is_open() {
        for complete in ["", "  ", "SELECT 1;", ".help", "-- comment", "/* a */", "SELECT 1; -- done"] {
            assert!(is_complete(complete), "{complete:?}");
        }
        for open in ["SELECT 1", "SELECT ';", "/* a", "SELECT 1; SELECT", "SELECT \"a;", "$$ ;"] {
            assert!(!is_complete(open), "{open:?}");
        }
    }

    /// Parts of statements that could be taken for the end of one, or hide it.
    const PARTS: [&str; 16] =
        [";", "'", "''", "\"", "`", "--", "\n", "/*", "*/", "$$", "$a$", "e'\\", "q'[", "]'", "r'''", "SELECT 1"];

    #[test]
    fn the_engine_sees_the_same_ends_of_statements() {
        let session = Session::new(SessionConfig::default()).unwrap();
        let read = |text: &str| {
            let (session, text) = (session.clone(), text.to_owned());
            plan(async move { session.open(&text, &Parameters::None).await.map(drop) }, || Ok(()))
        };
        for first in PARTS {
            for second in PARTS {
                for third in PARTS {
                    let text = format!("SELECT 1 {first} {second}{third} 2");
                    let (whole, rest) = pieces(&text);
                    for piece in whole.iter().chain(&rest) {
                        let code = read(&piece.text).err().map(|error| error.code());
                        assert_ne!(code, Some(ErrorCode::MultipleStatements), "too few cuts: {text:?} has {piece:?}");
                    }
                    let cuts = whole.len() + usize::from(rest.is_some());
                    assert!(cuts == 1 || read(&text).is_err(), "too many cuts: {text:?} has {whole:?}, {rest:?}");
                }
            }
        }
    }
}

//! Files that are given a name: the arguments of the shell, and `.open`.

use std::path::Path;

use velaria::{Error, ErrorCode, Result, Session, wait};

use super::keywords::is_keyword;
use crate::Check;
use crate::parameters::options_from_pairs;
use crate::quoting;

/// A file, the name that it shall have, and the options of its reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opening {
    path: String,
    name: String,
    options: Vec<String>,
}

impl Opening {
    /// An argument of the command: a path, or a name, `=` and a path.
    pub(super) fn of_argument(argument: &str) -> Self {
        match argument.split_once('=') {
            Some((name, path)) if is_plain(name) && !Path::new(argument).exists() => {
                Self { path: path.to_owned(), name: name.to_owned(), options: Vec::new() }
            }
            _ => Self { path: argument.to_owned(), name: name_of(argument), options: Vec::new() },
        }
    }

    /// The words behind `.open`: `FILE [AS NAME] [KEY=VALUE …]`.
    pub(super) fn of_words(words: &[String]) -> Result<Self> {
        let usage = || Error::new(ErrorCode::InvalidArgument, "write .open FILE [AS NAME] [KEY=VALUE …]");
        let (path, rest) = words.split_first().ok_or_else(usage)?;
        let (name, options) = match rest {
            [word, name, options @ ..] if word.eq_ignore_ascii_case("as") => (name.clone(), options),
            options => (name_of(path), options),
        };
        match options.iter().find(|option| !option.contains('=')) {
            Some(_) => Err(usage()),
            None => Ok(Self { path: path.clone(), name, options: options.to_vec() }),
        }
    }

    /// Makes the file a view of `session`, and says what was done.
    pub(super) fn open(self, session: &Session, check: Check<'_>) -> Result<String> {
        let options = options_from_pairs(&self.options)?;
        let (session, Self { path, name, .. }) = (session.clone(), self);
        wait(
            async move {
                refuse_to_hide(&session, &name).await?;
                let frame = session.read(&path, None, &options).await?;
                session.create_temp_view(&name, &frame)?;
                let columns = frame.schema().fields().len();
                let noun = if columns == 1 { "column" } else { "columns" };
                Ok(format!("{} is {path}, {columns} {noun}\n", quoted(&name)))
            },
            check,
        )
    }
}

/// A view of a file replaces another view, but rows in memory would be gone for ever.
async fn refuse_to_hide(session: &Session, name: &str) -> Result<()> {
    let tables = super::names::tables(session).await?;
    if !tables.iter().any(|(known, kind)| known == name && kind == "table") {
        return Ok(());
    }
    Err(Error::new(ErrorCode::TableExists, format!("table already exists: {name}"))
        .with_hint("give the file another name: .open FILE AS NAME"))
}

/// What a file is called in statements: as it is called itself, without its endings.
fn name_of(path: &str) -> String {
    let plain = |part: &str| part.split('.').find(|part| !part.is_empty()).unwrap_or_default().to_owned();
    let parts = Path::new(path).components().rev().map(|part| plain(&part.as_os_str().to_string_lossy()));
    let name = parts
        .into_iter()
        .find(|part| part.chars().any(char::is_alphanumeric) && !part.contains(['*', '?', '[']))
        .unwrap_or_default();
    let letters = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' });
    match letters.collect::<String>() {
        name if name.is_empty() => "data".to_owned(),
        name if name.starts_with(|first: char| first.is_numeric()) => format!("_{name}"),
        name => name,
    }
}

/// Whether `name` needs no quotes, keywords aside.
fn is_plain(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// `name` as it is written in a statement.
pub(super) fn quoted(name: &str) -> String {
    if is_plain(name) && !is_keyword(name) { name.to_owned() } else { quoting::quoted(name, '"') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_it_is_without_its_endings() {
        for (path, name) in [
            ("scores.csv", "scores"),
            ("a/b.tar.gz", "b"),
            ("data/*.csv", "data"),
            ("data/", "data"),
            ("2024 sales.csv", "_2024_sales"),
            (".hidden.csv", "hidden"),
            ("*.csv", "data"),
            ("größe.csv", "größe"),
        ] {
            assert_eq!(name_of(path), name, "{path}");
        }
    }

    #[test]
    fn an_argument_may_say_the_name() {
        let opening =
            |path: &str, name: &str| Opening { path: path.to_owned(), name: name.to_owned(), options: vec![] };
        assert_eq!(Opening::of_argument("s=a/scores.csv"), opening("a/scores.csv", "s"));
        assert_eq!(Opening::of_argument("a/year=2024/x.csv"), opening("a/year=2024/x.csv", "x"));
    }

    #[test]
    fn the_words_of_open_are_a_file_a_name_and_options() {
        let words = |text: &str| Opening::of_words(&super::super::words::split(text).unwrap());
        let opening = words("'a b.csv' as t delimiter=';' header=false").unwrap();
        assert_eq!((opening.path.as_str(), opening.name.as_str()), ("a b.csv", "t"));
        assert_eq!(opening.options, ["delimiter=;", "header=false"]);
        for wrong in ["", "a.csv as", "a.csv t"] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn names_that_are_not_plain_are_quoted() {
        assert_eq!(quoted("name"), "name");
        assert_eq!(quoted("Full \"Name\""), "\"Full \"\"Name\"\"\"");
        assert_eq!(quoted("select"), "\"select\"");
    }
}

//! What Tab offers: names, keywords and files, by what stands before the cursor.

use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

use clap::ValueEnum;
use rustyline::completion::Pair;

use super::commands::COMMANDS;
use super::files::quoted;
use super::keywords::{KEYWORDS, is_keyword};
use super::names::{Names, TableNames};
use super::scan::{Inside, Kind, Scanner, continues_word};
use crate::output::Format;

/// Words that stand before the name of a table.
const BEFORE_TABLES: [&str; 8] = ["DESC", "DESCRIBE", "FROM", "INTO", "JOIN", "SUMMARIZE", "TABLE", "UPDATE"];

/// What is offered: where it begins in the text, and each with what is shown of it.
pub(super) type Offer = (usize, Vec<Pair>);

/// What fits at `cursor` of `text`.
pub(super) fn offer(text: &str, cursor: usize, names: &Names) -> Offer {
    let before = text.get(..cursor).unwrap_or(text);
    let start = before.len() - before.trim_start().len();
    match before.get(start..) {
        Some(command) if command.starts_with('.') && !command.contains('\n') => dotted(text, start, cursor, names),
        _ => in_statement(text, 0, cursor, names),
    }
}

/// In a dot command, which begins at `start`.
fn dotted(text: &str, start: usize, cursor: usize, names: &Names) -> Offer {
    let before = text.get(start..cursor).unwrap_or_default();
    let Some(blank) = before.find(char::is_whitespace) else {
        let known = COMMANDS.iter().map(|command| command.name);
        return (start, known.filter(|name| name.starts_with(before)).map(|name| plain(name.to_owned())).collect());
    };
    let (command, from) = (before.get(..blank).unwrap_or_default(), start + blank);
    match command {
        ".explain" | ".schema" => in_statement(text, from, cursor, names),
        ".mode" => one_of(before, cursor, Format::value_variants().iter().filter_map(format_word)),
        ".timer" | ".pager" => one_of(before, cursor, ["on", "off"].map(str::to_owned)),
        ".help" => one_of(before, cursor, COMMANDS.iter().map(|command| command.name.to_owned())),
        ".open" | ".load" | ".read" | ".output" => file_word(before, cursor),
        _ => (cursor, Vec::new()),
    }
}

fn format_word(format: &Format) -> Option<String> {
    Some(format.to_possible_value()?.get_name().to_owned())
}

/// The `words` that begin as the last word of `before` does.
fn one_of(before: &str, cursor: usize, words: impl IntoIterator<Item = String>) -> Offer {
    let typed = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    (cursor - typed.len(), words.into_iter().filter(|word| word.starts_with(typed)).map(plain).collect())
}

/// The files that begin as the last word of `before` does, which may be in quotes.
fn file_word(before: &str, cursor: usize) -> Offer {
    let open = before.rfind(['\'', '"']).filter(|quote| before.get(..*quote).is_some_and(|text| text.ends_with(' ')));
    match open.and_then(|quote| before.get(quote..)) {
        Some(quoted) => {
            let quote = quoted.get(..1).unwrap_or_default();
            files(quoted.get(1..).unwrap_or_default(), cursor, quote, quote)
        }
        None => files(before.rsplit(char::is_whitespace).next().unwrap_or_default(), cursor, "", ""),
    }
}

/// In SQL, which begins at `from`.
fn in_statement(text: &str, from: usize, cursor: usize, names: &Names) -> Offer {
    let place = Place::find(text, from, cursor);
    let typed = text.get(place.start..cursor).unwrap_or_default();
    match place.inside {
        Some(Inside::Quote { quote: '\'', .. }) => {
            let is_closed = text.get(cursor..).is_some_and(|behind| behind.starts_with('\''));
            files(typed.get(1..).unwrap_or_default(), cursor, "'", if is_closed { "" } else { "'" })
        }
        Some(Inside::Quote { quote: '"', .. }) => {
            let used = used_tables(text, place.statement, names);
            let fits = |name: &String| name.starts_with(typed.get(1..).unwrap_or_default());
            let found = columns(&used, names).chain(tables(names)).filter(fits);
            (place.start, sorted(found.map(|name| format!("\"{}\"", name.replace('"', "\"\"")))))
        }
        Some(_) => (cursor, Vec::new()),
        None => word(text, cursor, &place, names),
    }
}

/// Where the cursor stands.
struct Place {
    /// The beginning of the statement.
    statement: usize,
    /// The beginning of the word or the quotes at the cursor.
    start: usize,
    inside: Option<Inside>,
    /// The keyword before it, in upper case.
    previous: String,
    /// The name before it, when only a dot is between them.
    qualifier: Option<String>,
}

impl Place {
    fn find(text: &str, from: usize, cursor: usize) -> Self {
        let text = text.get(..cursor).unwrap_or(text);
        let mut scanner = Scanner::default();
        let (mut statement, mut at) = (from, from);
        // The last three pieces that are not blank.
        let mut last: [(usize, &str, Kind); 3] = [(from, "", Kind::Blank); 3];
        while at < text.len() {
            let (end, kind) = scanner.step(text, at);
            let piece = text.get(at..end).unwrap_or_default();
            if piece == ";" && kind == Kind::Symbol {
                statement = end;
            }
            last = [last[1], last[2], (at, piece, kind)];
            at = end;
        }
        let is_word = |piece: &(usize, &str, Kind)| piece.2 == Kind::Word;
        let current = if is_word(&last[2]) || scanner.inside().is_some() { last[2].0 } else { cursor };
        let before = text.get(statement.min(current)..current).unwrap_or_default();
        let previous = before.trim_end().rsplit(|letter: char| !continues_word(letter)).next().unwrap_or_default();
        let qualifier = before.strip_suffix('.').map(name_at_end);
        let inside = scanner.inside().cloned();
        Self { statement, start: current, inside, previous: previous.to_ascii_uppercase(), qualifier }
    }
}

/// The name that `text` ends with, without its quotes.
fn name_at_end(text: &str) -> String {
    match text.strip_suffix('"') {
        Some(text) => text.rsplit('"').next().unwrap_or_default().to_owned(),
        None => text.rsplit(|letter: char| !continues_word(letter)).next().unwrap_or_default().to_owned(),
    }
}

/// A word without quotes.
fn word(text: &str, cursor: usize, place: &Place, names: &Names) -> Offer {
    let typed = text.get(place.start..cursor).unwrap_or_default();
    let used = used_tables(text, place.statement, names);
    let fits = |name: &String| begins(name, typed);
    if let Some(qualifier) = &place.qualifier {
        let table = used.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(qualifier)).map(|(_, table)| *table);
        let columns = table.map(|table| table.columns.clone()).unwrap_or_default();
        return (place.start, sorted(columns.into_iter().filter(fits).map(|name| quoted(&name))));
    }
    if BEFORE_TABLES.contains(&place.previous.as_str()) {
        let found = sorted(tables(names).filter(fits).map(|name| quoted(&name)));
        if !found.is_empty() {
            return (place.start, found);
        }
    }
    let found = columns(&used, names).chain(tables(names)).filter(fits).map(|name| quoted(&name));
    if typed.is_empty() {
        return (place.start, sorted(found));
    }
    let is_lower = !typed.chars().any(char::is_uppercase);
    let cased = |keyword: &&str| if is_lower { keyword.to_ascii_lowercase() } else { (*keyword).to_owned() };
    let keywords = KEYWORDS.iter().filter(|keyword| begins(keyword, typed)).map(cased);
    let functions = names.functions.iter().filter(|name| begins(name, typed)).map(|name| format!("{name}("));
    (place.start, sorted(found.chain(keywords).chain(functions)))
}

/// The tables that the statement names, each by its own name and by the alias behind it.
fn used_tables<'a>(text: &str, statement: usize, names: &'a Names) -> Vec<(String, &'a TableNames)> {
    let words = words_of(text, statement);
    let mut used = Vec::new();
    for (index, name) in words.iter().enumerate() {
        let Some(table) = names.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)) else { continue };
        used.push((name.clone(), table));
        let mut behind = words.iter().skip(index + 1).skip_while(|word| word.eq_ignore_ascii_case("as"));
        if let Some(alias) = behind.next().filter(|word| !is_keyword(word) && word.as_str() != ",") {
            used.push((alias.clone(), table));
        }
    }
    used
}

/// The names, keywords and commas of the statement that begins at `statement`.
fn words_of(text: &str, statement: usize) -> Vec<String> {
    let (mut scanner, mut at, mut words) = (Scanner::default(), statement, Vec::new());
    while at < text.len() {
        let (end, kind) = scanner.step(text, at);
        let piece = text.get(at..end).unwrap_or_default();
        at = end;
        match kind {
            Kind::Word => words.push(piece.to_owned()),
            Kind::Quoted if piece.starts_with('"') => words.push(piece.trim_matches('"').to_owned()),
            Kind::Symbol if piece == ";" => break,
            Kind::Symbol => words.push(",".to_owned()),
            Kind::Blank | Kind::Comment | Kind::Quoted => {}
        }
    }
    words
}

/// The columns of the tables that the statement names, or of all tables.
fn columns<'a>(used: &[(String, &'a TableNames)], names: &'a Names) -> impl Iterator<Item = String> + use<'a> {
    let tables: Vec<&TableNames> = match used {
        [] => names.tables.iter().collect(),
        used => used.iter().map(|(_, table)| *table).collect(),
    };
    tables.into_iter().flat_map(|table| table.columns.iter().cloned())
}

fn tables(names: &Names) -> impl Iterator<Item = String> {
    names.tables.iter().map(|table| table.name.clone())
}

/// Whether `name` begins with `typed`, in any case.
fn begins(name: &str, typed: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    typed.chars().flat_map(char::to_lowercase).all(|letter| letters.next() == Some(letter))
}

/// Each once. A name with control characters would be more than text on a terminal.
fn sorted(found: impl Iterator<Item = String>) -> Vec<Pair> {
    let mut found: Vec<String> = found.filter(|name| !name.chars().any(char::is_control)).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(plain).collect()
}

fn plain(text: String) -> Pair {
    Pair { display: text.clone(), replacement: text }
}

/// The files whose path begins with `typed`, which ends at `cursor` and stands behind `quote`; `end` comes after a file.
fn files(typed: &str, cursor: usize, quote: &str, end: &str) -> Offer {
    let split = typed.rfind(['/', MAIN_SEPARATOR]).map_or(0, |place| place + 1);
    let (folder, begin) = typed.split_at(split);
    let (from, wanted) = (single(folder, quote), single(begin, quote));
    let from = if from.is_empty() { Path::new(".") } else { Path::new(&from) };
    let found = fs::read_dir(from).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_hidden = name.starts_with('.') && !wanted.starts_with('.');
        let fits = name.starts_with(&wanted) && !is_hidden && !name.chars().any(char::is_control);
        fits.then(|| (name, entry.path().is_dir()))
    });
    let mut found: Vec<(String, bool)> = found.collect();
    found.sort();
    let pair = |(name, is_folder): (String, bool)| {
        let display = if is_folder { format!("{name}/") } else { name.clone() };
        Pair { display, replacement: format!("{}{}", doubled(&name, quote), if is_folder { "/" } else { end }) }
    };
    (cursor - begin.len(), found.into_iter().map(pair).collect())
}

/// `text` between quotes as it is meant.
fn single(text: &str, quote: &str) -> String {
    if quote.is_empty() { text.to_owned() } else { text.replace(&quote.repeat(2), quote) }
}

/// `text` as it is written between quotes.
fn doubled(text: &str, quote: &str) -> String {
    if quote.is_empty() { text.to_owned() } else { text.replace(quote, &quote.repeat(2)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let table = |name: &str, columns: &[&str]| TableNames {
            name: name.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        };
        Names {
            tables: vec![
                table("airlines", &["carrier", "Full Name"]),
                table("scores", &["name", "score", "evil\u{1b}"]),
            ],
            functions: vec!["concat".to_owned(), "count".to_owned(), "score_of".to_owned()],
        }
    }

    /// What Tab makes of `text`, whose cursor is at `|`.
    fn offered(text: &str) -> Vec<String> {
        let cursor = text.find('|').unwrap();
        let (start, found) = offer(&text.replacen('|', "", 1), cursor, &names());
        assert!(start <= cursor);
        found.into_iter().map(|pair| pair.replacement).collect()
    }

    #[test]
    fn tables_are_offered_where_a_table_stands() {
        assert_eq!(offered("SELECT * FROM |"), ["airlines", "scores"]);
        assert_eq!(offered("SELECT * FROM airlines JOIN SC|"), ["scores"]);
        assert_eq!(offered("SELECT 1; DESCRIBE a|"), ["airlines"]);
        assert_eq!(offered("SELECT 1; DESCRIBE a| ; SELECT 2"), ["airlines"]);
    }

    #[test]
    fn columns_of_the_tables_of_the_statement_come_first() {
        assert_eq!(offered("SELECT | FROM airlines"), ["\"Full Name\"", "airlines", "carrier", "scores"]);
        assert_eq!(offered("SELECT na| FROM scores"), ["name", "natural"]);
        assert_eq!(offered("SELECT s.| FROM scores s"), ["name", "score"]);
        assert_eq!(offered("SELECT S.sc| FROM scores AS s WHERE s.name = 'x'"), ["score"]);
        assert_eq!(offered("SELECT \"Fu| FROM airlines"), ["\"Full Name\""]);
    }

    #[test]
    fn keywords_follow_the_case_and_functions_have_a_parenthesis() {
        assert_eq!(offered("sel|"), ["select"]);
        assert_eq!(offered("SELE|"), ["SELECT"]);
        assert_eq!(offered("SELECT COU|"), ["count("]);
        assert_eq!(offered("SELECT 'it''s', con|"), ["concat(", "constraint"]);
    }

    #[test]
    fn nothing_is_offered_in_comments_and_control_characters_are_not_printed() {
        assert!(offered("SELECT 1 -- sel|").is_empty());
        assert!(offered("/* sel|").is_empty());
        assert!(!offered("SELECT | FROM scores").iter().any(|name| name.contains('\u{1b}')));
    }

    #[test]
    fn dot_commands_and_their_words_are_offered() {
        assert_eq!(offered(".sch|"), [".schema"]);
        assert_eq!(offered(".mode nd|"), ["ndjson"]);
        assert_eq!(offered(".timer |"), ["on", "off"]);
        assert_eq!(offered(".schema sc|"), ["scores"]);
        assert_eq!(offered(".explain SELECT carr|"), ["carrier"]);
    }

    #[test]
    fn files_are_offered_between_quotes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("it's.csv"), "").unwrap();
        fs::write(folder.path().join(".hidden"), "").unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        let path = folder.path().display();
        assert_eq!(offered(&format!("SELECT * FROM '{path}/|")), ["it''s.csv'", "sub/"]);
        assert_eq!(offered(&format!("SELECT * FROM '{path}/it''|'")), ["it''s.csv"]);
        assert_eq!(offered(&format!(".open {path}/it|")), ["it's.csv"]);
        assert_eq!(offered(&format!(".open \"{path}/it|")), ["it's.csv\""]);
    }
}

//! Printing a statement and reading it again gives the same statement, for every statement of the corpus.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use velaria_sql::parse;

fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sqllogic");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "slt")).collect()
}

/// The statements of a file: the lines after `query` or `statement` up to `----` or a blank line.
fn statements(content: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = content.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("query ") || line.starts_with("statement ") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty() && *line != "----").collect();
            found.push(body.join("\n"));
        }
    }
    found
}

#[test]
fn every_statement_of_the_corpus_prints_as_itself() {
    let mut checked = 0;
    for path in corpus() {
        for text in statements(&fs::read_to_string(&path).unwrap()) {
            // Two quotes in a row inside text: the one exception, see `display.rs`.
            let exception = text.contains("''''");
            let Ok(first) = parse(&text) else { continue };
            if exception {
                continue;
            }
            let printed = first.to_string();
            let second =
                parse(&printed).unwrap_or_else(|error| panic!("{}: {text}\n{printed}\n{error}", path.display()));
            assert_eq!(second, first, "{}: {printed}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 1_000, "{checked}");
}

/// Not two quotes in a row: the parser's own printing takes them for one that is escaped already.
fn name() -> impl Strategy<Value = String> {
    "[a-z é]{1,3}(\"[a-z é]{1,2})?".prop_map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
}

fn literal() -> impl Strategy<Value = String> {
    "[^\0\\\\']{0,5}('[^\0\\\\']{1,3})?".prop_map(|text| format!("'{}'", text.replace('\'', "''")))
}

proptest! {
    #[test]
    fn clauses_and_options_print_as_themselves(
        column in name(),
        alias in name(),
        text in literal(),
        every in 1_u64..1000,
        spelling in prop::sample::select(vec![" ", " = ", ": "]),
        kind in prop::sample::select(vec!["", "SOURCE ", "SINK "]),
        search in prop::sample::select(vec!["", "KEYWORD", "HYBRID"]),
    ) {
        let search = match search {
            "KEYWORD" => format!("KEYWORD SEARCH ({column}, {alias}) QUERY {text} TOP_K 3"),
            "HYBRID" => format!("HYBRID SEARCH {column} QUERY {text} METRIC dot SCORE_THRESHOLD -0.5"),
            _ => String::new(),
        };
        for statement in [
            format!("CREATE {kind}TABLE {alias} ({column} INT NOT NULL) USING csv OPTIONS (path{spelling}{text})"),
            format!("SELECT {column} FROM t WHERE {column} = {text} {search} WINDOW BY {column} EVERY {every} SLIDE 1 AS {alias} GROUP BY {column} LIMIT 3"),
            format!("INSERT INTO {alias} ({column}) VALUES ({text}) -- a comment"),
            format!("DROP TABLE IF EXISTS {alias}"),
        ] {
            let first = parse(&statement).unwrap();
            prop_assert_eq!(parse(&first.to_string()).unwrap(), first);
        }
    }
}

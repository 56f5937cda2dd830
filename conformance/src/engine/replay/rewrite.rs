//! Finds the first table that a SELECT reads, and puts a stream in its place.
//!
//! The tokens are those of the corpus: names, quoted names, texts, and single signs. What this does not recognise is left to
//! the batch engine.

/// A SELECT over a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewritten {
    /// The statement.
    pub(super) text: String,
    /// The table that the stream stands for, as the statement writes it.
    pub(super) table: String,
    /// Whether the statement orders its rows.
    pub(super) ordered: bool,
}

/// Words that can follow a table and are no name for it.
const AFTER_TABLE: [&str; 30] = [
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "ON",
    "USING",
    "WINDOW",
    "QUALIFY",
    "SELECT",
    "FETCH",
    "SEMI",
    "ANTI",
    "LATERAL",
    "ASOF",
    "TABLESAMPLE",
    "PIVOT",
    "UNPIVOT",
    "FOR",
];

/// `sql` with `stream` in the place of each table it reads: first those of the outermost level.
pub(super) fn rewrite(sql: &str, stream: &str) -> Vec<Rewritten> {
    let tokens = tokens(sql);
    if !tokens.first().is_some_and(|first| ["SELECT", "WITH"].contains(&first.word().as_str())) {
        return Vec::new();
    }
    let ordered = tokens.windows(2).any(|pair| pair.iter().map(Token::word).eq(["ORDER", "BY"]));
    let mut found = from_names(&tokens);
    // A query with a name of its own goes before a table of that name.
    let own = own_names(&tokens);
    found.retain(|(_, at)| tokens.get(*at).is_some_and(|name| !own.contains(&name.word())));
    found.sort_unstable();
    found.into_iter().filter_map(|(_, at)| replaced(sql, stream, &tokens, at, ordered)).collect()
}

fn replaced(sql: &str, stream: &str, tokens: &[Token<'_>], at: usize, ordered: bool) -> Option<Rewritten> {
    let name = tokens.get(at)?;
    let alias = match tokens.get(at + 1) {
        Some(next) if next.is_name() && !AFTER_TABLE.contains(&next.word().as_str()) => String::new(),
        _ => format!(" AS {}", name.text),
    };
    let (before, after) = (sql.get(..name.start)?, sql.get(name.start + name.text.len()..)?);
    Some(Rewritten { text: format!("{before}{stream}{alias}{after}"), table: name.text.to_owned(), ordered })
}

/// The depth and the index of every name that stands behind FROM and is no function, path or query.
fn from_names(tokens: &[Token<'_>]) -> Vec<(usize, usize)> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_table = tokens.get(index + 1).is_some_and(Token::is_name)
            && tokens.get(index + 2).is_none_or(|next| next.text != "(" && next.text != ".");
        if token.word() == "FROM" && is_table {
            found.push((depth, index + 1));
        }
    }
    found
}

/// What stands before `AS (`, also with a list of columns between: the names of WITH, and a few others that do no harm.
fn own_names(tokens: &[Token<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        if pair.iter().map(Token::word).eq(["AS", "("]) {
            names.extend(name_before(tokens.get(..index).unwrap_or_default()));
        }
    }
    names
}

fn name_before(tokens: &[Token<'_>]) -> Option<String> {
    let (last, before) = tokens.split_last()?;
    let name = match last.text {
        ")" => before.get(..before.iter().rposition(|token| token.text == "(")?)?.last()?,
        _ => last,
    };
    name.is_name().then(|| name.word())
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    start: usize,
    text: &'a str,
}

impl Token<'_> {
    fn word(&self) -> String {
        self.text.to_uppercase()
    }

    fn is_name(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_' || first == '"')
    }
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(rest) = sql.get(start..).filter(|rest| !rest.is_empty()) {
        let length = token_length(rest).max(1);
        let text = rest.get(..length).unwrap_or(rest);
        if !text.trim().is_empty() && !text.starts_with("--") {
            tokens.push(Token { start, text });
        }
        start += text.len();
    }
    tokens
}

fn token_length(rest: &str) -> usize {
    let Some(first) = rest.chars().next() else { return 0 };
    let until = |end: &dyn Fn(char) -> bool| rest.find(end).unwrap_or(rest.len());
    match first {
        '\'' | '"' => rest.get(1..).and_then(|inner| inner.find(first)).map_or(rest.len(), |end| end + 2),
        '-' if rest.starts_with("--") => until(&|found| found == '\n'),
        _ if first.is_alphanumeric() || first == '_' => until(&|found| !found.is_alphanumeric() && found != '_'),
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str) -> Option<String> {
        rewrite(sql, "s").into_iter().next().map(|rewritten| rewritten.text)
    }

    #[test]
    fn the_stream_takes_the_name_of_the_table() {
        assert_eq!(text("SELECT t.a FROM t WHERE t.a > 1").unwrap(), "SELECT t.a FROM s AS t WHERE t.a > 1");
        assert_eq!(text("SELECT x.a FROM t AS x JOIN u ON true").unwrap(), "SELECT x.a FROM s AS x JOIN u ON true");
        assert_eq!(text("SELECT x.a FROM \"T\" x").unwrap(), "SELECT x.a FROM s x");
    }

    #[test]
    fn the_outermost_table_is_taken() {
        let sql = "SELECT (SELECT MAX(a) FROM u) FROM t";
        assert_eq!(text(sql).unwrap(), "SELECT (SELECT MAX(a) FROM u) FROM s AS t");
        let tables = rewrite("WITH c AS (SELECT a FROM t) SELECT a FROM c", "s").into_iter().map(|found| found.table);
        assert_eq!(tables.collect::<Vec<_>>(), ["t"]);
    }

    #[test]
    fn functions_paths_and_other_statements_are_left_alone() {
        for sql in
            ["SELECT * FROM range(3)", "SELECT * FROM 'a.csv'", "SELECT 'FROM t'", "SELECT 1 -- FROM t", "DROP TABLE t"]
        {
            assert_eq!(text(sql), None, "{sql}");
        }
    }

    #[test]
    fn an_order_is_noticed() {
        assert!(rewrite("SELECT a FROM t ORDER BY a", "s")[0].ordered);
        assert!(!rewrite("SELECT a FROM t", "s")[0].ordered);
    }
}

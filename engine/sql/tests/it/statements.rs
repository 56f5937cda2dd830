//! Statements that change or show something: what is printed reads as the same statement.

use velaria_sql::{Statement, parse};

fn printed(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Update(update) => Some(update.to_string()),
        Statement::Delete(delete) => Some(delete.to_string()),
        Statement::Truncate(truncate) => Some(truncate.to_string()),
        Statement::CreateView(create) => Some(create.to_string()),
        Statement::CreateIndex(create) => Some(create.to_string()),
        Statement::DropIndex(drop) => Some(drop.to_string()),
        Statement::Reindex(reindex) => Some(reindex.to_string()),
        Statement::Explain(explain) => Some(explain.to_string()),
        Statement::Describe(subject) => Some(format!("DESCRIBE {subject}")),
        Statement::Summarize(subject) => Some(format!("SUMMARIZE {subject}")),
        _ => None,
    }
}

#[test]
fn what_is_printed_reads_as_the_same_statement() {
    for text in [
        "UPDATE t SET a = 1",
        "update \"T x\" as X set \"a b\" = x.a + 1, b = (SELECT MAX(b) FROM u WHERE u.a = X.a) WHERE a IS NULL OR b <> 'it''s'",
        "DELETE FROM t",
        "DELETE FROM t x WHERE a IN (SELECT 1 UNION SELECT 2) -- why",
        "TRUNCATE t",
        "CREATE VIEW v AS SELECT 1 + 1",
        "CREATE OR REPLACE TEMPORARY VIEW \"v w\" (a, \"B\") AS SELECT a, COUNT(*) FROM t GROUP BY a",
        "CREATE VIEW IF NOT EXISTS v AS VALUES (1, 2)",
        "CREATE INDEX i ON t (a DESC, \"b\")",
        "CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)",
        "DROP INDEX i",
        "DROP INDEX IF EXISTS \"i j\"",
        "REINDEX",
        "reindex \"i j\"",
        "EXPLAIN SELECT a, COUNT(*) FROM t",
        "explain analyze WITH x AS (SELECT 1) SELECT * FROM x",
        "EXPLAIN (SELECT 1 AS a)",
        "DESCRIBE t",
        "desc \"T x\"",
        "DESCRIBE SELECT 1",
        "SUMMARIZE /* all of */ t",
        "SUMMARIZE (VALUES (1))",
    ] {
        let first = parse(text).unwrap();
        let printed = printed(&first).unwrap();
        assert_eq!(parse(&printed).unwrap(), first, "{text} printed as {printed}");
    }
}

#[test]
fn a_column_may_be_called_key() {
    let columns = |text: &str| match parse(text) {
        Ok(Statement::CreateTable(create)) => create.columns.iter().map(|column| column.name.value.clone()).collect(),
        _ => Vec::new(),
    };
    assert_eq!(columns("CREATE TABLE t (key STRING, v INT)"), ["key", "v"]);
    assert_eq!(columns("CREATE SINK TABLE t (v INT, Key VARCHAR(9))"), ["v", "Key"]);
    assert_eq!(columns("CREATE TABLE t (key INT)"), ["key"]);
    assert_eq!(columns("CREATE TABLE t (k INT PRIMARY KEY, key DECIMAL(9, 2))"), ["k", "key"]);
}

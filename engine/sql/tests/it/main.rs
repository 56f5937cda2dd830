//! Laws of the SQL front end, over generated text.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure of the test")]

mod round_trip;
mod statements;

use proptest::prelude::*;
use velaria_contract::ErrorKind;
use velaria_sql::ast::{Expr, SelectItem, SetExpr, Value};
use velaria_sql::{Statement, closest, parse};

/// Pieces that make text look like SQL, so that generated statements get past the first word.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "SELECT",
            "FROM",
            "WHERE",
            "GROUP BY",
            "ORDER BY",
            "LIMIT",
            "VALUES",
            "CREATE TABLE",
            "INSERT INTO",
            "DROP TABLE",
            "UPDATE",
            "SET",
            "DELETE FROM",
            "CREATE VIEW",
            "CREATE INDEX",
            "SHOW TABLES",
            "DESCRIBE",
            "SUMMARIZE",
            "EXPLAIN",
            "REINDEX",
            "AS",
            "JOIN",
            "ON",
            "NULL",
            "CASE",
            "WHEN",
            "END",
            "CAST(",
            "(",
            ")",
            ",",
            "*",
            "+",
            "-",
            "=",
            ";",
            "'",
            "\"",
            "--",
            "/*",
            "*/",
            "$$",
            "::",
            "[",
            "]",
            "{",
            "}",
            "?",
            "$1",
            "é",
            "\0",
            "\n",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,6}",
        "[0-9]{1,20}",
        "'[^']{0,8}'",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_statement_or_a_typed_error(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.join(" ");
        if let Err(error) = parse(&text) {
            prop_assert!(error.kind() != ErrorKind::Internal, "{error}");
            prop_assert!(!error.message().is_empty());
            if let Some(place) = error.position() {
                let line = text.lines().nth(usize::try_from(place.line).unwrap() - 1).unwrap();
                // White space at its end may be left out.
                prop_assert_eq!(place.text.trim_end(), line.trim_end());
            }
        }
    }

    #[test]
    fn text_in_quotes_is_never_altered(value in "[^\0]{0,40}", name in "[^\0\"]{1,20}") {
        let sql = format!("SELECT '{}' AS \"{name}\" FROM \"{name}\"", value.replace('\'', "''"));
        let Statement::Query(query) = parse(&sql).unwrap() else { panic!("a query") };
        let SetExpr::Select(select) = *query.body else { panic!("a select") };
        let SelectItem::ExprWithAlias { expr: Expr::Value(literal), alias } = &select.projection[0] else { panic!("a literal") };
        prop_assert_eq!(&literal.value, &Value::SingleQuotedString(value));
        prop_assert_eq!(&alias.value, &name);
        prop_assert_eq!(select.from[0].to_string(), format!("\"{name}\""));
    }

    #[test]
    fn a_parsed_query_prints_as_a_query_with_the_same_meaning(
        columns in prop::collection::vec("[a-z]{1,5}", 1..5),
        limit in 0_u32..1000,
    ) {
        let list = columns.iter().map(|column| format!("c_{column} + 1")).collect::<Vec<_>>().join(", ");
        let first = parse(&format!("SELECT {list} FROM t WHERE c_x IN (1, 2) ORDER BY 1 LIMIT {limit}")).unwrap();
        let Statement::Query(query) = &first else { panic!("a query") };
        prop_assert_eq!(parse(&query.to_string()).unwrap(), first.clone());
    }

    #[test]
    fn the_closest_name_does_not_depend_on_the_order(name in "[a-z]{1,8}", mut names in prop::collection::vec("[a-z]{1,8}", 0..8)) {
        let forward = closest(&name, names.iter().map(String::as_str)).map(str::to_owned);
        names.reverse();
        prop_assert_eq!(forward.as_deref(), closest(&name, names.iter().map(String::as_str)));
    }
}

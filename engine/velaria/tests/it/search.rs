//! Searches as calls of a session, and searches over more rows than a record can hold.

use velaria::arrow::array::{Array, Int64Array};
use velaria::{
    DataFrame, ErrorCode, FusedSearch, KeywordSearch, Metric, Parameter, Parameters, Result, Session, SessionConfig,
    wait,
};

use crate::{rows, session, sql, text};

fn filled() -> Session {
    let session = session(2);
    let table = "CREATE TABLE d AS SELECT * FROM (VALUES (1, 'red apple', [1.0, 0.0]), (2, 'green apple', [0.9, 0.1]), \
                 (3, 'green pear', [0.0, 1.0]), (4, NULL, [0.8, 0.3])) AS t(id, name, e)";
    sql(&session, table).unwrap();
    session
}

fn keyword(session: &Session, search: &KeywordSearch) -> Result<DataFrame> {
    let (session, search) = (session.clone(), search.clone());
    wait(async move { session.keyword_search(&search).await }, || Ok(()))
}

fn fused(session: &Session, search: &FusedSearch) -> Result<DataFrame> {
    let (session, search) = (session.clone(), search.clone());
    wait(async move { session.fused_search(&search).await }, || Ok(()))
}

fn search(query: &str) -> KeywordSearch {
    KeywordSearch::new("d", vec!["name".to_owned()], query)
}

fn ids(frame: &DataFrame) -> Vec<i64> {
    let batches = rows(frame).unwrap();
    let columns = batches.iter().map(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().clone());
    columns.flat_map(|column| column.values().to_vec()).collect()
}

#[test]
fn a_call_finds_what_the_clause_finds() {
    let session = filled();
    let clause = "SELECT * FROM d WHERE id > 1 KEYWORD SEARCH (name) QUERY 'green apple' TOP_K 2";
    let called = keyword(&session, &search("green apple").with_top_k(2).with_filter("id > 1")).unwrap();
    assert_eq!(text(&called), text(&sql(&session, clause).unwrap()));
    assert_eq!(ids(&called), [2, 3]);
    assert_eq!(ids(&keyword(&session, &search("apple").with_filter("id = 1 -- only")).unwrap()), [1]);
}

#[test]
fn a_fused_search_ranks_what_both_find_first_and_says_why() {
    let session = filled();
    let found =
        fused(&session, &FusedSearch::new(search("green"), "e", vec![1.0, 0.0]).with_metric(Metric::L2)).unwrap();
    let names: Vec<String> = found.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "e", "keyword_score", "vector_score", "rrf_score"]);
    // Ranks: words 2, 3; vectors 1, 2, 4, 3.
    assert_eq!(ids(&found), [2, 3, 1, 4]);
    let shown = text(&found);
    assert!(shown.contains(&(1.0 / 61.0 + 1.0 / 62.0).to_string()), "{shown}");
    let nearest = FusedSearch::new(search("green").with_top_k(1), "e", vec![0.0, 1.0]).with_candidates(1);
    assert_eq!(ids(&fused(&session, &nearest).unwrap()), [2]);
}

#[test]
fn the_query_of_a_clause_may_be_a_parameter() {
    let session = filled();
    let bound = |text: &str, value: Parameter| {
        let (session, text) = (session.clone(), text.to_owned());
        wait(async move { session.sql_with(&text, &Parameters::from(vec![value])).await }, || Ok(()))
    };
    let words = "SELECT id FROM d KEYWORD SEARCH (name) QUERY ?";
    assert_eq!(ids(&bound(words, Parameter::Text("'; DROP TABLE d; -- pear".to_owned())).unwrap()), [3]);
    assert_eq!(bound(words, Parameter::Integer(1)).unwrap_err().message(), "the query of a KEYWORD SEARCH is text");
    let near = "SELECT id FROM d HYBRID SEARCH e QUERY $1 METRIC dot TOP_K 1";
    let vector = vec![Parameter::Float(-0.5), Parameter::Integer(1)];
    assert_eq!(ids(&bound(near, Parameter::List(vector)).unwrap()), [3]);
    assert_eq!(ids(&bound(near, Parameter::Text("[1 0]".to_owned())).unwrap()), [1]);
    let endless = vec![Parameter::Float(f64::INFINITY), Parameter::Integer(1)];
    assert_eq!(bound(near, Parameter::List(endless)).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn wrong_calls_say_what_is_wrong() {
    let session = filled();
    let none = KeywordSearch::new("d", Vec::new(), "a");
    for (search, code, message) in [
        (none, ErrorCode::InvalidArgument, "keywordSearch requires at least one text column"),
        (search("a").with_top_k(0), ErrorCode::InvalidArgument, "keywordSearch top_k must be positive"),
        (search(" "), ErrorCode::InvalidArgument, "keywordSearch query text cannot be empty"),
        (search("?"), ErrorCode::InvalidArgument, "keywordSearch query must contain at least one token"),
        (KeywordSearch::new("x", vec!["name".into()], "a"), ErrorCode::TableNotFound, "view not found: x"),
        (KeywordSearch::new("d", vec!["nam".into()], "a"), ErrorCode::ColumnNotFound, "column not found: nam"),
        (KeywordSearch::new("d", vec!["id".into()], "a"), ErrorCode::TypeMismatch, "not a column of text: id is INT"),
        (search("a").with_filter("TRUE) ORDER BY (id"), ErrorCode::Syntax, "the filter is not one condition"),
        (
            search("a").with_filter("TRUE) UNION SELECT * FROM d WHERE (TRUE"),
            ErrorCode::Syntax,
            "the filter is not one condition",
        ),
    ] {
        let error = keyword(&session, &search).unwrap_err();
        assert_eq!((error.code(), error.message()), (code, message));
    }
    for (vector, code) in [
        (Vec::new(), ErrorCode::InvalidArgument),
        (vec![f64::NAN, 1.0], ErrorCode::InvalidArgument),
        (vec![1.0; 3], ErrorCode::TypeMismatch),
    ] {
        let error =
            fused(&session, &FusedSearch::new(search("a"), "e", vector)).and_then(|frame| rows(&frame)).unwrap_err();
        assert_eq!(error.code(), code, "{}", error.report());
    }
}

#[test]
fn a_view_of_a_search_can_be_aggregated_and_joined() {
    let session = filled();
    let found = sql(&session, "SELECT id, keyword_score FROM d KEYWORD SEARCH (name) QUERY 'apple'").unwrap();
    session.create_temp_view("found", &found).unwrap();
    assert_eq!(ids(&sql(&session, "SELECT COUNT(*) AS n FROM found").unwrap()), [2]);
    let joined = "SELECT d.id FROM d JOIN found ON d.id = found.id WHERE keyword_score > 0 ORDER BY d.id";
    assert_eq!(ids(&sql(&session, joined).unwrap()), [1, 2]);
    assert_eq!(ids(&sql(&session, "SELECT id FROM found WHERE id > 1").unwrap()), [2]);
}

#[test]
fn the_best_of_many_rows_come_in_order_on_any_number_of_threads() {
    for threads in [1, 4] {
        let session = session(threads);
        sql(&session, "CREATE TABLE n AS SELECT v AS id, [1.0 * v, 0.0] AS e FROM range(300000) AS r(v) ORDER BY v")
            .unwrap();
        let nearer = "SELECT id FROM n HYBRID SEARCH e QUERY '[300000 0]' METRIC l2 TOP_K 5000";
        assert!(ids(&sql(&session, nearer).unwrap()).into_iter().eq((295_000..300_000).rev()));
        let alike = "SELECT id FROM n WHERE id % 2 = 0 HYBRID SEARCH e QUERY '[1 0]' METRIC cosine TOP_K 4";
        assert_eq!(ids(&sql(&session, alike).unwrap()), [2, 4, 6, 8]);
        sql(
            &session,
            "CREATE TABLE w AS SELECT v AS id, 'word ' || (v % 3) AS t FROM range(300000) AS r(v) ORDER BY v",
        )
        .unwrap();
        let words = "SELECT id FROM w KEYWORD SEARCH (t) QUERY '2' TOP_K 90000";
        assert!(ids(&sql(&session, words).unwrap()).into_iter().eq((0..90_000).map(|n| 3 * n + 2)));
    }
}

#[test]
fn rows_that_are_kept_count_against_the_limit() {
    let session = Session::new(SessionConfig::default().with_threads(2).with_memory_limit(8 << 20)).unwrap();
    let text = "SELECT v FROM (SELECT v, repeat('word ', 20) AS t FROM range(1000000) AS r(v)) AS s \
                KEYWORD SEARCH (t) QUERY 'word'";
    let error = rows(&sql(&session, text).unwrap()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory, "{}", error.report());
    assert!(error.message().contains("a search needs"), "{}", error.report());
    assert_eq!(ids(&sql(&session, "SELECT 1 AS id").unwrap()), [1]);
}

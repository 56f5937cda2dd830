//! Vector search through sessions: results, row ids, filters, payload, errors, and what it says about itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use velaria::arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use velaria::arrow::buffer::{NullBuffer, OffsetBuffer};
use velaria::arrow::datatypes::{DataType, Field};
use velaria::arrow::util::pretty::pretty_format_batches;
use velaria::{
    Acceleration, CsvOptions, DataFrame, Error, ErrorCode, HybridSearch, Metric, Queries, Result, Session,
    SessionConfig, VectorSearch, plan, wait,
};

use crate::{rows, session, sql, text};

/// The rows of the contract: the last one has no vector.
const CONTRACT: [Option<[f32; 3]>; 6] = [
    Some([1.0, 0.0, 0.0]),
    Some([0.0, 0.0, 0.0]),
    Some([0.0, 1.0, 0.0]),
    Some([2.0, 0.0, 0.0]),
    Some([-1.0, 0.0, 0.0]),
    None,
];

fn vectors<const N: usize>(rows: &[Option<[f32; N]>]) -> ArrayRef {
    let values: Vec<f32> = rows.iter().flat_map(|row| row.unwrap_or([f32::NAN; N])).collect();
    let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    Arc::new(FixedSizeListArray::new(item, N as i32, Arc::new(Float32Array::from(values)), Some(nulls)))
}

fn lists(rows: &[Option<Vec<f32>>]) -> ArrayRef {
    let values: Vec<f32> = rows.iter().flatten().flatten().copied().collect();
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.as_ref().map_or(0, Vec::len)));
    let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    Arc::new(ListArray::new(item, offsets, Arc::new(Float32Array::from(values)), Some(nulls)))
}

/// `id` counts from 100 on, `word` repeats, `embedding` is what is searched.
fn batch(embedding: ArrayRef) -> RecordBatch {
    let rows = embedding.len();
    let ids = Int64Array::from_iter_values((0..rows as i64).map(|row| row + 100));
    let words = StringArray::from_iter_values((0..rows).map(|row| ["even", "odd"][row % 2]));
    RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as ArrayRef),
        ("word", Arc::new(words) as ArrayRef),
        ("embedding", embedding),
    ])
    .unwrap()
}

fn register(session: &Session, name: &str, batches: Vec<RecordBatch>) {
    let frame = session.create_dataframe_from_arrow(batches[0].schema(), batches).unwrap();
    session.create_temp_view(name, &frame).unwrap();
}

fn contract() -> Session {
    let session = session(2);
    register(&session, "t", vec![batch(vectors(&CONTRACT))]);
    session
}

fn one(values: &[f64]) -> Queries {
    Queries::one(values.to_vec()).unwrap()
}

fn of_t(query: &[f64]) -> VectorSearch {
    VectorSearch::new("t", "embedding", one(query))
}

fn search(session: &Session, search: VectorSearch) -> Result<DataFrame> {
    let session = session.clone();
    plan(async move { session.vector_search(&search).await }, || Ok(()))
}

fn explain(session: &Session, search: VectorSearch) -> Result<String> {
    let session = session.clone();
    plan(async move { session.explain_vector_search(&search).await }, || Ok(()))
}

fn hybrid(session: &Session, search: HybridSearch) -> Result<DataFrame> {
    let session = session.clone();
    plan(async move { session.hybrid_search(&search).await }, || Ok(()))
}

fn explain_hybrid(session: &Session, search: HybridSearch) -> Result<String> {
    let session = session.clone();
    plan(async move { session.explain_hybrid_search(&search).await }, || Ok(()))
}

/// The columns `row_id` and `score`.
fn found(frame: &DataFrame) -> Vec<(i64, f64)> {
    let batches = rows(frame).unwrap();
    let pairs = batches.iter().flat_map(|batch| {
        let ids = batch.column_by_name("row_id").unwrap().as_any().downcast_ref::<Int64Array>().unwrap().values();
        let scores = batch.column_by_name("score").unwrap().as_any().downcast_ref::<Float64Array>().unwrap().values();
        ids.iter().copied().zip(scores.iter().copied()).collect::<Vec<_>>()
    });
    pairs.collect()
}

fn shown(error: Error) -> String {
    error.report().to_string()
}

/// Contract 5.2.1, with ties by row id.
#[test]
fn the_rows_of_the_contract_have_its_scores() {
    let session = contract();
    for (metric, expected) in [
        (Metric::Cosine, vec![(0, 0.0), (3, 0.0), (1, 1.0), (2, 1.0), (4, 2.0)]),
        (Metric::Dot, vec![(3, 2.0), (0, 1.0), (1, 0.0), (2, 0.0), (4, -1.0)]),
        (Metric::L2, vec![(0, 0.0), (1, 1.0), (3, 1.0), (2, 2.0_f64.sqrt()), (4, 2.0)]),
    ] {
        let frame = search(&session, of_t(&[1.0, 0.0, 0.0]).with_metric(metric)).unwrap();
        assert_eq!(found(&frame), expected, "{metric:?}");
        let names: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["row_id", "score"]);
    }
}

#[test]
fn the_demo_of_the_contract_has_its_digits() {
    let session = session(1);
    register(&session, "t", vec![batch(vectors(&[Some([0.9_f32, 0.1, 0.0])]))]);
    assert_eq!(found(&search(&session, of_t(&[1.0, 0.0, 0.0])).unwrap()), [(0, 0.006116265828075562)]);
}

/// RC-VECTOR-6
#[test]
fn explain_says_the_seven_lines_of_the_contract() {
    let session = contract();
    let told = explain(&session, of_t(&[1.0, 0.0, 0.0]).with_top_k(3)).unwrap();
    assert_eq!(
        told,
        "mode=exact-scan\nmetric=cosine\ndimension=3\ntop_k=3\ncandidate_rows=5\n\
         acceleration=flat-buffer+heap-topk\nfilter_pushdown=false\n"
    );
    let filtered = VectorSearch::new("t", "embedding", None).with_metric(Metric::Dot).with_filter("id > 102");
    assert_eq!(
        explain(&session, filtered).unwrap(),
        "mode=exact-scan\nmetric=dot\ndimension=3\ntop_k=10\ncandidate_rows=2\n\
         acceleration=flat-buffer+heap-topk\nfilter_pushdown=true\n"
    );
}

#[test]
fn a_table_without_rows_gives_none_and_explains_itself() {
    let session = session(1);
    register(&session, "t", vec![batch(vectors::<3>(&[]))]);
    assert!(found(&search(&session, of_t(&[1.0]).with_columns(["word"])).unwrap()).is_empty());
    let told = explain(&session, of_t(&[1.0])).unwrap();
    assert!(told.contains("dimension=0\n") && told.contains("candidate_rows=0\n"), "{told}");
}

#[test]
fn payload_and_query_ids_stand_where_they_were_asked_for() {
    let session = contract();
    let queries = Queries::try_new(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 3).unwrap();
    let asked = VectorSearch::new("T", "Embedding", queries).with_top_k(2).with_columns(["word", "ID", "embedding"]);
    assert_eq!(
        text(&search(&session, asked.with_metric(Metric::L2)).unwrap()),
        "+----------+--------+-------+------+-----+-----------------+\n\
         | query_id | row_id | score | word | id  | embedding       |\n\
         +----------+--------+-------+------+-----+-----------------+\n\
         | 0        | 0      | 0.0   | even | 100 | [1.0, 0.0, 0.0] |\n\
         | 0        | 1      | 1.0   | odd  | 101 | [0.0, 0.0, 0.0] |\n\
         | 1        | 2      | 0.0   | even | 102 | [0.0, 1.0, 0.0] |\n\
         | 1        | 1      | 1.0   | odd  | 101 | [0.0, 0.0, 0.0] |\n\
         +----------+--------+-------+------+-----+-----------------+"
    );
}

/// RC-VECTOR-3, RC-VECTOR-4
#[test]
fn the_filter_comes_before_the_search_and_row_ids_count_all_rows() {
    let session = contract();
    sql(&session, "CREATE TABLE wanted (id INT)").unwrap();
    sql(&session, "INSERT INTO wanted VALUES (102), (104), (105)").unwrap();
    let all = || of_t(&[1.0, 0.0, 0.0]).with_top_k(2);
    for (filter, expected) in [
        ("id >= 102", vec![(3, 0.0), (2, 1.0)]),
        ("t.word = 'odd' AND ID < 104", vec![(3, 0.0), (1, 1.0)]),
        ("id IN (SELECT id FROM wanted) -- three of them", vec![(2, 1.0), (4, 2.0)]),
        ("EXISTS (SELECT 1 FROM wanted WHERE wanted.id = t.id) OR id = 100", vec![(0, 0.0), (2, 1.0)]),
        ("embedding IS NULL", vec![]),
        ("NULL", vec![]),
        ("false", vec![]),
    ] {
        assert_eq!(found(&search(&session, all().with_filter(filter)).unwrap()), expected, "{filter}");
    }
}

#[test]
fn what_is_no_condition_is_refused_where_it_stands() {
    let session = contract();
    let of = |filter: &str| shown(search(&session, of_t(&[1.0, 0.0, 0.0]).with_filter(filter)).unwrap_err());
    for filter in ["", " ", "true ORDER BY id", "true GROUP BY id", "true UNION SELECT 1", "true LIMIT 1"] {
        assert!(of(filter).starts_with("filter must be one condition, as after WHERE"), "{}", of(filter));
    }
    assert!(of("true; DROP TABLE t").contains("VEL-1003"), "{}", of("true; DROP TABLE t"));
    assert!(of("word").contains("VEL-2"), "{}", of("word"));
    assert!(of("id = ?").contains("VEL-"), "{}", of("id = ?"));
    let unknown = search(&session, of_t(&[1.0, 0.0, 0.0]).with_filter("id > 1 AND\n idd < 2")).unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::ColumnNotFound);
    let position = unknown.position().unwrap();
    assert_eq!((position.line, position.column, position.text.as_str()), (2, 2, " idd < 2"));
    // Nothing of it stays behind.
    assert_eq!(found(&search(&session, of_t(&[1.0, 0.0, 0.0]).with_top_k(1)).unwrap()), [(0, 0.0)]);
}

/// RC-VECTOR-5
#[test]
fn errors_have_the_words_of_the_contract() {
    let session = contract();
    register(&session, "ragged", vec![batch(lists(&[Some(vec![1.0]), Some(vec![1.0, 2.0])]))]);
    register(
        &session,
        "parts",
        vec![batch(lists(&vec![Some(vec![1.0]); 9000])), batch(lists(&vec![Some(vec![1.0, 2.0]); 9000]))],
    );
    let of = |table: &str, column: &str, query: &[f64]| {
        search(&session, VectorSearch::new(table, column, one(query))).unwrap_err()
    };
    let mismatch = of("t", "embedding", &[1.0]);
    assert_eq!(mismatch.code(), ErrorCode::TypeMismatch);
    assert!(mismatch.message().contains("fixed vector length mismatch in vectorQuery"), "{mismatch}");
    assert!(mismatch.message().contains('1') && mismatch.message().contains('3'), "{mismatch}");
    let told = explain(&session, of_t(&[1.0, 2.0])).unwrap_err();
    assert!(told.message().contains("query vector dimension mismatch in explainVectorQuery"), "{told}");
    assert_eq!(of("nope", "embedding", &[1.0]).message(), "view not found: nope");
    assert_eq!(of("t", "nope", &[1.0]).message(), "column not found: nope");
    assert_eq!(of("t", "word", &[1.0]).message(), "column word holds no vectors but STRING");
    for table in ["ragged", "parts"] {
        let error = of(table, "embedding", &[1.0]);
        assert!(error.message().contains("fixed vector length mismatch in vector column cache"), "{table}: {error}");
    }
    let none = search(&session, of_t(&[1.0, 0.0, 0.0]).with_top_k(0)).unwrap_err();
    assert_eq!((none.code(), none.message()), (ErrorCode::InvalidArgument, "top_k must be a positive integer"));
    let empty = search(&session, VectorSearch::new("t", "embedding", None)).unwrap_err();
    assert_eq!(empty.message(), "query vector cannot be empty");
    let payload =
        |columns: &[&str]| search(&session, of_t(&[1.0, 0.0, 0.0]).with_columns(columns.iter().copied())).unwrap_err();
    assert_eq!(payload(&["idd"]).code(), ErrorCode::ColumnNotFound);
    assert_eq!(payload(&["id", "ID"]).code(), ErrorCode::DuplicateColumn);
    sql(&session, "CREATE SINK TABLE s (embedding STRING)").unwrap();
    assert_eq!(of("s", "embedding", &[1.0]).code(), ErrorCode::TableKind);
    assert_eq!("On".parse::<Acceleration>().unwrap_err().message(), "acceleration must be one of: auto, off");
}

#[test]
fn a_null_inside_of_a_vector_is_refused_with_its_row() {
    let session = session(1);
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let values = Float32Array::from(vec![Some(1.0), Some(2.0), Some(3.0), None]);
    let list = FixedSizeListArray::new(item, 2, Arc::new(values), None);
    register(&session, "t", vec![batch(Arc::new(list))]);
    let error = search(&session, of_t(&[1.0, 2.0])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArrow);
    assert_eq!(error.message(), "the vector in row 1 has a null at position 1");
}

#[test]
fn a_table_may_be_called_score_but_no_payload() {
    let session = session(1);
    let embedding = vectors(&[Some([1.0_f32])]);
    let batch = RecordBatch::try_from_iter([("score", Arc::clone(&embedding)), ("vector_score", embedding)]).unwrap();
    register(&session, "t", vec![batch]);
    let asked = VectorSearch::new("t", "score", one(&[1.0]));
    assert_eq!(found(&search(&session, asked.clone()).unwrap()).len(), 1);
    let twice = search(&session, asked.clone().with_columns(["score"])).unwrap_err();
    assert_eq!(twice.code(), ErrorCode::DuplicateColumn);
    let taken = hybrid(&session, HybridSearch::new(asked.clone())).unwrap_err();
    assert_eq!(taken.message(), "hybridSearch output column already exists: vector_score");
    assert_eq!(rows(&hybrid(&session, HybridSearch::new(asked.with_columns(["score"]))).unwrap()).unwrap().len(), 1);
}

#[test]
fn a_hybrid_search_has_the_columns_and_stops_at_the_threshold() {
    let session = contract();
    let near = |metric, threshold| {
        let asked = of_t(&[1.0, 0.0, 0.0]).with_metric(metric).with_columns(["id"]).with_top_k(4);
        HybridSearch::new(asked).with_score_threshold(threshold)
    };
    assert_eq!(
        text(&hybrid(&session, near(Metric::Cosine, 0.5)).unwrap()),
        "+-----+--------------+\n| id  | vector_score |\n+-----+--------------+\n| 100 | 0.0          |\n\
         | 103 | 0.0          |\n+-----+--------------+"
    );
    assert_eq!(
        text(&hybrid(&session, near(Metric::Dot, 1.0)).unwrap()),
        "+-----+--------------+\n| id  | vector_score |\n+-----+--------------+\n| 103 | 2.0          |\n\
         | 100 | 1.0          |\n+-----+--------------+"
    );
    let whole = hybrid(&session, HybridSearch::new(of_t(&[1.0, 0.0, 0.0]))).unwrap();
    let names: Vec<String> = whole.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "word", "embedding", "vector_score"]);
    let told = explain_hybrid(&session, HybridSearch::new(of_t(&[1.0, 0.0, 0.0]).with_filter("id < 103"))).unwrap();
    let (lines, backend) = told.split_once("backend=").unwrap();
    assert_eq!(
        lines,
        "mode=exact-scan-hybrid-search\nmetric=cosine\ntop_k=10\nscore_threshold=none\nscore_threshold_compare=<=\n\
         input_rows=6\ncandidate_rows=3\nreturned_rows=3\ncolumn_filter_stage=before-vector\n\
         column_filter_execution=post-load-filter\nacceleration=flat-buffer+simd-topk\n"
    );
    assert!(["portable\n", "avx2\n", "avx512\n", "neon\n"].contains(&backend), "{backend}");
    let told = explain_hybrid(&session, near(Metric::Dot, 0.25)).unwrap();
    assert!(told.contains("score_threshold=0.25\nscore_threshold_compare=>=\n"), "{told}");
    assert!(told.contains("returned_rows=2\n") && told.contains("column_filter_execution=none\n"), "{told}");
}

#[test]
fn a_hybrid_search_refuses_what_it_cannot_mean() {
    let session = contract();
    let nan = hybrid(&session, HybridSearch::new(of_t(&[1.0, 0.0, 0.0])).with_score_threshold(f64::NAN)).unwrap_err();
    assert_eq!(nan.message(), "score_threshold must be numeric");
    let many = VectorSearch::new("t", "embedding", Queries::try_new(vec![1.0; 6], 3).unwrap());
    assert_eq!(hybrid(&session, HybridSearch::new(many)).unwrap_err().code(), ErrorCode::InvalidArgument);
    let none = VectorSearch::new("t", "embedding", None);
    assert_eq!(hybrid(&session, HybridSearch::new(none)).unwrap_err().message(), "query vector cannot be empty");
}

/// A view is read, a table is not; what they find is the same.
#[test]
fn views_files_and_tables_find_the_same_rows() {
    let session = session(2);
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("v.csv");
    let lines: Vec<String> =
        (0..3000).map(|row| format!("{row},w{},[{} {} 1]\n", row % 3, row % 7, row % 11)).collect();
    std::fs::write(&csv, format!("id,word,embedding\n{}", lines.concat())).unwrap();
    let (reader, path) = (session.clone(), csv.to_str().unwrap().to_owned());
    let frame = wait(async move { reader.read_csv(&path, &CsvOptions::default()).await }, || Ok(())).unwrap();
    session.create_temp_view("file", &frame).unwrap();
    sql(&session, "CREATE TABLE kept AS SELECT * FROM file").unwrap();
    sql(&session, "CREATE VIEW seen AS SELECT word, embedding, id FROM kept").unwrap();
    let parquet = folder.path().join("v.parquet");
    sql(&session, &format!("COPY (SELECT * FROM kept) TO '{}'", parquet.display())).unwrap();
    let (reader, path) = (session.clone(), parquet.to_str().unwrap().to_owned());
    let frame = wait(async move { reader.read_parquet(&path).await }, || Ok(())).unwrap();
    session.create_temp_view("parquet", &frame).unwrap();
    session.create_temp_view("planned", &sql(&session, "SELECT * FROM kept WHERE id >= 0").unwrap()).unwrap();

    let asked = |table: &str| {
        let asked = VectorSearch::new(table, "embedding", one(&[3.0, 5.0, 1.0])).with_metric(Metric::L2).with_top_k(50);
        asked.with_filter("Word <> 'w1'").with_columns(["id"])
    };
    let expected = text(&search(&session, asked("kept")).unwrap());
    assert!(expected.contains("| 38 ") && !expected.contains("| 115"), "{expected}");
    for table in ["file", "seen", "parquet", "planned"] {
        assert_eq!(text(&search(&session, asked(table)).unwrap()), expected, "{table}");
    }
}

#[test]
fn a_search_sees_the_rows_that_are_there_when_it_begins() {
    let session = session(1);
    sql(&session, "CREATE TABLE t (id INT, embedding FLOAT[2])").unwrap();
    sql(&session, "INSERT INTO t VALUES (1, [1.0, 0.0]), (2, NULL), (3, [0.0, 1.0])").unwrap();
    let frame = search(&session, of_t(&[0.0, 1.0]).with_columns(["id"])).unwrap();
    sql(&session, "DELETE FROM t").unwrap();
    assert_eq!(found(&frame), [(2, 0.0), (0, 1.0)]);
    assert!(found(&search(&session, of_t(&[0.0, 1.0])).unwrap()).is_empty());
}

fn large(rows: usize, dimension: usize) -> RecordBatch {
    let values: Vec<f32> = (0..rows * dimension).map(|item| ((item * 7919) % 1009) as f32 - 500.0).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let list = FixedSizeListArray::new(item, dimension as i32, Arc::new(Float32Array::from(values)), None);
    batch(Arc::new(list))
}

#[test]
fn a_long_search_stops_when_it_is_told_to() {
    let session = session(2);
    register(&session, "t", vec![large(200_000, 64)]);
    let queries = Queries::try_new((0..64 * 2000).map(|item| f64::from(item % 97)).collect(), 64).unwrap();
    let asked = VectorSearch::new("t", "embedding", queries);
    let started = Instant::now();
    let stop = || match started.elapsed() > Duration::from_millis(100) {
        true => Err(Error::new(ErrorCode::Cancelled, "interrupted")),
        false => Ok(()),
    };
    let (own, search) = (session.clone(), asked.clone());
    let stopped = plan(async move { own.vector_search(&search).await }, stop);
    assert_eq!(stopped.unwrap_err().code(), ErrorCode::Cancelled);

    let config = SessionConfig::default().with_threads(2).with_statement_timeout(Duration::from_millis(100));
    let limited = Session::new(config).unwrap();
    register(&limited, "t", vec![large(200_000, 64)]);
    let ended = plan(async move { limited.vector_search(&asked).await }, || Ok(()));
    assert_eq!(ended.unwrap_err().code(), ErrorCode::Timeout);
}

#[test]
fn rows_that_are_found_count_as_memory() {
    let session = Session::new(SessionConfig::default().with_threads(1).with_memory_limit(8 << 20)).unwrap();
    register(&session, "t", vec![large(200_000, 2)]);
    let asked = |top_k| VectorSearch::new("t", "embedding", one(&[1.0, 2.0])).with_top_k(top_k);
    assert_eq!(search(&session, asked(u64::MAX)).unwrap_err().code(), ErrorCode::OutOfMemory);
    assert_eq!(found(&search(&session, asked(1000)).unwrap()).len(), 1000);
}

#[test]
fn the_payload_counts_as_memory() {
    let session = Session::new(SessionConfig::default().with_threads(2).with_memory_limit(8 << 20)).unwrap();
    register(&session, "t", vec![large(40_000, 128)]);
    let asked = VectorSearch::new("t", "embedding", one(&[1.0; 128])).with_top_k(20_000);
    assert_eq!(found(&search(&session, asked.clone()).unwrap()).len(), 20_000);
    let with_vectors = search(&session, asked.with_columns(["embedding"])).unwrap_err();
    assert_eq!(with_vectors.code(), ErrorCode::OutOfMemory);
}

#[test]
fn a_long_result_and_what_is_made_of_it_are_nearest_first() {
    let session = session(4);
    register(&session, "t", vec![large(150_000, 2)]);
    let frame = search(&session, of_t(&[1.0, 2.0]).with_metric(Metric::L2).with_top_k(u64::MAX)).unwrap();
    let all = found(&frame);
    assert_eq!(all.len(), 150_000);
    assert!(all.is_sorted_by(|left, right| (left.1, left.0) < (right.1, right.0)));
    assert_eq!(found(&frame.limit(100_000).unwrap()), all[..100_000]);
}

#[test]
fn more_rows_than_there_are_is_all_of_them() {
    let session = session(2);
    register(&session, "t", vec![large(20_000, 2), large(5, 2)]);
    let frame = search(&session, of_t(&[1.0, 2.0]).with_top_k(u64::MAX).with_columns(["id", "word"])).unwrap();
    let batches = rows(&frame).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_005);
    let ids = found(&frame).into_iter().map(|(row, _)| if row < 20_000 { row + 100 } else { row - 19_900 });
    let payload = batches
        .iter()
        .flat_map(|batch| batch.column(2).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec());
    assert!(ids.eq(payload));
}

/// RC-VECTOR-1
#[test]
fn rows_that_are_not_finite_are_last() {
    let session = session(1);
    register(&session, "t", vec![batch(vectors(&[Some([f32::NAN]), Some([5.0]), Some([f32::INFINITY]), Some([1.0])]))]);
    let frame = search(&session, of_t(&[1.0]).with_metric(Metric::L2)).unwrap();
    let found = found(&frame);
    assert_eq!(found.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [3, 1, 0, 2]);
    assert!(found[2].1.is_nan() && found[3].1.is_nan());
    let near = HybridSearch::new(of_t(&[1.0]).with_metric(Metric::L2)).with_score_threshold(f64::INFINITY);
    let kept = rows(&hybrid(&session, near).unwrap()).unwrap();
    assert_eq!(kept.iter().map(RecordBatch::num_rows).sum::<usize>(), 2, "{}", pretty_format_batches(&kept).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However a table is cut into batches, as lists or fixed-size lists, on however many threads, with a filter or over a
    /// table that has the filtered rows only: the same scores in the same order.
    #[test]
    fn the_form_of_a_table_does_not_change_what_is_found(
        values in prop::collection::vec(prop::option::weighted(0.9, [-3_i8..4, -3_i8..4]), 1..60),
        cut in 0_usize..60,
        top_k in 1_u64..70,
        threads in 1_usize..4,
        metric in prop_oneof![Just(Metric::Cosine), Just(Metric::Dot), Just(Metric::L2)],
    ) {
        let floats: Vec<Option<[f32; 2]>> = values.iter().map(|row| row.map(|row| row.map(f32::from))).collect();
        let session = session(threads);
        let whole = batch(vectors(&floats));
        let cut = cut.min(whole.num_rows());
        register(&session, "t", vec![whole.clone()]);
        register(&session, "parts", vec![whole.slice(0, cut), whole.slice(cut, whole.num_rows() - cut)]);
        let rows: Vec<Option<Vec<f32>>> = floats.iter().map(|row| row.map(|row| row.to_vec())).collect();
        register(&session, "lists", vec![batch(lists(&rows))]);
        let even: Vec<Option<[f32; 2]>> = floats.iter().copied().step_by(2).collect();
        register(&session, "evens", vec![batch(vectors(&even))]);
        let of = |table: &str| VectorSearch::new(table, "embedding", one(&[1.0, 2.0])).with_metric(metric).with_top_k(top_k);
        let expected = found(&search(&session, of("t")).unwrap());
        prop_assert_eq!(expected.len() as u64, top_k.min(values.iter().flatten().count() as u64));
        prop_assert_eq!(&found(&search(&session, of("parts")).unwrap()), &expected);
        prop_assert_eq!(&found(&search(&session, of("lists")).unwrap()), &expected);
        let filtered = found(&search(&session, of("parts").with_filter("word = 'even'")).unwrap());
        let doubled = found(&search(&session, of("evens")).unwrap()).into_iter().map(|(row, score)| (row * 2, score));
        prop_assert_eq!(filtered, doubled.collect::<Vec<_>>());
    }
}

//! The compressed copies of vectors: when there is one, what it says of itself, and that no result shows it.

use std::sync::Arc;

use proptest::prelude::*;
use velaria::arrow::array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use velaria::arrow::datatypes::{DataType, Field};
use velaria::{Acceleration, HybridSearch, Metric, Queries, Session, SessionConfig, VectorSearch, plan};

use crate::{rows, session, sql};

const DIMENSION: usize = 64;
/// Just more than is read as it is.
const ROWS: usize = 20_000;

fn batch(rows: usize, seed: u64) -> RecordBatch {
    let number = |item: u64| (item.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) >> 40) as f32 - 8_388_608.0;
    let values = (0..(rows * DIMENSION) as u64).map(|item| number(item ^ seed << 32));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let values = Arc::new(Float32Array::from_iter_values(values));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, DIMENSION as i32, values, None));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    RecordBatch::try_from_iter([("id", ids), ("v", vectors)]).unwrap()
}

fn register(session: &Session, name: &str, batches: Vec<RecordBatch>) {
    let frame = session.create_dataframe_from_arrow(batches[0].schema(), batches).unwrap();
    session.create_temp_view(name, &frame).unwrap();
}

fn of(table: &str) -> VectorSearch {
    let query = (0..DIMENSION).map(|place| (place as f64 * 0.7).sin()).collect();
    VectorSearch::new(table, "v", Queries::one(query).unwrap())
}

/// Row ids and the bits of the scores.
fn found(session: &Session, search: &VectorSearch) -> Vec<(i64, u64)> {
    let (session, search) = (session.clone(), search.clone());
    let frame = plan(async move { session.vector_search(&search).await }, || Ok(())).unwrap();
    let pairs = rows(&frame).unwrap().into_iter().flat_map(|batch| {
        let ids = batch.column_by_name("row_id").unwrap().as_any().downcast_ref::<Int64Array>().unwrap().clone();
        let scores = batch.column_by_name("score").unwrap().as_any().downcast_ref::<Float64Array>().unwrap().clone();
        (0..batch.num_rows()).map(move |row| (ids.value(row), scores.value(row).to_bits())).collect::<Vec<_>>()
    });
    pairs.collect()
}

fn explained(session: &Session, search: &VectorSearch) -> String {
    let (session, search) = (session.clone(), search.clone());
    plan(async move { session.explain_vector_search(&search).await }, || Ok(())).unwrap()
}

fn is_compressed(session: &Session, search: &VectorSearch) -> bool {
    explained(session, search).contains("acceleration=int8-bounds+heap-topk\n")
}

fn figure(explained: &str, name: &str) -> u64 {
    explained.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap().parse().unwrap()
}

#[test]
fn the_second_search_of_a_column_makes_the_copy() {
    let session = session(2);
    register(&session, "t", vec![batch(ROWS, 1)]);
    let first = found(&session, &of("t"));
    assert!(!is_compressed(&session, &of("t")));
    assert_eq!(found(&session, &of("t")), first);
    assert!(is_compressed(&session, &of("t")));
    assert_eq!(found(&session, &of("t")), first);
}

#[test]
fn explanations_do_not_count_as_searches() {
    let session = session(1);
    register(&session, "t", vec![batch(ROWS, 1)]);
    (0..3).for_each(|_| assert!(!is_compressed(&session, &of("t"))));
}

/// RC-VECTOR-6
#[test]
fn the_figures_of_an_explanation_are_those_of_a_search() {
    let session = session(1);
    register(&session, "t", vec![batch(ROWS, 1)]);
    let search = of("t").with_top_k(5).with_metric(Metric::Dot);
    (0..2).for_each(|_| drop(found(&session, &search)));
    let text = explained(&session, &search);
    let keys: Vec<&str> = text.lines().map(|line| line.split('=').next().unwrap()).collect();
    let mut expected =
        vec!["mode", "metric", "dimension", "top_k", "candidate_rows", "acceleration", "filter_pushdown"];
    expected.extend(["backend", "reranked_rows", "pruned_rows", "compressed_bytes"]);
    assert_eq!(keys, expected);
    let (scored, pruned) = (figure(&text, "reranked_rows"), figure(&text, "pruned_rows"));
    assert_eq!(scored + pruned, ROWS as u64);
    assert!((5..ROWS as u64 / 10).contains(&scored), "{scored}");
    assert!(figure(&text, "compressed_bytes") < (ROWS * DIMENSION * 4 * 2 / 5) as u64);

    let hybrid = HybridSearch::new(search);
    let own = session.clone();
    let text = plan(async move { own.explain_hybrid_search(&hybrid).await }, || Ok(())).unwrap();
    assert!(text.contains("acceleration=int8-bounds+heap-topk\n") && text.contains("\nreranked_rows="), "{text}");
}

#[test]
fn whoever_wants_no_copy_gets_none() {
    let session = session(1);
    register(&session, "t", vec![batch(ROWS, 1)]);
    let off = of("t").with_acceleration(Acceleration::Off);
    (0..3).for_each(|_| drop(found(&session, &off)));
    (0..2).for_each(|_| drop(found(&session, &of("t"))));
    assert!(is_compressed(&session, &of("t")));
    assert!(!is_compressed(&session, &off));
}

#[test]
fn a_small_column_is_read_as_it_is() {
    let session = session(1);
    register(&session, "t", vec![batch(1000, 1)]);
    (0..4).for_each(|_| drop(found(&session, &of("t"))));
    assert!(!is_compressed(&session, &of("t")));
}

#[test]
fn a_copy_goes_with_the_rows_that_it_is_of() {
    let session = session(1);
    sql(&session, &format!("CREATE TABLE t (id BIGINT, v FLOAT[{DIMENSION}])")).unwrap();
    register(&session, "source", vec![batch(ROWS, 1)]);
    sql(&session, "INSERT INTO t SELECT id, v FROM source").unwrap();
    let search = of("t").with_metric(Metric::L2).with_top_k(3);
    let before: Vec<_> = (0..3).map(|_| found(&session, &search)).collect();
    assert!(is_compressed(&session, &search));
    let nearest = before[2][0].0;
    sql(&session, &format!("DELETE FROM t WHERE id = {nearest}")).unwrap();
    assert!(!is_compressed(&session, &search));
    let off = search.clone().with_acceleration(Acceleration::Off);
    let after = found(&session, &off);
    assert_ne!(after, before[0]);
    (0..3).for_each(|_| assert_eq!(found(&session, &search), after));
    register(&session, "source", vec![batch(ROWS, 2)]);
    let replaced = found(&session, &of("source").with_acceleration(Acceleration::Off));
    (0..3).for_each(|_| assert_eq!(found(&session, &of("source")), replaced));
}

#[test]
fn without_memory_there_is_no_copy_and_the_search_goes_on() {
    let limit = 3 << 20;
    let session = Session::new(SessionConfig::default().with_threads(1).with_memory_limit(limit)).unwrap();
    register(&session, "t", vec![batch(ROWS, 1)]);
    let found: Vec<_> = (0..4).map(|_| found(&session, &of("t"))).collect();
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(!is_compressed(&session, &of("t")));
}

#[test]
fn the_copy_that_was_used_last_stays_when_there_is_room_for_one() {
    // A quarter of it is room for one copy, of about 1.5 MB.
    let session = Session::new(SessionConfig::default().with_threads(1).with_memory_limit(8 << 20)).unwrap();
    for (table, seed) in [("a", 1), ("b", 2)] {
        register(&session, table, vec![batch(ROWS, seed)]);
        (0..2).for_each(|_| drop(found(&session, &of(table))));
        assert!(is_compressed(&session, &of(table)), "{table}");
    }
    assert!(!is_compressed(&session, &of("a")));
}

#[test]
fn many_searches_at_the_same_time_find_the_same() {
    let session = session(2);
    register(&session, "t", vec![batch(ROWS / 2, 1), batch(ROWS / 2, 3)]);
    let expected = found(&session, &of("t").with_acceleration(Acceleration::Off));
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..6).map(|_| scope.spawn(|| (0..3).map(|_| found(&session, &of("t"))).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).for_each(|found| assert_eq!(found, expected));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_copy_changes_no_result(seed in 0_u64..1000, top_k in 1_u64..200, odd: bool, metric in 0_usize..3) {
        let session = session(2);
        register(&session, "t", vec![batch(ROWS, seed), batch(77, seed + 1)]);
        let metric = [Metric::Cosine, Metric::Dot, Metric::L2][metric];
        let mut search = of("t").with_top_k(top_k).with_metric(metric);
        if odd {
            search = search.with_filter("id % 2 = 1");
        }
        let plain = found(&session, &search.clone().with_acceleration(Acceleration::Off));
        (0..2).for_each(|_| drop(found(&session, &search)));
        prop_assert!(is_compressed(&session, &search));
        prop_assert_eq!(found(&session, &search), plain);
    }
}

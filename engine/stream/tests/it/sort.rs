//! ORDER BY of a whole query: its rows come sorted when the sources have ended, however often it was stopped before.

use std::sync::Arc;

use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use proptest::prelude::*;
use velaria_contract::ErrorCode;
use velaria_stream::{DeliveryMode, Environment, NodeKind, SortScope, StreamOptions, StreamingQuery, explain};

use crate::doubles::{Act, Recorder, Script, batch, plan};

fn options() -> StreamOptions {
    StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() }
}

fn checkpointed(folder: &std::path::Path, batches: u64) -> StreamOptions {
    let checkpoint_path = folder.join("checkpoint").to_string_lossy().into_owned();
    let checkpoint_delivery_mode = DeliveryMode::ExactlyOnce;
    StreamOptions { checkpoint_path, checkpoint_delivery_mode, max_batches: batches, ..options() }
}

fn sort(fetch: Option<usize>) -> NodeKind {
    let by = vec![PhysicalSortExpr::new_default(Arc::new(Column::new("v", 1)))];
    NodeKind::Sort { scope: SortScope::Whole, by, fetch }
}

fn query(source: &Script, steps: Vec<NodeKind>, sink: &Recorder, options: StreamOptions) -> StreamingQuery {
    StreamingQuery::new(plan(source, steps), Arc::new(sink.clone()), options, Environment::default()).unwrap()
}

/// Rows whose first column tells where they came, in micro-batches of `size`.
fn source(values: &[i64], size: usize) -> Script {
    let names: Vec<String> = (0..values.len()).map(|number| format!("n{number}")).collect();
    let rows: Vec<(&str, i64)> = names.iter().map(String::as_str).zip(values.iter().copied()).collect();
    Script::new(rows.chunks(size).map(|rows| Act::Batch(batch(rows))).collect())
}

fn sorted(values: &[i64]) -> Vec<String> {
    let mut rows: Vec<(usize, i64)> = values.iter().copied().enumerate().collect();
    rows.sort_by_key(|row| row.1);
    rows.into_iter().map(|(number, value)| format!("n{number},{value}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_as_a_stable_sort_gives_them(
        values in proptest::collection::vec(0..20_i64, 0..60),
        size in 1..9_usize,
        skip in 0..4_usize,
        fetch in proptest::option::of(0..12_usize),
        stops in proptest::collection::vec(1..4_u64, 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (source, sink) = (source(&values, size), Recorder::default());
        let limit = NodeKind::Limit { skip: skip as u64, fetch: fetch.map(|fetch| fetch as u64) };
        let steps = vec![sort(fetch.map(|fetch| fetch + skip)), limit];
        for batches in stops {
            query(&source, steps.clone(), &sink, checkpointed(folder.path(), batches)).await_termination(0, None).unwrap();
        }
        // The second run has nothing to give any more.
        for _ in 0..2 {
            query(&source, steps.clone(), &sink, checkpointed(folder.path(), 0)).await_termination(0, None).unwrap();
            let expected: Vec<String> = sorted(&values).into_iter().skip(skip).take(fetch.unwrap_or(usize::MAX)).collect();
            prop_assert_eq!(sink.text(), expected);
        }
    }
}

#[test]
fn a_query_that_wants_few_rows_keeps_few_of_many() {
    let values: Vec<i64> = (0..100_000).map(|number| (number * 7919) % 100_003).collect();
    let limit = StreamOptions { max_state_bytes: Some(400_000), ..options() };
    for size in [1000, 7] {
        let (source, sink) = (source(&values, size), Recorder::default());
        query(&source, vec![sort(Some(10))], &sink, limit.clone()).await_termination(0, None).unwrap();
        assert_eq!(sink.text(), sorted(&values)[..10]);
    }
    let all = query(&source(&values, 1000), vec![sort(None)], &Recorder::default(), limit);
    let error = all.await_termination(0, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StateTooLarge);
    assert!(all.progress().batches_processed > 10);
}

#[test]
fn a_limit_below_ends_the_source_but_not_the_sort() {
    let (source, sink) = (source(&[3, 1, 2, 0], 1), Recorder::default());
    let steps = vec![NodeKind::Limit { skip: 0, fetch: Some(3) }, sort(None)];
    query(&source, steps, &sink, options()).await_termination(0, None).unwrap();
    assert_eq!(sink.text(), ["n1,1", "n2,2", "n0,3"]);
}

#[test]
fn explain_tells_that_the_rows_are_kept() {
    let explained = explain(&plan(&source(&[], 1), vec![sort(None)]), None, &options());
    assert!(explained.physical.contains(&"2. OrderBy partition_local=false stateful=true".to_owned()), "{explained:?}");
    assert!(explained.strategy.has_stateful_ops && !explained.strategy.actor_eligible);
}

//! The law: local workers give the rows of one thread, in the same order.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{Volatility, create_udf};
use datafusion::physical_expr::ScalarFunctionExpr;
use proptest::prelude::*;
use velaria_connector::EmissionKind;
use velaria_contract::ErrorCode;
use velaria_stream::AggregateSettings;

use super::equivalence::{EXACT, rows, seeds};
use super::functions::RESIDENT;
use super::support::{Query, query, settings, texts};

const VARIANCES: &str = "SELECT k, stddev(x), var_pop(v), corr(x, v) FROM t GROUP BY k";

fn all_rows(query: &Query, settings: &AggregateSettings, pieces: &[RecordBatch]) -> Vec<Vec<String>> {
    let mut run = query.start(settings);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(texts(&run.step(piece)));
        let state = run.operator.state().unwrap();
        out.push(vec![state.rows().to_string()]);
    }
    out
}

fn outputs() -> impl Strategy<Value = EmissionKind> {
    prop_oneof![Just(EmissionKind::Update), Just(EmissionKind::Complete), Just(EmissionKind::Changelog)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_workers_gives_the_rows_of_one(
        seeds in seeds(),
        statement in 0..=EXACT.len() + RESIDENT.len(),
        sizes in proptest::collection::vec(1..60_usize, 1..6),
        workers in 2..5_usize,
        output in outputs(),
    ) {
        let statement = EXACT.iter().chain(&RESIDENT).chain([&VARIANCES]).nth(statement).unwrap();
        let query = query(statement, &rows(&seeds));
        let pieces = query.split(&sizes);
        let one = all_rows(&query, &settings(output), &pieces);
        let many = all_rows(&query, &AggregateSettings { workers, ..settings(output) }, &pieces);
        prop_assert_eq!(many, one, "{}", statement);
    }
}

#[test]
fn the_error_of_a_worker_is_that_of_the_operator() {
    let seeds: Vec<(u8, i32)> = (0..50).map(|n| (n, i32::from(n))).collect();
    let query = query("SELECT k, SUM(100 / (n - 70)) FROM t GROUP BY k", &rows(&seeds));
    let mut run = query.start(&AggregateSettings { workers: 3, ..settings(EmissionKind::Update) });
    run.step(&query.rows);
    let zero: ArrayRef = Arc::new(Int64Array::from(vec![70; 50]));
    let batch = RecordBatch::try_new(query.input.clone(), vec![query.rows.column(0).clone(), zero]).unwrap();
    assert_eq!(run.try_step(&batch).unwrap_err().code(), ErrorCode::DivisionByZero);
}

#[test]
fn a_worker_that_panics_is_an_error_and_not_a_hang() {
    let seeds: Vec<(u8, i32)> = (0..50).map(|n| (n, i32::from(n))).collect();
    let mut query = query("SELECT k, COUNT(*) FROM t GROUP BY k", &rows(&seeds));
    let panics =
        create_udf("panics", vec![], DataType::Boolean, Volatility::Volatile, Arc::new(|_| panic!("on purpose")));
    let result = Arc::new(Field::new("panics", DataType::Boolean, true));
    let config = Arc::new(ConfigOptions::new());
    query.spec.aggregates[0].filter =
        Some(Arc::new(ScalarFunctionExpr::new("panics", Arc::new(panics), vec![], result, config)));
    let mut run = query.start(&AggregateSettings { workers: 2, ..settings(EmissionKind::Update) });
    assert_eq!(run.try_step(&query.rows).unwrap_err().code(), ErrorCode::Internal);
    assert_eq!(run.try_step(&query.rows).unwrap_err().code(), ErrorCode::Internal);
}

#[test]
fn workers_tell_their_times_and_partitions() {
    let seeds: Vec<(u8, i32)> = (0..200).map(|n| (n, i32::from(n))).collect();
    let query = query(EXACT[6], &rows(&seeds));
    let mut run = query.start(&AggregateSettings { workers: 2, ..settings(EmissionKind::Update) });
    run.step(&query.rows);
    let counts = run.operator.counts();
    assert_eq!(counts.partitions, 2);
    assert!(counts.worker_nanos > 0 && counts.worker_wall_nanos > 0);
}

//! Laws that hold for any rows.

use proptest::prelude::*;
use velaria::Session;
use velaria::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use crate::{rows, session, sql, text};

type Row = (Option<i64>, Option<f64>, Option<String>);

fn row() -> impl Strategy<Value = Row> {
    (
        prop::option::of(-50_i64..50),
        prop::option::of((-1000_i32..1000).prop_map(|value| f64::from(value) / 8.0)),
        prop::option::of("[a-c '\"é]{0,3}"),
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("n", std::sync::Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as ArrayRef, true),
        ("x", std::sync::Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()) as ArrayRef, true),
        ("s", std::sync::Arc::new(rows.iter().map(|row| row.2.clone()).collect::<StringArray>()) as ArrayRef, true),
    ])
    .unwrap()
}

fn with_table(threads: usize, batches: Vec<RecordBatch>) -> Session {
    let session = session(threads);
    let frame = session.create_dataframe_from_arrow(batches[0].schema(), batches).unwrap();
    session.create_temp_view("t", &frame).unwrap();
    session
}

const QUERIES: [&str; 4] = [
    "SELECT s, COUNT(*) AS c, COUNT(n) AS cn, SUM(n) AS total, MIN(x) AS low, MAX(x) AS high FROM t GROUP BY s ORDER BY s",
    "SELECT DISTINCT n, s FROM t WHERE n > 0 OR x IS NULL ORDER BY n, s",
    "SELECT a.n, COUNT(*) AS c FROM t AS a JOIN t AS b ON a.n = b.n GROUP BY a.n ORDER BY a.n",
    "SELECT COUNT(*) AS c, SUM(x) AS total FROM t WHERE NOT (n < 10)",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn threads_and_batch_boundaries_do_not_show(rows in prop::collection::vec(row(), 1..60), cut in 0_usize..60) {
        let whole = batch(&rows);
        let cut = cut.min(rows.len());
        let one = with_table(1, vec![whole.clone()]);
        let many = with_table(3, vec![whole.slice(0, cut), whole.slice(cut, rows.len() - cut)]);
        for query in QUERIES {
            prop_assert_eq!(text(&sql(&one, query).unwrap()), text(&sql(&many, query).unwrap()), "{}", query);
        }
    }

    #[test]
    fn inserted_text_comes_back_as_it_was(values in prop::collection::vec("[^\0]{0,12}", 1..8)) {
        let session = session(1);
        sql(&session, "CREATE TABLE t (s STRING)").unwrap();
        let list = values.iter().map(|value| format!("('{}')", value.replace('\'', "''"))).collect::<Vec<_>>().join(", ");
        sql(&session, &format!("INSERT INTO t VALUES {list}")).unwrap();
        let back: Vec<String> = rows(&sql(&session, "SELECT s FROM t").unwrap())
            .unwrap()
            .iter()
            .flat_map(|batch| batch.column(0).as_any().downcast_ref::<StringArray>().unwrap().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        prop_assert_eq!(back, values);
    }

    #[test]
    fn a_limit_is_a_prefix_of_at_most_that_many_rows(rows in prop::collection::vec(row(), 1..40), limit in 0_usize..50) {
        let session = with_table(2, vec![batch(&rows)]);
        let frame = sql(&session, "SELECT n FROM t").unwrap();
        let limited = crate::rows(&frame.limit(limit).unwrap()).unwrap();
        prop_assert_eq!(limited.iter().map(RecordBatch::num_rows).sum::<usize>(), limit.min(rows.len()));
    }
}

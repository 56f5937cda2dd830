//! Stream-table joins: the rows of the batch engine, in the order of the stream.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{JoinSide, NullEquality};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{JoinType, Operator as Compare};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use datafusion::physical_plan::{ExecutionPlan, collect};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use velaria_contract::ErrorCode;
use velaria_stream::{TableJoin, join_operator};

use crate::rows::{push, rows};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const KINDS: [JoinType; 5] =
    [JoinType::Inner, JoinType::Left, JoinType::LeftSemi, JoinType::LeftAnti, JoinType::LeftMark];

/// Number of the row, three keys, and a value for the condition.
fn schema(prefix: &str) -> SchemaRef {
    let field = |name: &str, of: DataType| Field::new(format!("{prefix}_{name}"), of, true);
    Arc::new(Schema::new(vec![
        field("no", DataType::Int64),
        field("int", DataType::Int64),
        field("float", DataType::Float64),
        field("text", DataType::Utf8),
        field("value", DataType::Int64),
    ]))
}

type Row = (Option<i64>, Option<usize>, Option<usize>, Option<i64>);

fn row() -> impl Strategy<Value = Row> {
    let key = || prop::option::weighted(0.8, 0_usize..5);
    (prop::option::weighted(0.8, 0_i64..6), key(), key(), prop::option::weighted(0.8, 0_i64..4))
}

fn batches(prefix: &str, rows: &[Row], size: usize) -> Vec<RecordBatch> {
    let floats = [0.0, -0.0, f64::NAN, -f64::NAN, 1.5];
    let texts = ["", "a", "A", "b", "a longer text than fits"];
    let batch = |(number, rows): (usize, &[Row])| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values((0..rows.len()).map(|row| (number * size + row) as i64))),
            Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))),
            Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.1.map(|key| floats[key])))),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.map(|key| texts[key])))),
            Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.3))),
        ];
        RecordBatch::try_new(schema(prefix), columns).unwrap()
    };
    rows.chunks(size).enumerate().map(batch).collect()
}

fn columns(prefix: &str, keys: &[usize]) -> Vec<Arc<dyn PhysicalExpr>> {
    let schema = schema(prefix);
    keys.iter().map(|key| Arc::new(Column::new(schema.field(*key).name(), *key)) as _).collect()
}

/// `s_value < t_value`, with the columns at these places.
fn less(stream: usize, table: usize) -> Arc<dyn PhysicalExpr> {
    let (left, right) = (Column::new("s_value", stream), Column::new("t_value", table));
    Arc::new(BinaryExpr::new(Arc::new(left), Compare::Lt, Arc::new(right)))
}

#[derive(Debug, Clone)]
struct Case {
    kind: JoinType,
    keys: Vec<usize>,
    null_equals_null: bool,
    filtered: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let kind = prop::sample::select(KINDS.to_vec());
    let keys = prop::sample::select(vec![vec![], vec![1], vec![2], vec![3], vec![1, 3], vec![3, 2, 1]]);
    (kind, keys, any::<bool>(), any::<bool>()).prop_map(|(kind, keys, null_equals_null, filtered)| Case {
        kind,
        keys,
        null_equals_null,
        filtered,
    })
}

fn spec(case: &Case, table: Vec<RecordBatch>) -> (TableJoin, SchemaRef) {
    let output = build_join_schema(&schema("s"), &schema("t"), &case.kind).0;
    let spec = TableJoin {
        join_type: case.kind,
        stream_keys: columns("s", &case.keys),
        table_keys: columns("t", &case.keys),
        null_equals_null: case.null_equals_null,
        filter: case.filtered.then(|| less(4, 9)),
        table_schema: schema("t"),
        output: (0..output.fields().len()).collect(),
        table: Arc::new(move || Ok(table.clone())),
    };
    (spec, Arc::new(output))
}

fn joined(case: &Case, stream: &[RecordBatch], table: &[RecordBatch]) -> Vec<RecordBatch> {
    let (spec, output) = spec(case, table.to_vec());
    let mut operator = join_operator(&spec, &schema("s"), &output).unwrap();
    stream.iter().flat_map(|batch| push(operator.as_mut(), batch).unwrap()).collect()
}

/// The same by the batch engine.
fn by_batch_engine(case: &Case, stream: &[RecordBatch], table: &[RecordBatch]) -> Vec<RecordBatch> {
    let memory = |prefix, batches: &[RecordBatch]| -> Arc<dyn ExecutionPlan> {
        MemorySourceConfig::try_new_exec(&[batches.to_vec()], schema(prefix), None).unwrap()
    };
    let (left, right) = (memory("s", stream), memory("t", table));
    let filter = case.filtered.then(|| {
        let sides = [JoinSide::Left, JoinSide::Right].map(|side| ColumnIndex { index: 4, side });
        let fields = vec![schema("s").field(4).clone(), schema("t").field(4).clone()];
        JoinFilter::new(less(0, 1), sides.to_vec(), Arc::new(Schema::new(fields)))
    });
    let plan: Arc<dyn ExecutionPlan> = if case.keys.is_empty() {
        Arc::new(NestedLoopJoinExec::try_new(left, right, filter, &case.kind, None).unwrap())
    } else {
        let on = columns("s", &case.keys).into_iter().zip(columns("t", &case.keys)).collect();
        let nulls = if case.null_equals_null { NullEquality::NullEqualsNull } else { NullEquality::NullEqualsNothing };
        let mode = PartitionMode::CollectLeft;
        Arc::new(HashJoinExec::try_new(left, right, on, filter, &case.kind, None, mode, nulls, false).unwrap())
    };
    RUNTIME.block_on(collect(plan, Arc::new(TaskContext::default()))).unwrap()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_join_gives_the_rows_of_the_batch_engine_in_the_order_of_the_stream(
        case in case(),
        stream in prop::collection::vec(row(), 0..40),
        table in prop::collection::vec(row(), 0..30),
        (stream_size, table_size) in (1_usize..20, 1_usize..20),
    ) {
        let (stream, table) = (batches("s", &stream, stream_size), batches("t", &table, table_size));
        let found = joined(&case, &stream, &table);
        prop_assert_eq!(sorted(rows(&found)), sorted(rows(&by_batch_engine(&case, &stream, &table))));
        let numbers: Vec<(i64, Option<i64>)> = found.iter().flat_map(numbers).collect();
        prop_assert!(numbers.is_sorted());
        prop_assert_eq!(&rows(&joined(&case, &whole(&stream, "s"), &whole(&table, "t"))), &rows(&found));
    }
}

fn whole(batches: &[RecordBatch], prefix: &str) -> Vec<RecordBatch> {
    vec![concat_batches(&schema(prefix), batches).unwrap()]
}

/// The numbers of the row of the stream and that of the table, where it has one.
fn numbers(batch: &RecordBatch) -> Vec<(i64, Option<i64>)> {
    let numbers = |column: usize| {
        batch.columns().get(column).and_then(|column| column.as_any().downcast_ref::<Int64Array>()).cloned()
    };
    let stream = numbers(0).unwrap();
    let table = numbers(5).map_or_else(|| vec![None; batch.num_rows()], |table| table.iter().collect());
    stream.iter().map(Option::unwrap).zip(table).collect()
}

#[test]
fn a_row_that_meets_many_comes_in_batches() {
    let one: Vec<Row> = vec![(Some(1), None, None, Some(0)); 9];
    let mut many: Vec<Row> = vec![(Some(1), None, None, Some(1)); 5_000];
    many.push((Some(1), None, None, Some(-1)));
    let (stream, table) = (batches("s", &one, 9), batches("t", &many, 1_000));
    for keys in [vec![], vec![1]] {
        for kind in KINDS {
            for filtered in [false, true] {
                let case = Case { kind, keys: keys.clone(), null_equals_null: false, filtered };
                let found = joined(&case, &stream, &table);
                assert!(found.iter().all(|batch| (1..=8_192).contains(&batch.num_rows())), "{case:?}");
                let expected = match kind {
                    JoinType::Inner | JoinType::Left if filtered => 45_000,
                    JoinType::Inner | JoinType::Left => 45_009,
                    JoinType::LeftAnti => 0,
                    _ => 9,
                };
                assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), expected, "{case:?}");
                assert!(found.iter().flat_map(numbers).is_sorted());
            }
        }
    }
}

#[test]
fn rows_that_meet_none_come_in_batches_too() {
    let stream = batches("s", &vec![(Some(1), None, None, Some(0)); 20_000], 20_000);
    for (kind, expected) in
        [(JoinType::Left, 20_000), (JoinType::LeftAnti, 20_000), (JoinType::LeftMark, 20_000), (JoinType::Inner, 0)]
    {
        for table in [vec![], batches("t", &[(Some(2), None, None, None)], 1)] {
            let case = Case { kind, keys: vec![1], null_equals_null: false, filtered: false };
            let found = joined(&case, &stream, &table);
            assert!(found.iter().all(|batch| batch.num_rows() <= 8_192));
            assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), expected, "{kind}");
        }
    }
}

#[test]
fn only_the_columns_of_the_plan_come_out_also_none() {
    let stream = batches("s", &[(Some(1), None, None, None), (Some(2), None, None, None)], 2);
    let table = batches("t", &[(Some(2), None, None, Some(7)), (Some(2), None, None, Some(8))], 2);
    let case = Case { kind: JoinType::Inner, keys: vec![1], null_equals_null: false, filtered: false };
    let (spec, _) = spec(&case, table);
    let fields = vec![schema("t").field(4).clone(), schema("s").field(1).clone()];
    let swapped = TableJoin { output: vec![9, 1], ..spec.clone() };
    let mut operator = join_operator(&swapped, &schema("s"), &Arc::new(Schema::new(fields))).unwrap();
    assert_eq!(rows(&push(operator.as_mut(), &stream[0]).unwrap()), ["7|2", "8|2"]);
    let none = TableJoin { output: vec![], ..spec };
    let mut operator = join_operator(&none, &schema("s"), &Arc::new(Schema::empty())).unwrap();
    assert_eq!(push(operator.as_mut(), &stream[0]).unwrap()[0].num_rows(), 2);
}

#[test]
fn a_join_that_keeps_rows_of_the_table_is_refused() {
    for kind in [JoinType::Right, JoinType::Full, JoinType::RightSemi, JoinType::RightAnti, JoinType::RightMark] {
        let case = Case { kind, keys: vec![1], null_equals_null: false, filtered: false };
        let (spec, output) = spec(&case, Vec::new());
        let error = join_operator(&spec, &schema("s"), &output).err().unwrap();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().starts_with(&format!("a {kind} join")), "{error}");
    }
}

#[test]
fn what_goes_wrong_is_told() {
    let case = Case { kind: JoinType::Inner, keys: vec![1], null_equals_null: false, filtered: false };
    let (good, output) = spec(&case, batches("t", &[(Some(1), None, None, Some(0))], 1));
    let failing = TableJoin {
        table: Arc::new(|| Err(velaria_contract::Error::new(ErrorCode::FileNotFound, "no such table"))),
        ..good.clone()
    };
    assert_eq!(join_operator(&failing, &schema("s"), &output).err().unwrap().code(), ErrorCode::FileNotFound);
    let uneven = TableJoin { table_keys: Vec::new(), ..good.clone() };
    assert_eq!(join_operator(&uneven, &schema("s"), &output).err().unwrap().code(), ErrorCode::Internal);
    let mixed = TableJoin { table_keys: columns("t", &[3]), ..good.clone() };
    let batch = batches("s", &[(Some(1), None, None, None)], 1).remove(0);
    let mut operator = join_operator(&mixed, &schema("s"), &output).unwrap();
    assert_eq!(push(operator.as_mut(), &batch).unwrap_err().code(), ErrorCode::TypeMismatch);
    // The condition divides by the value of the table, which is zero.
    let divided = BinaryExpr::new(lit(1_i64), Compare::Divide, Arc::new(Column::new("t_value", 9)));
    let filter: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(Arc::new(divided), Compare::Eq, lit(1_i64)));
    let dividing = TableJoin { filter: Some(filter), ..good };
    let mut operator = join_operator(&dividing, &schema("s"), &output).unwrap();
    assert_eq!(push(operator.as_mut(), &batch).unwrap_err().code(), ErrorCode::DivisionByZero);
}

//! The operator that finds the rows whose vectors are nearest to a query.
//!
//! Each partition of the input is scanned by a task of its own, which keeps the nearest rows so far; the results are put
//! together at the end. Rows of equal scores stay in the order of the input: a row is known by its partition and by its
//! place in it, so partitions have to follow each other as the rows do.

mod kept;
mod part;
mod scored;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{TryStreamExt, stream};
use velaria_contract::Error;
use velaria_vector::{Metric, Queries};

use self::part::{Part, gathered};
pub(crate) use self::scored::{ROW_ID, SCORE, scored_schema};
use crate::error::external;

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The vectors of the input.
    pub(crate) vectors: Arc<dyn PhysicalExpr>,
    /// One query.
    pub(crate) queries: Queries,
    pub(crate) metric: Metric,
    pub(crate) top_k: usize,
    pub(crate) form: Form,
}

/// What the operator gives.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// The rows of the input as this order has them, those without a value included.
    Sorted(PhysicalSortExpr),
    /// The number of each row and its score before its columns; rows without a vector are left out, and those whose score is
    /// no number are last.
    Scored,
}

impl Search {
    /// Whether scores that are no number come first, as the greatest values do when an order goes down.
    fn nan_first(&self) -> bool {
        matches!(&self.form, Form::Sorted(order) if order.options.descending)
    }

    /// The error of a batch that cannot be searched: that of the function in whose place it is searched, if it has one.
    fn fault(&self, batch: &RecordBatch, error: Error) -> DataFusionError {
        let own = match &self.form {
            Form::Sorted(order) => order.expr.evaluate(batch).err(),
            Form::Scored => None,
        };
        own.unwrap_or_else(|| external(error))
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct VectorTopKExec {
    input: Arc<dyn ExecutionPlan>,
    search: Search,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl VectorTopKExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, search: Search) -> Self {
        let equivalences = match &search.form {
            Form::Sorted(order) => EquivalenceProperties::new_with_orderings(input.schema(), [[order.clone()]]),
            Form::Scored => EquivalenceProperties::new(scored_schema(&input.schema())),
        };
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { input, search, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }

    /// What `EXPLAIN` says about the search.
    fn words(&self) -> String {
        format!(" metric={} dimension={}", self.search.metric.name(), self.search.queries.dimension())
    }
}

/// What `EXPLAIN` says about the search of `plan`, if it is one.
pub(crate) fn words(plan: &dyn ExecutionPlan) -> Option<String> {
    (plan as &dyn Any).downcast_ref::<VectorTopKExec>().map(VectorTopKExec::words)
}

impl DisplayAs for VectorTopKExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VectorTopKExec:{} limit={}", self.words(), self.search.top_k)
    }
}

impl ExecutionPlan for VectorTopKExec {
    fn name(&self) -> &'static str {
        "VectorTopKExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // Rows that are dealt out would lose their order.
        vec![false]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        visit(&self.search.vectors)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.search.clone())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn fetch(&self) -> Option<usize> {
        Some(self.search.top_k)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(DataFusionError::Internal(format!("a search has no partition {partition}")));
        }
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (input, search, schema) = (Arc::clone(&self.input), self.search.clone(), self.schema());
        let found = found(input, search, Arc::clone(&schema), task);
        let batches = stream::once(found).map_ok(|batches| stream::iter(batches.into_iter().map(Ok))).try_flatten();
        let counted = batches.inspect_ok(move |batch: &RecordBatch| metrics.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }
}

/// Scans all partitions of `input` at the same time.
async fn found(
    input: Arc<dyn ExecutionPlan>,
    search: Search,
    schema: SchemaRef,
    task: Arc<TaskContext>,
) -> Result<Vec<RecordBatch>> {
    let search = Arc::new(search);
    let batch_rows = task.session_config().batch_size();
    let partitions = input.properties().output_partitioning().partition_count();
    let mut tasks = Vec::with_capacity(partitions);
    for partition in 0..partitions {
        let rows = input.execute(partition, Arc::clone(&task))?;
        tasks.push(Part::new(partition, &search, &input.schema(), &task)?.scan(rows));
    }
    let parts = match <[_; 1]>::try_from(tasks) {
        Ok([only]) => vec![only.await?],
        Err(several) => joined(several).await?,
    };
    gathered(&search, parts, &schema, batch_rows)
}

async fn joined(tasks: Vec<impl Future<Output = Result<Part>> + Send + 'static>) -> Result<Vec<Part>> {
    let running: Vec<_> = tasks.into_iter().map(SpawnedTask::spawn).collect();
    let mut parts = Vec::with_capacity(running.len());
    for task in running {
        parts.push(task.join_unwind().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Int64Array};
    use arrow::compute::SortOptions;
    use arrow::datatypes::{Float32Type, Int64Type};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::logical_expr::ScalarUDF;
    use datafusion::physical_expr::ScalarFunctionExpr;
    use datafusion::physical_expr::expressions::{Column, lit};
    use datafusion::physical_plan::collect;
    use proptest::prelude::*;
    use velaria_vector::exact::ExactQuery;

    use super::*;

    type Row = Option<[f32; 2]>;

    fn row() -> impl Strategy<Value = Row> {
        let number = prop_oneof![9 => (-2_i8..3).prop_map(f32::from), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)];
        prop::option::weighted(0.8, [number.clone(), number])
    }

    /// Partitions of batches of rows.
    fn table() -> impl Strategy<Value = Vec<Vec<Vec<Row>>>> {
        let batch = prop::collection::vec(row(), 0..6);
        prop::collection::vec(prop::collection::vec(batch, 0..4), 1..4)
    }

    fn batch(rows: &[Row], first: i64) -> RecordBatch {
        let lists = rows.iter().map(|row| row.map(|row| row.map(Some)));
        let vectors: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(lists, 2));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows.len() as i64));
        RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("v", vectors, true)]).unwrap()
    }

    fn source(table: &[Vec<Vec<Row>>]) -> Arc<dyn ExecutionPlan> {
        let mut first = 0;
        let mut numbered = |rows: &Vec<Row>| {
            let numbered = batch(rows, first);
            first += rows.len() as i64;
            numbered
        };
        let partitions: Vec<Vec<RecordBatch>> =
            table.iter().map(|batches| batches.iter().map(&mut numbered).collect()).collect();
        MemorySourceConfig::try_new_exec(&partitions, batch(&[], 0).schema(), None).unwrap()
    }

    /// The order of the values of a sort: NaN is greater than all numbers.
    fn sorted(left: Option<f64>, right: Option<f64>, options: SortOptions) -> Ordering {
        let (Some(left), Some(right)) = (left, right) else {
            let nulls = left.is_none().cmp(&right.is_none());
            return if options.nulls_first { nulls.reverse() } else { nulls };
        };
        let up = left.is_nan().cmp(&right.is_nan()).then(left.partial_cmp(&right).unwrap_or(Ordering::Equal));
        if options.descending { up.reverse() } else { up }
    }

    fn run(plan: VectorTopKExec) -> Vec<RecordBatch> {
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio.block_on(collect(Arc::new(plan), Arc::default())).unwrap()
    }

    fn integers(batches: &[RecordBatch], column: &str) -> Vec<i64> {
        let column =
            |batch: &RecordBatch| batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec();
        batches.iter().flat_map(column).collect()
    }

    fn search(metric: Metric, query: [i8; 2], top_k: usize, form: Form) -> Search {
        let queries = Queries::one(query.map(f64::from).to_vec()).unwrap();
        Search { vectors: Arc::new(Column::new("v", 1)), queries, metric, top_k, form }
    }

    /// The scores of all rows, by their numbers.
    fn scores(table: &[Vec<Vec<Row>>], metric: Metric, query: [i8; 2]) -> Vec<(i64, Option<f64>)> {
        let exact = ExactQuery::new(metric, query.map(f64::from).to_vec());
        let rows = table.iter().flatten().flatten();
        rows.enumerate().map(|(id, row)| (id as i64, row.map(|row| exact.score(&row)))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_search_gives_the_first_rows_of_the_stable_sort(
            table in table(),
            query in [-2_i8..3, -2_i8..3],
            metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
            top_k in 1_usize..30,
            nulls_first: bool,
        ) {
            let options = SortOptions { descending: !metric.is_distance(), nulls_first };
            // The value is not asked for: the expression stands for the function that is computed otherwise.
            let order = Form::Sorted(PhysicalSortExpr { expr: lit(0.0), options });
            let plan = VectorTopKExec::new(source(&table), search(metric, query, top_k, order));
            let mut all = scores(&table, metric, query);
            all.sort_by(|left, right| sorted(left.1, right.1, options));
            all.truncate(top_k);
            let found = run(plan);
            prop_assert_eq!(integers(&found, "id"), all.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        }

        #[test]
        fn numbers_of_rows_count_all_rows_of_all_partitions(
            table in table(),
            query in [-2_i8..3, -2_i8..3],
            metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
            top_k in 1_usize..30,
        ) {
            let plan = VectorTopKExec::new(source(&table), search(metric, query, top_k, Form::Scored));
            let mut all = scores(&table, metric, query);
            all.retain(|(_, score)| score.is_some());
            let score = |row: &(i64, Option<f64>)| row.1.unwrap_or_default();
            all.sort_by(|left, right| metric.order(score(left), score(right)));
            all.truncate(top_k);
            let found = run(plan);
            let expected: Vec<i64> = all.iter().map(|(id, _)| *id).collect();
            prop_assert_eq!(&integers(&found, ROW_ID), &expected);
            prop_assert_eq!(integers(&found, "id"), expected);
        }
    }

    #[test]
    fn what_cannot_be_searched_has_the_error_of_the_function() {
        let state = crate::context::template().unwrap();
        let function: &Arc<ScalarUDF> = state.scalar_functions().get("l2_distance").unwrap();
        let query = datafusion::common::ScalarValue::Utf8(Some("[1 2 3]".to_owned()));
        let table = source(&[vec![vec![Some([1.0, 2.0])]]]);
        let vectors: Arc<dyn PhysicalExpr> = Arc::new(Column::new("v", 1));
        let arguments = vec![vectors, lit(query)];
        let call =
            ScalarFunctionExpr::try_new(Arc::clone(function), arguments, &table.schema(), Arc::default()).unwrap();
        let order = PhysicalSortExpr { expr: Arc::new(call), options: SortOptions::default() };
        let plan = VectorTopKExec::new(
            table,
            Search {
                queries: Queries::one(vec![1.0, 2.0, 3.0]).unwrap(),
                ..search(Metric::L2, [0, 0], 1, Form::Sorted(order))
            },
        );
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = tokio.block_on(collect(Arc::new(plan), Arc::default())).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("l2_distance takes vectors of one length, not of 2 and 3 dimensions"), "{error}");
    }
}

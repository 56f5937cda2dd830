//! A plan in the words of the contract.
//!
//! One operator a line, its inputs below it and two spaces further in. The words are ours, so that an upgrade of
//! DataFusion does not move the contract.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan};
use datafusion::physical_expr_common::physical_expr::fmt_sql;
use datafusion::physical_plan::ExecutionPlan;
use velaria_connector::csv_filter;
use velaria_contract::{BatchStrategy, Explain};

use crate::catalog::HIDDEN;
use crate::context::Spread;
use crate::plan::search_function::SearchTable;
use crate::search::SearchNode;
use crate::vector_top_k;
use crate::words::sql_words;

const MODE: &str = "single-process";
const TRANSPORT: &str = "inproc";

/// The three sections for `logical`, which will run as `physical`.
pub(crate) fn explain(
    logical: &LogicalPlan,
    physical: &dyn ExecutionPlan,
    state: &SessionState,
    spread: Spread,
) -> Explain {
    let mut sections = Explain { logical: Vec::new(), physical: Vec::new(), strategy: strategy(state, spread) };
    logical_lines(logical, 0, &mut sections.logical);
    physical_lines(physical, 0, &mut sections.physical);
    sections
}

fn strategy(state: &SessionState, spread: Spread) -> BatchStrategy {
    let reason = match spread {
        Spread::Serial => "configured single-process execution; small input runs in one partition",
        Spread::Parallel => "configured single-process execution",
    };
    BatchStrategy {
        requested_mode: MODE.to_owned(),
        selected_mode: MODE.to_owned(),
        reason: reason.to_owned(),
        transport_mode: TRANSPORT.to_owned(),
        source_is_bounded: true,
        target_partitions: state.config().target_partitions(),
        batch_rows_max: state.config().batch_size(),
    }
}

fn logical_lines(plan: &LogicalPlan, depth: usize, lines: &mut Vec<String>) {
    if matches!(plan, LogicalPlan::SubqueryAlias(node) if node.alias.table().starts_with(HIDDEN)) {
        return plan.inputs().into_iter().for_each(|input| logical_lines(input, depth, lines));
    }
    lines.push(format!("{:indent$}{}", "", logical_line(plan), indent = 2 * depth));
    for input in plan.inputs() {
        logical_lines(input, depth + 1, lines);
    }
    if let Some(table) = scanned(plan)
        && let Some(search) = search_of(table.as_ref())
    {
        logical_lines(search.searched(), depth + 1, lines);
    }
    for subquery in subqueries(plan) {
        lines.push(format!("{:indent$}Subquery", "", indent = 2 * (depth + 1)));
        logical_lines(&subquery, depth + 2, lines);
    }
}

/// The plans inside the expressions of one operator.
fn subqueries(plan: &LogicalPlan) -> Vec<LogicalPlan> {
    let mut found = Vec::new();
    for expr in plan.expressions() {
        // The closure never fails, so neither does the walk.
        let _ = expr.apply(|part| {
            match part {
                Expr::ScalarSubquery(subquery) => found.push(subquery.subquery.as_ref().clone()),
                Expr::InSubquery(inside) => found.push(inside.subquery.subquery.as_ref().clone()),
                Expr::Exists(exists) => found.push(exists.subquery.subquery.as_ref().clone()),
                _ => {}
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        });
    }
    found
}

fn logical_line(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Projection(node) => format!("Project columns={}", names(&node.expr)),
        LogicalPlan::Filter(node) => format!("Filter predicate={}", sql(&node.predicate)),
        LogicalPlan::Window(node) => format!("Window functions={}", list(&node.window_expr)),
        LogicalPlan::Aggregate(node) => {
            format!("Aggregate keys={} aggs={}", list(&node.group_expr), list(&node.aggr_expr))
        }
        LogicalPlan::Sort(node) => format!("OrderBy columns={}", list(&node.expr)),
        LogicalPlan::Join(node) => join_line(node),
        LogicalPlan::Union(node) => format!("Union inputs={}", node.inputs.len()),
        LogicalPlan::TableScan(node) => scan_line(plan, node.table_name.table()),
        LogicalPlan::EmptyRelation(node) => format!("Empty rows={}", u8::from(node.produce_one_row)),
        LogicalPlan::SubqueryAlias(node) => format!("Alias name={}", node.alias),
        LogicalPlan::Limit(node) => {
            let part =
                |name: &str, expr: &Option<Box<Expr>>| expr.as_ref().map(|expr| format!(" {name}={}", sql(expr)));
            format!(
                "Limit{}{}",
                part("limit", &node.fetch).unwrap_or_default(),
                part("offset", &node.skip).unwrap_or_default()
            )
        }
        LogicalPlan::Values(node) => format!("Values rows={}", node.values.len()),
        LogicalPlan::Distinct(Distinct::All(_)) => "Distinct".to_owned(),
        LogicalPlan::Distinct(Distinct::On(node)) => format!("Distinct on={}", list(&node.on_expr)),
        LogicalPlan::Unnest(_) => "Unnest".to_owned(),
        LogicalPlan::RecursiveQuery(node) => format!("Recursive name={} distinct={}", node.name, node.is_distinct),
        LogicalPlan::Subquery(_) => "Subquery".to_owned(),
        LogicalPlan::Repartition(_) => "Repartition".to_owned(),
        LogicalPlan::Extension(node) => match node.node.as_any().downcast_ref::<SearchNode>() {
            Some(search) => search.search.to_string(),
            None => node.node.name().to_owned(),
        },
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => "Statement".to_owned(),
    }
}

/// The table that `plan` scans.
fn scanned(plan: &LogicalPlan) -> Option<Arc<dyn TableProvider>> {
    match plan {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).ok(),
        _ => None,
    }
}

fn search_of(table: &dyn TableProvider) -> Option<&SearchTable> {
    (table as &dyn Any).downcast_ref()
}

fn scan_line(plan: &LogicalPlan, name: &str) -> String {
    let table = scanned(plan);
    let search = table.as_deref().and_then(search_of).map(SearchTable::words);
    search.map_or_else(|| format!("Scan source={name}"), |words| format!("VectorSearch {words}"))
}

fn join_line(join: &Join) -> String {
    let on: Vec<String> = join.on.iter().map(|(left, right)| format!("{} = {}", sql(left), sql(right))).collect();
    let filter = join.filter.as_ref().map(|filter| format!(" filter={}", sql(filter))).unwrap_or_default();
    format!("Join type={} on=[{}]{filter}", join.join_type.to_string().to_lowercase(), on.join(", "))
}

/// An expression with the literals and type words of SQL.
fn sql(expr: &impl ToString) -> String {
    sql_words(&expr.to_string())
}

fn list<T: ToString>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(sql).collect::<Vec<_>>().join(", "))
}

fn names(exprs: &[Expr]) -> String {
    format!("[{}]", exprs.iter().map(|expr| sql_words(&expr.qualified_name().1)).collect::<Vec<_>>().join(", "))
}

fn physical_lines(plan: &dyn ExecutionPlan, depth: usize, lines: &mut Vec<String>) {
    let name = plan.name().trim_end_matches("Exec");
    let partitions = plan.properties().output_partitioning().partition_count();
    let columns = if plan.children().is_empty() { format!(" columns={}", columns(plan)) } else { String::new() };
    let fetch = plan.fetch().map(|rows| format!(" limit={rows}")).unwrap_or_default();
    let filter = csv_filter(plan).map(|filter| format!(" filter={}", fmt_sql(filter.as_ref()))).unwrap_or_default();
    let search = vector_top_k::words(plan).unwrap_or_default();
    lines.push(format!(
        "{:indent$}{name} partitions={partitions}{columns}{filter}{search}{fetch}",
        "",
        indent = 2 * depth
    ));
    for child in plan.children() {
        physical_lines(child.as_ref(), depth + 1, lines);
    }
}

/// The lines of `EXPLAIN ANALYZE`: what each operator of a plan that has run made, and the whole run.
pub(crate) fn measured(plan: &dyn ExecutionPlan, rows: usize, elapsed: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    measured_lines(plan, 0, &mut lines);
    lines.push(format!("rows={rows}"));
    lines.push(format!("elapsed_ms={}", milliseconds(elapsed)));
    lines
}

fn measured_lines(plan: &dyn ExecutionPlan, depth: usize, lines: &mut Vec<String>) {
    // What makes joins give way computes nothing itself, and is no operator of the plan that `EXPLAIN` shows.
    let shown = plan.name() != "CooperativeExec";
    if shown {
        let name = plan.name().trim_end_matches("Exec");
        let metrics = plan.metrics().map(|metrics| metrics.aggregate_by_name());
        let rows = metrics.as_ref().and_then(|metrics| metrics.output_rows());
        let time = metrics.as_ref().and_then(|metrics| metrics.elapsed_compute());
        let rows = rows.map(|rows| format!(" rows={rows}")).unwrap_or_default();
        let time = time.and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos).map(milliseconds);
        let time = time.map(|time| format!(" time_ms={time}")).unwrap_or_default();
        lines.push(format!("{:indent$}{name}{rows}{time}", "", indent = 2 * depth));
    }
    for child in plan.children() {
        measured_lines(child.as_ref(), depth + usize::from(shown), lines);
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1000.0)
}

/// The columns that a scan reads.
fn columns(plan: &dyn ExecutionPlan) -> String {
    format!("[{}]", plan.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>().join(", "))
}

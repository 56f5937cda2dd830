//! Plans of statements that were seen before.
//!
//! A plan is kept without its tables: every scan is a slot, and an execution fills the slots with the tables that the
//! names of the statement stand for at that time. So one plan serves every table of the same schema, a replaced or dropped
//! table cannot be read through it, and the cache keeps no row alive.
//!
//! Kept are queries over tables in memory whose functions give the same result at any time. Statistics are never seen by
//! a plan with slots, so it cannot depend on the rows that were there when it was made.

mod reuse;
mod slot;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use velaria_connector::MemoryTable;
use velaria_sql::TableKind;
use velaria_sql::ast::{ObjectName, ObjectNamePart, Query, Visit, Visitor};

use crate::bounded;
use crate::catalog::Catalog;
use crate::plan_cache::reuse::{is_brief, is_repeatable, is_reusable};
use crate::plan_cache::slot::{SlotTable, filled};

/// How many statements are kept; the one that was not used for the longest time goes first.
const STATEMENTS_MAX: usize = 256;
/// Longer statements are planned each time.
const TEXT_BYTES_MAX: usize = 4096;

/// The plans of one session.
#[derive(Debug, Default)]
pub(crate) struct PlanCache {
    statements: Mutex<Statements>,
}

/// The tables that fill the slots of a plan, by slot; `None` where a name is not that of a table.
pub(crate) type Tables = Vec<Option<Arc<dyn TableProvider>>>;

/// A plan whose scans are slots.
#[derive(Debug)]
pub(crate) struct Template {
    names: Vec<Name>,
    analyzed: LogicalPlan,
    /// The types that leave the engine.
    schema: SchemaRef,
    planned: OnceLock<Planned>,
}

/// What the optimizer and the planner made of a template.
#[derive(Debug)]
pub(crate) struct Planned {
    optimized: LogicalPlan,
    /// `None` when an operator keeps state from one execution to the next.
    physical: Option<Arc<dyn ExecutionPlan>>,
    /// Whether the operators take a bounded time for a row.
    pub(crate) brief: bool,
}

/// A table name as a statement spells it, and what it stood for when the statement was planned.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    written: String,
    quoted: bool,
    found: Option<Found>,
}

#[derive(Debug, Clone)]
struct Found {
    name: String,
    schema: SchemaRef,
}

#[derive(Debug, Default)]
struct Statements {
    by_text: HashMap<Arc<str>, Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    template: Arc<Template>,
    used: u64,
}

impl PlanCache {
    /// The template of `text` and the tables of `catalog` for its slots, if every name means what it meant.
    pub(crate) fn find(&self, text: &str, catalog: &Catalog) -> Option<(Arc<Template>, Tables)> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let template = self.statements().get(text)?;
        let tables = template.names.iter().map(|name| name.table(catalog)).collect::<Option<Tables>>()?;
        Some((template, tables))
    }

    /// Keeps the analysed plan of `text`, if it can be kept, and gives its template and its tables.
    pub(crate) fn keep(
        &self,
        text: &str,
        names: Vec<Name>,
        plan: &LogicalPlan,
        schema: &SchemaRef,
    ) -> Option<(Arc<Template>, Tables)> {
        if !is_repeatable(plan) {
            return None;
        }
        let mut tables: Tables = vec![None; names.len()];
        let emptied = plan.clone().transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(scan) => emptied(scan, &names, &mut tables),
            other => Ok(Transformed::no(other)),
        });
        let analyzed = emptied.ok()?.data;
        let template = Arc::new(Template { names, analyzed, schema: Arc::clone(schema), planned: OnceLock::new() });
        self.statements().insert(text, &template);
        Some((template, tables))
    }

    // A poisoned lock still holds whole entries.
    fn statements(&self) -> MutexGuard<'_, Statements> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of the tables that `query` mentions, or `None` when a plan of it cannot be kept.
pub(crate) fn names(text: &str, query: &Query, catalog: &Catalog) -> Option<Vec<Name>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut collector = Collector { catalog, names: Vec::new() };
    match query.visit(&mut collector) {
        ControlFlow::Continue(()) => Some(collector.names),
        ControlFlow::Break(()) => None,
    }
}

impl Template {
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The analysed plan over `tables`.
    pub(crate) fn analyzed(&self, tables: &Tables) -> DataFusionResult<LogicalPlan> {
        bound(&self.analyzed, tables)
    }

    /// What was planned, if it was.
    pub(crate) fn planned(&self) -> Option<&Planned> {
        self.planned.get()
    }

    /// Plans with `state`, which is the same for every session.
    pub(crate) async fn plan(&self, state: &SessionState) -> DataFusionResult<&Planned> {
        if let Some(planned) = self.planned.get() {
            return Ok(planned);
        }
        let optimize = || state.optimizer().optimize(self.analyzed.clone(), state, |_, _| {});
        let optimized = bounded::planning(optimize)?;
        let physical = state.query_planner().create_physical_plan(&optimized, state).await?;
        let brief = is_brief(physical.as_ref());
        let physical = Some(physical).filter(|plan| is_reusable(plan.as_ref()));
        Ok(self.planned.get_or_init(|| Planned { optimized, physical, brief }))
    }
}

impl Planned {
    /// A plan of its own for one execution over `tables`, or `None` when that has to be planned anew.
    pub(crate) fn instance(&self, tables: &Tables) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
        self.physical.as_ref().map(|plan| filled(plan, tables)).transpose()
    }

    /// The optimized plan over `tables`.
    pub(crate) fn optimized(&self, tables: &Tables) -> DataFusionResult<LogicalPlan> {
        bound(&self.optimized, tables)
    }
}

impl Name {
    /// The table for this name: the same kind of answer as when the statement was planned, or `None`.
    #[expect(clippy::option_option, reason = "a name that is still no table is a good answer without a table")]
    fn table(&self, catalog: &Catalog) -> Option<Option<Arc<dyn TableProvider>>> {
        let table = resolve(catalog, &self.written, self.quoted);
        match (&self.found, table) {
            (None, None) => Some(None),
            (Some(found), Some((name, table))) if found.name == name => {
                let same = memory(table.as_ref()).is_some() && table.schema() == found.schema;
                same.then_some(Some(table))
            }
            _ => None,
        }
    }
}

/// The table that a name stands for, under the name that the catalog has for it.
fn resolve(catalog: &Catalog, written: &str, quoted: bool) -> Option<(String, Arc<dyn TableProvider>)> {
    let name = if quoted { written.to_owned() } else { catalog.spelling(written)? };
    // What may not be read is not found: the planner says why.
    let readable = catalog.kind(&name) != TableKind::Sink;
    catalog.find(&name).ok().filter(|_| readable).map(|table| (name, table))
}

pub(crate) fn memory(table: &dyn TableProvider) -> Option<&MemoryTable> {
    (table as &dyn std::any::Any).downcast_ref()
}

struct Collector<'a> {
    catalog: &'a Catalog,
    names: Vec<Name>,
}

impl Visitor for Collector<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() else { return ControlFlow::Break(()) };
        let quoted = ident.quote_style.is_some();
        let found = match resolve(self.catalog, &ident.value, quoted) {
            Some((_, table)) if memory(table.as_ref()).is_none() => return ControlFlow::Break(()),
            Some((name, table)) => Some(Found { name, schema: table.schema() }),
            None => None,
        };
        self.names.push(Name { written: ident.value.clone(), quoted, found });
        ControlFlow::Continue(())
    }
}

/// `scan` with its table taken out and put into `tables`.
fn emptied(mut scan: TableScan, names: &[Name], tables: &mut Tables) -> DataFusionResult<Transformed<LogicalPlan>> {
    let table = source_as_provider(&scan.source)?;
    // The schema as well: another thread may have replaced the table between the look-up and the binding.
    let same = |found: &Found| found.name == scan.table_name.table() && found.schema == table.schema();
    let wanted = |name: &Name| name.found.as_ref().is_some_and(same);
    let slot = names.iter().position(wanted).filter(|_| memory(table.as_ref()).is_some());
    let Some((slot, place)) = slot.and_then(|slot| tables.get_mut(slot).map(|place| (slot, place))) else {
        return Err(not_kept());
    };
    // Two tables of one name: one of them stands inside of a view.
    if place.as_ref().is_some_and(|other| !Arc::ptr_eq(other, &table)) {
        return Err(not_kept());
    }
    scan.source = provider_as_source(Arc::new(SlotTable::new(slot, table.schema())));
    *place = Some(table);
    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
}

fn not_kept() -> DataFusionError {
    DataFusionError::Plan("a table of the plan is not named by the statement".to_owned())
}

/// `plan` with its slots filled.
fn bound(plan: &LogicalPlan, tables: &Tables) -> DataFusionResult<LogicalPlan> {
    let bound = plan.clone().transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(mut scan) => {
            let provider = source_as_provider(&scan.source)?;
            if let Some(slot) = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<SlotTable>() {
                scan.source = provider_as_source(slot.table(tables)?);
            }
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bound.data)
}

impl Statements {
    fn get(&mut self, text: &str) -> Option<Arc<Template>> {
        self.clock += 1;
        let entry = self.by_text.get_mut(text)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.template))
    }

    fn insert(&mut self, text: &str, template: &Arc<Template>) {
        if self.by_text.len() >= STATEMENTS_MAX && !self.by_text.contains_key(text) {
            self.forget_oldest();
        }
        self.clock += 1;
        let entry = Entry { template: Arc::clone(template), used: self.clock };
        self.by_text.insert(text.into(), entry);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.by_text.iter().min_by_key(|(_, entry)| entry.used).map(|(text, _)| Arc::clone(text));
        if let Some(text) = oldest {
            self.by_text.remove(&text);
        }
    }
}

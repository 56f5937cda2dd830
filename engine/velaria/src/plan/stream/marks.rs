//! Nodes of a logical plan that only streams have. The optimizer moves filters and columns past them as far as they say.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, DFSchemaRef, plan_err};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

/// Adds the start of the window as the last column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WindowAssign {
    pub(crate) input: LogicalPlan,
    pub(crate) time: Column,
    pub(crate) every_ms: u64,
    pub(crate) slide_ms: u64,
    pub(crate) output: String,
    pub(crate) output_type: DataType,
    schema: DFSchemaRef,
}

impl WindowAssign {
    pub(crate) fn new(
        input: LogicalPlan,
        time: Column,
        (every_ms, slide_ms): (u64, u64),
        output: &str,
        output_type: DataType,
    ) -> DataFusionResult<Self> {
        let schema = windowed(input.schema(), output, &output_type)?;
        Ok(Self { input, time, every_ms, slide_ms, output: output.to_owned(), output_type, schema })
    }

    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

fn windowed(input: &DFSchema, output: &str, output_type: &DataType) -> DataFusionResult<DFSchemaRef> {
    let field = Arc::new(Field::new(output, output_type.clone(), true));
    let fields = input.iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).chain([(None, field)]);
    Ok(Arc::new(DFSchema::new_with_metadata(fields.collect(), input.metadata().clone())?))
}

impl PartialOrd for WindowAssign {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.output.partial_cmp(&other.output).filter(|ordering| *ordering != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for WindowAssign {
    fn name(&self) -> &'static str {
        "WindowAssign"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![Expr::Column(self.time.clone())]
    }

    /// What does not look at the window may be filtered before rows are multiplied.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::from([self.output.clone()])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WindowAssign: {} every {} slide {}", self.time, self.every_ms, self.slide_ms)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        match (exprs.as_slice(), inputs.pop(), inputs.is_empty()) {
            ([Expr::Column(time)], Some(input), true) => {
                let sizes = (self.every_ms, self.slide_ms);
                Self::new(input, time.clone(), sizes, &self.output, self.output_type.clone())
            }
            _ => plan_err!("a window takes one column of one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|index| *index < own).collect()])
    }
}

/// What is said of the rows of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Note {
    /// The statement lists these columns.
    Listed,
    /// The group by directly below starts from nothing with every micro-batch.
    PerBatch,
}

/// A plan with a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) note: Note,
    pub(crate) input: LogicalPlan,
}

impl Noted {
    pub(crate) fn plan(note: Note, input: LogicalPlan) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(Self { note, input }) })
    }
}

impl Hash for Noted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.note.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for Noted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.note.partial_cmp(&other.note).filter(|ordering| *ordering != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for Noted {
    fn name(&self) -> &'static str {
        "Noted"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.note)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        match inputs.pop() {
            Some(input) => Ok(Self { note: self.note, input }),
            None => plan_err!("a note is about a plan"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

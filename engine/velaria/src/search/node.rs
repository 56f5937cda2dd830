//! A search in a logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, plan_err};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use velaria_vector::{Metric, Queries};

use super::{FUSED_SCORE, KEYWORD_SCORE, VECTOR_SCORE};

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Search {
    /// Words in text columns.
    Words(Words),
    /// The nearest vectors.
    Vectors(Vectors),
    /// Both, in one ranking of `top_k` rows.
    Fused { words: Words, vectors: Vectors, top_k: u64 },
}

/// A search for words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Words {
    pub(crate) columns: Vec<Column>,
    pub(crate) query: String,
    pub(crate) top_k: u64,
}

/// A search for vectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vectors {
    pub(crate) column: Column,
    pub(crate) query: Queries,
    pub(crate) metric: Metric,
    pub(crate) top_k: u64,
    /// The worst score of a row that is found.
    pub(crate) threshold: Option<f64>,
}

/// The rows of `input` that fit best, best first, with the scores as the last columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SearchNode {
    pub(crate) input: LogicalPlan,
    pub(crate) search: Search,
    /// How many threads may work for it.
    pub(crate) threads: usize,
    schema: DFSchemaRef,
}

impl Search {
    /// The columns that are looked at.
    fn columns(&self) -> Vec<Column> {
        match self {
            Self::Words(words) => words.columns.clone(),
            Self::Vectors(vectors) => vec![vectors.column.clone()],
            Self::Fused { words, vectors, .. } => words.columns.iter().chain([&vectors.column]).cloned().collect(),
        }
    }

    /// The same search in other columns.
    fn with_columns(mut self, mut columns: Vec<Column>) -> Option<Self> {
        match &mut self {
            Self::Words(words) => words.columns = columns,
            Self::Vectors(vectors) => vectors.column = columns.pop()?,
            Self::Fused { words, vectors, .. } => {
                vectors.column = columns.pop()?;
                words.columns = columns;
            }
        }
        Some(self)
    }

    /// The columns of scores.
    pub(crate) fn scores(&self) -> Vec<FieldRef> {
        let score = |name: &str, nullable: bool| Arc::new(Field::new(name, DataType::Float64, nullable));
        match self {
            Self::Words(_) => vec![score(KEYWORD_SCORE, false)],
            Self::Vectors(_) => vec![score(VECTOR_SCORE, false)],
            // A row may be found in one of the two ways only.
            Self::Fused { .. } => {
                vec![score(KEYWORD_SCORE, true), score(VECTOR_SCORE, true), score(FUSED_SCORE, false)]
            }
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Words(_) => "KeywordSearch",
            Self::Vectors(_) => "HybridSearch",
            Self::Fused { .. } => "FusedSearch",
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => write!(f, "KeywordSearch {words}"),
            Self::Vectors(vectors) => write!(f, "HybridSearch {vectors}"),
            Self::Fused { words, vectors, top_k } => {
                write!(f, "FusedSearch top_k={top_k} keyword=({words}) vector=({vectors})")
            }
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.columns.iter().map(Column::name).collect();
        write!(f, "columns=[{}] query={:?} top_k={}", columns.join(", "), self.query, self.top_k)
    }
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (column, metric, dimension) = (self.column.name(), self.metric.name(), self.query.dimension());
        write!(f, "column={column} metric={metric} dimension={dimension} top_k={}", self.top_k)?;
        match self.threshold {
            Some(threshold) => write!(f, " score_threshold={threshold}"),
            None => Ok(()),
        }
    }
}

impl SearchNode {
    pub(crate) fn new(input: LogicalPlan, search: Search, threads: usize) -> DataFusionResult<Self> {
        let own = input.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field)));
        let fields = own.chain(search.scores().into_iter().map(|score| (None, score))).collect();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?);
        Ok(Self { input, search, threads, schema })
    }

    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The positions of the columns that are looked at in the input.
    pub(crate) fn places(&self) -> DataFusionResult<Vec<usize>> {
        self.search.columns().iter().map(|column| self.input.schema().index_of_column(column)).collect()
    }
}

// Query vectors are finite: every value is equal to itself.
impl Eq for SearchNode {}

impl Hash for SearchNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.search.to_string().hash(state);
    }
}

impl PartialOrd for SearchNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let order = self.search.to_string().partial_cmp(&other.search.to_string());
        order.filter(|order| *order != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for SearchNode {
    fn name(&self) -> &str {
        self.search.name()
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.search.columns().into_iter().map(Expr::Column).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.search.fmt(f)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        let column = |expr| if let Expr::Column(column) = expr { Some(column) } else { None };
        let columns: Option<Vec<Column>> = exprs.into_iter().map(column).collect();
        let search = columns.and_then(|columns| self.search.clone().with_columns(columns));
        match (search, inputs.pop(), inputs.is_empty()) {
            (Some(search), Some(input), true) => Self::new(input, search, self.threads),
            _ => plan_err!("a search looks at columns of one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|index| *index < own).collect()])
    }
}

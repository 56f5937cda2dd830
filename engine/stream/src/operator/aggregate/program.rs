//! What a group by computes: its expressions, types and rules, shared by all parts that run it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::utils::normalize_float_zero;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use velaria_connector::EmissionKind;
use velaria_contract::{Error, ErrorCode, Result};

use super::AggregateSettings;
use crate::error::from_datafusion;
use crate::plan::{Aggregate, AggregateSpec};

pub(super) struct Program {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    functions: Vec<Function>,
    pub(super) aggregates: Vec<Aggregate>,
    /// The keys as they are kept: dictionaries are unpacked, because each batch may bring another one.
    pub(super) key_schema: SchemaRef,
    pub(super) window: Option<Window>,
    pub(super) stateful: bool,
    pub(super) distinct: bool,
    pub(super) output: SchemaRef,
    pub(super) emission: EmissionKind,
    pub(super) node: u32,
}

/// The key that is the start of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) key: usize,
    /// From the start of a window to the time at which it is closed.
    pub(super) open_ms: i64,
}

struct Function {
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    types: Vec<DataType>,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

/// The values of a function's arguments for the rows of a push.
pub(super) struct Arguments {
    pub(super) arrays: Vec<ArrayRef>,
    pub(super) filter: Option<BooleanArray>,
}

impl Program {
    pub(super) fn new(
        spec: &AggregateSpec,
        input: &SchemaRef,
        output: &SchemaRef,
        settings: &AggregateSettings,
    ) -> Result<Self> {
        let program = Self {
            keys: spec.keys.clone(),
            functions: spec.aggregates.iter().map(|each| Function::new(each, input)).collect::<Result<_>>()?,
            aggregates: spec.aggregates.clone(),
            key_schema: key_schema(&spec.keys, input)?,
            window: spec.window.as_ref().map(|(key, window)| Window {
                key: *key,
                open_ms: saturating(window.every_ms).saturating_add(saturating(settings.allowed_lateness_ms)),
            }),
            stateful: spec.stateful,
            distinct: spec.distinct,
            output: Arc::clone(output),
            emission: settings.output,
            node: settings.node,
        };
        program.check()?;
        Ok(program)
    }

    fn check(&self) -> Result<()> {
        if self.output.fields().len() != self.keys.len() + self.functions.len() {
            return Err(Error::new(ErrorCode::Internal, "a group by has another number of columns than its plan"));
        }
        if self.emission == EmissionKind::Append && self.window.is_none() {
            return Err(Error::new(ErrorCode::Unsupported, "append output needs a window among the keys of GROUP BY")
                .with_hint("use output_mode 'update', or group by a window of WINDOW BY"));
        }
        match self.window {
            Some(window) if window.key >= self.keys.len() => {
                Err(Error::new(ErrorCode::Internal, "the window of a group by is not one of its keys"))
            }
            _ => Ok(()),
        }
    }

    /// The keys of the rows of a batch.
    pub(super) fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let keys = self.keys.iter().zip(self.key_schema.fields());
        keys.map(|(key, field)| {
            let array = evaluate(key, batch)?;
            let array = if array.data_type() == field.data_type() {
                array
            } else {
                cast(&array, field.data_type()).map_err(|error| from_datafusion(error.into()))?
            };
            // The batch engine shows the two zeros of a group as the positive one.
            Ok(normalize_float_zero(&array))
        })
        .collect()
    }

    /// Whether it is a total of all rows that ever come.
    pub(super) fn is_total(&self) -> bool {
        self.keys.is_empty() && self.stateful && self.emission != EmissionKind::Append
    }

    /// The arguments of every function for one row that none of them counts.
    pub(super) fn no_arguments(&self) -> Vec<Arguments> {
        let of = |function: &Function| Arguments {
            arrays: function.types.iter().map(|data_type| new_null_array(data_type, 1)).collect(),
            filter: Some(BooleanArray::from(vec![false])),
        };
        self.functions.iter().map(of).collect()
    }

    /// The arguments of every function.
    pub(super) fn arguments(&self, batch: &RecordBatch) -> Result<Vec<Arguments>> {
        self.functions.iter().map(|function| function.evaluate(batch)).collect()
    }

    /// The columns that the functions read.
    pub(super) fn columns_of_functions(&self) -> Vec<usize> {
        let functions = self.functions.iter().flat_map(|function| function.arguments.iter().chain(&function.filter));
        let mut columns: Vec<usize> = functions.flat_map(collect_columns).map(|column| column.index()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

impl Function {
    fn new(aggregate: &Aggregate, input: &SchemaRef) -> Result<Self> {
        let mut arguments = aggregate.function.expressions();
        arguments.extend(aggregate.function.order_bys().iter().map(|by| Arc::clone(&by.expr)));
        let types = arguments.iter().map(|argument| argument.data_type(input).map_err(from_datafusion));
        Ok(Self { types: types.collect::<Result<_>>()?, arguments, filter: aggregate.filter.clone() })
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<Arguments> {
        let arrays = self.arguments.iter().map(|argument| evaluate(argument, batch)).collect::<Result<_>>()?;
        let filter = self.filter.as_ref().map(|filter| evaluate(filter, batch)).transpose()?;
        Ok(Arguments { arrays, filter: filter.and_then(|filter| filter.as_boolean_opt().cloned()) })
    }
}

fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())).map_err(from_datafusion)
}

fn key_schema(keys: &[Arc<dyn PhysicalExpr>], input: &SchemaRef) -> Result<SchemaRef> {
    let field = |(number, key): (usize, &Arc<dyn PhysicalExpr>)| {
        let data_type = key.data_type(input).map_err(from_datafusion)?;
        Ok(Field::new(format!("key {number}"), unpacked(data_type), true))
    };
    Ok(Arc::new(Schema::new(keys.iter().enumerate().map(field).collect::<Result<Vec<_>>>()?)))
}

fn unpacked(data_type: DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => unpacked(*values),
        DataType::RunEndEncoded(_, values) => unpacked(values.data_type().clone()),
        other => other,
    }
}

fn saturating(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

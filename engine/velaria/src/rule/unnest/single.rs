//! A subquery used as a value has one row at most.

use std::mem::size_of_val;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, UInt64Array};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, FetchType, LogicalPlan, LogicalPlanBuilder, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

/// Whether `plan` cannot give two rows.
pub(super) fn is_single_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_single_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_single_row(&alias.input),
        LogicalPlan::Filter(filter) => is_single_row(&filter.input),
        LogicalPlan::Sort(sort) => sort.fetch.is_some_and(|fetch| fetch <= 1) || is_single_row(&sort.input),
        LogicalPlan::Limit(limit) => {
            matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1)))) || is_single_row(&limit.input)
        }
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}

/// The value of the only row; NULL when there is none, an error when there are two.
pub(super) fn single_value(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<AggregateUDF>> =
        LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(SingleValue::default())));
    Expr::AggregateFunction(AggregateFunction::new_udf(
        Arc::clone(&FUNCTION),
        vec![value],
        false,
        None,
        Vec::new(),
        None,
    ))
}

/// `plan`, which has one column, as one row: NULL when there is none, an error when there are two.
pub(crate) fn single_row(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let columns = plan.schema().columns();
    let [column] = columns.as_slice() else { return internal_err!("a subquery used as a value has one column") };
    if is_single_row(plan) {
        return Ok(plan.clone());
    }
    let value = single_value(Expr::Column(column.clone())).alias(&column.name);
    LogicalPlanBuilder::from(plan.clone()).aggregate(Vec::<Expr>::new(), [value])?.build()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl Default for SingleValue {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for SingleValue {
    fn name(&self) -> &'static str {
        "single_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] => Ok(data_type.clone()),
            _ => internal_err!("single_value has one argument"),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = Field::new(format!("{}[value]", args.name), args.return_type().clone(), true);
        let rows = Field::new(format!("{}[rows]", args.name), DataType::UInt64, false);
        Ok(vec![Arc::new(value), Arc::new(rows)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OnlyRow { value: ScalarValue::try_from(args.return_type())?, rows: 0 }))
    }
}

#[derive(Debug)]
struct OnlyRow {
    value: ScalarValue,
    rows: u64,
}

impl OnlyRow {
    fn take(&mut self, array: &ArrayRef) -> Result<()> {
        self.rows += u64::try_from(array.len()).unwrap_or(u64::MAX);
        if self.rows > 1 {
            return exec_err!("Scalar subquery returned more than one row");
        }
        if array.len() == 1 {
            self.value = ScalarValue::try_from_array(array, 0)?;
        }
        Ok(())
    }
}

impl Accumulator for OnlyRow {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        arrays.iter().try_for_each(|array| self.take(array))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, rows] = states else { return internal_err!("single_value has two states") };
        let some = compute::kernels::cmp::gt(rows, &UInt64Array::new_scalar(0))?;
        self.take(&compute::filter(values, &some)?)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::UInt64(Some(self.rows))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) - size_of_val(&self.value) + self.value.size()
    }
}

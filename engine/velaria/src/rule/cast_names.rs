//! `SUM(x)` and `SUM(CAST(x AS DOUBLE))` are two columns.
//!
//! Upstream leaves casts out of the names of columns and takes the two for one (apache/datafusion#4478). Here a cast in
//! the argument of an aggregate keeps its name until the names no longer matter.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Names the casts in the arguments of aggregates and window functions.
#[derive(Debug)]
pub(crate) struct NameCasts;

impl ExprPlanner for NameCasts {
    fn plan_aggregate(&self, mut call: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        call.args = named(call.args)?;
        Ok(PlannerResult::Original(call))
    }

    fn plan_window(&self, mut call: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        call.args = named(call.args)?;
        Ok(PlannerResult::Original(call))
    }
}

fn named(args: Vec<Expr>) -> Result<Vec<Expr>> {
    let name = |expr: Expr| match expr {
        Expr::Cast(_) => {
            let named = Expr::ScalarFunction(ScalarFunction::new_udf(function(), vec![expr]));
            Ok(Transformed::new(named, true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    };
    args.into_iter().map(|arg| arg.transform_down(name).data()).collect()
}

fn function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(NamedCast::default())));
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NamedCast {
    signature: Signature,
}

impl Default for NamedCast {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NamedCast {
    fn name(&self) -> &'static str {
        "named_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] => Ok(data_type.clone()),
            _ => internal_err!("a cast has one argument"),
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [Expr::Cast(Cast { expr, field })] => Ok(format!("CAST({} AS {})", expr.schema_name(), field.data_type())),
            [other] => Ok(other.schema_name().to_string()),
            _ => internal_err!("a cast has one argument"),
        }
    }

    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.pop() {
            Some(cast) => Ok(ExprSimplifyResult::Simplified(cast)),
            None => internal_err!("a cast has one argument"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(value) => Ok(value),
            None => internal_err!("a cast has one argument"),
        }
    }
}

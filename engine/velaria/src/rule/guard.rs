//! A condition guards what stands beside it: `d <> 0 AND n / d > 1` does not divide by zero.
//!
//! Upstream computes both sides of AND and OR for whole batches unless one side decides all rows, turns a CASE of
//! booleans into AND and OR, and computes a projection below a filter where that saves columns. Each makes an error of a
//! row that the query leaves out (apache/datafusion#8927 and its kin). The standard permits it; nobody expects it.

use std::mem;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Case, Cast};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, binary_expr, cast, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

/// Computes what may fail only for the rows that the conditions beside it let through.
#[derive(Debug)]
pub(crate) struct GuardConditions;

impl AnalyzerRule for GuardConditions {
    fn name(&self) -> &'static str {
        "guard_conditions"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).data()
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let mut fallible = false;
    plan.apply_expressions(|expr| {
        fallible |= expr.exists(|expr| fails_itself(expr, &schema))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !fallible {
        return Ok(Transformed::no(plan));
    }
    super::map_expressions(plan, |expr| rewrite_expr(expr, &schema))
}

fn rewrite_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (mut guard, mut guarded) = (*left, *right);
            if may_fail(&guard, schema)? && !may_fail(&guarded, schema)? {
                mem::swap(&mut guard, &mut guarded);
            }
            if !may_fail(&guarded, schema)? {
                return Ok(Transformed::no(binary_expr(guard, op, guarded)));
            }
            let needed = if op == Operator::And { guard.clone().is_not_false() } else { guard.clone().is_not_true() };
            let case = Case::new(None, vec![(Box::new(needed), Box::new(guarded))], None);
            Ok(Transformed::yes(binary_expr(guard, op, opaque(case))))
        }
        Expr::Case(case) if case_may_fail(&case, schema)? && is_boolean(&case, schema)? => {
            Ok(Transformed::yes(opaque(case)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A CASE of booleans as one of numbers, which upstream leaves as it is.
fn opaque(mut case: Case) -> Expr {
    let number = |expr: &mut Box<Expr>| {
        let inner = mem::replace(expr.as_mut(), lit(ScalarValue::Null));
        **expr = cast(inner, DataType::Int8);
    };
    case.when_then_expr.iter_mut().for_each(|(_, then)| number(then));
    case.else_expr.iter_mut().for_each(number);
    Expr::Case(case).eq(lit(1_i8))
}

fn is_boolean(case: &Case, schema: &DFSchema) -> Result<bool> {
    match case.when_then_expr.first() {
        Some((_, then)) => Ok(then.get_type(schema)? == DataType::Boolean),
        None => Ok(false),
    }
}

fn case_may_fail(case: &Case, schema: &DFSchema) -> Result<bool> {
    for then in case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr) {
        if may_fail(then, schema)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether computing `expr` for a row can be an error. The branches of a CASE are guarded by their conditions.
fn may_fail(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut found = false;
    expr.apply(|expr| {
        found |= fails_itself(expr, schema)?;
        Ok(match expr {
            _ if found => TreeNodeRecursion::Stop,
            Expr::Case(_) => TreeNodeRecursion::Jump,
            _ => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// Divisions by what may be zero, and text that may be no number. Overflow is too rare to slow every sum for.
fn fails_itself(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { op: Operator::Divide | Operator::Modulo, right, .. }) => may_be_zero(right),
        Expr::ScalarFunction(function) if matches!(function.name(), "checked_divide" | "checked_modulo") => {
            function.args.last().is_some_and(may_be_zero)
        }
        Expr::Cast(Cast { expr, field }) if !matches!(expr.as_ref(), Expr::Literal(..)) => {
            expr.get_type(schema)?.is_string() && !field.data_type().is_string()
        }
        _ => false,
    })
}

fn may_be_zero(divisor: &Expr) -> bool {
    match divisor {
        Expr::Literal(value, _) => ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value),
        Expr::Cast(Cast { expr, .. }) => may_be_zero(expr),
        _ => true,
    }
}

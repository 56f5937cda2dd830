//! Chains of AND and OR with very many terms, as one function of all of them.
//!
//! The planner splits a condition at its ANDs and puts them together again as a tree as deep as there are terms, which
//! nothing after it survives when there are tens of thousands. A function call is flat. Shorter chains are left to the
//! planner, which knows more about them. (DataFusion's `conjunction` and `disjunction` build left-deep trees.)

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::boolean::{and_kleene, or_kleene};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use velaria_sql::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, Value, VisitMut, VisitorMut,
};

/// Chains of up to this many terms stay operators.
const TERMS_MAX: usize = 500;

/// Below this length no statement has a chain that is too long.
const TEXT_MIN: usize = TERMS_MAX * 4;

/// The functions, for the session's registry.
pub(crate) fn functions() -> [Arc<ScalarUDF>; 2] {
    [Joint::And, Joint::Or].map(|joint| {
        Arc::new(ScalarUDF::from(Chain { joint, signature: Signature::user_defined(Volatility::Immutable) }))
    })
}

/// Replaces every long chain of `query`, which was read from `text`.
pub(crate) fn flatten(text: &str, query: &mut Query) {
    if text.len() >= TEXT_MIN {
        let _: ControlFlow<()> = query.visit(&mut Flattener);
    }
}

struct Flattener;

impl VisitorMut for Flattener {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::BinaryOp { op, .. } = &*expr else { return ControlFlow::Continue(()) };
        let Some(joint) = Joint::of(op) else { return ControlFlow::Continue(()) };
        let op = op.clone();
        if count(expr, &op) > TERMS_MAX {
            let mut terms = Vec::new();
            collect(std::mem::replace(expr, Expr::value(Value::Null)), &op, &mut terms);
            *expr = call(joint, terms);
        }
        ControlFlow::Continue(())
    }
}

// The front end has balanced the chain: recursion is as deep as the logarithm of its length.
fn count(expr: &Expr, wanted: &BinaryOperator) -> usize {
    match expr {
        Expr::BinaryOp { left, op, right } if op == wanted => count(left, wanted) + count(right, wanted),
        _ => 1,
    }
}

fn collect(expr: Expr, wanted: &BinaryOperator, terms: &mut Vec<FunctionArg>) {
    match expr {
        Expr::BinaryOp { left, op, right } if op == *wanted => {
            collect(*left, wanted, terms);
            collect(*right, wanted, terms);
        }
        term => terms.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(term))),
    }
}

fn call(joint: Joint, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(joint.name())]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Whether `name` is that of a function of this module, which no statement is meant to call.
pub(crate) fn is_own(name: &str) -> bool {
    [Joint::And, Joint::Or].iter().any(|joint| joint.name() == name)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Joint {
    And,
    Or,
}

impl Joint {
    fn of(op: &BinaryOperator) -> Option<Self> {
        match op {
            BinaryOperator::And => Some(Self::And),
            BinaryOperator::Or => Some(Self::Or),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::And => "velaria_and",
            Self::Or => "velaria_or",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
        }
    }
}

/// AND or OR of any number of conditions, in three-valued logic.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Chain {
    joint: Joint,
    signature: Signature,
}

impl Chain {
    fn join(&self, joined: &BooleanArray, arg: &ArrayRef) -> DataFusionResult<BooleanArray> {
        Ok(match self.joint {
            Joint::And => and_kleene(joined, arg.as_boolean())?,
            Joint::Or => or_kleene(joined, arg.as_boolean())?,
        })
    }
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        self.joint.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, args: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        match args.iter().find(|arg| !matches!(arg, DataType::Boolean | DataType::Null)) {
            None => Ok(vec![DataType::Boolean; args.len()]),
            Some(other) => {
                plan_err!(
                    "Cannot infer common argument type for logical boolean operation {other} {} Boolean",
                    self.joint.word()
                )
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let rows = args.number_rows;
        let neutral = BooleanArray::from(vec![self.joint == Joint::And; rows]);
        let joined = args.args.into_iter().try_fold(neutral, |joined, arg| self.join(&joined, &arg.into_array(rows)?));
        Ok(ColumnarValue::Array(Arc::new(joined?)))
    }
}

//! The arms of a union have the names of the first.
//!
//! Upstream names the columns of a union after its first arm and finds them by name; when that arm turns out to be empty
//! and is left out, the names are those of another.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};
use datafusion::optimizer::AnalyzerRule;

/// Gives every arm of a union the names of the first.
#[derive(Debug)]
pub(crate) struct NameArms;

impl AnalyzerRule for NameArms {
    fn name(&self) -> &'static str {
        "name_arms"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Union(Union { inputs, schema }) => {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                let inputs = inputs.into_iter().map(|input| under(input, &names)).collect::<Result<_>>()?;
                Ok(Transformed::yes(LogicalPlan::Union(Union { inputs, schema })))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
    }
}

fn under(input: Arc<LogicalPlan>, names: &[&str]) -> Result<Arc<LogicalPlan>> {
    let columns = input.schema().columns();
    if columns.iter().zip(names).all(|(column, name)| column.name == *name && column.relation.is_none()) {
        return Ok(input);
    }
    let named = |(column, name): (Column, &&str)| Expr::Column(column).alias(*name);
    let exprs = columns.into_iter().zip(names).map(named).collect();
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
}

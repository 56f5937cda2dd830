//! `GROUP BY` and `DISTINCT`.

use datafusion::logical_expr::{Aggregate, Expr};
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;
use velaria_contract::Result;
use velaria_stream::{AggregateSpec, NodeKind};

use super::{Lowering, Rows, Totals, spec_of, unsupported};
use crate::plan::stream::lines::{Shown, unalias};

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, shown: &Shown) -> Result<Rows> {
        if aggregate.group_expr.iter().any(|key| matches!(unalias(key), Expr::GroupingSet(_))) {
            return Err(unsupported("stream SQL does not support GROUPING SETS, ROLLUP and CUBE")
                .with_hint("run one query for each grouping"));
        }
        let totals = self.totals;
        let rows = self.node(&aggregate.input, &Shown::default())?;
        if rows.grouped {
            return Err(unsupported("stream SQL does not support GROUP BY over GROUP BY")
                .with_hint("write the first totals to a sink, and group what the sink has"));
        }
        let spec = self.spec(aggregate, &rows, totals)?;
        let line = line(aggregate, &spec, shown);
        let made = self.push(NodeKind::Aggregate(spec), vec![rows.node], &aggregate.schema, vec![line]);
        Ok(Rows { grouped: true, ..made })
    }

    fn spec(&self, aggregate: &Aggregate, rows: &Rows, totals: Totals) -> Result<AggregateSpec> {
        let keys = aggregate.group_expr.iter().map(|key| self.bound(key, &rows.schema)).collect::<Result<_>>()?;
        let planning = Default::default();
        let lower = |expr: &Expr| {
            let input = rows.schema.as_arrow();
            LoweredAggregateBuilder::new(expr, &rows.schema, input, self.state.execution_props(), &planning)
                .build()
                .map(spec_of)
                .map_err(|error| self.translate(&error))
        };
        let aggregates = aggregate.aggr_expr.iter().map(lower).collect::<Result<Vec<_>>>()?;
        let window = rows.window.as_ref().and_then(|(column, window)| {
            let is_window = |key: &Expr| match unalias(key) {
                Expr::Column(key) => rows.schema.index_of_column(key).is_ok_and(|index| index == *column),
                _ => false,
            };
            Some((aggregate.group_expr.iter().position(is_window)?, window.clone()))
        });
        let distinct = aggregates.is_empty();
        Ok(AggregateSpec { keys, aggregates, window, stateful: totals == Totals::Running, distinct })
    }
}

fn line(aggregate: &Aggregate, spec: &AggregateSpec, shown: &Shown) -> String {
    let columns = aggregate.schema.columns();
    let (keys, values) = columns.split_at(aggregate.group_expr.len().min(columns.len()));
    let keys = aggregate.group_expr.iter().zip(keys).map(|(expr, column)| shown.key(expr, column));
    let values = aggregate.aggr_expr.iter().zip(values).map(|(expr, column)| shown.aggregate(expr, column));
    let listed = |items: Vec<String>| items.join(", ");
    format!(
        "Aggregate keys=[{}] aggs=[{}] stateful={}",
        listed(keys.collect()),
        listed(values.collect()),
        spec.stateful
    )
}

//! Select lists. One that only names what the node below gives is no node.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, Projection};
use velaria_contract::Result;
use velaria_stream::{Node, NodeKind};

use super::output::rename;
use super::{Lowering, Rows, arrow_schema};
use crate::plan::stream::lines::{Shown, unalias};
use crate::plan::stream::marks::Noted;

impl Lowering<'_> {
    pub(super) fn projection(&mut self, projection: &Projection, shown: &Shown) -> Result<Rows> {
        let outputs = projection.schema.columns();
        let below = outputs.iter().zip(&projection.expr).filter_map(|(output, expr)| match unalias(expr) {
            Expr::Column(column) => Some((column.clone(), shown.name(output))),
            _ => None,
        });
        let rows = self.node(&projection.input, &Shown::of(below))?;
        let window = self.window_of(projection, &rows);
        let from_groups = self.groups_at(rows.node);
        let same = projection.expr.len() == rows.schema.fields().len()
            && projection.expr.iter().enumerate().all(|(index, expr)| self.place(expr, &rows) == Some(index));
        let schema = Arc::clone(&projection.schema);
        if same && from_groups {
            rename(&mut self.nodes, rows.node, &arrow_schema(&projection.schema));
            return Ok(Rows { schema, window, ..rows });
        }
        let exprs = projection.expr.iter().map(|expr| self.bound(expr, &rows.schema)).collect::<Result<_>>()?;
        let lines = self.project_lines(projection, shown, from_groups);
        let made = self.push(NodeKind::Project(exprs), vec![rows.node], &projection.schema, lines);
        Ok(Rows { window, grouped: rows.grouped, ..made })
    }

    /// The list of the statement: its line also stands where the list changes nothing.
    pub(super) fn listed(&mut self, noted: &Noted, shown: &Shown) -> Result<Rows> {
        let rows = self.node(&noted.input, shown)?;
        let line = columns_line(noted.input.schema().columns().iter().map(|column| shown.name(column)));
        if let Some(Node { kind: NodeKind::Project(_), lines, .. }) = self.nodes.get_mut(rows.node) {
            if lines.last() != Some(&line) {
                lines.push(line);
            }
            return Ok(rows);
        }
        let columns = rows.schema.columns().into_iter().map(Expr::Column);
        let exprs = columns.map(|column| self.bound(&column, &rows.schema)).collect::<Result<_>>()?;
        Ok(self.above(&rows, NodeKind::Project(exprs), vec![line]))
    }

    fn project_lines(&self, projection: &Projection, shown: &Shown, from_groups: bool) -> Vec<String> {
        let outputs = projection.schema.columns();
        let inner = Shown::of(outputs.iter().zip(&projection.expr).filter_map(|(output, expr)| match expr {
            // What the group by gives has the name of the statement there already.
            Expr::Alias(_) if from_groups => match unalias(expr) {
                Expr::Column(column) => Some((column.clone(), shown.name(output))),
                _ => None,
            },
            _ => None,
        }))
        .with_groups(&projection.input);
        let computed = outputs.iter().zip(&projection.expr).filter_map(|(output, expr)| {
            let name = shown.name(output);
            match unalias(expr) {
                Expr::Column(column) if inner.name(column) == name => None,
                Expr::Column(column) => Some(format!("WithColumn output={name} from={}", inner.name(column))),
                other => Some(format!("WithColumn output={name} expr={}", inner.sql(other))),
            }
        });
        let mut lines: Vec<String> = computed.collect();
        if !lines.is_empty() || from_groups {
            lines.push(columns_line(outputs.iter().map(|column| shown.name(column))));
        }
        lines
    }

    fn place(&self, expr: &Expr, rows: &Rows) -> Option<usize> {
        match unalias(expr) {
            Expr::Column(column) => rows.schema.index_of_column(column).ok(),
            _ => None,
        }
    }

    fn window_of(&self, projection: &Projection, rows: &Rows) -> Option<(usize, velaria_stream::WindowSpec)> {
        let (column, window) = rows.window.as_ref()?;
        let at = projection.expr.iter().position(|expr| self.place(expr, rows) == Some(*column))?;
        Some((at, window.clone()))
    }

    /// Whether `node` is a group by, or keeps rows of one.
    fn groups_at(&self, node: usize) -> bool {
        match self.nodes.get(node) {
            Some(Node { kind: NodeKind::Aggregate(_), .. }) => true,
            Some(Node { kind: NodeKind::Filter(_), inputs, .. }) => inputs.iter().any(|input| self.groups_at(*input)),
            _ => false,
        }
    }
}

fn columns_line(names: impl Iterator<Item = String>) -> String {
    format!("Project columns=[{}]", names.collect::<Vec<_>>().join(", "))
}

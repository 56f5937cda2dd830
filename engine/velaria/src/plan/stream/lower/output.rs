//! The columns that leave a query: every name once, and types that every consumer knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, cast};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_stream::{Node, NodeKind};

use super::{Lowering, Names, Rows};
use crate::error::duplicate_column;
use crate::output::plain_schema;

impl Lowering<'_> {
    pub(super) fn plain_output(&mut self, root: &Rows) -> Result<()> {
        let Some(last) = self.nodes.get(root.node) else { return Ok(()) };
        let schema = plain_schema(&last.schema);
        if self.names == Names::OfQuery {
            check_names(&schema, root)?;
        }
        let nodes = conform(&mut self.nodes, &schema).map_err(|error| self.translate(&error))?;
        self.nodes.extend(nodes);
        Ok(())
    }
}

/// A sink finds columns by their names.
fn check_names(schema: &Schema, root: &Rows) -> Result<()> {
    let mut seen = BTreeSet::new();
    let Some(twice) = schema.fields().iter().find(|field| !seen.insert(field.name())) else { return Ok(()) };
    let error = duplicate_column(twice.name());
    Err(match (root.grouped, error.hint()) {
        (true, Some(hint)) => {
            Error::new(ErrorCode::DuplicateColumn, format!("duplicate aggregate alias: {}", twice.name()))
                .with_hint(hint)
        }
        _ => error,
    })
}

/// A node that gives the rows of the last node the columns of `schema`, unless they have them. Where only names differ and
/// the last node makes its batches anew, the names change in place.
pub(crate) fn conform(
    nodes: &mut [Node],
    schema: &SchemaRef,
) -> Result<Option<Node>, datafusion::error::DataFusionError> {
    let Some((last, index)) = nodes.last().map(|node| (Arc::clone(&node.schema), nodes.len() - 1)) else {
        return Ok(None);
    };
    let same_types = types(&last).eq(types(schema));
    let same_names = names(&last).eq(names(schema));
    if same_types && (same_names || rename(nodes, index, schema)) {
        return Ok(None);
    }
    let column = |(index, (from, to)): (usize, (&arrow::datatypes::FieldRef, &arrow::datatypes::FieldRef))| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(from.name(), index));
        if from.data_type() == to.data_type() { Ok(column) } else { cast(column, &last, to.data_type().clone()) }
    };
    let exprs = last.fields().iter().zip(schema.fields()).enumerate().map(column).collect::<Result<_, _>>()?;
    Ok(Some(Node {
        kind: NodeKind::Project(exprs),
        inputs: vec![index],
        schema: Arc::clone(schema),
        lines: Vec::new(),
    }))
}

fn types(schema: &Schema) -> impl Iterator<Item = &arrow::datatypes::DataType> {
    schema.fields().iter().map(|field| field.data_type())
}

fn names(schema: &Schema) -> impl Iterator<Item = &String> {
    schema.fields().iter().map(|field| field.name())
}

/// Gives the columns of a node the names of `schema` where its batches are made: in a list, or in a group by below filters.
/// Tells whether there is such a place.
pub(super) fn rename(nodes: &mut [Node], node: usize, schema: &SchemaRef) -> bool {
    let mut chain = Vec::new();
    let mut next = Some(node);
    while let Some((index, node)) = next.and_then(|index| Some((index, nodes.get(index)?))) {
        chain.push(index);
        match node.kind {
            NodeKind::Filter(_) | NodeKind::Sort { .. } | NodeKind::Limit { .. } => next = node.inputs.first().copied(),
            NodeKind::Project(_) | NodeKind::Aggregate(_) => {
                for index in chain {
                    if let Some(node) = nodes.get_mut(index) {
                        let renamed = node.schema.fields().iter().zip(schema.fields());
                        let fields = renamed.map(|(field, to)| field.as_ref().clone().with_name(to.name()));
                        node.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
                    }
                }
                return true;
            }
            _ => return false,
        }
    }
    false
}

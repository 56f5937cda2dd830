//! How many tables a query reads once its `WITH` names are put in place.
//!
//! The planner copies the query of a name to every place where the name stands. Thirty names that each use the one before
//! twice are a billion tables: such a query is refused before it is planned.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, ObjectNamePart, Query, Visit, Visitor};

/// The number of tables that `query` reads, if it is more than `limit`.
pub(crate) fn beyond(limit: usize, query: &Query) -> Option<usize> {
    let with = query.with.as_ref()?;
    let mut counter = Counter { weights: HashMap::new(), tables: 0 };
    for cte in &with.cte_tables {
        counter.tables = 0;
        let _: ControlFlow<()> = cte.query.visit(&mut counter);
        let weight = counter.tables;
        counter.weights.insert(cte.alias.name.value.to_lowercase(), weight);
    }
    counter.tables = 0;
    let _: ControlFlow<()> = query.body.visit(&mut counter);
    (counter.tables > limit).then_some(counter.tables)
}

struct Counter {
    /// The tables behind each name.
    weights: HashMap<String, usize>,
    tables: usize,
}

impl Visitor for Counter {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = match relation.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => self.weights.get(&ident.value.to_lowercase()),
            _ => None,
        };
        self.tables = self.tables.saturating_add(name.copied().unwrap_or(1).max(1));
        ControlFlow::Continue(())
    }
}

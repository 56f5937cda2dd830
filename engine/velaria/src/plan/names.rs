//! Names that are written in another case than they are stored.
//!
//! A quoted name matches exactly. An unquoted name matches exactly too and, when nothing is called that, the only
//! table, column or alias that differs from it in case. Names keep their spelling in results.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use velaria_sql::ast::{
    Cte, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableAlias,
    TableFactor, VisitMut, VisitorMut,
};

use crate::catalog::Catalog;

/// Rewrites `query` so that every name that can be found has the spelling under which it is stored.
pub(crate) fn restore_case(query: &mut Query, catalog: &Catalog) {
    let mut declared = Declared { catalog, names: Names::default() };
    let _: ControlFlow<()> = query.visit(&mut declared);
    let mut restorer = Restorer { names: declared.names };
    let _: ControlFlow<()> = query.visit(&mut restorer);
}

/// The names in use, exact and by lower case.
#[derive(Clone, Default)]
struct Names {
    exact: BTreeSet<String>,
    folded: BTreeMap<String, BTreeSet<String>>,
    /// The columns of each table, under its name and its alias, for names that are qualified.
    columns: BTreeMap<String, Names>,
}

impl Names {
    fn add(&mut self, name: &str) {
        if self.exact.insert(name.to_owned()) {
            self.folded.entry(name.to_lowercase()).or_default().insert(name.to_owned());
        }
    }

    fn restore(&self, ident: &mut Ident) {
        if ident.quote_style.is_some() || self.exact.contains(&ident.value) {
            return;
        }
        let mut alike = self.folded.get(&ident.value.to_lowercase()).into_iter().flatten();
        if let (Some(only), None) = (alike.next(), alike.next()) {
            ident.value.clone_from(only);
        }
    }

    /// `table.column`: the column is looked for in that table first, whatever other tables are called.
    fn restore_compound(&self, parts: &mut [Ident]) {
        if let [table, column] = parts {
            self.restore(table);
            match self.columns.get(&table.value) {
                Some(columns) => columns.restore(column),
                None => self.restore(column),
            }
        } else {
            parts.iter_mut().for_each(|part| self.restore(part));
        }
    }

    fn restore_name(&self, name: &mut ObjectName) {
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part {
                self.restore(ident);
            }
        }
    }
}

/// Collects what the statement and the catalog declare, and corrects the names of tables on the way.
struct Declared<'a> {
    catalog: &'a Catalog,
    names: Names,
}

impl Declared<'_> {
    fn add_alias(&mut self, alias: Option<&TableAlias>) {
        if let Some(alias) = alias {
            self.names.add(&alias.name.value);
            for column in &alias.columns {
                self.names.add(&column.name.value);
            }
        }
    }

    fn add_cte(&mut self, cte: &Cte) {
        self.add_alias(Some(&cte.alias));
    }
}

impl VisitorMut for Declared<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.add_cte(cte);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        let [ObjectNamePart::Identifier(ident)] = relation.0.as_mut_slice() else { return ControlFlow::Continue(()) };
        if self.names.exact.contains(&ident.value) {
            return ControlFlow::Continue(());
        }
        if ident.quote_style.is_none()
            && let Some(name) = self.catalog.spelling(&ident.value)
        {
            ident.value = name;
        }
        if let Ok(table) = self.catalog.find(&ident.value) {
            self.names.add(&ident.value);
            let mut columns = Names::default();
            for field in table.schema().fields() {
                self.names.add(field.name());
                columns.add(field.name());
            }
            self.names.columns.insert(ident.value.clone(), columns);
        } else {
            // The name of a common table expression, perhaps in another case.
            self.names.restore(ident);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.names.add(&alias.value),
                SelectItem::ExprWithAliases { aliases, .. } => {
                    aliases.iter().for_each(|alias| self.names.add(&alias.value))
                }
                SelectItem::UnnamedExpr(_) | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            fold_function_name(name);
        }
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
            _ => None,
        };
        let alias = alias.cloned();
        self.add_alias(alias.as_ref());
        ControlFlow::Continue(())
    }

    /// By now the name of the table itself is corrected, so its alias can stand for the same columns.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias: Some(alias), .. } = factor
            && let [ObjectNamePart::Identifier(table)] = name.0.as_slice()
            && let Some(columns) = self.names.columns.get(&table.value).cloned()
        {
            self.names.columns.insert(alias.name.value.clone(), columns);
        }
        ControlFlow::Continue(())
    }
}

/// Functions are known in lower case.
fn fold_function_name(name: &mut ObjectName) {
    if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
        && ident.quote_style.is_none()
    {
        ident.value = ident.value.to_lowercase();
    }
}

struct Restorer {
    names: Names,
}

impl VisitorMut for Restorer {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.names.restore(ident),
            Expr::CompoundIdentifier(parts) => self.names.restore_compound(parts),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some(JoinConstraint::Using(columns)) = constraint(&mut join.join_operator) {
                columns.iter_mut().for_each(|column| self.names.restore_name(column));
            }
        }
        ControlFlow::Continue(())
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

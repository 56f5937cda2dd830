//! The names of tables that a statement reads and does not define itself.
//!
//! A name of `WITH` hides a table from where it is defined on, as far as its query reaches. Unquoted names hide in any
//! case, as they are found in any case.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, TableFactor, Value, Visit, Visitor,
};

use crate::inspect::Subject;
use crate::statement::Statement;

/// The tables, views and open names that `statement` reads, each once, in the order of the text.
///
/// Qualified names, paths of files and table functions are not among them.
#[must_use]
pub fn tables_read(statement: &Statement) -> Vec<Ident> {
    let mut reader = Reader::default();
    match statement {
        Statement::Query(query) => reader.query(query),
        Statement::ExtendedQuery(extended) => reader.query(&extended.query),
        Statement::CreateTable(create) => create.query.iter().for_each(|query| reader.query(query)),
        Statement::Insert(insert) => reader.query(&insert.source),
        Statement::Copy(copy) => reader.query(&copy.source),
        Statement::CreateView(create) => reader.query(&create.query),
        Statement::Explain(explain) => reader.query(&explain.query),
        Statement::Describe(subject) | Statement::Summarize(subject) => reader.subject(subject),
        Statement::Update(update) => {
            update.assignments.iter().for_each(|assignment| reader.expression(&assignment.value));
            update.selection.iter().for_each(|condition| reader.expression(condition));
        }
        Statement::Delete(delete) => delete.selection.iter().for_each(|condition| reader.expression(condition)),
        Statement::Truncate(_)
        | Statement::Drop(_)
        | Statement::CreateIndex(_)
        | Statement::DropIndex(_)
        | Statement::Reindex(_)
        | Statement::ShowTables => {}
    }
    reader.names
}

#[derive(Default)]
struct Reader {
    names: Vec<Ident>,
    /// The names of `WITH` that can be seen, innermost last.
    defined: Vec<Ident>,
    /// Whether the next name is that of a function.
    function: bool,
}

impl Reader {
    fn query(&mut self, query: &Query) {
        let _: ControlFlow<()> = query.visit(self);
    }

    fn expression(&mut self, expr: &Expr) {
        let _: ControlFlow<()> = expr.visit(self);
    }

    fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Table(name) => self.name(name),
            Subject::Query(query) => self.query(query),
        }
    }

    fn name(&mut self, name: &Ident) {
        let known = |list: &[Ident]| list.iter().any(|own| own.value == name.value);
        let path = name.quote_style == Some('\'');
        if !path && !known(&self.names) && !self.defined.iter().any(|own| hides(own, name)) {
            self.names.push(name.clone());
        }
    }
}

/// The table function that searches vectors.
pub const VECTOR_SEARCH: &str = "vector_search";

/// Whether `factor` is a call of [`VECTOR_SEARCH`].
#[must_use]
pub fn is_vector_search(factor: &TableFactor) -> bool {
    let TableFactor::Table { name, args: Some(_), .. } = factor else { return false };
    matches!(name.0.as_slice(), [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case(VECTOR_SEARCH))
}

/// The table that a call of [`VECTOR_SEARCH`] names first, as text or as a name. A text is read as an unquoted name is.
#[must_use]
pub fn searched_table(factor: &TableFactor) -> Option<Ident> {
    let TableFactor::Table { args: Some(arguments), .. } = factor else { return None };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = arguments.args.first() else { return None };
    match first {
        _ if !is_vector_search(factor) => None,
        Expr::Identifier(name) => Some(name.clone()),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(name) => Some(Ident { value: name.clone(), quote_style: None, span: value.span }),
            _ => None,
        },
        _ => None,
    }
}

/// The tables that calls of [`VECTOR_SEARCH`] in `query` name.
#[must_use]
pub fn searched_tables(query: &Query) -> Vec<Ident> {
    let mut found = Searched::default();
    let _: ControlFlow<()> = query.visit(&mut found);
    found.0
}

#[derive(Default)]
struct Searched(Vec<Ident>);

impl Visitor for Searched {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.0.extend(searched_table(factor));
        ControlFlow::Continue(())
    }
}

/// Whether `name` means what `WITH` calls `own`.
fn hides(own: &Ident, name: &Ident) -> bool {
    own.value == name.value || (name.quote_style.is_none() && own.value.to_lowercase() == name.value.to_lowercase())
}

impl Visitor for Reader {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(with) = &query.with else { return ControlFlow::Continue(()) };
        for cte in &with.cte_tables {
            // Its own query is visited here, where its name is not seen yet; the walk comes by once more and finds nothing
            // new.
            if !with.recursive {
                self.query(&cte.query);
            }
            self.defined.push(cte.alias.name.clone());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let own = query.with.as_ref().map_or(0, |with| with.cte_tables.len());
        self.defined.truncate(self.defined.len().saturating_sub(own));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let Some(name) = searched_table(factor) {
            self.name(&name);
        }
        self.function = matches!(factor, TableFactor::Table { args: Some(_), .. });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let ([ObjectNamePart::Identifier(name)], false) = (relation.0.as_slice(), self.function) {
            self.name(name);
        }
        self.function = false;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn read(text: &str) -> Vec<String> {
        tables_read(&parse(text).unwrap()).into_iter().map(|name| name.value).collect()
    }

    #[test]
    fn every_place_of_a_statement_that_reads_is_looked_at() {
        assert_eq!(
            read("SELECT * FROM vector_search('a', 'v', [1], 2), vector_search(\"B\", 'v', [1], (SELECT k FROM c))"),
            ["a", "B", "c"]
        );
        assert_eq!(
            read("SELECT * FROM a JOIN b ON a.x = b.x, (SELECT * FROM c) AS s WHERE x IN (SELECT x FROM d)"),
            ["a", "b", "c", "d"]
        );
        assert_eq!(read("SELECT (SELECT max(x) FROM a), x FROM a UNION ALL SELECT 1, y FROM \"B\""), ["a", "B"]);
        assert_eq!(read("INSERT INTO t SELECT * FROM a"), ["a"]);
        assert_eq!(read("CREATE TABLE t AS SELECT * FROM a"), ["a"]);
        assert_eq!(read("CREATE VIEW t AS SELECT * FROM a"), ["a"]);
        assert_eq!(read("UPDATE t SET x = (SELECT x FROM a) WHERE y IN (SELECT y FROM b)"), ["a", "b"]);
        assert_eq!(read("DELETE FROM t WHERE y IN (SELECT y FROM b)"), ["b"]);
        assert_eq!(read("COPY a TO 'x.csv'"), ["a"]);
        assert_eq!(read("DESCRIBE a"), ["a"]);
        assert_eq!(read("SUMMARIZE SELECT * FROM a"), ["a"]);
        assert_eq!(read("EXPLAIN SELECT * FROM a"), ["a"]);
        assert_eq!(read("DROP TABLE a"), Vec::<String>::new());
    }

    #[test]
    fn functions_and_qualified_names_are_not_tables() {
        assert_eq!(read("SELECT * FROM range(1, 3), s.a, unnest([1]) AS u, b"), ["b"]);
        assert_eq!(read("SELECT * FROM range"), ["range"]);
    }

    #[test]
    fn a_name_of_with_hides_a_table_as_far_as_it_reaches() {
        assert_eq!(read("WITH a AS (SELECT 1 AS x) SELECT * FROM a"), Vec::<String>::new());
        assert_eq!(read("WITH a AS (SELECT * FROM a) SELECT * FROM a"), ["a"]);
        assert_eq!(
            read("WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x FROM a) SELECT * FROM a"),
            Vec::<String>::new()
        );
        assert_eq!(read("SELECT * FROM (WITH a AS (SELECT 1 AS x) SELECT * FROM a) AS s, a"), ["a"]);
        assert_eq!(read("WITH a AS (SELECT 1 AS x), b AS (SELECT * FROM a) SELECT * FROM b, A, \"B\""), ["B"]);
    }
}

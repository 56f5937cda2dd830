//! Two output columns may share a name: `SELECT 1 AS a, 2 AS a`.
//!
//! Upstream refuses it (apache/datafusion#6543). All but the first get a name of their own, which is taken off again
//! where rows leave the engine. A query around sees the first under the shared name.

use velaria_sql::ast::{Expr, Ident, Select, SelectItem, WildcardAdditionalOptions};

/// What follows the shared name. The character is for private use: no text has it by accident.
const MARK: char = '\u{F0D11}';

/// `name` without what keeps it apart from the same name.
pub(crate) fn shown_name(name: &str) -> &str {
    name.split_once(MARK).map_or(name, |(shown, _)| shown)
}

/// A column as it can be referred to: under its name, or its table and its name.
#[derive(PartialEq)]
struct Name {
    table: Vec<String>,
    column: String,
}

impl Name {
    fn clashes(&self, other: &Self) -> bool {
        self.column == other.column && (self.table.is_empty() || other.table.is_empty() || self.table == other.table)
    }
}

/// Gives repeated names in the list of `select` names of their own.
pub(super) fn keep_apart(select: &mut Select) {
    let everything = select.projection.iter().any(is_plain_wildcard);
    let mut taken: Vec<Name> = Vec::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let Some((name, expr)) = named(item) else { continue };
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let covered = everything && is_column && matches!(item, SelectItem::UnnamedExpr(_));
        if covered || taken.iter().any(|other| other.clashes(&name)) {
            let alias = Ident::with_quote('"', format!("{}{MARK}{index}", name.column));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        } else {
            taken.push(name);
        }
    }
}

fn named(item: &SelectItem) -> Option<(Name, &Expr)> {
    let plain = |column: String| Name { table: Vec::new(), column };
    match item {
        SelectItem::ExprWithAlias { expr, alias } => Some((plain(alias.value.clone()), expr)),
        SelectItem::UnnamedExpr(expr) => Some((
            match expr {
                Expr::Identifier(ident) => plain(ident.value.clone()),
                Expr::CompoundIdentifier(parts) => {
                    let (column, table) = parts.split_last()?;
                    let table = table.iter().map(|part| part.value.clone()).collect();
                    Name { table, column: column.value.clone() }
                }
                other => plain(other.to_string()),
            },
            expr,
        )),
        _ => None,
    }
}

/// `*` shows every column already. With EXCLUDE and its kin it may not, and the named column is what is shown.
fn is_plain_wildcard(item: &SelectItem) -> bool {
    match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            let plain =
                WildcardAdditionalOptions { wildcard_token: options.wildcard_token.clone(), ..Default::default() };
            *options == plain
        }
        _ => false,
    }
}

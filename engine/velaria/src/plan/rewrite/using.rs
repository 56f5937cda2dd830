//! The column that `USING` merges has the value of the side that has one, and it is never ambiguous.
//!
//! Upstream takes the left column in every join, so it is NULL for the unmatched rows of RIGHT and FULL joins
//! (apache/datafusion#22881), and it does not know the merged column in WHERE and in a second USING. The standard (ISO 9075-2,
//! joined table) defines it as COALESCE of the two, and that is what is written here.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use velaria_sql::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr,
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, ReplaceSelectElement,
    ReplaceSelectItem, Select, SelectItem, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use crate::catalog::Catalog;

/// What each merged column is.
type Merged = BTreeMap<String, Expr>;

/// Writes the merged columns of `select` out.
pub(super) fn write_out(select: &mut Select, catalog: &Catalog) {
    let [from] = select.from.as_mut_slice() else { return };
    let stars = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    let Some(merged) = merge(from, catalog, stars) else { return };
    if merged.is_empty() {
        return;
    }
    let mut writer = Writer { merged: &merged, depth: 0 };
    select.projection.iter_mut().for_each(|item| write_item(item, &mut writer));
    let clauses = [&mut select.selection, &mut select.having, &mut select.qualify];
    for expr in clauses.into_iter().flatten() {
        let _: ControlFlow<()> = expr.visit(&mut writer);
    }
    if let GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        for group in groups {
            let _: ControlFlow<()> = group.visit(&mut writer);
        }
    }
}

/// Finds the merged columns from the first join to the last; `None` where the owner of one cannot be known.
fn merge(from: &mut TableWithJoins, catalog: &Catalog, stars: bool) -> Option<Merged> {
    let mut merged = Merged::new();
    let mut factors = vec![Factor::of(&from.relation, catalog)?];
    for join in &mut from.joins {
        let right = Factor::of(&join.relation, catalog)?;
        let Some(columns) = using(&join.join_operator) else {
            factors.push(right);
            continue;
        };
        let mut pairs = Vec::new();
        for column in &columns {
            let left = match merged.get(&column.value) {
                Some(expr) => expr.clone(),
                None => owner(column, &factors)?.column(column),
            };
            pairs.push((column.clone(), left, right.column(column)));
        }
        // The planner finds the left side of a column that was merged before ambiguous.
        if pairs.iter().any(|(column, ..)| merged.contains_key(&column.value)) {
            if stars {
                return None;
            }
            join_on(join, &pairs);
        }
        for (column, left, right) in pairs {
            merged.insert(column.value, value(&join.join_operator, left, right));
        }
        factors.push(right);
    }
    Some(merged)
}

/// A table in FROM, with its columns where the catalog knows them.
struct Factor {
    name: Ident,
    columns: Option<Vec<String>>,
}

impl Factor {
    fn of(factor: &TableFactor, catalog: &Catalog) -> Option<Self> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let [ObjectNamePart::Identifier(table)] = name.0.as_slice() else { return None };
                let schema = catalog.find(&table.value).ok().map(|table| table.schema());
                let columns = schema.map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect());
                match alias {
                    Some(alias) if alias.columns.is_empty() => Some(Self { name: alias.name.clone(), columns }),
                    Some(_) => None,
                    None => Some(Self { name: table.clone(), columns }),
                }
            }
            TableFactor::Derived { alias: Some(alias), .. } => Some(Self { name: alias.name.clone(), columns: None }),
            _ => None,
        }
    }

    fn column(&self, column: &Ident) -> Expr {
        Expr::CompoundIdentifier(vec![self.name.clone(), column.clone()])
    }
}

/// The only table that can have `column`.
fn owner<'a>(column: &Ident, factors: &'a [Factor]) -> Option<&'a Factor> {
    if let [only] = factors {
        return Some(only);
    }
    if factors.iter().any(|factor| factor.columns.is_none()) {
        return None;
    }
    let mut owners =
        factors.iter().filter(|factor| factor.columns.as_ref().is_some_and(|columns| columns.contains(&column.value)));
    match (owners.next(), owners.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn using(operator: &JoinOperator) -> Option<Vec<Ident>> {
    let (JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint)) = operator
    else {
        return None;
    };
    let JoinConstraint::Using(names) = constraint else { return None };
    let plain = |name: &ObjectName| match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.clone()),
        _ => None,
    };
    names.iter().map(plain).collect()
}

fn join_on(join: &mut Join, pairs: &[(Ident, Expr, Expr)]) {
    let equal = |(_, left, right): &(Ident, Expr, Expr)| binary(left.clone(), BinaryOperator::Eq, right.clone());
    let Some(condition) = pairs.iter().map(equal).reduce(|left, right| binary(left, BinaryOperator::And, right)) else {
        return;
    };
    if let JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint) = &mut join.join_operator
    {
        *constraint = JoinConstraint::On(condition);
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn value(operator: &JoinOperator, left: Expr, right: Expr) -> Expr {
    match operator {
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
        JoinOperator::FullOuter(_) => coalesce([left, right]),
        _ => left,
    }
}

fn coalesce(args: [Expr; 2]) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new("coalesce"))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn write_item(item: &mut SelectItem, writer: &mut Writer<'_>) {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
            if let Some(expr) = writer.merged.get(&ident.value) {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: ident.clone() };
            }
        }
        SelectItem::Wildcard(options) if options.opt_replace.is_none() => {
            let replaced = |(name, expr): (&String, &Expr)| {
                let column_name = Ident::with_quote('"', name.clone());
                Box::new(ReplaceSelectElement { expr: expr.clone(), column_name, as_keyword: true })
            };
            options.opt_replace = Some(ReplaceSelectItem { items: writer.merged.iter().map(replaced).collect() });
        }
        other => {
            let _: ControlFlow<()> = other.visit(writer);
        }
    }
}

struct Writer<'a> {
    merged: &'a Merged,
    /// Subqueries have a FROM of their own.
    depth: usize,
}

impl VisitorMut for Writer<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    // After the children: what is written here is not visited again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Some(merged) = self.merged.get(&ident.value)
            && self.depth == 0
        {
            *expr = merged.clone();
        }
        ControlFlow::Continue(())
    }
}

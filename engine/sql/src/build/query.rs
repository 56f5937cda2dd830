//! Queries over the rows that a program has in its hand: `SELECT … FROM self …`.

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart,
    Offset, OffsetRows, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SelectItem, SetExpr,
    TableFactor, Value,
};
use velaria_contract::{Error, ErrorCode, Result};

use crate::build::expression::{Expression, ident, with_levels};
use crate::build::operator::{AND, Operator, held};
use crate::build::template;
use crate::parser::lower_query;

/// The name of the rows that a query is about.
pub const SELF: &str = "self";

/// The name of the rows that they are joined or combined with.
pub const OTHER: &str = "other";

/// One item of a SELECT list.
#[derive(Debug, Clone)]
pub enum Item {
    /// Every column: `*`.
    All,
    /// An expression.
    One(Expression),
}

/// Where values are put that come before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortDirection {
    /// From the smallest to the largest.
    Ascending,
    /// From the largest to the smallest.
    Descending,
}

/// Where rows without a value are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullsPlace {
    /// Where a statement puts them that does not say it.
    Unsaid,
    /// Before the others.
    First,
    /// After the others.
    Last,
}

/// What rows are sorted by.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// The value.
    pub expression: Expression,
    /// Which values come first.
    pub direction: SortDirection,
    /// Where rows without a value are put.
    pub nulls: NullsPlace,
}

impl From<Expression> for SortKey {
    fn from(expression: Expression) -> Self {
        Self { expression, direction: SortDirection::Ascending, nulls: NullsPlace::Unsaid }
    }
}

impl SortKey {
    /// The words after the expression.
    #[must_use]
    pub fn words(&self) -> &'static str {
        use {NullsPlace as Nulls, SortDirection as To};
        match (self.direction, self.nulls) {
            (To::Ascending, Nulls::Unsaid) => "",
            (To::Ascending, Nulls::First) => " NULLS FIRST",
            (To::Ascending, Nulls::Last) => " NULLS LAST",
            (To::Descending, Nulls::Unsaid) => " DESC",
            (To::Descending, Nulls::First) => " DESC NULLS FIRST",
            (To::Descending, Nulls::Last) => " DESC NULLS LAST",
        }
    }

    fn tree(&self) -> OrderByExpr {
        let asc = match self.direction {
            SortDirection::Ascending => None,
            SortDirection::Descending => Some(false),
        };
        let nulls_first = match self.nulls {
            NullsPlace::Unsaid => None,
            NullsPlace::First => Some(true),
            NullsPlace::Last => Some(false),
        };
        OrderByExpr { expr: self.expression.tree(), options: OrderByOptions { asc, nulls_first }, with_fill: None }
    }
}

/// Which rows of two sides a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs that fit.
    Inner,
    /// These, and the rows of the left side that fit to none.
    Left,
    /// Pairs that fit, and the rows of the right side that fit to none.
    Right,
    /// Pairs that fit, and the rows of both sides that fit to none.
    Full,
    /// Rows of the left side that fit to one of the right at least.
    Semi,
    /// Rows of the left side that fit to none.
    Anti,
    /// Every pair.
    Cross,
}

/// Which pairs of a join fit.
#[derive(Debug, Clone)]
pub enum JoinCondition {
    /// All of them.
    None,
    /// Those that are equal in the columns of these names, which stand in the result once.
    Using(Vec<String>),
    /// Those for which this is true.
    On(Expression),
}

impl JoinCondition {
    /// Pairs that are equal in all of these columns, the first of each pair of names on the left side, the second on the
    /// right.
    ///
    /// # Errors
    /// `VEL-7001` without a pair, and for a name that no column can have.
    pub fn equal<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let equal = |(left, right)| {
            Expression::column_of(SELF, left)?.binary(Operator::Equal, &Expression::column_of(OTHER, right)?)
        };
        let mut all = pairs.into_iter().map(equal);
        let Some(first) = all.next() else {
            return Err(Error::new(ErrorCode::InvalidArgument, "join needs at least one column on each side"));
        };
        all.try_fold(first?, |all, next| all.binary(Operator::And, &next?)).map(Self::On)
    }
}

/// How the rows of two sides are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOperation {
    /// All rows of both.
    UnionAll,
    /// The rows of either, each once.
    Union,
    /// All rows of both, where columns are the same that have the same name.
    UnionAllByName,
    /// The rows of either, each once, where columns are the same that have the same name.
    UnionByName,
    /// The rows of both, each once.
    Intersect,
    /// The rows of the left side that the right one does not have, each once.
    Except,
}

/// A query that was built, ready to be planned.
#[derive(Debug)]
pub struct Built {
    query: Box<Query>,
    depth: usize,
}

impl Built {
    /// Its syntax tree.
    #[must_use]
    pub fn into_query(self) -> Box<Query> {
        self.query
    }

    /// How many levels of expressions are inside each other, at most: what recurses over it needs room for them.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }
}

/// `SELECT * FROM table`
///
/// # Errors
/// `VEL-7001` for a name that no table can have.
pub fn whole(table: &str) -> Result<Built> {
    let (query, mut select) = template::select("SELECT * FROM self")?;
    let name = ident(table)?;
    if let Some(TableFactor::Table { name: place, .. }) = select.from.first_mut().map(|from| &mut from.relation) {
        *place = ObjectName(vec![ObjectNamePart::Identifier(name)]);
    }
    finish(query, select, &[])
}

/// `SELECT * FROM self WHERE condition AND …`
///
/// # Errors
/// `VEL-7001` without a condition or for one with a name, and those of a statement, as for all queries that follow.
pub fn filter(conditions: &[Expression]) -> Result<Built> {
    some("filter", "condition", conditions.len())?;
    let (query, mut select) = template::select("SELECT * FROM self")?;
    let parts: Vec<&Expression> = conditions.iter().collect();
    let trees = parts.iter().map(|part| unnamed(part).map(Expression::tree)).collect::<Result<Vec<Expr>>>()?;
    select.selection = trees.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: held(left, AND),
        op: BinaryOperator::And,
        right: held(right, AND + 1),
    });
    // The chain is balanced before anything else recurses over it; that takes room for all of it.
    finish_with(query, select, &parts, conditions.len())
}

/// `SELECT item, … FROM self`
///
/// # Errors
/// `VEL-7001` without an item, and those of a statement.
pub fn select(items: &[Item]) -> Result<Built> {
    some("select", "column", items.len())?;
    let (query, mut select) = template::select("SELECT * FROM self")?;
    let mut parts = Vec::new();
    select.projection = items.iter().map(|item| item_tree(item, &mut parts)).collect::<Result<_>>()?;
    finish(query, select, &parts)
}

fn item_tree<'a>(item: &'a Item, parts: &mut Vec<&'a Expression>) -> Result<SelectItem> {
    match item {
        Item::All => star(),
        Item::One(expression) => {
            parts.push(expression);
            Ok(expression.item())
        }
    }
}

fn star() -> Result<SelectItem> {
    let (_, select) = template::select("SELECT * FROM self")?;
    select.projection.into_iter().next().ok_or_else(|| Error::new(ErrorCode::Internal, "a template lost its item"))
}

/// `SELECT DISTINCT * FROM self`
///
/// # Errors
/// Those of a statement.
pub fn distinct() -> Result<Built> {
    let (query, mut select) = template::select("SELECT * FROM self")?;
    select.distinct = Some(Distinct::Distinct);
    finish(query, select, &[])
}

/// `SELECT key, …, aggregate, … FROM self GROUP BY key, … HAVING having`
///
/// # Errors
/// `VEL-7001` with neither a key nor an aggregate, for a value as a key, and those of a statement.
pub fn aggregate(keys: &[Expression], aggregates: &[Expression], having: Option<&Expression>) -> Result<Built> {
    some("aggregate", "key or aggregate", keys.len() + aggregates.len())?;
    let (query, mut select) = template::select("SELECT * FROM self")?;
    select.projection = keys.iter().chain(aggregates).map(Expression::item).collect();
    keys.iter().try_for_each(|key| check_key(key.peek()))?;
    select.group_by = GroupByExpr::Expressions(keys.iter().map(Expression::tree).collect(), Vec::new());
    select.having = having.map(|having| unnamed(having).map(Expression::tree)).transpose()?;
    let parts: Vec<&Expression> = keys.iter().chain(aggregates).chain(having).collect();
    finish(query, select, &parts)
}

/// `SELECT * FROM self ORDER BY key, …`
///
/// # Errors
/// `VEL-7001` without a key or for a value as one, and those of a statement.
pub fn order(keys: &[SortKey]) -> Result<Built> {
    some("order", "key", keys.len())?;
    let (mut query, select) = template::select("SELECT * FROM self")?;
    keys.iter().try_for_each(|key| check_key(unnamed(&key.expression)?.peek()))?;
    let kind = OrderByKind::Expressions(keys.iter().map(SortKey::tree).collect());
    query.order_by = Some(OrderBy { kind, interpolate: None });
    let parts: Vec<&Expression> = keys.iter().map(|key| &key.expression).collect();
    finish(query, select, &parts)
}

/// `SELECT * FROM self LIMIT rows OFFSET offset`
///
/// # Errors
/// `VEL-2008` for more rows than can be counted.
pub fn limit(rows: Option<u64>, offset: u64) -> Result<Built> {
    let (mut query, select) = template::select("SELECT * FROM self")?;
    let number = |number: u64| Expr::value(Value::Number(number.to_string(), false));
    let offset = Offset { value: number(offset), rows: OffsetRows::None };
    let limit = rows.map(number);
    query.limit_clause = Some(LimitClause::LimitOffset { limit, offset: Some(offset), limit_by: Vec::new() });
    finish(query, select, &[])
}

/// `SELECT item, … FROM self JOIN other …`
///
/// # Errors
/// `VEL-7001` for a condition that does not fit the kind, and those of a statement.
pub fn join(kind: JoinKind, condition: &JoinCondition, items: &[Item]) -> Result<Built> {
    let (query, mut select) = template::select("SELECT * FROM self CROSS JOIN other")?;
    let mut parts = Vec::new();
    select.projection = items.iter().map(|item| item_tree(item, &mut parts)).collect::<Result<_>>()?;
    let constraint = match condition {
        JoinCondition::None => JoinConstraint::None,
        JoinCondition::Using(columns) => {
            JoinConstraint::Using(columns.iter().map(|name| column_name(name)).collect::<Result<_>>()?)
        }
        JoinCondition::On(expression) => {
            parts.push(expression);
            JoinConstraint::On(unnamed(expression)?.tree())
        }
    };
    if (kind == JoinKind::Cross) != matches!(constraint, JoinConstraint::None) {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            "a cross join has no condition, and every other join has one",
        )
        .with_hint("say with on= which rows belong together, or join with how=\"cross\""));
    }
    let join = select.from.first_mut().and_then(|from| from.joins.first_mut());
    if let Some(join) = join {
        join.join_operator = match kind {
            JoinKind::Inner => JoinOperator::Inner(constraint),
            JoinKind::Left => JoinOperator::Left(constraint),
            JoinKind::Right => JoinOperator::Right(constraint),
            JoinKind::Full => JoinOperator::FullOuter(constraint),
            JoinKind::Semi => JoinOperator::LeftSemi(constraint),
            JoinKind::Anti => JoinOperator::LeftAnti(constraint),
            JoinKind::Cross => JoinOperator::CrossJoin(constraint),
        };
    }
    finish(query, select, &parts)
}

fn column_name(name: &str) -> Result<ObjectName> {
    Ok(ObjectName(vec![ObjectNamePart::Identifier(ident(name)?)]))
}

/// `SELECT * FROM self UNION ALL SELECT * FROM other`, and the like.
///
/// # Errors
/// Those of a statement.
pub fn combine(operation: SetOperation) -> Result<Built> {
    let words = match operation {
        SetOperation::UnionAll => "UNION ALL",
        SetOperation::Union => "UNION",
        SetOperation::UnionAllByName => "UNION ALL BY NAME",
        SetOperation::UnionByName => "UNION BY NAME",
        SetOperation::Intersect => "INTERSECT",
        SetOperation::Except => "EXCEPT",
    };
    let query = lower_query("", template::query(&format!("SELECT * FROM self {words} SELECT * FROM other"))?)?;
    Ok(Built { query, depth: 1 })
}

fn some(method: &str, what: &str, count: usize) -> Result<()> {
    if count > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorCode::InvalidArgument, format!("{method} needs at least one {what}")))
}

/// A condition or key has no name.
fn unnamed(expression: &Expression) -> Result<&Expression> {
    match expression.name() {
        Some(name) => Err(Error::new(ErrorCode::InvalidArgument, format!("the expression {name} needs no name here"))
            .with_hint("leave the alias out")),
        None => Ok(expression),
    }
}

/// A number would be the position of a column.
fn check_key(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Nested(inner) => check_key(inner),
        Expr::Value(value) => {
            Err(Error::new(ErrorCode::InvalidArgument, format!("a value is no key: {}", value.value))
                .with_hint("name a column: col(\"a\")"))
        }
        _ => Ok(()),
    }
}

fn finish(query: Box<Query>, select: Box<Select>, parts: &[&Expression]) -> Result<Built> {
    finish_with(query, select, parts, 0)
}

/// The query around `select`, whose expressions are `parts` and `levels` around them.
fn finish_with(mut query: Box<Query>, select: Box<Select>, parts: &[&Expression], levels: usize) -> Result<Built> {
    let depth = levels + parts.iter().map(|part| part.depth()).max().unwrap_or(0);
    with_levels(depth, || {
        *query.body = SetExpr::Select(select);
        Ok(Built { query: lower_query("", query)?, depth })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Call, Operator};
    use crate::parameter::Parameter;

    fn column(name: &str) -> Expression {
        Expression::column(name).unwrap()
    }

    fn number(value: i64) -> Expression {
        Expression::value(&Parameter::Integer(value)).unwrap()
    }

    #[test]
    fn queries_are_those_of_the_same_words() {
        let sum = Expression::call(&Call::new("sum", &[column("x")])).unwrap();
        let more = column("a").binary(Operator::Greater, &number(1)).unwrap();
        let descending = SortKey { direction: SortDirection::Descending, ..column("a").into() };
        let on =
            JoinCondition::On(Expression::column_of(SELF, "a").unwrap().binary(Operator::Equal, &column("b")).unwrap());
        for (built, text) in [
            (filter(std::slice::from_ref(&more)), "SELECT * FROM self WHERE a > 1"),
            (
                select(&[Item::All, Item::One(more.clone()), Item::One(more.alias("m").unwrap())]),
                "SELECT *, a > 1 AS \"a > 1\", a > 1 AS \"m\" FROM self",
            ),
            (distinct(), "SELECT DISTINCT * FROM self"),
            (
                aggregate(&[column("k")], std::slice::from_ref(&sum), Some(&more)),
                "SELECT k, sum(x) AS \"sum_x\" FROM self GROUP BY k HAVING a > 1",
            ),
            (order(&[descending, column("b").into()]), "SELECT * FROM self ORDER BY a DESC, b"),
            (limit(Some(3), 2), "SELECT * FROM self LIMIT 3 OFFSET 2"),
            (join(JoinKind::Left, &on, &[Item::All]), "SELECT * FROM self LEFT JOIN other ON self.a = b"),
            (
                join(JoinKind::Semi, &JoinCondition::Using(vec!["a b".to_owned()]), &[Item::All]),
                "SELECT * FROM self LEFT SEMI JOIN other USING(\"a b\")",
            ),
            (combine(SetOperation::UnionAll), "SELECT * FROM self UNION ALL SELECT * FROM other"),
            (whole("my table"), "SELECT * FROM \"my table\""),
        ] {
            assert_eq!(built.unwrap().query.to_string(), text);
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let named = column("a").alias("b").unwrap();
        for refused in [
            filter(&[]),
            filter(std::slice::from_ref(&named)),
            select(&[]),
            aggregate(&[], &[], None),
            aggregate(&[number(1)], &[], None),
            order(&[number(-1).into(), number(1).into()]),
            order(&[named.into()]),
            join(JoinKind::Inner, &JoinCondition::None, &[Item::All]),
            join(JoinKind::Cross, &JoinCondition::Using(vec!["a".to_owned()]), &[Item::All]),
            whole(""),
        ] {
            assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument);
        }
    }

    #[test]
    fn many_conditions_are_no_deep_statement() {
        let conditions: Vec<Expression> =
            (0..5_000).map(|value| column("a").binary(Operator::NotEqual, &number(value)).unwrap()).collect();
        let query = filter(&conditions).unwrap();
        assert!(query.query.to_string().contains("4999"));
    }
}

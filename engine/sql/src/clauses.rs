//! Clauses that the grammar reads and that the planner would pass over in silence.
//!
//! A clause that is not carried out must not be accepted: each one is refused here by its name, wherever it stands.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, LimitClause, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, Spanned, TableFactor, UnaryOperator, Value, Visit, Visitor, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic::{position_of, unexpected_token};

/// Refuses clauses that are not carried out, and a LIMIT or OFFSET that is a negative number, a fraction or text.
pub(crate) fn check(text: &str, node: &impl Visit) -> Result<()> {
    match node.visit(&mut Checker { text }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The same for an expression that may be absent.
pub(crate) fn check_optional(text: &str, expr: Option<&Expr>) -> Result<()> {
    expr.map_or(Ok(()), |expr| check(text, expr))
}

struct Checker<'a> {
    text: &'a str,
}

impl Visitor for Checker<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let clauses = [
            ("FETCH", query.fetch.is_some()),
            ("FOR UPDATE or SHARE", !query.locks.is_empty()),
            ("FOR XML, JSON or BROWSE", query.for_clause.is_some()),
            ("SETTINGS", query.settings.is_some()),
            ("FORMAT", query.format_clause.is_some()),
            ("LIMIT BY", has_limit_by(query)),
            ("|>", !query.pipe_operators.is_empty()),
            // The planner would run these as semi and anti joins, which do not count copies.
            ("INTERSECT ALL and EXCEPT ALL", counts_copies(&query.body)),
        ];
        self.refuse(&clauses, query.body.span())?;
        match limits_of(query).into_iter().try_for_each(|(word, expr)| check_limit(self.text, word, expr)) {
            Err(error) => ControlFlow::Break(error),
            Ok(()) => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        let clauses = [
            ("INTO (use CREATE TABLE … AS SELECT)", select.into.is_some()),
            ("TOP (use LIMIT)", select.top.is_some()),
            ("PREWHERE", select.prewhere.is_some()),
            ("CONNECT BY", !select.connect_by.is_empty()),
            ("LATERAL VIEW", !select.lateral_views.is_empty()),
            ("CLUSTER BY", !select.cluster_by.is_empty()),
            ("DISTRIBUTE BY", !select.distribute_by.is_empty()),
            ("SORT BY", !select.sort_by.is_empty()),
            ("SELECT AS VALUE or STRUCT", select.value_table_mode.is_some()),
            ("modifiers of SELECT", select.select_modifiers.is_some()),
            ("hints", !select.optimizer_hints.is_empty()),
            ("WITH after GROUP BY (use ROLLUP(…) or CUBE(…))", has_modifier(&select.group_by)),
            ("ILIKE after *", select.projection.iter().any(has_ilike)),
        ];
        self.refuse(&clauses, select.select_token.0.span)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        if let Expr::Identifier(ident) = expr
            && ident.quote_style.is_none()
            && ident.value.starts_with('@')
        {
            let error = unexpected_token(&ident.value).with_hint("parameters are written ?, $1 or :name");
            return ControlFlow::Break(error.with_position(position_of(self.text, ident.span)));
        }
        // The planner would take the pattern for a regular expression, searched for anywhere in the text.
        let similar = matches!(expr, Expr::SimilarTo { .. });
        self.refuse(&[("SIMILAR TO (use LIKE or regexp_like)", similar)], expr.span())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        let clauses = match factor {
            TableFactor::Table { with_hints, version, partitions, json_path, sample, index_hints, .. } => vec![
                ("hints after a table", !with_hints.is_empty() || !index_hints.is_empty()),
                ("versions of a table", version.is_some()),
                ("PARTITION after a table", !partitions.is_empty()),
                ("JSON paths after a table", json_path.is_some()),
                ("TABLESAMPLE", sample.is_some()),
            ],
            TableFactor::Derived { sample, .. } => vec![("TABLESAMPLE", sample.is_some())],
            _ => Vec::new(),
        };
        self.refuse(&clauses, factor.span())
    }
}

impl Checker<'_> {
    fn refuse(&self, clauses: &[(&str, bool)], span: Span) -> ControlFlow<Error> {
        match clauses.iter().find(|(_, present)| *present) {
            None => ControlFlow::Continue(()),
            Some((name, _)) => ControlFlow::Break(
                Error::new(ErrorCode::Unsupported, format!("unsupported clause: {name}"))
                    .with_position(position_of(self.text, span)),
            ),
        }
    }
}

fn counts_copies(body: &SetExpr) -> bool {
    match body {
        SetExpr::SetOperation { op, set_quantifier, left, right } => {
            let all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
            (all && !matches!(op, SetOperator::Union)) || counts_copies(left) || counts_copies(right)
        }
        _ => false,
    }
}

fn has_limit_by(query: &Query) -> bool {
    matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty())
}

fn has_modifier(group_by: &GroupByExpr) -> bool {
    match group_by {
        GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => !modifiers.is_empty(),
    }
}

fn has_ilike(item: &SelectItem) -> bool {
    let options: &WildcardAdditionalOptions = match item {
        SelectItem::Wildcard(options)
        | SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options) => options,
        _ => return false,
    };
    options.opt_ilike.is_some()
}

fn limits_of(query: &Query) -> Vec<(&'static str, &Expr)> {
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            let offset = offset.as_ref().map(|offset| ("OFFSET", &offset.value));
            limit.as_ref().map(|limit| ("LIMIT", limit)).into_iter().chain(offset).collect()
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => vec![("OFFSET", offset), ("LIMIT", limit)],
        None => Vec::new(),
    }
}

fn check_limit(text: &str, word: &str, expr: &Expr) -> Result<()> {
    let valid = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<u64>().is_ok_and(|limit| i64::try_from(limit).is_ok()),
            Value::Null | Value::Placeholder(_) => true,
            _ => false,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, .. } => false,
        Expr::Nested(inner) => return check_limit(text, word, inner),
        _ => true,
    };
    if valid {
        return Ok(());
    }
    Err(Error::new(ErrorCode::InvalidLimit, format!("{word} must be a non-negative integer: {expr}"))
        .with_position(position_of(text, span_with_sign(text, expr))))
}

/// The place of a negative number in the syntax tree leaves out its sign.
fn span_with_sign(text: &str, expr: &Expr) -> Span {
    let mut span = expr.span();
    if matches!(expr, Expr::UnaryOp { .. }) {
        let line = usize::try_from(span.start.line).unwrap_or(0).saturating_sub(1);
        let before = usize::try_from(span.start.column).unwrap_or(0).saturating_sub(1);
        let head: Vec<char> = text.lines().nth(line).unwrap_or_default().chars().take(before).collect();
        if let Some(sign) = head.iter().rposition(|character| *character == '-') {
            span.start.column = u64::try_from(sign).unwrap_or(0) + 1;
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use velaria_contract::ErrorCode;

    use crate::parse;

    #[test]
    fn clauses_that_would_be_passed_over_are_refused() {
        for text in [
            "SELECT a FROM t PREWHERE a > 1",
            "SELECT a FROM t TABLESAMPLE (10 PERCENT)",
            "SELECT a, COUNT(*) FROM t GROUP BY a WITH ROLLUP",
            "SELECT * ILIKE 'a%' FROM t",
            "SELECT a FROM t FOR UPDATE",
            "SELECT a FROM t WITH (NOLOCK)",
            "SELECT a FROM t FETCH FIRST 2 ROWS ONLY",
            "SELECT TOP 3 a FROM t",
            "SELECT a INTO u FROM t",
            "SELECT a FROM (SELECT a FROM t FOR UPDATE) AS s",
            "SELECT a FROM t INTERSECT ALL SELECT a FROM u",
            "SELECT a FROM t UNION ALL SELECT a FROM u EXCEPT ALL SELECT a FROM v",
            "SELECT a FROM t WHERE a SIMILAR TO 'x%'",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported, "{text}: {error}");
        }
    }

    #[test]
    fn limits_are_non_negative_integers() {
        for text in
            ["SELECT 1 LIMIT -1", "SELECT 1 LIMIT 2.7", "SELECT 1 OFFSET -2", "SELECT * FROM (SELECT 1 LIMIT 'x')"]
        {
            assert_eq!(parse(text).unwrap_err().code(), ErrorCode::InvalidLimit, "{text}");
        }
        assert!(parse("SELECT 1 LIMIT 0 OFFSET 9223372036854775807").is_ok());
    }
}

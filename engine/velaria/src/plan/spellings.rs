//! Functions that are another spelling of an expression: name, number of arguments, and the expression.

use velaria_sql::ast::Expr;
use velaria_sql::parse_expression;

/// A spelling as data.
pub(crate) type Spelling = (&'static [&'static str], usize, &'static str);

/// Where `$1` stands twice its argument is evaluated twice, which gives the same value for everything but `random()`.
pub(crate) const SPELLINGS: &[Spelling] = &[
    // Choosing.
    (&["if", "iif", "iff"], 3, "CASE WHEN $1 THEN $2 ELSE $3 END"),
    (&["if", "iif", "iff"], 2, "CASE WHEN $1 THEN $2 END"),
    (&["constant_or_null"], 2, "CASE WHEN $2 IS NOT NULL THEN $1 END"),
    (&["zeroifnull"], 1, "coalesce($1, 0)"),
    (&["nullifzero"], 1, "nullif($1, 0)"),
    // Numbers.
    (&["mod", "fmod"], 2, "$1 % $2"),
    (&["add"], 2, "$1 + $2"),
    (&["subtract"], 2, "$1 - $2"),
    (&["multiply"], 2, "$1 * $2"),
    (&["divide"], 2, "$1 / $2"),
    (&["truncate"], 1, "trunc($1)"),
    (&["truncate"], 2, "trunc($1, $2)"),
    // Text.
    // With a comma the text that is looked for stands first, as in `POSITION(x IN s)`.
    (&["position"], 2, "strpos($2, $1)"),
    (&["mid"], 3, "substr($1, $2, $3)"),
    (&["to_base64", "base64"], 1, "encode($1, 'base64pad')"),
    (&["from_base64"], 1, "decode($1, 'base64pad')"),
    // Parts of dates and times.
    (&["year"], 1, "date_part('year', $1)"),
    (&["quarter"], 1, "date_part('quarter', $1)"),
    (&["month"], 1, "date_part('month', $1)"),
    (&["week", "weekofyear", "iso_week"], 1, "date_part('week', $1)"),
    (&["day", "dayofmonth"], 1, "date_part('day', $1)"),
    (&["hour"], 1, "date_part('hour', $1)"),
    (&["minute"], 1, "date_part('minute', $1)"),
    (&["second"], 1, "date_part('second', $1)"),
    (&["millisecond"], 1, "date_part('millisecond', $1)"),
    (&["microsecond"], 1, "date_part('microsecond', $1)"),
    (&["dayofyear"], 1, "date_part('doy', $1)"),
    (&["dayofweek", "weekday"], 1, "date_part('dow', $1)"),
    (&["isodow"], 1, "(date_part('dow', $1) + 6) % 7 + 1"),
    (&["isoyear", "iso_year"], 1, "date_part('isoyear', $1)"),
    (&["yearweek"], 1, "date_part('isoyear', $1) * 100 + date_part('week', $1)"),
    (&["epoch"], 1, "date_part('epoch', $1)"),
    (&["epoch_ms"], 1, "CAST(CAST($1 AS TIMESTAMP(3)) AS BIGINT)"),
    (&["epoch_us"], 1, "CAST(CAST($1 AS TIMESTAMP(6)) AS BIGINT)"),
    (&["epoch_ns"], 1, "CAST(CAST($1 AS TIMESTAMP(9)) AS BIGINT)"),
    (&["unix_timestamp"], 1, "CAST(CAST($1 AS TIMESTAMP(0)) AS BIGINT)"),
    // Dates and times.
    (&["unix_timestamp"], 0, "CAST(CAST(now() AS TIMESTAMP(0)) AS BIGINT)"),
    (&["get_current_timestamp", "transaction_timestamp"], 0, "now()"),
    (&["curdate"], 0, "current_date()"),
    (&["age"], 1, "age(current_date(), $1)"),
    (&["date_add"], 2, "$1 + $2"),
    (&["make_timestamp"], 1, "CAST($1 AS TIMESTAMP(6))"),
    (&["make_timestamp_ms"], 1, "CAST(CAST($1 AS TIMESTAMP(3)) AS TIMESTAMP(6))"),
    // Lists, structs and maps.
    (&["list_first"], 1, "array_element($1, 1)"),
    (&["list_last", "array_last"], 1, "array_element($1, -1)"),
    (&["list_count"], 1, "cardinality(array_compact($1))"),
    (&["list_unique", "array_unique"], 1, "cardinality(array_distinct(array_compact($1)))"),
    (&["list_reverse_sort", "array_reverse_sort"], 1, "array_sort($1, 'DESC', 'NULLS LAST')"),
    (&["struct_extract"], 2, "get_field($1, $2)"),
    (&["map_contains", "map_contains_key"], 2, "array_has(map_keys($1), $2)"),
    (&["map_from_arrays"], 2, "map($1, $2)"),
    // Aggregates. What follows the call (FILTER, OVER, DISTINCT, ORDER BY) goes to each aggregate of the expression.
    (&["count_if", "countif"], 1, "count(CASE WHEN $1 THEN 1 END)"),
    (&["sum_if", "sumif"], 2, "sum(CASE WHEN $2 THEN $1 END)"),
    (&["avg_if", "avgif"], 2, "avg(CASE WHEN $2 THEN $1 END)"),
    (&["min_if", "minif"], 2, "min(CASE WHEN $2 THEN $1 END)"),
    (&["max_if", "maxif"], 2, "max(CASE WHEN $2 THEN $1 END)"),
    (&["geomean", "geometric_mean"], 1, "exp(avg(ln($1)))"),
    (&["fsum", "sumkahan", "kahan_sum"], 1, "sum(CAST($1 AS DOUBLE))"),
    (&["favg"], 1, "avg(CAST($1 AS DOUBLE))"),
    (&["sem"], 1, "stddev_pop($1) / sqrt(count($1))"),
    (&["weighted_avg", "wavg"], 2, "sum(CAST($1 AS DOUBLE) * $2) / sum(CASE WHEN $1 IS NOT NULL THEN $2 END)"),
    (&["string_agg", "group_concat", "listagg"], 1, "string_agg(CAST($1 AS STRING), ',')"),
    (&["group_concat", "listagg"], 2, "string_agg(CAST($1 AS STRING), $2)"),
    // The session.
    (&["current_database", "current_catalog"], 0, "'velaria'"),
    (&["current_schema"], 0, "'public'"),
];

/// What [`SPELLINGS`] and `plan/calls.rs` say with syntax of their own.
pub(crate) const OTHER_SPELLINGS: &[&str] = &["struct_pack", "percentile_disc"];

/// The aggregates that stand in [`SPELLINGS`].
pub(super) const AGGREGATES: &[&str] = &["count", "sum", "avg", "min", "max", "stddev_pop", "string_agg"];

/// The names of all spellings.
pub(crate) fn names<'a>() -> impl Iterator<Item = &'a str> {
    SPELLINGS.iter().flat_map(|(names, ..)| names.iter().copied()).chain(OTHER_SPELLINGS.iter().copied())
}

/// The numbers of arguments that `name` takes.
pub(super) fn counts(name: &str) -> impl Iterator<Item = usize> {
    SPELLINGS.iter().filter(move |(names, ..)| names.contains(&name)).map(|(_, count, _)| *count)
}

/// The expression for a call of `name` with so many arguments.
pub(super) fn find(name: &str, arguments: usize) -> Option<Expr> {
    let (.., text) = SPELLINGS.iter().find(|(names, count, _)| *count == arguments && names.contains(&name))?;
    parse_expression(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_an_expression() {
        for (names, _, text) in SPELLINGS {
            assert!(parse_expression(text).is_ok(), "{names:?}: {text}");
        }
    }
}

//! The operators of a query as a tree, with bars for what each of them took.

use maud::{Markup, html};

use super::number::{Unit, real};
use super::profile::{Operator, Profile};
use super::text::{clipped, plain};

/// The most operators that are shown.
const OPERATORS_MAX: usize = 48;
/// The most bytes of what an operator does.
const DETAIL_BYTES_MAX: usize = 320;
const NAME_BYTES_MAX: usize = 80;

/// The operators of `profile`.
pub(crate) fn operators(profile: &Profile) -> Markup {
    let all = &profile.operators;
    let most = Most::of(all);
    html! {
        div.scroll.whole tabindex="0" role="region" aria-label="Operators" {
            table.operators {
                thead {
                    tr {
                        th scope="col" { "Operator" }
                        th.number scope="col" { "Time" }
                        th.number scope="col" { "Rows" }
                        @if most.memory > 0.0 { th.number scope="col" { "Memory" } }
                        @if most.spilled > 0.0 { th.number scope="col" { "On disk" } }
                    }
                }
                tbody { @for operator in all.iter().take(OPERATORS_MAX) { (row(operator, &most)) } }
            }
        }
        p.note {
            "Times are summed over all threads, so that together they may be more than the time of the query"
            @if let Some(time) = profile.elapsed_ms { ", which was " (Unit::Milliseconds.text(time)) }
            "."
            @if all.len() > OPERATORS_MAX { " " (all.len() - OPERATORS_MAX) " more operators are not shown." }
        }
    }
}

/// The largest of each number, which has the longest bar.
struct Most {
    time: f64,
    rows: f64,
    memory: f64,
    spilled: f64,
}

impl Most {
    fn of(operators: &[Operator]) -> Self {
        let most = |value: fn(&Operator) -> Option<f64>| operators.iter().filter_map(value).fold(0.0, f64::max);
        Self {
            time: most(|operator| operator.elapsed_ms),
            rows: most(|operator| operator.output_rows.map(real)),
            memory: most(|operator| operator.memory_bytes.map(real)),
            spilled: most(|operator| operator.spilled_bytes.map(real)),
        }
    }
}

fn row(operator: &Operator, most: &Most) -> Markup {
    // A deep tree stays readable when it does not go on to the right for ever.
    let depth = operator.depth.min(12);
    html! {
        tr {
            th scope="row" style=(format!("--depth:{depth}")) {
                div.operator {
                    span.name { (clipped(&operator.name, NAME_BYTES_MAX)) }
                    @if !operator.detail.is_empty() { span.detail { (clipped(&operator.detail, DETAIL_BYTES_MAX)) } }
                }
            }
            (bar("s1", &operator.name, Unit::Milliseconds, operator.elapsed_ms, most.time))
            (bar("s2", &operator.name, Unit::Count, operator.output_rows.map(real), most.rows))
            @if most.memory > 0.0 { (plain_number(operator.memory_bytes)) }
            @if most.spilled > 0.0 { (plain_number(operator.spilled_bytes)) }
        }
    }
}

/// A number with a bar as long as its share of `most`.
fn bar(series: &str, name: &str, unit: Unit, value: Option<f64>, most: f64) -> Markup {
    let Some(value) = value else { return html! { td.number { span.none { "–" } } } };
    let share = if most > 0.0 { (value / most * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    let text = unit.text(value);
    let name: String = plain(name).chars().take(40).collect();
    html! {
        td.number {
            span { (text) }
            svg.bar.(series) viewBox="0 0 100 4" preserveAspectRatio="none" role="img" {
                title { (name) ": " (text) }
                rect.track width="100" height="4" rx="1" {}
                rect.fill width=((share * 10.0).round() / 10.0) height="4" rx="1" {}
            }
        }
    }
}

fn plain_number(bytes: Option<u64>) -> Markup {
    html! {
        td.number { @match bytes { Some(bytes) => (Unit::Bytes.text(real(bytes))), None => span.none { "–" } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str, time: Option<f64>, rows: Option<u64>) -> Operator {
        Operator {
            depth: 0,
            name: name.to_owned(),
            detail: "expr=[<b>]".to_owned(),
            output_rows: rows,
            elapsed_ms: time,
            spilled_bytes: None,
            memory_bytes: None,
        }
    }

    fn drawn(operators_: Vec<Operator>) -> String {
        operators(&Profile { elapsed_ms: Some(3.0), rows: None, operators: operators_ }).into_string()
    }

    #[test]
    fn the_longest_bar_is_the_largest_number() {
        let text = drawn(vec![operator("Sort", Some(4.0), Some(5)), operator("Scan", Some(1.0), Some(20))]);
        assert_eq!(text.matches("width=\"100\"").count(), 4 + 2, "{text}");
        assert_eq!(text.matches("width=\"25\"").count(), 2, "{text}");
        assert!(text.contains("expr=[&lt;b&gt;]") && !text.contains("Memory"), "{text}");
    }

    #[test]
    fn what_is_not_known_has_no_bar() {
        let text = drawn(vec![operator("a", None, None), operator("b", Some(0.0), Some(0))]);
        assert_eq!(text.matches("<svg").count(), 2, "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }

    #[test]
    fn a_large_plan_is_cut_and_says_so() {
        let text = drawn((0..60).map(|_| operator("x", Some(1.0), Some(1))).collect());
        assert!(text.contains("12 more operators are not shown"), "{text}");
    }
}

//! How a run came along: what counts now, and lines over time.
//!
//! What is drawn depends on the snapshots alone, so that a page can draw it again while a stream runs.

use maud::{Markup, html};
use velaria_workspace::Object;

use super::chart::Chart;
use super::number::Unit;
use super::progress::{Axis, Points, Progress};
use super::text::clipped;

/// The most bytes of a warning or an error of a stream.
const MESSAGE_BYTES_MAX: usize = 2_000;

/// The figures and the charts of `progress`, where it says anything. Its element has the id `progress`.
pub(crate) fn progress(progress: &Progress) -> Option<Markup> {
    progress.latest()?;
    let charts: Vec<Markup> = charts(progress).iter().filter_map(Chart::draw).collect();
    Some(html! {
        div #progress {
            (figures(progress))
            @for (what, key) in [("Warning", "last_warning"), ("Error", "last_error")] {
                @if let Some(text) = progress.text(key) {
                    p.message.(key) { b { (what) ": " } (clipped(text, MESSAGE_BYTES_MAX)) }
                }
            }
            @if !charts.is_empty() {
                div.charts { @for chart in &charts { (chart) } }
                p.note {
                    "From left to right: " (progress.axis().words()) "."
                    @if progress.sampled { " Not every snapshot is drawn: the file is long." }
                }
            }
        }
    })
}

/// What the last snapshot says, in a few numbers.
fn figures(progress: &Progress) -> Markup {
    let all: &[(&str, &str, Unit)] = if progress.is_batch() {
        &[
            ("Rows read", "rows", Unit::Count),
            ("Bytes read", "bytes", Unit::Bytes),
            ("Bytes in all", "bytes_total", Unit::Bytes),
        ]
    } else {
        &[
            ("Micro-batches", "batches_processed", Unit::Count),
            ("Rows in", "input_rows", Unit::Count),
            ("Rows out", "output_rows", Unit::Count),
            ("Late rows", "late_rows", Unit::Count),
            ("Bad rows", "bad_rows", Unit::Count),
            ("Rows of state", "state_rows", Unit::Count),
            ("Commits", "epoch", Unit::Count),
        ]
    };
    // What most streams never have is told only of those that have it.
    let rare = |key: &str, number: f64| number == 0.0 && matches!(key, "late_rows" | "bad_rows" | "state_rows");
    let known = all.iter().filter_map(|(name, key, unit)| {
        let number = progress.number(key).filter(|number| !rare(key, *number))?;
        Some((*name, unit.text(number)))
    });
    let status = progress.text("status").map(|status| ("Stream", status.to_owned()));
    html! {
        dl.figures {
            @for (name, text) in status.into_iter().chain(known) {
                div { dt { (name) } dd { (clipped(&text, 200)) } }
            }
        }
    }
}

/// The charts that there may be.
fn charts(progress: &Progress) -> Vec<Chart<'static>> {
    let axis = progress.axis();
    let chart = |id, title, unit, lines| Chart { id, title, unit, axis, lines };
    if progress.is_batch() {
        return vec![
            chart("rate", "Rows per second", Unit::Count, vec![("rows", progress.rates("rows"))]),
            chart("bytes", "Bytes read", Unit::Bytes, vec![("bytes", progress.points("bytes"))]),
        ];
    }
    let throughput = match axis {
        Axis::Seconds => "Throughput, rows per second",
        Axis::Batches => "Throughput, rows per micro-batch",
    };
    let points = |key| progress.points(key);
    vec![
        chart(
            "throughput",
            throughput,
            Unit::Count,
            vec![("in", progress.rates("input_rows")), ("out", progress.rates("output_rows"))],
        ),
        chart(
            "lag",
            "Lag, micro-batches that wait",
            Unit::Count,
            vec![("not yet written", backlog(progress)), ("in the queue", points("inflight_batches"))],
        ),
        chart(
            "latency",
            "Latency of a micro-batch",
            Unit::Milliseconds,
            vec![
                ("all", points("last_batch_latency_ms")),
                ("sink", points("last_sink_latency_ms")),
                ("state", points("last_state_latency_ms")),
            ],
        ),
        chart("state-rows", "State, rows", Unit::Count, vec![("rows", points("state_rows"))]),
        chart("state-bytes", "State, memory", Unit::Bytes, vec![("bytes", points("state_bytes"))]),
        chart(
            "commit-time",
            "Checkpoint, time of a commit",
            Unit::Milliseconds,
            vec![("time", points("checkpoint_ms"))],
        ),
        chart(
            "commit-bytes",
            "Checkpoint, bytes of a commit",
            Unit::Bytes,
            vec![("bytes", points("checkpoint_bytes"))],
        ),
        chart(
            "lost",
            "Rows that were left out",
            Unit::Count,
            vec![("late", points("late_rows")), ("bad", points("bad_rows"))],
        ),
    ]
}

/// Micro-batches that were taken from the sources and are not written yet.
fn backlog(progress: &Progress) -> Points {
    progress.points_of(|snapshot: &Object| {
        let number = |key: &str| snapshot.get(key)?.as_f64();
        Some((number("batches_pulled")? - number("batches_processed")?).max(0.0))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn drawn(snapshots: &[Value]) -> Option<String> {
        let snapshots = snapshots.iter().map(|line| line.as_object().unwrap().clone()).collect();
        progress(&Progress { snapshots, sampled: false }).map(Markup::into_string)
    }

    #[test]
    fn a_stream_has_figures_and_charts_of_what_happened() {
        let at = |batch: u64| {
            json!({
                "status": "running", "batches_processed": batch, "batches_pulled": batch + 2, "input_rows": batch * 10,
                "output_rows": batch * 5, "late_rows": 0, "state_rows": batch, "checkpoint_ms": 0.0, "elapsed_ms": batch * 1000,
                "last_warning": "<b>", "last_error": null,
            })
        };
        let text = drawn(&(0..5).map(at).collect::<Vec<_>>()).unwrap();
        for shown in ["Throughput, rows per second", "Lag", "State, rows", "<dt>Rows in</dt><dd>40</dd>", "&lt;b&gt;"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        for absent in ["Latency", "Checkpoint", "Late rows", "<b>Error"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn a_query_that_ends_has_its_own_charts() {
        let at = |n: u64| json!({"kind": "batch", "rows": n * n, "bytes": n * 100, "bytes_total": 900, "elapsed_ms": n * 500});
        let text = drawn(&(0..5).map(at).collect::<Vec<_>>()).unwrap();
        assert!(text.contains("Rows per second") && text.contains("Bytes read") && !text.contains("Lag"), "{text}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(drawn(&[]), None);
        assert!(!drawn(&[json!({"status": "created"})]).unwrap().contains("<svg"));
    }
}

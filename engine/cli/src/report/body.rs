//! What is shown of a run, from its name to its logs.

use chrono::Utc;
use maud::{Markup, html};
use serde_json::Value;
use velaria_workspace::{Object, Portion};

use super::model::{Artifact, Content, Log, Model};
use super::number::{Unit, real};
use super::operators::operators;
use super::sql::highlighted;
use super::streaming;
use super::table;
use super::text::{beginning, clipped, ending, visible};

// A report is at most 300 kB; these are the shares of its parts, in bytes of the page.
const QUERY_BYTES_MAX: usize = 20_000;
const EXPLAIN_BYTES_MAX: usize = 12_000;
const ARTIFACTS_BYTES_MAX: usize = 80_000;
const ARTIFACT_BYTES_MAX: usize = 32_000;
const ARGUMENTS_BYTES_MAX: usize = 16_000;
const ARGUMENT_BYTES_MAX: usize = 3_000;
const LOG_BYTES_MAX: usize = 10_000;
const LINE_BYTES_MAX: usize = 400;
const ERROR_BYTES_MAX: usize = 4_000;

/// All that is known of the run.
pub(crate) fn run_body(model: &Model) -> Markup {
    html! {
        main {
            (heading(model))
            (failure(model))
            (section("query", "Query", query(model)))
            (section("result", "Results", artifacts(model)))
            (section("operators", "Operators", model.profile.as_ref().map(operators)))
            (section("progress-section", "Progress", streaming::progress(&model.progress)))
            (section("plan", "Plan", plan(model)))
            (section("inputs", "Inputs", inputs(model)))
            (section("logs", "Logs", logs(&model.logs)))
            (section("environment", "Environment", Some(environment(model))))
        }
    }
}

/// A word for a status, which is not told by its colour alone.
pub(crate) fn badge(status: &str) -> Markup {
    let (class, mark) = match status {
        "succeeded" => ("good", "✓"),
        "running" => ("busy", "●"),
        "failed" | "timed_out" | "aborted" => ("bad", "✕"),
        _ => ("calm", "■"),
    };
    html! {
        span.badge.(class) { span aria-hidden="true" { (mark) } " " (clipped(&status.replace('_', " "), 100)) }
    }
}

fn section(id: &str, title: &str, content: Option<Markup>) -> Markup {
    html! {
        @if let Some(content) = content {
            section id=(id) aria-labelledby=(format!("{id}-heading")) {
                h2 id=(format!("{id}-heading")) { (title) }
                (content)
            }
        }
    }
}

fn heading(model: &Model) -> Markup {
    let tags: Vec<&str> = list(&model.run, "tags").iter().filter_map(Value::as_str).take(20).collect();
    html! {
        header {
            p.brand { "Velaria" span { "run report" } }
            h1 dir="auto" { (clipped(model.title(), LINE_BYTES_MAX)) }
            p.about {
                (badge(model.status()))
                @if !tags.is_empty() {
                    @for tag in tags { span.tag { (clipped(tag, 100)) } }
                }
            }
            @if !model.text("description").is_empty() {
                p.description dir="auto" { (clipped(model.text("description"), ERROR_BYTES_MAX)) }
            }
            dl.figures { @for (name, text) in facts(model) { div { dt { (name) } dd { (clipped(&text, LINE_BYTES_MAX)) } } } }
        }
    }
}

/// What people look for first.
fn facts(model: &Model) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Action", model.text("action").to_owned()), ("Started", moment(model.text("created_at")))];
    if let Some(time) = elapsed_ms(model) {
        facts.push(("Took", Unit::Milliseconds.text(time)));
    }
    let rows = model.profile.as_ref().and_then(|profile| profile.rows).or_else(|| result_rows(model));
    if let Some(rows) = rows {
        facts.push(("Rows", Unit::Count.text(real(rows))));
    }
    facts.push(("Artifacts", Unit::Count.text(real(model.artifact_count as u64))));
    facts
}

/// The time of the run, or of its query where they can be the same: a record has whole seconds.
fn elapsed_ms(model: &Model) -> Option<f64> {
    let seconds = model.run.get("duration_ms").and_then(Value::as_f64);
    let query = model.profile.as_ref().and_then(|profile| profile.elapsed_ms);
    match (seconds, query) {
        (Some(seconds), Some(query)) if seconds <= query + 1_000.0 => Some(query),
        (Some(seconds), None) if seconds < 1_000.0 => None,
        (seconds, _) => seconds,
    }
}

fn result_rows(model: &Model) -> Option<u64> {
    let is_result = |artifact: &&Artifact| list(&artifact.record, "tags_json").iter().any(|tag| tag == "result");
    model.artifacts.iter().find(is_result)?.record.get("row_count")?.as_u64()
}

fn failure(model: &Model) -> Markup {
    html! {
        @if !model.text("error").is_empty() {
            div.failure role="note" {
                h2 { @if model.status() == "cancelled" { "It was stopped" } @else { "It did not work" } }
                pre dir="auto" { (clipped(model.text("error"), ERROR_BYTES_MAX)) }
                @if let Some(hint) = model.failure.get("hint").and_then(Value::as_str) {
                    p dir="auto" { b { "Hint: " } (clipped(hint, ERROR_BYTES_MAX)) }
                }
                @if let Some(code) = model.failure.get("code").and_then(Value::as_str) {
                    p.note { "Code " (clipped(code, 60)) }
                }
            }
        }
    }
}

fn query(model: &Model) -> Option<Markup> {
    let text = model.query().filter(|query| !query.trim().is_empty())?;
    let shown = beginning(text, QUERY_BYTES_MAX);
    Some(html! {
        pre.sql tabindex="0" { code { (highlighted(shown)) } }
        @if shown.len() < text.len() { p.note { "The query goes on: " (Unit::Bytes.text(real(text.len() as u64))) "." } }
    })
}

fn artifacts(model: &Model) -> Option<Markup> {
    let mut left = ARTIFACTS_BYTES_MAX;
    let mut drawn = Vec::new();
    for one in &model.artifacts {
        let shown = artifact(one, left.min(ARTIFACT_BYTES_MAX));
        left = left.saturating_sub(shown.0.len());
        drawn.push(shown);
    }
    let more = model.artifact_count.saturating_sub(drawn.len());
    (!drawn.is_empty()).then(|| {
        html! {
            @for one in &drawn { (one) }
            @if more > 0 { p.note { (more) " older artifacts are not shown." } }
        }
    })
}

fn artifact(artifact: &Artifact, bytes_max: usize) -> Markup {
    let text = |key: &str| artifact.record.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("uri").rsplit('/').next().unwrap_or_default();
    html! {
        article.artifact {
            h3 dir="auto" { (clipped(name, LINE_BYTES_MAX)) " " span.tag { (clipped(text("format"), 60)) } }
            @match &artifact.content {
                Content::Rows(preview) => (table::rows(name_for(name), preview, bytes_max)),
                Content::Text(portion) => (beginning_of(portion, bytes_max)),
                Content::Refused(why) => p.note { (clipped(why, ERROR_BYTES_MAX)) },
            }
            p.address { code { (clipped(text("uri"), 2 * LINE_BYTES_MAX)) } }
        }
    }
}

/// A label for those who do not see the page; what is odd in a name is shown above it.
fn name_for(name: &str) -> &str {
    if name.is_empty() || name.len() > 100 || !name.is_ascii() { "Rows" } else { name }
}

fn beginning_of(portion: &Portion, bytes_max: usize) -> Markup {
    let shown = beginning(&portion.text, bytes_max);
    html! {
        pre tabindex="0" { (visible(shown)) }
        @if portion.partial || shown.len() < portion.text.len() {
            p.note { "The beginning of " (Unit::Bytes.text(real(portion.file_bytes))) "." }
        }
    }
}

fn plan(model: &Model) -> Option<Markup> {
    (!model.explain.is_empty()).then(|| {
        html! {
            @for (at, (name, text)) in model.explain.iter().take(4).enumerate() {
                details open[at == 0] {
                    summary { (clipped(name, 60)) }
                    pre tabindex="0" { (clipped(text, EXPLAIN_BYTES_MAX)) }
                }
            }
        }
    })
}

/// The arguments of the action, but for the query, which is shown above.
fn inputs(model: &Model) -> Option<Markup> {
    let arguments = model.run.get("cli_args").and_then(Value::as_object)?;
    let mut left = ARGUMENTS_BYTES_MAX;
    let mut rows = Vec::new();
    let limit = model.inputs.get("timeout_ms").filter(|limit| !limit.is_null()).map(|limit| ("timeout_ms", limit));
    let given = arguments.iter().map(|(name, value)| (name.as_str(), value)).chain(limit);
    for (name, value) in given.filter(|(name, value)| *name != "query" && !value.is_null()) {
        let row = argument(name, value);
        let Some(rest) = left.checked_sub(row.0.len()) else { break };
        left = rest;
        rows.push(row);
    }
    (!rows.is_empty()).then(|| html! { table.facts { tbody { @for row in &rows { (row) } } } })
}

fn argument(name: &str, value: &Value) -> Markup {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    html! { tr { th scope="row" { (clipped(name, 200)) } td dir="auto" { (clipped(&text, ARGUMENT_BYTES_MAX)) } } }
}

fn logs(logs: &[Log]) -> Option<Markup> {
    (!logs.is_empty()).then(|| html! { @for log in logs { (log_end(log)) } })
}

fn log_end(log: &Log) -> Markup {
    let shown = ending(&log.end.text, LOG_BYTES_MAX);
    // A line that is cut says less than none.
    let cut = log.end.partial || shown.len() < log.end.text.len();
    let whole = if cut { shown.split_once('\n').map_or(shown, |(_, lines)| lines) } else { shown };
    html! {
        h3 { (log.name) }
        @if cut { p.note { "The end of " (Unit::Bytes.text(real(log.end.file_bytes))) ":" } }
        pre tabindex="0" { (visible(whole.trim_end())) }
    }
}

fn environment(model: &Model) -> Markup {
    let version = env!("CARGO_PKG_VERSION");
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let written = Utc::now().format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let facts = [
        ("Run", model.run_id.as_str()),
        ("Directory", model.text("run_dir")),
        ("Velaria of the run", model.text("velaria_version")),
        ("Velaria of the report", version),
        ("System of the report", &system),
        ("Written", &written),
    ];
    html! {
        table.facts {
            tbody {
                @for (name, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
                    tr { th scope="row" { (name) } td { (clipped(text, 2 * LINE_BYTES_MAX)) } }
                }
            }
        }
    }
}

/// `2026-11-21T07:38:07Z` as people write it; other text as it is.
pub(crate) fn moment(text: &str) -> String {
    match text.strip_suffix('Z').and_then(|text| text.split_once('T')) {
        Some((day, time)) => format!("{day} {time} UTC"),
        None => text.to_owned(),
    }
}

fn list<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

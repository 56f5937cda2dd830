//! The call that reads a file as it was probed, in Python, SQL and the shell.

use serde_json::Value;

use super::{Probe, ProbeCalls};

/// The calls for a finished report.
pub(super) fn calls(probe: &Probe) -> ProbeCalls {
    ProbeCalls { python: python(probe), sql: sql(probe), shell: shell(probe) }
}

fn python(probe: &Probe) -> String {
    let path = python_value(&Value::from(probe.path.as_str()));
    let options = || probe.options.iter().map(|(name, value)| format!(", {name}={}", python_value(value)));
    match probe.kind {
        "csv" => format!("session.read_csv({path}{})", options().collect::<String>()),
        "excel" => format!("velaria.excel.read_excel(session, {path})"),
        "parquet" => format!("session.read_parquet({path})"),
        "line" => {
            let mappings: Vec<String> = probe
                .mappings
                .iter()
                .flatten()
                .map(|mapping| {
                    format!("({}, {})", python_value(&Value::from(mapping.column.as_str())), mapping.source_index)
                })
                .collect();
            let delimiter = python_value(&Value::from(probe.delimiter.clone().unwrap_or_default()));
            format!("session.read_line_file({path}, [{}], split_delimiter={delimiter})", mappings.join(", "))
        }
        "json" => {
            let columns = python_value(&Value::from(probe.schema.clone()));
            format!("session.read_json({path}, {columns}, format=\"{}\")", probe.final_format)
        }
        _ => format!("session.read({path})"),
    }
}

fn sql(probe: &Probe) -> String {
    let mut options = vec![format!("path: {}", sql_text(&probe.path))];
    options.extend(probe.options.iter().map(|(name, value)| format!("{name}: {}", sql_text(&plain(value)))));
    let name = sql_name(&probe.suggested_table_name);
    format!("CREATE TABLE {name} USING {} OPTIONS({})", probe.kind, options.join(", "))
}

fn shell(probe: &Probe) -> String {
    if probe.kind != "csv" {
        let query = format!("SELECT * FROM {}", sql_text(&probe.path));
        return format!("velaria-cli sql {}", shell_word(&query));
    }
    let option =
        |(name, value): (&String, &Value)| format!("--option {} ", shell_word(&format!("{name}={}", plain(value))));
    let options: String = probe.options.iter().map(option).collect();
    format!("velaria-cli csv-sql --csv {} {options}--query 'SELECT * FROM input_table'", shell_word(&probe.path))
}

/// JSON is Python but for three words.
fn python_value(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(python_value).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", Value::from(name.as_str()), python_value(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::String(_) | Value::Number(_) => value.to_string(),
    }
}

/// The text of an option.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text == "\t" => "\\t".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name is quoted unless it is one word that nobody could take for another.
fn sql_name(name: &str) -> String {
    const TAKEN: [&str; 20] = [
        "all", "and", "case", "create", "cross", "default", "distinct", "end", "from", "group", "in", "index", "join",
        "left", "order", "select", "table", "union", "values", "where",
    ];
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
    let goes_on = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts && goes_on && !TAKEN.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn shell_word(text: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=:,@%+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

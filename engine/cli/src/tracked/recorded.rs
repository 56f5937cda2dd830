//! The arguments of an action as words of a command line, read back from the record of its run.

use std::ffi::OsString;
use std::fs;

use serde_json::Value;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{Object, REDACTED, Redactor, Run, parse_json};

/// Lists, by their name in the record and the flag that is written for each item.
const LISTS: [(&str, &str); 2] = [("params", "param"), ("options", "option")];

/// The action `name` with `arguments`, as they stand in the record of a run, as words of a command line.
pub(crate) fn args(name: &str, arguments: &Object) -> Vec<String> {
    let mut args = vec![name.to_owned()];
    for (key, value) in arguments {
        let flag = flag(key, value);
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::Bool(true) => args.push(flag),
            Value::Array(items) => args.extend(items.iter().map(|item| format!("{flag}={}", text(item)))),
            value => args.push(format!("{flag}={}", text(value))),
        }
    }
    args
}

/// The action of `run` and its arguments, as it was started.
///
/// # Errors
/// `VEL-7001` when a secret among them was not written down, `VEL-5008` when the record is damaged.
pub(crate) fn args_of(run: &Run) -> Result<Vec<OsString>> {
    let path = run.dir().join("inputs.json");
    let damaged = || Error::new(ErrorCode::MalformedFile, format!("{} is damaged", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::new(ErrorCode::MalformedFile, format!("cannot read {}", path.display())).with_hint(error.to_string())
    })?;
    let inputs = parse_json(&text).map_err(|_| damaged())?;
    let (Some(name), Some(arguments)) = (inputs["action"].as_str(), inputs["action_args"].as_object()) else {
        return Err(damaged());
    };
    if !inputs.as_object().is_none_or(|inputs| lost(inputs).is_empty()) {
        let message = format!("the arguments of run {} have secrets, which are not written down", run.id());
        return Err(
            Error::new(ErrorCode::InvalidArgument, message).with_hint("start it anew with all of its arguments")
        );
    }
    Ok(args(name, arguments).into_iter().map(OsString::from).collect())
}

/// The names of those of `arguments` of which `redactor` does not let everything be written down, where that cannot be seen in
/// what is: it may look like that by itself.
pub(crate) fn redacted(arguments: &Object, redactor: &Redactor) -> Option<Value> {
    let written = redactor.object(arguments);
    written.values().any(hides_a_secret).then(|| {
        let changed = arguments.iter().filter(|(name, value)| written.get(name.as_str()) != Some(value));
        changed.map(|(name, _)| Value::from(name.as_str())).collect()
    })
}

/// The names of the arguments in `inputs` of which not everything was written down.
pub(crate) fn lost(inputs: &Object) -> Vec<&str> {
    if let Some(names) = inputs.get("redacted").and_then(Value::as_array) {
        return names.iter().filter_map(Value::as_str).collect();
    }
    let arguments = inputs.get("action_args").and_then(Value::as_object).into_iter().flatten();
    arguments.filter(|(_, value)| hides_a_secret(value)).map(|(name, _)| name.as_str()).collect()
}

fn hides_a_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REDACTED),
        Value::Array(items) => items.iter().any(hides_a_secret),
        Value::Object(items) => items.values().any(hides_a_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn flag(key: &str, value: &Value) -> String {
    let listed = LISTS.iter().find(|(list, _)| key.ends_with(list)).filter(|_| value.is_array());
    let key = listed.map_or_else(|| key.to_owned(), |(list, item)| key.replace(list, item));
    format!("--{}", key.replace('_', "-"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Action, ParsedAction, parse_action};

    fn action(args: Vec<OsString>) -> Action {
        match parse_action(args) {
            Ok(ParsedAction::Action(action)) => *action,
            Ok(ParsedAction::Text(_)) => panic!("help"),
            Err(failure) => panic!("{}", failure.text()),
        }
    }

    #[test]
    fn what_is_recorded_reads_back() {
        let lines: [&[&str]; 5] = [
            &[
                "csv-sql",
                "--csv",
                "s.csv",
                "--query=-- x\nSELECT '--csv=y'",
                "--param",
                "a=1",
                "--option",
                "header=false",
            ],
            &[
                "csv-sql",
                "--csv",
                "s.csv",
                "--query",
                "SELECT 1",
                "--read-only",
                "--memory-limit",
                "1MiB",
                "--timeout",
                "1.5",
            ],
            &[
                "vector-search",
                "--csv",
                "v",
                "--vector-column",
                "v",
                "--query-vector",
                "-1,0",
                "--score-threshold",
                "-0.5",
            ],
            &[
                "file-sql",
                "--input-path",
                "x",
                "--query",
                "SELECT 1",
                "--allow-path",
                "a",
                "--allow-path",
                "b",
                "--columns",
                "a,b",
            ],
            &[
                "stream-sql",
                "--source-csv-dir",
                "/in",
                "--sink-schema",
                "k STRING",
                "--query",
                "INSERT INTO s SELECT 1",
                "--source-option",
                "rows_per_batch=3",
                "--stream-option",
                "watermark_column=ts",
                "--source-delimiter",
                ";",
            ],
        ];
        for line in lines {
            let first = action(line.iter().map(OsString::from).collect());
            let again = action(args(first.name(), &first.arguments()).into_iter().map(OsString::from).collect());
            assert_eq!(format!("{first:?}"), format!("{again:?}"));
        }
    }

    #[test]
    fn a_secret_is_noticed() {
        assert!(hides_a_secret(&serde_json::json!(["a", "key=***"])));
        assert!(!hides_a_secret(&serde_json::json!({"a": ["*", 1, null]})));
    }
}

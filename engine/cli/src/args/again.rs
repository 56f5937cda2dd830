//! The arguments of an action as a shell would give them, made from how a run recorded them.

use std::ffi::OsString;

use clap::{Arg, CommandFactory};
use serde_json::{Map, Value};
use velaria::{Error, ErrorCode, Result};

use super::{ActionLine, invalid};
use crate::failure::Failure;

/// `action` and the arguments `recorded`, which are named as the fields that hold them; those that were not given are null.
///
/// # Errors
/// `VEL-7001` for an action or an argument that this version does not have.
pub(crate) fn arguments_of(action: &str, recorded: &Map<String, Value>) -> std::result::Result<Vec<OsString>, Failure> {
    let line = ActionLine::command();
    let Some(command) = line.find_subcommand(action) else {
        return Err(invalid(&format!("unsupported run action: {action}")));
    };
    let mut words = vec![OsString::from(action)];
    for (name, value) in recorded {
        let arg = command.get_arguments().find(|arg| arg.get_id().as_str() == name);
        words.extend(arg.map_or_else(|| unknown(name, value), |arg| given(arg, value))?);
    }
    Ok(words)
}

/// What is not said has no words, whatever its name is.
fn unknown(name: &str, value: &Value) -> Result<Vec<OsString>> {
    match value {
        Value::Null => Ok(Vec::new()),
        _ => Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("the run has an argument that is not known here: {name}"),
        )
        .with_hint("another version of Velaria may know it")),
    }
}

fn given(arg: &Arg, value: &Value) -> Result<Vec<OsString>> {
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    // Behind the sign, a value that begins with a hyphen is a value.
    let word = |text: &str| vec![OsString::from(format!("{flag}={text}"))];
    Ok(match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Bool(true) if !arg.get_action().takes_values() => vec![OsString::from(flag)],
        Value::Bool(true) => word("true"),
        Value::Number(number) => word(&number.to_string()),
        Value::String(text) => word(text),
        Value::Array(items) => items.iter().map(|item| given(arg, item)).collect::<Result<Vec<_>>>()?.concat(),
        Value::Object(_) => {
            let message = format!("the run has an argument that is not understood: {}", arg.get_id());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Action, ParsedAction, parse_action};

    fn action(words: Vec<OsString>) -> Action {
        match parse_action(words) {
            Ok(ParsedAction::Action(action)) => *action,
            _ => panic!("no action"),
        }
    }

    #[test]
    fn what_a_run_records_gives_the_same_action() {
        for words in [
            "csv-sql --csv=-a.csv --query=-1 --param=a=1 --param=b=-x --option=delimiter=; --output-path=x/y.csv",
            "csv-sql --csv a.csv --query q --output-name=r.csv --read-only --allow-path=a --allow-path=b",
            "csv-sql --csv a.csv --query q --timeout=1.5 --threads=2 --memory-limit=1GB --temp-dir=/tmp",
            "file-sql --csv a --query q --input-type=line --line-mode=split --mappings=a:1 --delimiter=|",
            "vector-search --csv a --vector-column v --query-vector=-1,0 --top-k=-1 --metric=l2 --score-threshold=-0.25",
            "stream-sql-once --source-csv-dir d --sink-schema=a --query q --max-batches=-1 --sink-path=s.csv",
        ] {
            let first = action(words.split(' ').map(OsString::from).collect());
            let recorded = first.arguments();
            let again = action(arguments_of(first.name(), &recorded).unwrap_or_else(|_| panic!("{words}")));
            assert_eq!(again.arguments(), recorded, "{words}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refused = |action: &str, text: &str| {
            let Ok(Value::Object(recorded)) = serde_json::from_str(text) else { panic!("no object") };
            arguments_of(action, &recorded).unwrap_err().text()
        };
        assert!(refused("teleport", "{}").contains("unsupported run action: teleport"));
        assert!(refused("csv-sql", r#"{"speed": 1}"#).contains("not known here: speed"));
        assert!(refused("csv-sql", r#"{"csv": {}}"#).contains("not understood: csv"));
    }
}

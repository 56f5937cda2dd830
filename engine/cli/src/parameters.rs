//! Parameters of a statement from the command line and from JSON.

use std::collections::BTreeMap;

use serde_json::Value;
use velaria::{Error, ErrorCode, Parameter, Parameters, ReadOptions, Result};

/// The parameters in `pairs` of the form `name=value`. Names that are the numbers from 1 on are positions.
///
/// A value that is a JSON number, `true`, `false`, `null`, text in double quotes or a list is read as JSON; every other
/// value is text.
pub(crate) fn from_pairs(pairs: &[String]) -> Result<Parameters> {
    let mut named = BTreeMap::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(invalid(format!("not a parameter: {pair}")).with_hint("write --param name=value"));
        };
        if named.insert(name.to_owned(), from_text(value)?).is_some() {
            return Err(invalid(format!("parameter given twice: {name}")));
        }
    }
    if named.is_empty() {
        return Ok(Parameters::None);
    }
    let positions: Option<Vec<Parameter>> =
        (1..=named.len()).map(|number| named.get(&number.to_string()).cloned()).collect();
    Ok(positions.map_or(Parameters::Named(named), Parameters::Positional))
}

/// The options of a reader in `pairs` of the form `key=value`.
pub(crate) fn options_from_pairs(pairs: &[String]) -> Result<ReadOptions> {
    let mut options = ReadOptions::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(invalid(format!("not an option: {pair}")).with_hint("write --option key=value"));
        };
        if options.text(&key.to_lowercase()).is_some() {
            return Err(invalid(format!("option given twice: {key}")));
        }
        options = options.with(key, value);
    }
    Ok(options)
}

/// The parameters of a request: a list for positions, an object for names.
pub(crate) fn from_request(value: Option<Value>) -> Result<Parameters> {
    match value {
        None | Some(Value::Null) => Ok(Parameters::None),
        Some(Value::Array(items)) => {
            items.into_iter().map(from_json).collect::<Result<_>>().map(Parameters::Positional)
        }
        Some(Value::Object(items)) => {
            let named = items.into_iter().map(|(name, value)| Ok((name, from_json(value)?)));
            named.collect::<Result<_>>().map(Parameters::Named)
        }
        Some(_) => Err(invalid("params must be a list or an object".to_owned())),
    }
}

fn from_text(text: &str) -> Result<Parameter> {
    match serde_json::from_str(text) {
        Ok(Value::Object(_)) | Err(_) => Ok(Parameter::Text(text.to_owned())),
        Ok(value) => from_json(value),
    }
}

fn from_json(value: Value) -> Result<Parameter> {
    Ok(match value {
        Value::Null => Parameter::Null,
        Value::Bool(truth) => Parameter::Boolean(truth),
        Value::String(text) => Parameter::Text(text),
        Value::Array(items) => Parameter::List(items.into_iter().map(from_json).collect::<Result<_>>()?),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Parameter::Integer(integer),
            (None, Some(_)) if number.is_u64() => Parameter::Decimal(number.to_string()),
            (None, Some(float)) => Parameter::Float(float),
            (None, None) => return Err(invalid(format!("not a number: {number}"))),
        },
        Value::Object(_) => return Err(invalid("an object cannot be a parameter".to_owned())),
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(values: &[&str]) -> Result<Parameters> {
        from_pairs(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn pairs_are_named_or_positions() {
        let positions = vec![Parameter::Integer(7), Parameter::Text("a=b".to_owned())];
        assert_eq!(pairs(&["2=a=b", "1=7"]).unwrap(), Parameters::Positional(positions));
        let Parameters::Named(named) = pairs(&["x=null", "y=\"7\"", "z=1.5"]).unwrap() else { panic!("not named") };
        assert_eq!(
            named.into_values().collect::<Vec<_>>(),
            [Parameter::Null, Parameter::Text("7".to_owned()), Parameter::Float(1.5)]
        );
        assert_eq!(pairs(&["x"]).unwrap_err().message(), "not a parameter: x");
        assert_eq!(pairs(&["x=1", "x=2"]).unwrap_err().message(), "parameter given twice: x");
    }
}

//! Whether a text is JSON: lines of objects, or one array of them.

use serde_json::{Deserializer, Map, Value};

use super::{Probe, ProbeCandidate};
use crate::content::Head;

/// The objects that are looked at for names.
const OBJECTS_MAX: usize = 1000;

/// The report on a text that is JSON.
pub(super) fn probe(path: &str, head: &Head) -> Option<Probe> {
    let text = head.text.trim_start();
    let (format, objects) = match text.as_bytes().first()? {
        b'{' => ("json_lines", objects(text, head.whole)?),
        b'[' => ("json_array", elements(&text[1..], head.whole)?),
        _ => return None,
    };
    let mut names: Vec<String> = Vec::new();
    for name in objects.iter().flat_map(Map::keys) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut probe = Probe::new(path, "json", format, names.clone());
    let lines = format == "json_array" || one_a_line(text, objects.len());
    if !lines {
        probe.warnings.push("an object goes over several lines".to_owned());
    }
    probe.score = if lines { 100 } else { 70 };
    probe.candidates.push(ProbeCandidate {
        format,
        kind: "json",
        score: probe.score,
        reason: "the text is made of JSON objects".to_owned(),
        evidence: vec![format!("objects that were read: {}", objects.len()), format!("names: {}", names.len())],
    });
    probe.columns = Some(names);
    probe.format = Some(format);
    probe.options.insert("format".to_owned(), format.into());
    Some(probe)
}

/// Objects one behind the other; the last of a cut text may be incomplete.
fn objects(text: &str, whole: bool) -> Option<Vec<Map<String, Value>>> {
    let mut objects = Vec::new();
    for value in Deserializer::from_str(text).into_iter::<Value>().take(OBJECTS_MAX) {
        match value {
            Ok(Value::Object(object)) => objects.push(object),
            Err(error) if error.is_eof() && !whole && !objects.is_empty() => break,
            Ok(_) | Err(_) => return None,
        }
    }
    Some(objects)
}

/// The objects of an array whose first bracket is passed.
fn elements(text: &str, whole: bool) -> Option<Vec<Map<String, Value>>> {
    let mut objects = Vec::new();
    let mut rest = text.trim_start();
    while objects.len() < OBJECTS_MAX && !rest.is_empty() {
        if rest.starts_with(']') && objects.is_empty() {
            break;
        }
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        match values.next()? {
            Ok(Value::Object(object)) => objects.push(object),
            Err(error) if error.is_eof() && !whole && !objects.is_empty() => break,
            Ok(_) | Err(_) => return None,
        }
        rest = rest[values.byte_offset()..].trim_start();
        match rest.as_bytes().first() {
            Some(b',') => rest = rest[1..].trim_start(),
            Some(b']') => break,
            None if !whole => break,
            _ => return None,
        }
    }
    Some(objects)
}

fn one_a_line(text: &str, objects: usize) -> bool {
    text.lines().filter(|line| !line.trim().is_empty()).take(objects).all(|line| line.trim_start().starts_with('{'))
        && text.lines().filter(|line| !line.trim().is_empty()).count() >= objects.min(OBJECTS_MAX)
        && text
            .lines()
            .find(|line| !line.trim().is_empty())
            .is_some_and(|line| serde_json::from_str::<Value>(line).is_ok())
}

//! `printf` and `format`: text from a template and values.

use datafusion::error::Result;

use super::kernel::{Kind, Row, Spec, Value, invalid};

use Kind::{Scalar, Text};

/// Wider fields and longer fractions are refused: a short template must not make a long text.
const WIDTH_MAX: usize = 1000;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("printf", &[Text, Scalar], Text, printf).repeated(),
    Spec::new("format", &[Text, Scalar], Text, format).repeated(),
];

/// How one value is written.
#[derive(Default)]
struct Field {
    left: bool,
    right: bool,
    zero: bool,
    plus: bool,
    thousands: bool,
    width: usize,
    places: Option<usize>,
    kind: char,
}

/// `%d`, `%s`, `%f`, `%e`, `%x`, `%o`, `%c`, with flags, width and places as in C.
fn printf(row: &Row<'_>) -> Result<Value> {
    let mut result = String::new();
    let mut rest = row.text(0);
    let mut next = 1;
    while let Some((before, after)) = rest.split_once('%') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            result.push('%');
            rest = after;
            continue;
        }
        let (field, after) = field(after)?;
        result.push_str(&written(&field, argument(row, next)?)?);
        next += 1;
        rest = after;
    }
    result.push_str(rest);
    Ok(Value::Text(result))
}

/// `{}`, `{0}` and `{:.2f}`; a doubled brace is a brace. Texts stand at the left of their field, numbers at the right.
fn format(row: &Row<'_>) -> Result<Value> {
    let mut result = String::new();
    let mut rest = row.text(0);
    let mut next = 1;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        result.push_str(before);
        let doubled = after.strip_prefix("{{").map(|after| ('{', after));
        if let Some((brace, after)) = doubled.or_else(|| after.strip_prefix("}}").map(|after| ('}', after))) {
            result.push(brace);
            rest = after;
            continue;
        }
        let inside = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let (inside, after) = inside.ok_or_else(|| invalid("a brace in a format stands alone; double it"))?;
        let (place, how) = inside.split_once(':').unwrap_or((inside, ""));
        let place =
            if place.is_empty() { next } else { place.parse::<usize>().map_or(0, |place| place.saturating_add(1)) };
        let (mut field, _) = field(&with_kind(how))?;
        let value = argument(row, place)?;
        field.left |= matches!(value, Value::Text(_)) && !field.right;
        result.push_str(&written(&field, value)?);
        next += 1;
        rest = after;
    }
    result.push_str(rest);
    Ok(Value::Text(result))
}

fn with_kind(how: &str) -> String {
    if how.ends_with(|last: char| last.is_ascii_alphabetic()) { how.to_owned() } else { format!("{how}s") }
}

fn argument(row: &Row<'_>, place: usize) -> Result<Value> {
    if place == 0 || !row.has(place) {
        return Err(invalid("the format names a value that is not there"));
    }
    Ok(row.scalar(place))
}

/// The field at the start of `text`, and what follows it.
fn field(text: &str) -> Result<(Field, &str)> {
    let mut field = Field::default();
    let flags = text.find(|flag| !"-+0, <>".contains(flag)).unwrap_or(text.len());
    let (flags, rest) = text.split_at(flags);
    field.left = flags.contains(['-', '<']);
    field.right = flags.contains('>');
    field.zero = flags.contains('0');
    field.plus = flags.contains('+');
    field.thousands = flags.contains(',');
    let (width, rest) = number(rest)?;
    field.width = width.unwrap_or_default();
    let rest = rest.strip_prefix(',').inspect(|_| field.thousands = true).unwrap_or(rest);
    let rest = match rest.strip_prefix('.') {
        Some(rest) => {
            let (places, rest) = number(rest)?;
            field.places = Some(places.unwrap_or_default());
            rest
        }
        None => rest,
    };
    // C writes the width of a whole number before its kind; here all are 64 bits wide.
    let rest = rest.trim_start_matches(['l', 'h']);
    let mut characters = rest.chars();
    field.kind = characters.next().ok_or_else(|| invalid("a field of a format has no kind"))?;
    Ok((field, characters.as_str()))
}

fn number(text: &str) -> Result<(Option<usize>, &str)> {
    let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    match digits.parse() {
        Ok(number) if number <= WIDTH_MAX => Ok((Some(number), rest)),
        _ => Err(invalid(format!("a field of a format has at most {WIDTH_MAX} characters"))),
    }
}

fn written(field: &Field, value: Value) -> Result<String> {
    let text = content(field, value)?;
    let text = if field.thousands { with_thousands(&text) } else { text };
    let text = if field.plus && !text.starts_with('-') { format!("+{text}") } else { text };
    let missing = field.width.saturating_sub(text.chars().count());
    Ok(match (field.left, field.zero) {
        (true, _) => text + &" ".repeat(missing),
        (false, true) => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            format!("{sign}{}{digits}", "0".repeat(missing))
        }
        (false, false) => " ".repeat(missing) + &text,
    })
}

fn content(field: &Field, value: Value) -> Result<String> {
    let places = field.places.unwrap_or(6);
    #[expect(clippy::cast_precision_loss, reason = "the template asks for a float")]
    Ok(match (field.kind, value) {
        ('d' | 'i' | 'u', Value::Int(value)) => value.to_string(),
        ('x', Value::Int(value)) => format!("{value:x}"),
        ('X', Value::Int(value)) => format!("{value:X}"),
        ('o', Value::Int(value)) => format!("{value:o}"),
        ('b', Value::Int(value)) => format!("{value:b}"),
        ('c', Value::Int(value)) => u32::try_from(value)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| invalid(format!("no character has the code {value}")))?
            .to_string(),
        ('f' | 'F', Value::Float(value)) => format!("{value:.places$}"),
        ('f' | 'F', Value::Int(value)) => format!("{:.places$}", value as f64),
        ('e', Value::Float(value)) => format!("{value:.places$e}"),
        ('g', Value::Float(value)) => value.to_string(),
        ('g', Value::Int(value)) => value.to_string(),
        // A decimal comes as its text.
        ('f' | 'F' | 'e' | 'g', Value::Text(value)) => match value.parse::<f64>() {
            Ok(number) => return content(field, Value::Float(number)),
            Err(_) => return Err(invalid(format!("the format asks for a number, not '{value}'"))),
        },
        ('s', Value::Text(value)) => match field.places {
            Some(places) => value.chars().take(places).collect(),
            None => value,
        },
        ('s', Value::Int(value)) => value.to_string(),
        ('s', Value::Float(value)) => match field.places {
            Some(places) => format!("{value:.places$}"),
            None => ryu_text(value),
        },
        (kind, _) => return Err(invalid(format!("the format writes '{kind}', which does not fit its value"))),
    })
}

/// The shortest digits that read back as the same float, with a point.
fn ryu_text(value: f64) -> String {
    format!("{value:?}")
}

fn with_thousands(text: &str) -> String {
    let (sign, rest) = text.split_at(usize::from(text.starts_with('-')));
    let (whole, fraction) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

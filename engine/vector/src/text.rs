//! Vectors as text: `[1 2 3]` or `[1,2,3]`.
//!
//! ```text
//! vector    = "[" blank* number (separator number)* blank* "]"
//! separator = blank* "," blank* | blank+
//! number    = what a float can be read from, except words for infinity and NaN
//! ```

use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use crate::exact::Component;

/// The type of a column of vectors.
pub fn data_type(dimensions: i32) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), dimensions)
}

/// Why a text is no vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorFault {
    /// There are no brackets around it.
    Brackets,
    /// There is nothing between the brackets, or between two commas.
    Empty,
    /// A part is no number.
    NotANumber(String),
    /// A part is infinite or no number, or too large for the type that is read.
    NotFinite(String),
}

/// Adds the numbers of `text` to `out` and tells how many there are.
///
/// # Errors
/// Where the text leaves the grammar.
pub fn parse<T: Component + FromStr>(text: &[u8], out: &mut Vec<T>) -> Result<usize, VectorFault> {
    let inner = text.trim_ascii().strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let inner = inner.ok_or(VectorFault::Brackets)?.trim_ascii();
    if inner.is_empty() {
        return Err(VectorFault::Empty);
    }
    let start = out.len();
    for part in inner.split(|byte| *byte == b',') {
        let mut words = part.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() {
            return Err(VectorFault::Empty);
        }
        for word in words {
            out.push(number(word)?);
        }
    }
    Ok(out.len() - start)
}

/// The number of dimensions, when `text` is a vector.
pub fn dimensions(text: &[u8]) -> Option<usize> {
    parse(text, &mut Vec::<f32>::new()).ok()
}

fn number<T: Component + FromStr>(word: &[u8]) -> Result<T, VectorFault> {
    let text = || String::from_utf8_lossy(word.get(..40).unwrap_or(word)).into_owned();
    let parsed = std::str::from_utf8(word).ok().and_then(|word| word.parse::<T>().ok());
    match parsed {
        Some(value) if value.wide().is_finite() => Ok(value),
        Some(_) => Err(VectorFault::NotFinite(text())),
        None => Err(VectorFault::NotANumber(text())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<f32>, VectorFault> {
        let mut out = Vec::new();
        parse(text.as_bytes(), &mut out).map(|_| out)
    }

    #[test]
    fn spellings_of_one_vector_are_equal() {
        for text in ["[1 2 3]", "[1,2,3]", "[ 1, 2 ,3 ]", "[+1\t2.0 3e0]", " [1 2,3] "] {
            assert_eq!(read(text), Ok(vec![1.0, 2.0, 3.0]), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["1 2 3", "[]", "[ ]", "[1,,2]", "[1,2,]", "[[1] 2]", "[1;2]", "[1 2 x]", "[1 nan]", "[1e400]", "[1 2"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("[1 nan]"), Err(VectorFault::NotFinite("nan".into())));
    }

    proptest! {
        #[test]
        fn a_printed_vector_reads_back_bit_for_bit(values in prop::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..20), comma: bool) {
            let words: Vec<String> = values.iter().map(f32::to_string).collect();
            let text = format!("[{}]", words.join(if comma { "," } else { " " }));
            let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(read(&text).unwrap().iter().map(|value| value.to_bits()).collect::<Vec<_>>(), bits);
        }
    }
}

//! Arrow data that somebody else made, looked at in full before anything believes it.
//!
//! The rules are arrow's own (`ArrayData::validate_full`). Text is most of what there is to look at, so it has a fast way
//! here: plain ASCII has no characters to cut, and long columns are shared out to threads. What this way does not like is
//! shown to arrow, which says what is wrong.

use std::num::NonZero;
use std::thread;

use arrow::array::{ArrayData, OffsetSizeTrait};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// Up to this many rows one thread looks at a column.
const ROWS_FOR_ONE: usize = 1 << 20;
/// How many threads look at one column at most: memory is the limit beyond.
const THREADS_MAX: usize = 8;

/// Whether every value, offset and index of `data` is what its type promises.
///
/// # Errors
/// What arrow says about the first thing that is not.
pub fn validate_foreign(data: &ArrayData) -> Result<(), ArrowError> {
    match data.data_type() {
        DataType::Struct(_) => {
            data.validate()?;
            data.validate_nulls()?;
            data.child_data().iter().try_for_each(validate_foreign)
        }
        DataType::Utf8 => text::<i32>(data),
        DataType::LargeUtf8 => text::<i64>(data),
        _ => data.validate_full(),
    }
}

fn text<O: OffsetSizeTrait>(data: &ArrayData) -> Result<(), ArrowError> {
    data.validate()?;
    data.validate_nulls()?;
    if data.is_empty() {
        return Ok(());
    }
    let [offsets, values] = data.buffers() else { return data.validate_full() };
    let offsets = offsets.typed_data::<O>().get(data.offset()..=data.offset() + data.len());
    match offsets.is_some_and(|offsets| are_texts(offsets, values)) {
        true => Ok(()),
        false => data.validate_full(),
    }
}

/// Whether all of `values` between two neighbours of `offsets` is text.
fn are_texts<O: OffsetSizeTrait>(offsets: &[O], values: &[u8]) -> bool {
    let rows = offsets.len().saturating_sub(1);
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    if rows <= ROWS_FOR_ONE || threads == 1 {
        return are_texts_here(offsets, values);
    }
    // Neighbouring parts share an offset, which is a boundary of both.
    let step = rows.div_ceil(threads);
    thread::scope(|scope| {
        let parts = (0..rows).step_by(step).map(|start| &offsets[start..=(start + step).min(rows)]);
        let checks: Vec<_> = parts.map(|part| scope.spawn(|| are_texts_here(part, values))).collect();
        checks.into_iter().all(|check| check.join().unwrap_or(false))
    })
}

fn are_texts_here<O: OffsetSizeTrait>(offsets: &[O], values: &[u8]) -> bool {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return true };
    // No early end, so that the compiler compares many at a time.
    let rising = offsets.windows(2).fold(true, |rising, pair| rising & (pair[0] <= pair[1]));
    let (Some(start), Some(end)) = (first.to_usize(), last.to_usize()) else { return false };
    let Some(bytes) = values.get(start..end).filter(|_| rising) else { return false };
    if bytes.is_ascii() {
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    offsets.iter().all(|offset| text.is_char_boundary(offset.as_usize() - start))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, LargeStringArray, StringArray};
    use arrow::buffer::Buffer;

    use super::*;

    fn texts(offsets: Vec<i32>, values: &[u8]) -> ArrayData {
        let rows = offsets.len() - 1;
        let builder = ArrayData::builder(DataType::Utf8).len(rows);
        let builder = builder.add_buffer(Buffer::from_vec(offsets)).add_buffer(Buffer::from(values));
        #[expect(unsafe_code, reason = "the data is wrong on purpose, and nothing reads it")]
        // SAFETY: the data is only validated.
        unsafe {
            builder.build_unchecked()
        }
    }

    #[test]
    fn texts_are_as_valid_as_arrow_says() {
        let e = "é".as_bytes();
        let cases: [(Vec<i32>, &[u8]); 9] = [
            (vec![0, 1, 2], b"xy"),
            (vec![0, 2], e),
            (vec![0, 1, 2], e),
            (vec![0, 3], b"xy"),
            (vec![0, 2, 1], b"xy"),
            (vec![-1, 2], b"xy"),
            (vec![0, 2], b"\xff\xfe"),
            (vec![1, 2], b"\xffx"),
            (vec![0, 0, 0], b""),
        ];
        for (offsets, values) in cases {
            let data = texts(offsets.clone(), values);
            assert_eq!(validate_foreign(&data).is_ok(), data.validate_full().is_ok(), "{offsets:?} {values:?}");
        }
    }

    #[test]
    fn a_long_column_is_looked_at_to_its_end() {
        let rows = 3 * ROWS_FOR_ONE + 7;
        let good = LargeStringArray::from_iter_values((0..rows).map(|row| if row % 7 == 0 { "größe" } else { "ab" }));
        let data = good.into_data();
        assert!(validate_foreign(&data).is_ok());
        assert!(validate_foreign(&data.slice(5, rows - 5)).is_ok());
        for row in [0, rows / 2, rows - 1] {
            let mut bytes = vec![b'a'; rows];
            bytes[row] = 0xff;
            let offsets = (0..=rows).map(|row| i32::try_from(row).unwrap()).collect();
            assert!(validate_foreign(&texts(offsets, &bytes)).is_err(), "row {row}");
        }
        let nothing = StringArray::from_iter_values(Vec::<&str>::new()).into_data();
        assert!(validate_foreign(&nothing).is_ok());
    }
}

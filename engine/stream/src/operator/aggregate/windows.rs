//! Which groups belong to which window.

use std::collections::BTreeMap;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, Date32Type, Date64Type, Int64Type, TimeUnit, TimestampMillisecondType};
use velaria_contract::{Error, ErrorCode, Result};

use crate::error::from_arrow;

/// The windows that are open, by their start.
#[derive(Default)]
pub(super) struct Windows {
    groups: BTreeMap<i64, Vec<u32>>,
}

impl Windows {
    pub(super) fn add(&mut self, start_ms: i64, group: u32) {
        self.groups.entry(start_ms).or_default().push(group);
    }

    /// Removes the windows up to and with `last_ms`.
    pub(super) fn take_up_to(&mut self, last_ms: i64) -> Vec<(i64, Vec<u32>)> {
        let mut taken = Vec::new();
        while let Some(first) = self.groups.first_entry() {
            if *first.key() > last_ms {
                break;
            }
            taken.push(first.remove_entry());
        }
        taken
    }

    /// Removes one window.
    pub(super) fn take(&mut self, start_ms: i64) -> Vec<u32> {
        self.groups.remove(&start_ms).unwrap_or_default()
    }

    /// The starts of the newest `count` windows, the newest first.
    pub(super) fn newest(&self, count: usize) -> Vec<i64> {
        self.groups.keys().rev().take(count).copied().collect()
    }

    /// Gives the groups other numbers; `number` knows all that are left.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        for groups in self.groups.values_mut() {
            *groups = groups.iter().filter_map(|&group| number(group)).collect();
        }
    }

    pub(super) fn clear(&mut self) {
        self.groups.clear();
    }
}

/// The starts of windows in milliseconds, from their keys.
pub(super) fn starts_ms(keys: &ArrayRef) -> Result<Vec<Option<i64>>> {
    Ok(match keys.data_type() {
        DataType::Int64 => keys.as_primitive::<Int64Type>().iter().collect(),
        DataType::Date64 => keys.as_primitive::<Date64Type>().iter().collect(),
        DataType::Date32 => {
            keys.as_primitive::<Date32Type>().iter().map(|day| day.map(|day| i64::from(day) * 86_400_000)).collect()
        }
        DataType::Timestamp(..) => {
            let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
            let keys = cast(keys, &millis).map_err(from_arrow)?;
            keys.as_primitive::<TimestampMillisecondType>().iter().collect()
        }
        DataType::Utf8 => texts(keys.as_string::<i32>().iter())?,
        DataType::LargeUtf8 => texts(keys.as_string::<i64>().iter())?,
        DataType::Utf8View => texts(keys.as_string_view().iter())?,
        DataType::Null => vec![None; keys.len()],
        other => {
            return Err(Error::new(
                ErrorCode::TypeMismatch,
                format!("the start of a window cannot be of type {other}"),
            ));
        }
    })
}

/// Rows of one window tend to follow each other, so a text that repeats is read once.
fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Result<Vec<Option<i64>>> {
    let mut last = None;
    let mut read = |text: &'a str| match last {
        Some((known, ms)) if known == text => Ok(ms),
        _ => {
            let ms = text_ms(text)?;
            last = Some((text, ms));
            Ok(ms)
        }
    };
    texts.map(|text| text.map(&mut read).transpose()).collect()
}

fn text_ms(text: &str) -> Result<i64> {
    let utc: Tz = "+00:00".parse().map_err(from_arrow)?;
    string_to_datetime(&utc, text)
        .map(|time| time.timestamp_millis())
        .map_err(|_| Error::new(ErrorCode::Cast, format!("the start of a window cannot be read: '{text}'")))
}

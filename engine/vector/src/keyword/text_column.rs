//! Columns of texts: an Arrow array that was checked once.

use arrow::array::{Array, ArrayRef, LargeStringArray, StringArray, StringViewArray, cast::AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use velaria_contract::{Error, ErrorCode, Result};

/// The texts of a column.
#[derive(Debug, Clone)]
pub struct TextColumn(Texts);

#[derive(Debug, Clone)]
enum Texts {
    Small(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
}

impl TextColumn {
    /// The texts of `array`. Those of a dictionary are copied.
    ///
    /// # Errors
    /// `VEL-2004` for another type than text.
    pub fn try_new(array: &ArrayRef) -> Result<Self> {
        let texts = match array.data_type() {
            DataType::Utf8 => Texts::Small(array.as_string().clone()),
            DataType::LargeUtf8 => Texts::Large(array.as_string().clone()),
            DataType::Utf8View => Texts::View(array.as_string_view().clone()),
            accepted if Self::accepts(accepted) => {
                let plain = cast(array, &DataType::LargeUtf8).map_err(|error| not_text(accepted).with_source(error))?;
                Texts::Large(plain.as_string().clone())
            }
            other => return Err(not_text(other)),
        };
        Ok(Self(texts))
    }

    /// Whether [`TextColumn::try_new`] can read columns of this type: text, dictionaries of text, and columns of nothing but
    /// `NULL`.
    #[must_use]
    pub fn accepts(data_type: &DataType) -> bool {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
            DataType::Dictionary(_, value) => Self::accepts(value),
            _ => false,
        }
    }

    /// The text of `row`, unless it is null.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&str> {
        match &self.0 {
            Texts::Small(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
            Texts::Large(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
            Texts::View(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
        }
    }
}

fn not_text(found: &DataType) -> Error {
    Error::new(ErrorCode::TypeMismatch, format!("not a column of text: {found}"))
}

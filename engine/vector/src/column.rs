//! Columns of vectors: an Arrow array that was checked once.

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, OffsetSizeTrait, PrimitiveArray, cast::AsArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type};
use half::f16;
use velaria_contract::{Error, ErrorCode, Result};

/// The components of the vectors of a column, one vector after the other; those of null rows hold anything.
#[derive(Debug, Clone)]
pub enum Components {
    /// 16-bit floats.
    F16(ScalarBuffer<f16>),
    /// 32-bit floats.
    F32(ScalarBuffer<f32>),
    /// 64-bit floats.
    F64(ScalarBuffer<f64>),
}

/// Vectors of one length, and which rows have none. Sharing the memory of the Arrow array it was made from.
#[derive(Debug, Clone)]
pub struct VectorColumn {
    components: Components,
    dimension: usize,
    rows: usize,
    nulls: Option<NullBuffer>,
}

impl VectorColumn {
    /// The vectors of `array`: a `FixedSizeList`, or a `List` or `LargeList` of equal lengths, of 16-, 32- or 64-bit
    /// floats. Integer items are read as 64-bit floats. Nothing is copied but lists with null rows and integers.
    ///
    /// # Errors
    /// `VEL-2004` for another type; `VEL-5009` for a null inside a vector; `VEL-5006` for vectors of different lengths.
    pub fn try_new(array: &ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::FixedSizeList(..) => Self::from_fixed(array.as_fixed_size_list()),
            DataType::List(_) => Self::from_list(array.as_list::<i32>()),
            DataType::LargeList(_) => Self::from_list(array.as_list::<i64>()),
            other => Err(not_vectors(other)),
        }
    }

    /// Whether [`VectorColumn::try_new`] can read columns of this type.
    #[must_use]
    pub fn accepts(data_type: &DataType) -> bool {
        match data_type {
            DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
                item.data_type().is_floating() || item.data_type().is_integer()
            }
            _ => false,
        }
    }

    fn from_fixed(array: &FixedSizeListArray) -> Result<Self> {
        let dimension = usize::try_from(array.value_length()).unwrap_or(0);
        let nulls = array.nulls().cloned().filter(|nulls| nulls.null_count() > 0);
        let offset = usize::try_from(array.value_offset(0)).unwrap_or(0);
        let items = array.values().slice(offset, array.len() * dimension);
        check_items(
            &items,
            dimension,
            (0..array.len()).filter(|row| array.is_valid(*row)).map(|row| (row, row * dimension)),
        )?;
        Ok(Self { components: components(&items)?, dimension, rows: array.len(), nulls })
    }

    fn from_list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<Self> {
        let lengths =
            || (0..array.len()).filter(|row| array.is_valid(*row)).map(|row| array.value_length(row).as_usize());
        let dimension = lengths().next().unwrap_or(0);
        if let Some(other) = lengths().find(|length| *length != dimension) {
            return Err(ragged(dimension, other));
        }
        let offsets = array.value_offsets();
        let first = offsets.first().map_or(0, |offset| offset.as_usize());
        let items = array.values().slice(first, offsets.last().map_or(0, |offset| offset.as_usize()) - first);
        let starts = || offsets.iter().map(|offset| offset.as_usize() - first).take(array.len()).enumerate();
        let valid = || starts().filter(|(row, _)| array.is_valid(*row));
        check_items(&items, dimension, valid())?;
        let found = components(&items)?;
        // Null rows may have items, or fewer than the others.
        let dense = items.len() == array.len() * dimension && valid().all(|(row, start)| start == row * dimension);
        let components = if dense { found } else { found.gathered(valid(), dimension, array.len()) };
        let nulls = array.nulls().cloned().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { components, dimension, rows: array.len(), nulls })
    }

    /// The components.
    #[must_use]
    pub fn components(&self) -> &Components {
        &self.components
    }

    /// The number of components of each vector; 0 when no row has a vector and the type does not say it.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The number of rows, with and without a vector.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Which rows have a vector; `None` when all have.
    #[must_use]
    pub fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    /// The number of rows that have a vector.
    #[must_use]
    pub fn vectors(&self) -> usize {
        self.rows - self.nulls.as_ref().map_or(0, NullBuffer::null_count)
    }
}

/// The items as floats.
fn components(items: &ArrayRef) -> Result<Components> {
    Ok(match items.data_type() {
        DataType::Float16 => Components::F16(values::<Float16Type>(items)),
        DataType::Float32 => Components::F32(values::<Float32Type>(items)),
        DataType::Float64 => Components::F64(values::<Float64Type>(items)),
        integer if integer.is_integer() => {
            let floats = cast(items, &DataType::Float64).map_err(|error| not_vectors(integer).with_source(error))?;
            Components::F64(values::<Float64Type>(&floats))
        }
        other => return Err(not_vectors(other)),
    })
}

fn values<T: ArrowPrimitiveType>(items: &ArrayRef) -> ScalarBuffer<T::Native> {
    let items: &PrimitiveArray<T> = items.as_primitive();
    items.values().clone()
}

impl Components {
    /// The vectors that start there at their rows; zeros elsewhere.
    fn gathered(&self, starts: impl Iterator<Item = (usize, usize)>, dimension: usize, rows: usize) -> Self {
        match self {
            Self::F16(values) => Self::F16(gather(values, starts, dimension, rows)),
            Self::F32(values) => Self::F32(gather(values, starts, dimension, rows)),
            Self::F64(values) => Self::F64(gather(values, starts, dimension, rows)),
        }
    }
}

fn gather<T: ArrowNativeType>(
    values: &[T],
    starts: impl Iterator<Item = (usize, usize)>,
    dimension: usize,
    rows: usize,
) -> ScalarBuffer<T> {
    let mut dense = vec![T::default(); rows * dimension];
    for (row, start) in starts {
        let to = dense.get_mut(row * dimension..).into_iter().flatten();
        to.zip(values.iter().skip(start).take(dimension)).for_each(|(to, from)| *to = *from);
    }
    dense.into()
}

/// Refuses a null inside of a vector that is there; `vectors` tells at which item the vector of which row starts.
fn check_items(items: &ArrayRef, dimension: usize, mut vectors: impl Iterator<Item = (usize, usize)>) -> Result<()> {
    let Some(nulls) = items.nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(()) };
    let missing = |start: usize| (0..dimension).find(|place| nulls.is_null(start + place));
    match vectors.find_map(|(row, start)| Some((row, missing(start)?))) {
        None => Ok(()),
        Some((row, place)) => {
            Err(Error::new(ErrorCode::InvalidArrow, format!("the vector in row {row} has a null at position {place}"))
                .with_hint("a row without a vector is a null row; a vector has a number at every position"))
        }
    }
}

fn not_vectors(found: &DataType) -> Error {
    Error::new(ErrorCode::TypeMismatch, format!("not a column of vectors: {found}"))
        .with_hint("vectors are FLOAT[n]: fixed-size lists, or lists of one length, of floats")
}

fn ragged(first: usize, other: usize) -> Error {
    Error::new(
        ErrorCode::SchemaMismatch,
        format!("fixed vector length mismatch in vector column cache: {first} and {other} dimensions"),
    )
    .with_hint("all vectors of a column have one length")
}

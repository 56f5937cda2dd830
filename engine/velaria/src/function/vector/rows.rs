//! The vectors of an argument, row by row, in whatever form they come.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, LargeListArray, OffsetSizeTrait, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use velaria_vector::column::Components;
use velaria_vector::exact::Component;
use velaria_vector::text::{self, VectorFault};

use crate::function::kernel::{invalid, unreadable};

/// How exactly the vectors of a call are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// In 32 bits, as one of them has no more, or as all of them are texts.
    Narrow,
    /// In 64 bits.
    Wide,
}

impl Precision {
    /// The precision of a call with arguments of these types.
    pub(super) fn of(types: &[DataType]) -> Self {
        let mut items = types.iter().filter_map(item).map(|item| item.data_type());
        let narrow = |item: &DataType| matches!(item, DataType::Float16 | DataType::Float32);
        if items.clone().any(narrow) || items.next().is_none() { Self::Narrow } else { Self::Wide }
    }
}

/// The type as which an argument of type `found` is taken; `None` when it holds no vectors.
pub(super) fn accept(found: &DataType, precision: Precision) -> Option<DataType> {
    let found = match found {
        DataType::Dictionary(_, value) => value.as_ref(),
        other => other,
    };
    match found {
        DataType::Null => Some(DataType::Null),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8),
        DataType::List(items) | DataType::ListView(items) => Some(DataType::List(floats(items, precision)?)),
        DataType::LargeList(items) | DataType::LargeListView(items) => {
            Some(DataType::LargeList(floats(items, precision)?))
        }
        DataType::FixedSizeList(items, size) => Some(DataType::FixedSizeList(floats(items, precision)?, *size)),
        _ => None,
    }
}

fn floats(items: &FieldRef, precision: Precision) -> Option<FieldRef> {
    let wanted = match (items.data_type(), precision) {
        (DataType::Float16 | DataType::Float32, _) => return Some(Arc::clone(items)),
        (number, _) if !number.is_numeric() && !number.is_null() => return None,
        (_, Precision::Narrow) => DataType::Float32,
        (_, Precision::Wide) => DataType::Float64,
    };
    Some(Arc::new(items.as_ref().clone().with_data_type(wanted)))
}

/// The items of a type of lists.
fn item(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// What is said about two vectors that cannot be compared.
pub(super) fn one_length(function: &str, left: &impl ToString, right: &impl ToString) -> String {
    format!("{function} takes vectors of one length, not of {} and {} dimensions", left.to_string(), right.to_string())
}

/// The vectors of one argument.
#[derive(Debug)]
pub(super) struct Vectors {
    components: Components,
    /// Which components are there; `None` when all are.
    known: Option<NullBuffer>,
    /// Where each vector starts and ends.
    bounds: Bounds,
    nulls: Option<NullBuffer>,
    constant: bool,
}

#[derive(Debug)]
enum Bounds {
    Fixed(usize),
    Offsets(Vec<usize>),
}

/// Runs an expression with the components of `$vectors`, whatever their type.
macro_rules! with_components {
    ($vectors:expr, $values:ident => $run:expr) => {
        match $vectors.components() {
            velaria_vector::column::Components::F16(values) => {
                let $values: &[_] = values;
                $run
            }
            velaria_vector::column::Components::F32(values) => {
                let $values: &[_] = values;
                $run
            }
            velaria_vector::column::Components::F64(values) => {
                let $values: &[_] = values;
                $run
            }
        }
    };
}
pub(super) use with_components;

impl Vectors {
    /// The vectors of `value`, whose type [`accept`] has made.
    pub(super) fn try_new(value: &ColumnarValue, precision: Precision) -> Result<Self> {
        let (array, constant) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let array = match (array.data_type(), precision) {
            (DataType::Utf8, Precision::Narrow) => parsed::<Float32Type>(&array)?,
            (DataType::Utf8, Precision::Wide) => parsed::<Float64Type>(&array)?,
            _ => array,
        };
        let (items, bounds) = match array.data_type() {
            DataType::List(_) => listed(array.as_list::<i32>()),
            DataType::LargeList(_) => listed(array.as_list::<i64>()),
            DataType::FixedSizeList(..) => {
                let lists = array.as_fixed_size_list();
                let length = usize::try_from(lists.value_length()).unwrap_or_default();
                let first = usize::try_from(lists.value_offset(0)).unwrap_or_default();
                (lists.values().slice(first, lists.len() * length), Bounds::Fixed(length))
            }
            // Of `NULL` there is nothing but its rows.
            _ => (arrow::array::new_empty_array(&DataType::Float32), Bounds::Fixed(0)),
        };
        let known = items.nulls().filter(|known| known.null_count() > 0).cloned();
        Ok(Self { components: components(&items)?, known, bounds, nulls: array.logical_nulls(), constant })
    }

    pub(super) fn components(&self) -> &Components {
        &self.components
    }

    /// Whether one vector stands for every row.
    pub(super) fn is_constant(&self) -> bool {
        self.constant
    }

    /// The places of the components of a row; `None` where there is no vector.
    pub(super) fn at(&self, row: usize) -> Result<Option<Range<usize>>> {
        let row = if self.constant { 0 } else { row };
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(None);
        }
        let place = match &self.bounds {
            Bounds::Fixed(length) => row * length..(row + 1) * length,
            Bounds::Offsets(offsets) => match offsets.get(row..row + 2) {
                Some(&[start, end]) => start..end,
                _ => return Ok(None),
            },
        };
        let hole = self.known.as_ref().and_then(|known| place.clone().position(|at| known.is_null(at)));
        match hole {
            None => Ok(Some(place)),
            Some(hole) => Err(invalid(format!("a vector has NULL at position {hole}"))),
        }
    }

    /// The components at `place`, which [`Vectors::at`] gave, in 64 bits.
    pub(super) fn wide(&self, place: Range<usize>) -> Vec<f64> {
        with_components!(self, values => {
            values.get(place).unwrap_or_default().iter().map(|value| value.wide()).collect()
        })
    }
}

fn listed<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> (ArrayRef, Bounds) {
    let offsets = lists.value_offsets().iter().map(|offset| offset.as_usize()).collect();
    (Arc::clone(lists.values()), Bounds::Offsets(offsets))
}

fn components(items: &ArrayRef) -> Result<Components> {
    Ok(match items.data_type() {
        DataType::Float16 => Components::F16(values::<Float16Type>(items)),
        DataType::Float32 => Components::F32(values::<Float32Type>(items)),
        DataType::Float64 => Components::F64(values::<Float64Type>(items)),
        other => return Err(DataFusionError::Internal(format!("{other} is no component of a vector"))),
    })
}

fn values<T: ArrowPrimitiveType>(items: &ArrayRef) -> ScalarBuffer<T::Native> {
    items.as_primitive::<T>().values().clone()
}

/// The vectors that stand in texts.
fn parsed<T: ArrowPrimitiveType<Native: Component + FromStr>>(texts: &ArrayRef) -> Result<ArrayRef> {
    let texts = texts.as_string::<i32>();
    let (mut offsets, mut numbers) = (vec![0_i64], Vec::<T::Native>::new());
    for text in texts {
        if let Some(text) = text {
            text::parse(text.as_bytes(), &mut numbers).map_err(|fault| no_vector(text, fault))?;
        }
        offsets.push(i64::try_from(numbers.len()).unwrap_or(i64::MAX));
    }
    let items = Arc::new(PrimitiveArray::<T>::new(numbers.into(), None));
    let field = Arc::new(Field::new_list_field(T::DATA_TYPE, true));
    Ok(Arc::new(LargeListArray::try_new(field, OffsetBuffer::new(offsets.into()), items, texts.nulls().cloned())?))
}

/// How much of a text is shown.
const SHOWN_CHARACTERS_MAX: usize = 40;

fn no_vector(text: &str, fault: VectorFault) -> DataFusionError {
    let reason = match fault {
        VectorFault::Brackets => "it does not stand in brackets".to_owned(),
        VectorFault::Empty => "a place is empty".to_owned(),
        VectorFault::NotANumber(part) => format!("'{part}' is not a number"),
        VectorFault::NotFinite(part) => format!("'{part}' is not a finite number"),
    };
    let shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    unreadable(format!("cannot read '{shown}' as a vector: {reason}"))
}

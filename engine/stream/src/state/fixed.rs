//! A column of numbers, times or other values of fixed width.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanBufferBuilder, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::StateColumn;

/// Either an array as an accumulator gave it, or values that are written in place.
pub(super) struct FixedColumn<T: ArrowPrimitiveType> {
    data_type: DataType,
    /// Stands for `owned` while it is there.
    shared: Option<PrimitiveArray<T>>,
    owned: Owned<T>,
}

struct Owned<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    /// Absent as long as there is no NULL.
    valid: Option<BooleanBufferBuilder>,
}

impl<T: ArrowPrimitiveType> FixedColumn<T> {
    pub(super) fn new(data_type: DataType) -> Self {
        Self { data_type, shared: None, owned: Owned { values: Vec::new(), valid: None } }
    }

    fn owned(&mut self) -> &mut Owned<T> {
        if let Some(array) = self.shared.take() {
            self.owned = Owned::of(array);
        }
        &mut self.owned
    }

    fn array(&self, values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let array = PrimitiveArray::<T>::try_new(values.into(), nulls.filter(|nulls| nulls.null_count() > 0))?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

impl<T: ArrowPrimitiveType> Owned<T> {
    fn of(array: PrimitiveArray<T>) -> Self {
        let (_, values, nulls) = array.into_parts();
        Self { values: values.into(), valid: nulls.map(|nulls| bits_of(&nulls)) }
    }

    fn resize(&mut self, count: usize) {
        let added = count.saturating_sub(self.values.len());
        self.values.resize(count, T::Native::default());
        if let Some(valid) = &mut self.valid {
            valid.append_n(added, true);
        }
    }

    fn write_nulls(&mut self, groups: &[u32], nulls: Option<&NullBuffer>) {
        let count = self.values.len();
        match (nulls, &mut self.valid) {
            (None, None) => {}
            (None, Some(valid)) => groups.iter().for_each(|&group| valid.set_bit(group as usize, true)),
            (Some(nulls), valid) => {
                let valid = valid.get_or_insert_with(|| all_valid(count));
                for (&group, is_valid) in groups.iter().zip(nulls) {
                    valid.set_bit(group as usize, is_valid);
                }
            }
        }
    }
}

impl<T: ArrowPrimitiveType> StateColumn for FixedColumn<T> {
    fn scatter(&mut self, groups: &[u32], rows: &ArrayRef, count: usize) -> Result<()> {
        let rows = rows.as_primitive::<T>();
        let owned = self.owned();
        owned.resize(count);
        for (&group, &value) in groups.iter().zip(rows.values()) {
            owned.values[group as usize] = value;
        }
        owned.write_nulls(groups, rows.nulls().filter(|nulls| nulls.null_count() > 0));
        Ok(())
    }

    fn gather(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let groups = groups.iter().map(|&group| group as usize);
        let (values, nulls) = match &self.shared {
            Some(array) => {
                let all = array.values();
                let nulls = array.nulls().map(|nulls| groups.clone().map(|group| nulls.is_valid(group)).collect());
                (groups.map(|group| all[group]).collect(), nulls)
            }
            None => {
                let Owned { values, valid } = &self.owned;
                let nulls = valid.as_ref().map(|valid| groups.clone().map(|group| valid.get_bit(group)).collect());
                (groups.map(|group| values[group]).collect(), nulls)
            }
        };
        self.array(values, nulls)
    }

    fn whole(&mut self) -> Result<ArrayRef> {
        match &self.shared {
            Some(array) => Ok(Arc::new(array.clone())),
            None => {
                let nulls = self.owned.valid.as_ref().map(|valid| NullBuffer::new(valid.finish_cloned()));
                self.array(self.owned.values.clone(), nulls)
            }
        }
    }

    fn replace(&mut self, rows: ArrayRef) {
        self.owned = Owned { values: Vec::new(), valid: None };
        self.shared = Some(rows.as_primitive::<T>().clone());
    }

    fn bytes(&self) -> usize {
        let valid = self.owned.valid.as_ref().map_or(0, |valid| valid.capacity() / 8);
        let shared = self.shared.as_ref().map_or(0, |array| super::array_bytes(array));
        self.owned.values.capacity() * size_of::<T::Native>() + valid + shared
    }
}

fn bits_of(nulls: &NullBuffer) -> BooleanBufferBuilder {
    let mut bits = BooleanBufferBuilder::new(nulls.len());
    bits.append_buffer(nulls.inner());
    bits
}

fn all_valid(count: usize) -> BooleanBufferBuilder {
    let mut bits = BooleanBufferBuilder::new(count);
    bits.append_n(count, true);
    bits
}

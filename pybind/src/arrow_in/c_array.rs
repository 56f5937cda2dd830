//! Arrays out of C structures.
//!
//! The number of bytes behind a pointer is told by nothing but the type and the length, so both are looked at first, and
//! then what they promise: how many buffers and children there are, and that they are there. The content is validated after
//! that, before anything else looks at it. No value is copied, except where memory is not aligned.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayDataBuilder, ArrayRef, BufferSpec, layout, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow::datatypes::{DataType, UnionMode};
use arrow::ffi::FFI_ArrowArray;
use arrow::util::bit_util::ceil;
use velaria::{Result, validate_foreign};

use super::{broken, guarded};
use crate::exit::Lent;

/// More elements than any memory holds: a length beyond is a mistake, and sums of lengths below cannot overflow.
const LENGTH_MAX: usize = 1 << 40;
/// More bytes than any machine has memory.
const BYTES_MAX: usize = 1 << 42;

/// Takes an array over, with all that is behind it.
pub(super) fn import(array: FFI_ArrowArray, data_type: &DataType) -> Result<ArrayRef> {
    let owner = Arc::new(Lent::new(array));
    let mut data = Part::new(&owner, &owner, data_type)?.data()?;
    data.align_buffers();
    guarded(|| validate_foreign(&data))?;
    guarded(|| Ok(make_array(data)))
}

/// An array, or one that is a part of another.
struct Part<'a> {
    array: &'a FFI_ArrowArray,
    /// What keeps the memory of all parts.
    owner: &'a Arc<Lent<FFI_ArrowArray>>,
    data_type: &'a DataType,
    length: usize,
    offset: usize,
    has_nulls: bool,
}

impl<'a> Part<'a> {
    fn new(array: &'a FFI_ArrowArray, owner: &'a Arc<Lent<FFI_ArrowArray>>, data_type: &'a DataType) -> Result<Self> {
        if array.is_released() {
            return Err(broken("an array was released already"));
        }
        let sizes = size(array.length).zip(size(array.offset));
        let Some((length, offset)) = sizes.filter(|(length, offset)| length + offset <= LENGTH_MAX) else {
            let message = format!("an array of {data_type} has length {} and offset {}", array.length, array.offset);
            return Err(broken(&message));
        };
        let has_nulls = layout(data_type).can_contain_null_mask;
        let part = Self { array, owner, data_type, length, offset, has_nulls };
        part.check_buffers()?;
        part.check_children()?;
        Ok(part)
    }

    fn wrong(&self, what: &str) -> velaria::Error {
        broken(&format!("an array of {} {what}", self.data_type))
    }

    /// How many elements lie in the memory of the array.
    fn end(&self) -> usize {
        self.offset + self.length
    }

    fn check_buffers(&self) -> Result<()> {
        let layout = layout(self.data_type);
        let expected = usize::from(self.has_nulls) + layout.buffers.len();
        let found = self.array.n_buffers;
        let fits = match usize::try_from(found) {
            // The lengths of the other buffers come last.
            Ok(found) if layout.variadic => found > expected && found < LENGTH_MAX,
            // Some producers have an absent bitmap here.
            Ok(found) if *self.data_type == DataType::Null => found <= 1,
            Ok(found) => found == expected,
            Err(_) => false,
        };
        if !fits {
            return Err(self.wrong(&format!("has {found} buffers instead of {expected}")));
        }
        if expected > 0 && self.array.buffers.is_null() {
            return Err(self.wrong("has no buffers where it says that it has some"));
        }
        Ok(())
    }

    fn check_children(&self) -> Result<()> {
        let expected = children(self.data_type).len();
        if usize::try_from(self.array.n_children) != Ok(expected) {
            let found = self.array.n_children;
            return Err(self.wrong(&format!("has {found} children instead of {expected}")));
        }
        if expected > 0 && self.array.children.is_null() {
            return Err(self.wrong("has no children where it says that it has some"));
        }
        let is_dictionary = matches!(self.data_type, DataType::Dictionary(..));
        if is_dictionary == self.array.dictionary.is_null() {
            return Err(self.wrong(if is_dictionary { "has no dictionary" } else { "has a dictionary" }));
        }
        Ok(())
    }

    fn data(&self) -> Result<ArrayData> {
        if self.length == 0 {
            // Its buffers may be absent, whatever the type.
            return guarded(|| Ok(ArrayData::new_empty(self.data_type)));
        }
        let builder = ArrayDataBuilder::new(self.data_type.clone()).len(self.length).offset(self.offset);
        let builder = builder.nulls(self.nulls()?).buffers(self.buffers()?).child_data(self.child_data()?);
        #[expect(unsafe_code, reason = "the content is validated when all parts are there")]
        // SAFETY: every buffer has the size that the type and the length ask for; `import` validates the content before
        // anything reads it.
        Ok(unsafe { builder.build_unchecked() })
    }

    fn pointer(&self, index: usize) -> *const c_void {
        #[expect(unsafe_code, reason = "the C data interface hands out an array of pointers")]
        // SAFETY: `index` is below `n_buffers`, as `check_buffers` saw, and `buffers` is not null.
        unsafe {
            self.array.buffers.add(index).read_unaligned()
        }
    }

    fn buffer(&self, index: usize, bytes: usize) -> Result<Buffer> {
        if bytes == 0 {
            // Aligned for every type.
            return Ok(MutableBuffer::new(0).into());
        }
        if bytes > BYTES_MAX {
            return Err(self.wrong(&format!("says that it has {} values", self.end())));
        }
        let Some(pointer) = NonNull::new(self.pointer(index).cast::<u8>().cast_mut()) else {
            return Err(self.wrong(&format!("has no buffer {index}")));
        };
        #[expect(unsafe_code, reason = "memory that the C data interface lends")]
        // SAFETY: the interface promises memory for all elements up to `end` until the owner is released.
        Ok(unsafe { Buffer::from_custom_allocation(pointer, bytes, Arc::clone(self.owner) as _) })
    }

    fn nulls(&self) -> Result<Option<NullBuffer>> {
        if !self.has_nulls {
            return Ok(None);
        }
        let told = self.array.null_count;
        let nulls = match self.pointer(0).is_null() {
            true => None,
            false => {
                let bits = self.buffer(0, ceil(self.end(), 8))?;
                Some(NullBuffer::new(BooleanBuffer::new(bits, self.offset, self.length)))
            }
        };
        let found = nulls.as_ref().map_or(0, NullBuffer::null_count);
        if told != -1 && usize::try_from(told) != Ok(found) {
            return Err(self.wrong(&format!("says that it has {told} NULLs, and has {found}")));
        }
        Ok(nulls.filter(|_| found > 0))
    }

    /// The buffers behind the bitmap.
    fn buffers(&self) -> Result<Vec<Buffer>> {
        let first = usize::from(self.has_nulls);
        match self.data_type {
            DataType::Utf8 | DataType::Binary => self.offsets_and_bytes::<i32>(),
            DataType::LargeUtf8 | DataType::LargeBinary => self.offsets_and_bytes::<i64>(),
            DataType::List(_) | DataType::Map(..) => Ok(vec![self.buffer(first, (self.end() + 1) * size_of::<i32>())?]),
            DataType::LargeList(_) => Ok(vec![self.buffer(first, (self.end() + 1) * size_of::<i64>())?]),
            DataType::Utf8View | DataType::BinaryView => self.views(),
            _ => {
                let specs = layout(self.data_type).buffers;
                let bytes = specs.iter().map(|spec| match spec {
                    BufferSpec::BitMap => ceil(self.end(), 8),
                    BufferSpec::FixedWidth { byte_width, .. } => self.end().saturating_mul(*byte_width),
                    // The types that have these are above.
                    BufferSpec::VariableWidth | BufferSpec::AlwaysNull => 0,
                });
                bytes.enumerate().map(|(index, bytes)| self.buffer(first + index, bytes)).collect()
            }
        }
    }

    fn offsets_and_bytes<O: Copy + TryInto<usize>>(&self) -> Result<Vec<Buffer>> {
        let offsets = self.buffer(1, (self.end() + 1) * size_of::<O>())?;
        #[expect(unsafe_code, reason = "the memory may not be aligned")]
        // SAFETY: the buffer has one offset more than there are elements.
        let last = unsafe { offsets.as_ptr().cast::<O>().add(self.end()).read_unaligned() };
        let bytes = last.try_into().ok().filter(|bytes| *bytes <= LENGTH_MAX);
        let Some(bytes) = bytes else { return Err(self.wrong("has a last offset that cannot be")) };
        Ok(vec![offsets, self.buffer(2, bytes)?])
    }

    /// The views, and the buffers that they point into, whose lengths are in the last buffer.
    fn views(&self) -> Result<Vec<Buffer>> {
        let mut buffers = vec![self.buffer(1, self.end() * size_of::<u128>())?];
        let last = usize::try_from(self.array.n_buffers).unwrap_or_default().saturating_sub(1);
        let count = last.saturating_sub(2);
        let lengths = self.buffer(last, count * size_of::<i64>())?;
        for index in 0..count {
            #[expect(unsafe_code, reason = "the memory may not be aligned")]
            // SAFETY: there is a length for each of these buffers.
            let length = unsafe { lengths.as_ptr().cast::<i64>().add(index).read_unaligned() };
            let Some(bytes) = size(length) else {
                return Err(self.wrong(&format!("has a buffer of {length} bytes")));
            };
            buffers.push(self.buffer(2 + index, bytes)?);
        }
        Ok(buffers)
    }

    fn child_data(&self) -> Result<Vec<ArrayData>> {
        if let DataType::Dictionary(_, values) = self.data_type {
            return Ok(vec![self.child(self.array.dictionary, values)?.data()?]);
        }
        let types = children(self.data_type).into_iter().enumerate();
        types.map(|(index, data_type)| self.child_at(index, data_type)).collect()
    }

    fn child_at(&self, index: usize, data_type: &DataType) -> Result<ArrayData> {
        #[expect(unsafe_code, reason = "the C data interface hands out an array of pointers")]
        // SAFETY: `index` is below `n_children`, as `check_children` saw, and `children` is not null.
        let pointer = unsafe { self.array.children.add(index).read_unaligned() };
        let child = self.child(pointer, data_type)?;
        let needed = match self.data_type {
            DataType::Struct(_) | DataType::Union(_, UnionMode::Sparse) => self.end(),
            DataType::FixedSizeList(_, size) => self.end().saturating_mul(usize::try_from(*size).unwrap_or_default()),
            _ => 0,
        };
        if child.length < needed {
            return Err(self.wrong(&format!("needs {needed} values, and has {}", child.length)));
        }
        child.data()
    }

    fn child(&self, pointer: *mut FFI_ArrowArray, data_type: &'a DataType) -> Result<Part<'a>> {
        #[expect(unsafe_code, reason = "the C data interface hands out pointers")]
        // SAFETY: a pointer that is not null points to an array that lives as long as the owner.
        let child: Option<&'a FFI_ArrowArray> = unsafe { pointer.as_ref() };
        let Some(child) = child else { return Err(self.wrong("has a child that is missing")) };
        Part::new(child, self.owner, data_type)
    }
}

fn size(number: i64) -> Option<usize> {
    usize::try_from(number).ok().filter(|size| *size <= LENGTH_MAX)
}

/// The types of the children that an array of a type has.
fn children(data_type: &DataType) -> Vec<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => vec![item.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.data_type()).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends.data_type(), values.data_type()],
        _ => Vec::new(),
    }
}

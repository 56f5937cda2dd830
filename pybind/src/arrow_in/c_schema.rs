//! The type that a C schema says.
//!
//! The schema was made by somebody else: pointers may be absent, a part may contain itself, and any number may stand
//! anywhere. What arrow reads is a copy of it, made here from what was looked at. Metadata stays behind: its lengths cannot
//! be checked, and nothing here reads it.

use std::ffi::{CStr, c_char};

use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType};
use arrow::ffi::FFI_ArrowSchema;
use velaria::Result;

use super::{broken, guarded};

/// How deeply types may be nested.
const DEPTH_MAX: usize = 64;
/// How many fields there may be, those of fields included.
const FIELDS_MAX: usize = 1 << 20;

/// The type of `schema`.
pub(super) fn data_type(schema: &FFI_ArrowSchema) -> Result<DataType> {
    let copy = Copier { fields_left: FIELDS_MAX }.copy(schema, 0)?;
    let data_type = guarded(|| DataType::try_from(&copy))?;
    check(&data_type)?;
    Ok(data_type)
}

struct Copier {
    fields_left: usize,
}

impl Copier {
    fn copy(&mut self, schema: &FFI_ArrowSchema, depth: usize) -> Result<FFI_ArrowSchema> {
        if schema.release.is_none() {
            return Err(broken("the schema was released already"));
        }
        if depth > DEPTH_MAX {
            return Err(broken(&format!("its types are nested more than {DEPTH_MAX} deep")));
        }
        let left = self.fields_left.checked_sub(1);
        self.fields_left = left.ok_or_else(|| broken(&format!("it has more than {FIELDS_MAX} fields")))?;
        let Some(format) = text(schema.format, "a format")? else { return Err(broken("a field has no format")) };
        let name = text(schema.name, "a name")?.unwrap_or_default();
        let children = self.children(schema, depth)?;
        let dictionary = part(schema.dictionary).map(|values| self.copy(values, depth + 1)).transpose()?;
        let mut copy = guarded(|| FFI_ArrowSchema::try_new(format, children, dictionary)?.with_name(name))?;
        copy.flags = schema.flags;
        Ok(copy)
    }

    fn children(&mut self, schema: &FFI_ArrowSchema, depth: usize) -> Result<Vec<FFI_ArrowSchema>> {
        let count = usize::try_from(schema.n_children).ok().filter(|count| *count <= self.fields_left);
        let Some(count) = count else {
            return Err(broken(&format!("a field says that it has {} children", schema.n_children)));
        };
        if count > 0 && schema.children.is_null() {
            return Err(broken("a field has no children where it says that it has some"));
        }
        let copy = |index| {
            #[expect(unsafe_code, reason = "the C data interface hands out an array of pointers")]
            // SAFETY: the interface promises `n_children` pointers behind `children`, which is not null.
            let child = unsafe { schema.children.add(index).read_unaligned() };
            let child = part(child).ok_or_else(|| broken("a child of a field is missing"))?;
            self.copy(child, depth + 1)
        };
        (0..count).map(copy).collect()
    }
}

/// What a pointer of the schema points to.
fn part<'a>(schema: *mut FFI_ArrowSchema) -> Option<&'a FFI_ArrowSchema> {
    #[expect(unsafe_code, reason = "the C data interface hands out pointers")]
    // SAFETY: a pointer that is not null points to a schema that lives as long as the one it is a part of, which the
    // caller of `data_type` holds on to.
    unsafe {
        schema.as_ref()
    }
}

fn text<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    #[expect(unsafe_code, reason = "the C data interface hands out texts that end with a zero")]
    // SAFETY: as for `part`.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map(Some).map_err(|_| broken(&format!("{what} is not UTF-8: {}", text.to_string_lossy())))
}

/// Whether a value of the type can be: arrow reads sizes that no value has.
fn check(data_type: &DataType) -> Result<()> {
    let fits = match data_type {
        DataType::Decimal32(precision, _) => digits::<Decimal32Type>(*precision),
        DataType::Decimal64(precision, _) => digits::<Decimal64Type>(*precision),
        DataType::Decimal128(precision, _) => digits::<Decimal128Type>(*precision),
        DataType::Decimal256(precision, _) => digits::<Decimal256Type>(*precision),
        DataType::FixedSizeBinary(size) => *size >= 0,
        DataType::Dictionary(key, values) => {
            check(values)?;
            key.is_dictionary_key_type()
        }
        DataType::FixedSizeList(item, size) => {
            check(item.data_type())?;
            *size >= 0
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            return check(item.data_type());
        }
        DataType::Map(entries, _) => {
            check(entries.data_type())?;
            matches!(entries.data_type(), DataType::Struct(pair) if pair.len() == 2)
        }
        DataType::RunEndEncoded(ends, values) => {
            check(values.data_type())?;
            ends.data_type().is_run_ends_type()
        }
        DataType::Struct(fields) => return fields.iter().try_for_each(|field| check(field.data_type())),
        DataType::Union(fields, _) => return fields.iter().try_for_each(|(_, field)| check(field.data_type())),
        _ => true,
    };
    if fits { Ok(()) } else { Err(broken(&format!("there is no type {data_type}"))) }
}

fn digits<T: DecimalType>(precision: u8) -> bool {
    (1..=T::MAX_PRECISION).contains(&precision)
}

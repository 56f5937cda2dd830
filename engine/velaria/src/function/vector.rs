//! Functions of vectors: distances, products and norms, with the same bits as vector search.
//!
//! Two vectors are compared in the narrower of their types, as a query is with a column: next to 16- or 32-bit floats,
//! everything else is rounded to 32 bits; without them, everything is 64 bits. DataFusion's functions of the same names
//! are replaced: they know no fixed lengths, sum in another order, and give `NULL` for zeros.

mod measure;
mod rows;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, LargeListArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use velaria_vector::exact::{norm, unit};

pub(crate) use self::measure::{Measure, Nearer};
use self::rows::{Precision, Vectors, one_length};

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// A number for two vectors.
    Measure(Measure),
    /// The Euclidean norm.
    Norm,
    /// The number of components.
    Dimensions,
    /// A vector of the same type and direction, of norm 1.
    Unit,
}

/// A function as data.
#[derive(Debug)]
pub(super) struct Spec {
    name: &'static str,
    aliases: &'static [&'static str],
    gives: Gives,
}

const fn pair(name: &'static str, aliases: &'static [&'static str], measure: Measure) -> Spec {
    Spec { name, aliases, gives: Gives::Measure(measure) }
}

pub(super) const FUNCTIONS: &[Spec] = &[
    pair("l2_distance", &["euclidean_distance", "array_distance", "list_distance"], Measure::L2),
    pair("l1_distance", &["manhattan_distance"], Measure::L1),
    pair("cosine_distance", &["array_cosine_distance", "list_cosine_distance"], Measure::CosineDistance),
    pair("cosine_similarity", &["array_cosine_similarity", "list_cosine_similarity"], Measure::CosineSimilarity),
    pair(
        "inner_product",
        &["dot_product", "array_inner_product", "list_inner_product", "array_dot_product", "list_dot_product"],
        Measure::Dot,
    ),
    pair(
        "negative_inner_product",
        &[
            "array_negative_inner_product",
            "list_negative_inner_product",
            "array_negative_dot_product",
            "list_negative_dot_product",
        ],
        Measure::NegativeDot,
    ),
    Spec { name: "vector_norm", aliases: &["l2_norm"], gives: Gives::Norm },
    Spec { name: "vector_dims", aliases: &[], gives: Gives::Dimensions },
    Spec { name: "l2_normalize", aliases: &[], gives: Gives::Unit },
];

/// A function of vectors. `NULL` for `NULL`; a vector has a number at every position.
#[derive(Debug)]
pub(crate) struct VectorFunction {
    spec: &'static Spec,
    aliases: Vec<String>,
    signature: Signature,
}

impl PartialEq for VectorFunction {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for VectorFunction {}

impl Hash for VectorFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl VectorFunction {
    pub(super) fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            aliases: spec.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// What it measures between two vectors, if it does.
    pub(crate) fn measure(&self) -> Option<Measure> {
        match self.spec.gives {
            Gives::Measure(measure) => Some(measure),
            Gives::Norm | Gives::Dimensions | Gives::Unit => None,
        }
    }

    fn check_count(&self, found: usize) -> Result<()> {
        let (expected, plural) = if self.measure().is_some() { (2, "s") } else { (1, "") };
        if found == expected {
            return Ok(());
        }
        Err(DataFusionError::Plan(format!("{} takes {expected} argument{plural}, not {found}", self.spec.name)))
    }
}

impl ScalarUDFImpl for VectorFunction {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        self.check_count(found.len())?;
        let precision = Precision::of(found);
        let coerced = found.iter().map(|found| {
            let refused = || DataFusionError::Plan(format!("{} does not accept {found}", self.spec.name));
            rows::accept(found, precision).ok_or_else(refused)
        });
        let coerced = coerced.collect::<Result<Vec<_>>>()?;
        if let [DataType::FixedSizeList(_, left), DataType::FixedSizeList(_, right)] = coerced.as_slice()
            && left != right
        {
            return Err(DataFusionError::Plan(one_length(self.spec.name, left, right)));
        }
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self.spec.gives, types) {
            (Gives::Measure(_) | Gives::Norm, _) => DataType::Float64,
            (Gives::Dimensions, _) => DataType::Int64,
            (Gives::Unit, [list]) if list.is_nested() => list.clone(),
            (Gives::Unit, _) => DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true))),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let array = self.compute(&args, rows)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl VectorFunction {
    fn compute(&self, args: &ScalarFunctionArgs, rows: usize) -> Result<ArrayRef> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let vectors = |value| Vectors::try_new(value, Precision::of(&types));
        let vectors = args.args.iter().map(vectors).collect::<Result<Vec<_>>>()?;
        match (self.spec.gives, vectors.as_slice()) {
            (Gives::Measure(measure), [left, right]) => measure.between(self.spec.name, left, right, rows),
            (Gives::Norm, [of]) => norms(of, rows),
            (Gives::Dimensions, [of]) => dimensions(of, rows),
            (Gives::Unit, [of]) => units(of, rows, args.return_type()),
            _ => self.check_count(vectors.len()).map(|()| Arc::new(Float64Array::new_null(rows)) as ArrayRef),
        }
    }
}

/// The query in a constant for vectors of the type `stored`; `None` for `NULL`.
pub(crate) fn query_of(value: Option<ScalarValue>, stored: &DataType) -> Result<Option<Vec<f64>>> {
    let Some(value) = value else { return Ok(None) };
    let found = value.data_type();
    let taken = rows::accept(&found, Precision::of(&[stored.clone(), found.clone()]));
    let taken = taken.ok_or_else(|| DataFusionError::Plan(format!("{found} is no query vector")))?;
    constant(&value.cast_to(&taken)?, stored)
}

/// The vector that stands in a constant, as it is compared with vectors of the type `stored`; `None` for `NULL`.
pub(crate) fn constant(value: &ScalarValue, stored: &DataType) -> Result<Option<Vec<f64>>> {
    let precision = Precision::of(&[stored.clone(), value.data_type()]);
    let vectors = Vectors::try_new(&ColumnarValue::Scalar(value.clone()), precision)?;
    Ok(vectors.at(0)?.map(|place| vectors.wide(place)))
}

fn dimensions(of: &Vectors, rows: usize) -> Result<ArrayRef> {
    let length = |row| Ok(of.at(row)?.and_then(|place| i64::try_from(place.len()).ok()));
    Ok(Arc::new((0..rows).map(length).collect::<Result<Int64Array>>()?))
}

fn norms(of: &Vectors, rows: usize) -> Result<ArrayRef> {
    rows::with_components!(of, values => {
        let one = |row| Ok(of.at(row)?.and_then(|place| values.get(place)).map(norm));
        Ok(Arc::new((0..rows).map(one).collect::<Result<Float64Array>>()?) as ArrayRef)
    })
}

fn units(of: &Vectors, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
    let (mut offsets, mut there, mut all) = (vec![0_i64], Vec::with_capacity(rows), Vec::new());
    for row in 0..rows {
        let place = of.at(row)?;
        there.push(place.is_some());
        if let Some(place) = place {
            rows::with_components!(of, values => all.extend(values.get(place).map(unit).unwrap_or_default()));
        }
        offsets.push(i64::try_from(all.len()).unwrap_or(i64::MAX));
    }
    let lists = LargeListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Float64, true)),
        OffsetBuffer::new(offsets.into()),
        Arc::new(PrimitiveArray::<Float64Type>::from_iter_values(all)),
        Some(NullBuffer::from(there)),
    )?;
    Ok(cast(&lists, data_type)?)
}

//! Components of columns as 32-bit floats, which is what filters compute with.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::exact::Component;

/// What becomes of components that are read as 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Narrowing {
    /// Nothing is lost.
    Exact,
    /// Each component is rounded.
    Rounded,
}

/// A component, and how it is read as a 32-bit float.
pub(crate) trait Narrow: Component {
    /// Whether that is the value itself.
    const NARROWING: Narrowing;

    /// The 32-bit floats; in `scratch` when they are not there already.
    fn narrow<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl Narrow for f32 {
    const NARROWING: Narrowing = Narrowing::Exact;

    fn narrow<'a>(values: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        values
    }
}

impl Narrow for f16 {
    const NARROWING: Narrowing = Narrowing::Exact;

    fn narrow<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(values.len(), 0.0);
        values.convert_to_f32_slice(scratch);
        scratch
    }
}

impl Narrow for f64 {
    const NARROWING: Narrowing = Narrowing::Rounded;

    fn narrow<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.clear();
        scratch.extend(values.iter().map(|value| *value as f32));
        scratch
    }
}

//! The functions of the engine: DataFusion's, and those of our own that people of other engines expect.
//!
//! Each family is a file with a table; [`register`] puts all tables into a session's state. Functions that are only
//! another spelling of an expression are not here but in `plan/calls.rs`.

mod average;
mod collect;
mod date;
mod extreme;
mod format;
mod guard;
mod hash;
mod json;
mod kernel;
mod number;
mod other;
mod regular;
mod search;
mod statistics;
mod text;
pub(crate) mod vector;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use self::average::RoundedAverage;
use self::collect::Collecting;
use self::extreme::{ArgExtreme, End};
use self::guard::Guarded;
use self::kernel::Kernel;
use self::vector::VectorFunction;

const SCALARS: &[&[kernel::Spec]] = &[
    text::FUNCTIONS,
    regular::FUNCTIONS,
    number::FUNCTIONS,
    date::FUNCTIONS,
    hash::FUNCTIONS,
    json::FUNCTIONS,
    format::FUNCTIONS,
    other::FUNCTIONS,
    search::FUNCTIONS,
];

/// Functions that DataFusion's own file scans replace and that fail everywhere else, as an internal error.
const UNUSABLE: &[&str] = &["input_file_name", "file_row_index"];

/// Other names of DataFusion's scalar functions.
const SCALAR_ALIASES: &[(&str, &[&str])] = &[
    ("lower", &["lcase"]),
    ("upper", &["ucase"]),
    ("chr", &["char"]),
    ("ceil", &["ceiling"]),
    ("signum", &["sign"]),
    ("gcd", &["greatest_common_divisor"]),
    ("lcm", &["least_common_multiple"]),
    ("make_array", &["list_value", "list_pack"]),
    ("array_has", &["array_has_element"]),
    ("array_reverse", &["array_reversed"]),
    ("arrow_typeof", &["arrow_type"]),
    ("uuid", &["gen_random_uuid", "newid"]),
    ("levenshtein", &["editdist3"]),
];

/// Other names of DataFusion's aggregates.
const AGGREGATE_ALIASES: &[(&str, &[&str])] = &[
    ("array_agg", &["list"]),
    ("first_value", &["first"]),
    ("last_value", &["last"]),
    ("any_value", &["arbitrary"]),
    ("bool_and", &["every"]),
    ("var", &["variance"]),
    ("approx_distinct", &["approx_count_distinct"]),
    ("approx_percentile_cont", &["approx_quantile"]),
];

/// Puts the functions of our own, and further names of DataFusion's, into `state`.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for name in UNUSABLE {
        state.deregister_udf(name)?;
    }
    for (name, before) in guard::GUARDS {
        let inner = state.udf(name)?;
        state.register_udf(Arc::new(ScalarUDF::from(Guarded::new(inner, *before))))?;
    }
    for (name, aliases) in SCALAR_ALIASES {
        let function = ScalarUDF::clone(&*state.udf(name)?).with_aliases(aliases.iter().copied());
        state.register_udf(Arc::new(function))?;
    }
    for (name, aliases) in AGGREGATE_ALIASES {
        let function = AggregateUDF::clone(&*state.udaf(name)?).with_aliases(aliases.iter().copied());
        state.register_udaf(Arc::new(function))?;
    }
    for spec in SCALARS.iter().copied().flatten() {
        state.register_udf(Arc::new(ScalarUDF::from(Kernel::new(spec))))?;
    }
    for spec in vector::FUNCTIONS {
        state.register_udf(Arc::new(ScalarUDF::from(VectorFunction::new(spec))))?;
    }
    for spec in collect::AGGREGATES {
        state.register_udaf(Arc::new(AggregateUDF::from(Collecting::new(spec))))?;
    }
    let average = state.udaf("avg")?;
    state.register_udaf(Arc::new(AggregateUDF::from(RoundedAverage::new(average))))?;
    for end in [End::Least, End::Greatest] {
        state.register_udaf(Arc::new(AggregateUDF::from(ArgExtreme::new(end))))?;
    }
    for (name, alias) in [("first_value", "first"), ("last_value", "last")] {
        let function = WindowUDF::clone(&*state.udwf(name)?).with_aliases([alias]);
        state.register_udwf(Arc::new(function))?;
    }
    Ok(())
}

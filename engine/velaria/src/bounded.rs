//! Functions whose result can be far larger than their arguments, bounded by the memory of the session.
//!
//! A function such as `repeat` would allocate first and fail afterwards, and with it the process. Each of them is wrapped:
//! the size of its result is computed from its arguments and reserved before anything is built. `bounded/size.rs` is the
//! list of them.

mod size;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use velaria_contract::{Error, ErrorCode};

use crate::limits::shared_pool;

use self::size::{Call, SIZES, Size};

/// Up to this size nobody asks the pool: most results are tiny.
const FREE_BYTES: u128 = 1 << 20;
/// Beyond this size the answer is the same on every machine.
const SENSE_BYTES_MAX: u128 = 1 << 40;
/// The planner computes constants and prints them; larger ones are left to the execution.
const CONSTANT_BYTES_MAX: u128 = 4 << 20;

/// Puts the bounded functions in the place of the plain ones.
pub(crate) fn register(state: &mut SessionState) -> DataFusionResult<()> {
    for (name, size) in SIZES {
        // A function that this build does not have needs no bound.
        let Ok(inner) = state.udf(name) else { continue };
        let bounded = Bounded { inner, size: SizeOf(*size) };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(bounded)))?;
    }
    Ok(())
}

thread_local! {
    /// The pool of the query that this thread polls. A plan may have been made by another session.
    static POOL: RefCell<Option<Arc<dyn MemoryPool>>> = const { RefCell::new(None) };
    static PLANNING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `plan`, in which constants are computed, so that no large one comes out of it.
pub(crate) fn planning<T>(plan: impl FnOnce() -> T) -> T {
    let _restore = Restore(PLANNING.replace(true));
    plan()
}

struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        PLANNING.set(self.0);
    }
}

/// Runs `poll` with the memory of `pool`.
pub(crate) fn with_pool<T>(pool: &Arc<dyn MemoryPool>, poll: impl FnOnce() -> T) -> T {
    let _restore = RestorePool(POOL.replace(Some(Arc::clone(pool))));
    poll()
}

struct RestorePool(Option<Arc<dyn MemoryPool>>);

impl Drop for RestorePool {
    fn drop(&mut self) {
        POOL.set(self.0.take());
    }
}

/// A function behind the bound of its result.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    size: SizeOf,
}

/// There is one size for each function, so the function alone says which one it is.
struct SizeOf(Size);

impl std::fmt::Debug for SizeOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("size")
    }
}

impl PartialEq for SizeOf {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SizeOf {}

impl std::hash::Hash for SizeOf {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Bounded {
    /// The memory for the result, held while it is built.
    fn reserve(&self, args: &ScalarFunctionArgs) -> DataFusionResult<Option<MemoryReservation>> {
        let bytes = (self.size.0)(&Call { args: &args.args, rows: args.number_rows })?;
        if bytes <= FREE_BYTES {
            return Ok(None);
        }
        if PLANNING.get() && bytes > CONSTANT_BYTES_MAX {
            return Err(DataFusionError::ResourcesExhausted("the constant is too large".to_owned()));
        }
        if bytes > SENSE_BYTES_MAX {
            return Err(DataFusionError::External(Box::new(self.senseless(bytes))));
        }
        let pool = POOL.with_borrow(Clone::clone).or_else(|| Memory::of(args));
        let pool = pool.unwrap_or_else(shared_pool);
        let reservation = MemoryConsumer::new(format!("{}()", self.inner.name())).register(&pool);
        reservation.try_grow(usize::try_from(bytes).unwrap_or(usize::MAX / 2))?;
        Ok(Some(reservation))
    }
}

impl Bounded {
    fn senseless(&self, bytes: u128) -> Error {
        let message = format!("out of memory: the result of {} would have {} TiB", self.inner.name(), bytes >> 40);
        Error::new(ErrorCode::OutOfMemory, message).with_hint("make the arguments smaller")
    }
}

impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let _reserved = self.reserve(&args)?;
        self.inner.invoke_with_args(args)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> DataFusionResult<DataType> {
        self.inner.inner().return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        self.inner.inner().return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        self.inner.inner().coerce_types(arg_types)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> DataFusionResult<ExprSimplifyResult> {
        self.inner.inner().simplify(args, info)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> DataFusionResult<SortProperties> {
        self.inner.inner().output_ordering(inputs)
    }

    fn short_circuits(&self) -> bool {
        self.inner.inner().short_circuits()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// The memory of a session, inside of DataFusion's configuration, where functions find it.
#[derive(Debug, Clone)]
pub(crate) struct Memory(pub(crate) Arc<dyn MemoryPool>);

impl Memory {
    fn of(args: &ScalarFunctionArgs) -> Option<Arc<dyn MemoryPool>> {
        args.config_options.extensions.get::<Self>().map(|memory| Arc::clone(&memory.0))
    }
}

impl ConfigExtension for Memory {
    const PREFIX: &'static str = "velaria_memory";
}

impl ExtensionOptions for Memory {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> DataFusionResult<()> {
        Err(DataFusionError::Configuration(format!("cannot set {key}")))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

//! What plans and frames of one session share: the catalog and DataFusion's state.
//!
//! There are two states over one catalog. They differ in the number of partitions: splitting a few thousand rows over
//! threads costs more than computing with them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder, TaskContext};
use datafusion::prelude::SessionConfig as DataFusionConfig;
use velaria_connector::{ConsoleOutput, FileAccess};
use velaria_contract::{Error, ErrorCode, Result};

use crate::bounded::{self, Memory};
use crate::catalog::{CATALOG, Catalog, SCHEMA, Sight};
use crate::config::SessionConfig;
use crate::console::StandardOutput;
use crate::function;
use crate::limits;
use crate::notices::Notices;
use crate::plan::chain;
use crate::plan::date_arithmetic::DateArithmetic;
use crate::plan::stream;
use crate::plan::types::TypeWords;
use crate::plan_cache::PlanCache;
use crate::rule;
use crate::search::SearchPlanner;
use crate::stop::Running;
use crate::variables::Variables;
use crate::vector_cache::VectorCache;

/// The shared part of a session.
///
/// The states are made when they are needed first: a session whose statements are known by their plans needs none.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) access: FileAccess,
    /// The limit that the session was given, which holds for the state of a stream as well.
    pub(crate) memory_limit_bytes: Option<u64>,
    pub(crate) running: Arc<Running>,
    pub(crate) notices: Arc<Notices>,
    /// Where the sinks of `USING console` write.
    console: Arc<Mutex<Arc<dyn ConsoleOutput>>>,
    /// Of this session alone: functions in a plan hold its limits.
    pub(crate) plans: PlanCache,
    /// The compressed copies of vectors.
    pub(crate) vectors: Arc<VectorCache>,
    /// The context of the session, where this one is that of a statement with variables.
    session: Option<Arc<Self>>,
    template: &'static SessionState,
    catalogs: Arc<dyn CatalogProviderList>,
    runtime: Arc<RuntimeEnv>,
    parallel_options: DataFusionConfig,
    serial_options: DataFusionConfig,
    parallel: OnceLock<SessionState>,
    serial: OnceLock<SessionState>,
    serial_task: OnceLock<Arc<TaskContext>>,
}

/// How the rows of a plan are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Over all partitions of the session.
    Parallel,
    /// In one partition.
    Serial,
}

/// The functions, rules and planners are the same in every session: they are built once.
static TEMPLATE: LazyLock<DataFusionResult<SessionState>> = LazyLock::new(|| {
    let mut builder = SessionStateBuilder::new_with_default_features()
        .with_type_planner(Arc::new(TypeWords))
        .with_query_planner(Arc::new(SearchPlanner));
    builder.scalar_functions().get_or_insert_default().extend(chain::functions());
    let mut state = rule::register(builder).build();
    function::register(&mut state)?;
    state.register_expr_planner(Arc::new(DateArithmetic))?;
    // Last: it bounds what the others have registered.
    bounded::register(&mut state)?;
    Ok(state)
});

/// The state that every session starts from.
pub(crate) fn template() -> Result<&'static SessionState> {
    TEMPLATE.as_ref().map_err(|error| Error::new(ErrorCode::Internal, format!("cannot set up the functions: {error}")))
}

impl Context {
    pub(crate) fn new(config: &SessionConfig) -> Result<Self> {
        let catalog = Arc::new(Catalog::default());
        let access = config.file_access()?;
        let runtime = limits::runtime(config, &access)?;
        let options = |partitions| -> Result<DataFusionConfig> {
            let mut options = datafusion_config(partitions);
            options.options_mut().extensions.insert(access.clone());
            options.options_mut().extensions.insert(Memory(Arc::clone(&runtime.memory_pool)));
            limits::fit(&mut options, config, partitions)?;
            Ok(options)
        };
        let (parallel_options, mut serial_options) = (options(config.target_partitions()?)?, options(1)?);
        // Small inputs are not worth a filter that is found while the query runs, and a plan without one can run again.
        serial_options.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
        Ok(Self {
            catalogs: catalog_list(&catalog)?,
            catalog,
            access,
            memory_limit_bytes: config.memory_limit_bytes,
            running: Arc::new(Running::new(config.statement_timeout, config.progress_listener.clone())),
            notices: Arc::default(),
            console: Arc::new(Mutex::new(Arc::new(StandardOutput))),
            plans: PlanCache::default(),
            vectors: Arc::new(VectorCache::new(&runtime.memory_pool, limits::vector_cache_bytes(config)?)),
            session: None,
            template: template()?,
            runtime,
            parallel_options,
            serial_options,
            parallel: OnceLock::new(),
            serial: OnceLock::new(),
            serial_task: OnceLock::new(),
        })
    }

    /// This context with tables that one statement sees alone. Everything else is shared with the session: what the statement
    /// makes is made there.
    pub(crate) fn with_variables(self: &Arc<Self>, variables: Variables) -> Result<Arc<Self>> {
        self.with_catalog(self.catalog.with_variables(variables))
    }

    /// This context as stream SQL sees it.
    pub(crate) fn for_streams(self: &Arc<Self>) -> Result<Arc<Self>> {
        self.with_catalog(self.catalog.for_streams())
    }

    fn with_catalog(self: &Arc<Self>, catalog: Catalog) -> Result<Arc<Self>> {
        let catalog = Arc::new(catalog);
        Ok(Arc::new(Self {
            catalogs: catalog_list(&catalog)?,
            catalog,
            access: self.access.clone(),
            memory_limit_bytes: self.memory_limit_bytes,
            running: Arc::clone(&self.running),
            notices: Arc::clone(&self.notices),
            console: Arc::clone(&self.console),
            plans: PlanCache::default(),
            vectors: Arc::clone(&self.vectors),
            // Its session, and not the statement that this one is for.
            session: Some(Arc::clone(self.session.as_ref().unwrap_or(self))),
            template: self.template,
            runtime: Arc::clone(&self.runtime),
            parallel_options: self.parallel_options.clone(),
            serial_options: self.serial_options.clone(),
            parallel: OnceLock::new(),
            serial: OnceLock::new(),
            serial_task: OnceLock::new(),
        }))
    }

    /// The context without the variables of a statement: for what outlives the statement.
    pub(crate) fn of_session(&self) -> Option<&Arc<Self>> {
        self.session.as_ref()
    }

    /// The state that plans and runs with the given spread.
    pub(crate) fn state(&self, spread: Spread) -> &SessionState {
        match spread {
            Spread::Parallel => self.parallel.get_or_init(|| self.new_state(&self.parallel_options, spread)),
            Spread::Serial => self.serial.get_or_init(|| self.new_state(&self.serial_options, spread)),
        }
    }

    /// What the operators of a plan in one partition are given. No functions: operators hold those that they call.
    pub(crate) fn serial_task(&self) -> Arc<TaskContext> {
        let task = self.serial_task.get_or_init(|| {
            let (id, config, runtime) = (String::new(), self.serial_options.clone(), Arc::clone(&self.runtime));
            Arc::new(TaskContext::new(
                None,
                id,
                config,
                HashMap::new(),
                HashMap::new(),
                HashMap::new(),
                HashMap::new(),
                runtime,
            ))
        });
        Arc::clone(task)
    }

    /// The number of threads of a query.
    pub(crate) fn threads(&self) -> usize {
        self.parallel_options.target_partitions()
    }

    /// Where the sinks of `USING console` write.
    pub(crate) fn console(&self) -> Arc<dyn ConsoleOutput> {
        Arc::clone(&self.console.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says where sinks that are made from now on write.
    pub(crate) fn set_console(&self, output: Arc<dyn ConsoleOutput>) {
        *self.console.lock().unwrap_or_else(PoisonError::into_inner) = output;
    }

    /// The memory that the queries of this session share.
    pub(crate) fn memory_pool(&self) -> &Arc<dyn MemoryPool> {
        &self.runtime.memory_pool
    }

    fn new_state(&self, options: &DataFusionConfig, spread: Spread) -> SessionState {
        if let Some(session) = &self.session {
            let mut state = session.state(spread).clone();
            state.register_catalog_list(Arc::clone(&self.catalogs));
            if self.catalog.variables().has_own() {
                // The rows of a frame have their order, which a query over them keeps where it says no other.
                state.config_mut().options_mut().sql_parser.enable_subquery_sort_elimination = false;
            }
            if self.catalog.sight() == Sight::Stream {
                stream::register(&mut state);
            }
            return state;
        }
        let other = match spread {
            Spread::Parallel => self.serial.get(),
            Spread::Serial => self.parallel.get(),
        };
        let mut state = match other {
            // It differs in the partitions only, and a copy is cheaper than all functions put in their places again.
            Some(other) => {
                let mut state = other.clone();
                *state.config_mut() = options.clone();
                state
            }
            None => SessionStateBuilder::new_from_existing(self.template.clone())
                .with_config(options.clone())
                .with_runtime_env(Arc::clone(&self.runtime))
                .with_catalog_list(Arc::clone(&self.catalogs))
                .build(),
        };
        // Functions find the limits of the session here.
        state.execution_props_mut().config_options = Some(Arc::clone(state.config_options()));
        state
    }
}

fn catalog_list(catalog: &Arc<Catalog>) -> Result<Arc<dyn CatalogProviderList>> {
    let database = MemoryCatalogProvider::new();
    database
        .register_schema(SCHEMA, Arc::<Catalog>::clone(catalog))
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot set up the catalog").with_source(error))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(database));
    Ok(Arc::new(list))
}

/// With up to this many partitions a join of large inputs has one hash table for all of them. Cutting both inputs into
/// partitions by hash copies every row, which pays when many threads build at the same time.
const SHARED_BUILD_PARTITIONS_MAX: usize = 4;
const SHARED_BUILD_BYTES_MAX: usize = 100 << 20;
const SHARED_BUILD_ROWS_MAX: usize = 3_000_000;

fn datafusion_config(partitions: usize) -> DataFusionConfig {
    let mut config = DataFusionConfig::new()
        .with_target_partitions(partitions)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    // Names keep their case; `plan::names` finds the ones that are written in another case.
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = true;
    // The check takes a plan whose types say NOT NULL too early for a bug (apache/datafusion#24096); rows are right.
    options.execution.skip_physical_aggregate_schema_check = true;
    if partitions <= SHARED_BUILD_PARTITIONS_MAX {
        options.optimizer.hash_join_single_partition_threshold = SHARED_BUILD_BYTES_MAX;
        options.optimizer.hash_join_single_partition_threshold_rows = SHARED_BUILD_ROWS_MAX;
    }
    config
}

//! What plans and frames of one session share: the catalog and DataFusion's state.
//!
//! There are two states over one catalog. They differ in the number of partitions: splitting a few thousand rows over
//! threads costs more than computing with them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::prelude::SessionConfig as DataFusionConfig;
use velaria_contract::{Error, ErrorCode, Result};

use crate::catalog::{CATALOG, Catalog, SCHEMA};
use crate::config::SessionConfig;
use crate::plan::types::TypeWords;
use crate::plan_cache::PlanCache;
use crate::rule;

/// The shared part of a session.
///
/// The states are made when they are needed first: a session whose statements are known by their plans needs none.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) plans: Arc<PlanCache>,
    catalogs: Arc<dyn CatalogProviderList>,
    runtime: Arc<RuntimeEnv>,
    partitions: usize,
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
static TEMPLATE: LazyLock<SessionState> = LazyLock::new(|| {
    let builder = SessionStateBuilder::new_with_default_features().with_type_planner(Arc::new(TypeWords));
    rule::register(builder).build()
});

/// The settings of a plan in one partition; they are the same in every session.
static SERIAL: LazyLock<DataFusionConfig> = LazyLock::new(|| {
    let mut config = datafusion_config(1);
    // Small inputs are not worth a filter that is found while the query runs, and a plan without one can run again.
    config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
    config
});

impl Context {
    pub(crate) fn new(config: &SessionConfig) -> Result<Self> {
        let catalog = Arc::new(Catalog::default());
        Ok(Self {
            catalogs: catalog_list(&catalog)?,
            catalog,
            plans: PlanCache::shared(),
            runtime: Arc::new(RuntimeEnv::default()),
            partitions: config.target_partitions()?,
            parallel: OnceLock::new(),
            serial: OnceLock::new(),
            serial_task: OnceLock::new(),
        })
    }

    /// The state that plans and runs with the given spread.
    pub(crate) fn state(&self, spread: Spread) -> &SessionState {
        match spread {
            Spread::Parallel => self.parallel.get_or_init(|| self.new_state(datafusion_config(self.partitions))),
            Spread::Serial => self.serial.get_or_init(|| self.new_state(SERIAL.clone())),
        }
    }

    /// What the operators of a plan in one partition are given. No functions: operators hold those that they call.
    pub(crate) fn serial_task(&self) -> Arc<TaskContext> {
        let task = self.serial_task.get_or_init(|| {
            let (id, config, runtime) = (String::new(), SERIAL.clone(), Arc::clone(&self.runtime));
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

    fn new_state(&self, config: DataFusionConfig) -> SessionState {
        SessionStateBuilder::new_from_existing(TEMPLATE.clone())
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_catalog_list(Arc::clone(&self.catalogs))
            .build()
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
    // The check takes a plan whose types say NOT NULL too early for a bug (apache/datafusion#17801); rows are right.
    options.execution.skip_physical_aggregate_schema_check = true;
    if partitions <= SHARED_BUILD_PARTITIONS_MAX {
        options.optimizer.hash_join_single_partition_threshold = SHARED_BUILD_BYTES_MAX;
        options.optimizer.hash_join_single_partition_threshold_rows = SHARED_BUILD_ROWS_MAX;
    }
    config
}

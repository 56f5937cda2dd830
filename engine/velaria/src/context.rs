//! What plans and frames of one session share: the catalog and DataFusion's state.
//!
//! There are two states over one catalog. They differ in the number of partitions: splitting a few thousand rows over
//! threads costs more than computing with them.

use std::sync::{Arc, LazyLock};

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig as DataFusionConfig;
use velaria_connector::FileAccess;
use velaria_contract::{Error, ErrorCode, Result};

use crate::bounded::{self, Memory};
use crate::catalog::{CATALOG, Catalog, SCHEMA};
use crate::config::SessionConfig;
use crate::function;
use crate::limits;
use crate::plan::chain;
use crate::plan::date_arithmetic::DateArithmetic;
use crate::plan::types::TypeWords;
use crate::rule;
use crate::stop::Running;

/// The shared part of a session.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) access: FileAccess,
    pub(crate) running: Running,
    parallel: SessionState,
    serial: SessionState,
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
    let mut builder = SessionStateBuilder::new_with_default_features().with_type_planner(Arc::new(TypeWords));
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
        let catalogs = catalog_list(&catalog)?;
        let access = config.file_access()?;
        let runtime = limits::runtime(config, &access)?;
        let template = template()?;
        let state = |partitions| -> Result<SessionState> {
            let mut options = datafusion_config(partitions);
            options.options_mut().extensions.insert(access.clone());
            options.options_mut().extensions.insert(Memory(Arc::clone(&runtime.memory_pool)));
            limits::fit(&mut options, config, partitions)?;
            let builder = SessionStateBuilder::new_from_existing(template.clone())
                .with_config(options)
                .with_runtime_env(Arc::clone(&runtime))
                .with_catalog_list(Arc::clone(&catalogs));
            let mut state = builder.build();
            // Functions find the limits of the session here.
            state.execution_props_mut().config_options = Some(Arc::clone(state.config_options()));
            Ok(state)
        };
        let (parallel, serial) = (state(config.target_partitions()?)?, state(1)?);
        let running = Running::new(config.statement_timeout);
        Ok(Self { catalog, access, running, parallel, serial })
    }

    /// The state that plans and runs with the given spread.
    pub(crate) fn state(&self, spread: Spread) -> &SessionState {
        match spread {
            Spread::Parallel => &self.parallel,
            Spread::Serial => &self.serial,
        }
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
    config
}

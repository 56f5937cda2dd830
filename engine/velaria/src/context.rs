//! What plans and frames of one session share: the catalog and DataFusion's state.
//!
//! There are two states over one catalog. They differ in the number of partitions: splitting a few thousand rows over
//! threads costs more than computing with them.

use std::sync::{Arc, LazyLock};

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig as DataFusionConfig;
use velaria_contract::{Error, ErrorCode, Result};

use crate::catalog::{CATALOG, Catalog, SCHEMA};
use crate::config::SessionConfig;
use crate::plan::chain;
use crate::plan::types::TypeWords;

/// The shared part of a session.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) catalog: Arc<Catalog>,
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
static TEMPLATE: LazyLock<SessionState> = LazyLock::new(|| {
    let mut builder = SessionStateBuilder::new_with_default_features().with_type_planner(Arc::new(TypeWords));
    builder.scalar_functions().get_or_insert_default().extend(chain::functions());
    builder.build()
});

impl Context {
    pub(crate) fn new(config: &SessionConfig) -> Result<Self> {
        let catalog = Arc::new(Catalog::default());
        let catalogs = catalog_list(&catalog)?;
        let runtime = Arc::new(RuntimeEnv::default());
        let state = |partitions| {
            SessionStateBuilder::new_from_existing(TEMPLATE.clone())
                .with_config(datafusion_config(partitions))
                .with_runtime_env(Arc::clone(&runtime))
                .with_catalog_list(Arc::clone(&catalogs))
                .build()
        };
        Ok(Self { catalog, parallel: state(config.target_partitions()?), serial: state(1) })
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
    config
}

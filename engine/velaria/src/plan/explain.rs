//! `EXPLAIN [ANALYZE]`: the text of the contract, one row for each of its lines.

use std::sync::Arc;

use velaria_contract::Result;
use velaria_sql::{Explain, ExplainRun};

use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::plan::describe::text_frame;
use crate::plan::search;

/// Runs `EXPLAIN`; with `ANALYZE` also the query.
pub(crate) async fn explain(context: &Arc<Context>, text: &str, explain: Explain) -> Result<DataFrame> {
    let frame =
        DataFrame::from_query(context, text, search::bind(context, text, explain.query, explain.extensions).await?);
    let mut lines: Vec<String> = frame.explain().await?.to_string().lines().map(str::to_owned).collect();
    if explain.run == ExplainRun::Analyze {
        lines.push("analyze".to_owned());
        lines.extend(frame.analyze().await?);
    }
    text_frame(context, vec![("plan", lines.into_iter().map(Some).collect())])
}

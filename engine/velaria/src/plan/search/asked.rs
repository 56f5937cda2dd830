//! What a search asks for, before its columns are found.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlan;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Ident;
use velaria_sql::{Extensions, HybridSearch, KeywordSearch, position_of};
use velaria_vector::text::VectorFault;
use velaria_vector::{KeywordQuery, Metric, Queries, TextColumn, VectorColumn, text};

use crate::plan::columns;
use crate::search::{Search, Vectors, Words};
use crate::words::type_word;

/// A search whose columns are names.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// `KEYWORD SEARCH`.
    Words(AskedWords),
    /// `HYBRID SEARCH`.
    Vectors(AskedVectors),
    /// Both, in one ranking.
    Fused { words: AskedWords, vectors: AskedVectors, top_k: u64 },
}

/// A search for words.
#[derive(Debug, Clone)]
pub(crate) struct AskedWords {
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: String,
    pub(crate) top_k: u64,
}

/// A search for vectors.
#[derive(Debug, Clone)]
pub(crate) struct AskedVectors {
    pub(crate) column: Ident,
    pub(crate) query: Queries,
    pub(crate) metric: Metric,
    pub(crate) top_k: u64,
    pub(crate) threshold: Option<f64>,
}

impl Asked {
    /// The searches of a statement in the order in which they are done.
    pub(crate) fn of(text: &str, extensions: &Extensions) -> Result<Vec<Self>> {
        let words = extensions.keyword_search.as_ref().map(|search| Ok(Self::Words(AskedWords::of(search))));
        let vectors = extensions.hybrid_search.as_ref().map(|search| AskedVectors::of(text, search).map(Self::Vectors));
        words.into_iter().chain(vectors).collect()
    }

    /// The words of the clause.
    pub(crate) fn clause(&self) -> &'static str {
        match self {
            Self::Words(_) => "KEYWORD SEARCH",
            Self::Vectors(_) => "HYBRID SEARCH",
            Self::Fused { .. } => "a fused search",
        }
    }

    fn call(&self) -> &'static str {
        match self {
            Self::Words(_) => "keywordSearch",
            Self::Vectors(_) => "hybridSearch",
            Self::Fused { .. } => "fusedSearch",
        }
    }

    /// The search in the rows of `plan`.
    pub(crate) fn resolve(&self, text: &str, plan: &LogicalPlan) -> Result<Search> {
        let search = match self {
            Self::Words(words) => Search::Words(words.resolve(text, plan)?),
            Self::Vectors(vectors) => Search::Vectors(vectors.resolve(text, plan)?),
            Self::Fused { words, vectors, top_k } => Search::Fused {
                words: words.resolve(text, plan)?,
                vectors: vectors.resolve(text, plan)?,
                top_k: *top_k,
            },
        };
        let taken = |name: &String| plan.schema().fields().iter().any(|field| field.name() == name);
        match search.scores().iter().map(|score| score.name()).find(|name| taken(name)) {
            None => Ok(search),
            Some(name) => {
                let message = format!("{} output column already exists: {name}", self.call());
                Err(Error::new(ErrorCode::DuplicateColumn, message).with_hint("leave it out in a subquery"))
            }
        }
    }
}

impl AskedWords {
    fn of(search: &KeywordSearch) -> Self {
        Self { columns: search.columns.clone(), query: search.query.clone(), top_k: search.top_k }
    }

    fn resolve(&self, text: &str, plan: &LogicalPlan) -> Result<Words> {
        if self.columns.is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "keywordSearch requires at least one text column"));
        }
        if self.top_k == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "keywordSearch top_k must be positive"));
        }
        KeywordQuery::parse(&self.query)?;
        let found = found(text, plan, &self.columns, "search")?;
        for ((_, data_type), name) in found.iter().zip(&self.columns) {
            if !TextColumn::accepts(data_type) {
                let message = format!("not a column of text: {} is {}", name.value, type_word(data_type));
                return Err(Error::new(ErrorCode::TypeMismatch, message)
                    .with_hint("words are looked for in text; CAST another type in a subquery")
                    .with_position(position_of(text, name.span)));
            }
        }
        let columns = found.into_iter().map(|(column, _)| column).collect();
        Ok(Words { columns, query: self.query.clone(), top_k: self.top_k })
    }
}

impl AskedVectors {
    fn of(text: &str, search: &HybridSearch) -> Result<Self> {
        Ok(Self {
            column: search.column.clone(),
            query: vector(&search.query).map_err(|error| error.with_position(position_of(text, search.column.span)))?,
            metric: search.metric.as_ref().map_or(Ok(Metric::default()), |word| metric(text, word))?,
            top_k: search.top_k,
            threshold: search.score_threshold.as_deref().map(number).transpose()?,
        })
    }

    fn resolve(&self, text: &str, plan: &LogicalPlan) -> Result<Vectors> {
        if self.top_k == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "top_k must be a positive integer"));
        }
        let place = || position_of(text, self.column.span);
        let found = found(text, plan, std::slice::from_ref(&self.column), "search")?;
        let Some((column, data_type)) = found.into_iter().next() else {
            return Err(Error::new(ErrorCode::Internal, "a search has no column"));
        };
        if !VectorColumn::accepts(&data_type) {
            let message = format!("not a column of vectors: {} is {}", self.column.value, type_word(&data_type));
            return Err(Error::new(ErrorCode::TypeMismatch, message)
                .with_hint("vectors are FLOAT[n]: fixed-size lists, or lists of one length, of floats")
                .with_position(place()));
        }
        if let DataType::FixedSizeList(_, length) = data_type {
            let checked = self.query.check_dimension(usize::try_from(length).unwrap_or(0));
            checked.map_err(|error| error.with_position(place()))?;
        }
        let Self { query, metric, top_k, threshold, .. } = self.clone();
        Ok(Vectors { column, query, metric, top_k, threshold })
    }
}

/// The columns of `plan` called `names`, with their types.
fn found(text: &str, plan: &LogicalPlan, names: &[Ident], list: &str) -> Result<Vec<(Column, DataType)>> {
    let schema = Arc::clone(plan.schema().inner());
    let known = plan.schema().columns();
    let places = columns::positions(text, &schema, names, list)?;
    let pairs = places.into_iter().filter_map(|place| {
        let field = schema.fields().get(place)?;
        Some((known.get(place)?.clone(), field.data_type().clone()))
    });
    Ok(pairs.collect())
}

fn vector(written: &str) -> Result<Queries> {
    let mut values: Vec<f64> = Vec::new();
    match text::parse(written.as_bytes(), &mut values) {
        Ok(_) => Queries::one(values),
        Err(VectorFault::Empty) if written.trim_matches(['[', ']', ' ']).is_empty() => {
            Err(Error::new(ErrorCode::InvalidArgument, "query vector cannot be empty"))
        }
        Err(_) => Err(Error::new(ErrorCode::InvalidArgument, format!("not a query vector: {}", short(written)))
            .with_hint("write '[1 2 3]' or '[1, 2, 3]', with finite numbers")),
    }
}

/// The head of a text, for an error.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn metric(text: &str, word: &Ident) -> Result<Metric> {
    word.value.parse().map_err(|error: Error| {
        Error::new(error.code(), format!("unsupported HYBRID SEARCH metric: {}", word.value))
            .with_hint("the metrics are cosine, dot and l2")
            .with_position(position_of(text, word.span))
    })
}

fn number(digits: &str) -> Result<f64> {
    let number = digits.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "score_threshold must be numeric"))
}

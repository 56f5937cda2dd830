//! One run of a search: rows go in, and the best of them come out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::memory_pool::MemoryReservation;
use velaria_contract::Result;
use velaria_vector::fusion::fuse;
use velaria_vector::{
    Backend, Hit, KeywordQuery, KeywordScanner, Part, SearchOptions, TextColumn, TopK, VectorColumn, search,
};

use super::kept::Kept;
use super::node::{Search, Vectors, Words};
use crate::error::external;

/// So many rows beyond those that can be found are kept before the others are forgotten.
const SPARE_ROWS: usize = 65_536;

/// The state of a search.
pub(super) struct Finder {
    words: Option<Scan<KeywordScanner>>,
    vectors: Option<Scan<Nearest>>,
    fused_top_k: usize,
    kept: Kept,
    /// For what is known of rows with a word.
    memory: MemoryReservation,
    next_row: u64,
}

/// What looks at some columns.
struct Scan<T> {
    places: Vec<usize>,
    top_k: usize,
    state: T,
}

/// The nearest vectors so far.
struct Nearest {
    vectors: Vectors,
    threads: usize,
    best: TopK,
}

/// Rows that were found, best first, with their scores.
type Ranking = Vec<(u64, f64)>;

impl Finder {
    /// `places` are the columns of `search` in the input.
    pub(super) fn new(
        search: &Search,
        places: &[usize],
        threads: usize,
        memory: MemoryReservation,
    ) -> DataFusionResult<Self> {
        let (words, vectors, fused_top_k) = match search {
            Search::Words(words) => (Some(words), None, 0),
            Search::Vectors(vectors) => (None, Some(vectors), 0),
            Search::Fused { words, vectors, top_k } => (Some(words), Some(vectors), size(*top_k)),
        };
        let (text, vector) = places.split_at(words.map_or(0, |words| words.columns.len()));
        Ok(Self {
            words: words.map(|words| words_scan(words, text)).transpose().map_err(external)?,
            vectors: vectors.map(|vectors| vectors_scan(vectors, vector, threads)),
            fused_top_k,
            kept: Kept::new(memory.new_empty()),
            memory,
            next_row: 0,
        })
    }

    /// Looks at the next rows.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> DataFusionResult<()> {
        let mut found = match &mut self.words {
            Some(scan) => scan.push(batch, self.next_row).map_err(external)?,
            None => Vec::new(),
        };
        if let Some(scan) = &mut self.vectors {
            found.extend(scan.push(batch, self.next_row).map_err(external)?);
            found.sort_unstable();
            found.dedup();
        }
        self.kept.add(batch, found, self.next_row)?;
        self.next_row += batch.num_rows() as u64;
        self.forget()?;
        let bytes = self.words.as_ref().map_or(0, |scan| scan.state.bytes());
        self.memory.try_resize(bytes)
    }

    /// Forgets rows that cannot be found any more. Which rows have the best words is known at the end only.
    fn forget(&mut self) -> DataFusionResult<()> {
        let (None, Some(scan)) = (&self.words, &self.vectors) else { return Ok(()) };
        if self.kept.rows() <= scan.top_k.saturating_mul(2).saturating_add(SPARE_ROWS) {
            return Ok(());
        }
        let mut ids: Vec<u64> = scan.state.best.clone().into_sorted().iter().map(|hit| hit.row_id).collect();
        ids.sort_unstable();
        self.kept.retain(&ids)
    }

    /// The best rows.
    pub(super) fn finish(self, schema: &SchemaRef) -> DataFusionResult<Vec<RecordBatch>> {
        let words = self.words.map(|scan| ranking(scan.state.finish(scan.top_k)));
        let vectors = self.vectors.map(|scan| scan.state.finish());
        let (ids, scores) = match (words, vectors) {
            (Some(words), Some(vectors)) => fused(&words, &vectors, self.fused_top_k),
            (Some(ranking), None) | (None, Some(ranking)) => scored(ranking),
            (None, None) => (Vec::new(), Vec::new()),
        };
        self.kept.ranked(schema, &ids, &scores)
    }
}

fn words_scan(words: &Words, places: &[usize]) -> Result<Scan<KeywordScanner>> {
    let state = KeywordScanner::new(KeywordQuery::parse(&words.query)?);
    Ok(Scan { places: places.to_vec(), top_k: size(words.top_k), state })
}

fn vectors_scan(vectors: &Vectors, places: &[usize], threads: usize) -> Scan<Nearest> {
    let top_k = size(vectors.top_k);
    let best = TopK::new(vectors.metric, top_k);
    Scan { places: places.to_vec(), top_k, state: Nearest { vectors: vectors.clone(), threads, best } }
}

impl<T> Scan<T> {
    fn columns<'a>(&'a self, batch: &'a RecordBatch) -> impl Iterator<Item = &'a ArrayRef> {
        self.places.iter().filter_map(|place| batch.columns().get(*place))
    }
}

impl Scan<KeywordScanner> {
    fn push(&mut self, batch: &RecordBatch, first_row: u64) -> Result<Vec<u32>> {
        let columns = self.columns(batch).map(TextColumn::try_new).collect::<Result<Vec<_>>>()?;
        Ok(self.state.push(&columns, batch.num_rows(), first_row))
    }
}

impl Scan<Nearest> {
    /// The rows of `batch` that may be among the nearest.
    fn push(&mut self, batch: &RecordBatch, first_row: u64) -> Result<Vec<u32>> {
        let columns = self.columns(batch).map(VectorColumn::try_new).collect::<Result<Vec<_>>>()?;
        let parts: Vec<Part> = columns.into_iter().map(|column| Part { column, selected: None }).collect();
        let Nearest { vectors, threads, best } = &mut self.state;
        let options = SearchOptions {
            metric: vectors.metric,
            top_k: self.top_k,
            backend: Backend::best(),
            threads: *threads,
            // A batch is short: the query stops between two of them.
            check: &|| Ok(()),
        };
        let found = search(&parts, &vectors.query, &options)?;
        let hits = found.hits.into_iter().flatten();
        let mut places = Vec::new();
        for hit in hits {
            let worst = best.threshold();
            if worst.is_none_or(|worst| vectors.metric.order(hit.score, worst).is_lt()) {
                best.push(first_row + hit.row_id, hit.score);
                places.extend(u32::try_from(hit.row_id));
            }
        }
        Ok(places)
    }
}

impl Nearest {
    fn finish(self) -> Ranking {
        let Vectors { metric, threshold, .. } = self.vectors;
        let reaches = |hit: &Hit| threshold.is_none_or(|threshold| metric.reaches(hit.score, threshold));
        ranking(self.best.into_sorted().into_iter().filter(reaches).collect())
    }
}

fn ranking(hits: Vec<Hit>) -> Ranking {
    hits.into_iter().map(|hit| (hit.row_id, hit.score)).collect()
}

fn scored(ranking: Ranking) -> (Vec<u64>, Vec<ArrayRef>) {
    let (ids, scores): (Vec<u64>, Vec<f64>) = ranking.into_iter().unzip();
    (ids, vec![Arc::new(Float64Array::from(scores))])
}

/// One ranking out of two, with the scores of both.
fn fused(words: &Ranking, vectors: &Ranking, top_k: usize) -> (Vec<u64>, Vec<ArrayRef>) {
    let ids = |ranking: &Ranking| ranking.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let fused = fuse(&[ids(words), ids(vectors)], top_k);
    let scores = |ranking: &Ranking| -> ArrayRef {
        let known: HashMap<u64, f64> = ranking.iter().copied().collect();
        Arc::new(fused.iter().map(|row| known.get(&row.row_id).copied()).collect::<Float64Array>())
    };
    let sums: ArrayRef = Arc::new(fused.iter().map(|row| Some(row.score)).collect::<Float64Array>());
    (fused.iter().map(|row| row.row_id).collect(), vec![scores(words), scores(vectors), sums])
}

fn size(top_k: u64) -> usize {
    usize::try_from(top_k).unwrap_or(usize::MAX)
}

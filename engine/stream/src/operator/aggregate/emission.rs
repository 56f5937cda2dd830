//! The rows that a group by gives, and their order.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use velaria_contract::Result;

use crate::error::from_arrow;

/// Where a row stands among those of all workers. The rows of one key have one rank.
pub(super) type Rank = (i64, u64);

/// Rows with their ranks, in order.
pub(super) struct Emission {
    pub(super) batch: RecordBatch,
    /// Nobody asks for them once the rows of all workers are merged, except for a changelog.
    pub(super) ranks: Vec<Rank>,
    /// For a changelog, whether each row is the new one of its key.
    pub(super) news: Option<Vec<bool>>,
}

impl Emission {
    /// Rows of the columns, in the types of the plan.
    pub(super) fn new(schema: &SchemaRef, columns: Vec<ArrayRef>, ranks: Vec<Rank>) -> Result<Self> {
        let typed = columns.into_iter().zip(schema.fields()).map(|(column, field)| {
            if column.data_type() == field.data_type() { Ok(column) } else { cast(&column, field.data_type()) }
        });
        let columns = typed.collect::<std::result::Result<_, _>>().map_err(from_arrow)?;
        let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(from_arrow)?;
        Ok(Self { batch, ranks, news: None })
    }

    /// The rows of several workers, in the order in which one would have given them.
    pub(super) fn merged(emissions: Vec<Self>) -> Result<Option<Self>> {
        let mut emissions = emissions;
        if emissions.len() < 2 {
            return Ok(emissions.pop());
        }
        let order = merge_order(&emissions);
        let batches: Vec<&RecordBatch> = emissions.iter().map(|emission| &emission.batch).collect();
        let batch = interleave_record_batch(&batches, &order).map_err(from_arrow)?;
        let news: Option<Vec<&Vec<bool>>> = emissions.iter().map(|emission| emission.news.as_ref()).collect();
        let Some(news) = news else { return Ok(Some(Self { batch, ranks: Vec::new(), news: None })) };
        let news = order.iter().map(|&(from, row)| news[from][row]).collect();
        let ranks = order.iter().map(|&(from, row)| emissions[from].ranks[row]).collect();
        Ok(Some(Self { batch, ranks, news: Some(news) }))
    }

    /// The batch for the next operator; that of a changelog has two more columns.
    pub(super) fn into_batch(self) -> Result<RecordBatch> {
        let Some(news) = self.news else { return Ok(self.batch) };
        let mut fields = self.batch.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(KEY_COLUMN, DataType::Int64, false)));
        fields.push(Arc::new(Field::new(NEW_COLUMN, DataType::Boolean, false)));
        let mut columns = self.batch.columns().to_vec();
        columns.push(Arc::new(key_numbers(&self.ranks)));
        columns.push(Arc::new(BooleanArray::from(news)));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(from_arrow)
    }
}

/// The column of a changelog that says which rows are of one key.
const KEY_COLUMN: &str = "__key";
/// The column of a changelog that says whether a row is the new one of its key.
const NEW_COLUMN: &str = "__new";

fn key_numbers(ranks: &[Rank]) -> Int64Array {
    let mut number = -1;
    let mut last = None;
    let next = |rank: &Rank| {
        if last.replace(*rank) != Some(*rank) {
            number += 1;
        }
        number
    };
    ranks.iter().map(next).collect()
}

/// The places of all rows by rank.
fn merge_order(emissions: &[Emission]) -> Vec<(usize, usize)> {
    near_order(emissions).unwrap_or_else(|| far_order(emissions))
}

/// The order of ranks that all differ and lie close together, as those of a micro-batch in update mode: each row is put where its
/// rank says, without comparing.
fn near_order(emissions: &[Emission]) -> Option<Vec<(usize, usize)>> {
    let total: usize = emissions.iter().map(|emission| emission.ranks.len()).sum();
    let ends = || emissions.iter().filter_map(|emission| Some((emission.ranks.first()?, emission.ranks.last()?)));
    let first = ends().map(|(first, _)| *first).min()?;
    let last = ends().map(|(_, last)| *last).max()?;
    let width = usize::try_from(last.1.checked_sub(first.1)?).ok()?.checked_add(1)?;
    if first.0 != last.0 || width / NEAR > total || emissions.iter().any(|emission| emission.news.is_some()) {
        return None;
    }
    let mut places = vec![NOWHERE; width];
    for (from, emission) in emissions.iter().enumerate() {
        for (row, rank) in emission.ranks.iter().enumerate() {
            *places.get_mut(usize::try_from(rank.1.checked_sub(first.1)?).ok()?)? = (from, row);
        }
    }
    places.retain(|place| *place != NOWHERE);
    // Fewer would mean that two rows had one rank.
    (places.len() == total).then_some(places)
}

/// Ranks lie close together when there are no more than this many numbers for each of them.
const NEAR: usize = 4;
const NOWHERE: (usize, usize) = (usize::MAX, usize::MAX);

/// The order of any ranks. There are few workers, so the next row is searched among all of theirs.
fn far_order(emissions: &[Emission]) -> Vec<(usize, usize)> {
    let total = emissions.iter().map(|emission| emission.ranks.len()).sum();
    let mut next = vec![0; emissions.len()];
    let head = |from: usize, row: usize| emissions[from].ranks.get(row).copied().unwrap_or(LAST);
    let mut heads: Vec<Rank> = (0..emissions.len()).map(|from| head(from, 0)).collect();
    let mut order = Vec::with_capacity(total);
    while order.len() < total {
        let mut from = 0;
        for other in 1..heads.len() {
            if heads[other] < heads[from] {
                from = other;
            }
        }
        order.push((from, next[from]));
        next[from] += 1;
        heads[from] = head(from, next[from]);
    }
    order
}

/// The rank behind all rows.
const LAST: Rank = (i64::MAX, u64::MAX);

//! The asking: one question after the other, each with its pages.

use std::time::Duration;

use arrow::array::RecordBatch;
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;
use velaria_contract::{Error, ErrorCode, Result};

use super::BitableStreamSettings;
use super::seen::Seen;
use crate::bitable::decode::batch;
use crate::bitable::fault::unexpected;
use crate::bitable::fields::{Columns, id, value};
use crate::bitable::paging::Pages;
use crate::bitable::read::BitableSource;
use crate::{Signal, SourceOffset};

/// The service compares days in a time zone that it does not say: a question for later than a moment goes back so far.
const DAYS_BACK_MS: i64 = 2 * 24 * 60 * 60 * 1000;

/// After so many torn snapshots in a row there is a pause, as after a whole one.
const TORN_IN_A_ROW_MAX: u32 = 3;

/// The new rows of one page.
#[derive(Debug)]
pub(super) struct News {
    pub(super) batch: RecordBatch,
    pub(super) history: Option<RecordBatch>,
    pub(super) offset: SourceOffset,
}

/// Asks a table what is new.
pub(super) struct Poller {
    source: BitableSource,
    settings: BitableStreamSettings,
    columns: Columns,
    /// What was modified before is known; `None` before the first whole snapshot.
    since_ms: Option<i64>,
    seen: Seen,
}

/// What became of one question.
struct Answered {
    is_whole: bool,
    latest_ms: Option<i64>,
    /// Whether anybody still listens.
    is_heard: bool,
}

impl Poller {
    pub(super) fn new(source: BitableSource, settings: BitableStreamSettings, columns: Columns) -> Self {
        Self { source, settings, columns, since_ms: None, seen: Seen::default() }
    }

    /// Goes on where an earlier query was.
    pub(super) fn go_on(&mut self, offset: &SourceOffset, seen: Seen) -> Result<()> {
        self.since_ms = since_of(offset)?;
        self.seen = seen;
        if let Some(since_ms) = self.since_ms {
            self.seen.forget_before(since_ms);
        }
        Ok(())
    }

    /// Asks until nobody listens, or until everything is given when the stream ends.
    pub(super) async fn run(mut self, sender: &Sender<News>, signal: &Signal) -> Result<()> {
        let pause = Duration::from_millis(self.settings.poll_interval_ms.max(1));
        let mut torn = 0;
        loop {
            let answered = self.ask(sender, signal).await?;
            if !answered.is_heard {
                return Ok(());
            }
            if answered.is_whole {
                torn = 0;
                self.advance(answered.latest_ms);
                if self.settings.bounded {
                    return Ok(());
                }
            } else {
                torn += 1;
                if torn < TORN_IN_A_ROW_MAX {
                    continue;
                }
                torn = 0;
            }
            sleep(pause).await;
        }
    }

    async fn ask(&mut self, sender: &Sender<News>, signal: &Signal) -> Result<Answered> {
        let mut pages = Pages::of_records_since(&self.source, self.wish())?;
        let mut answered = Answered { is_whole: true, latest_ms: None, is_heard: true };
        while let Some(records) = self.source.next_page(&mut pages).await? {
            let Some(news) = self.news(records, &mut answered)? else { continue };
            if sender.send(news).await.is_err() {
                answered.is_heard = false;
                return Ok(answered);
            }
            signal.notify();
        }
        answered.is_heard = !sender.is_closed();
        answered.is_whole = !pages.is_torn();
        Ok(answered)
    }

    /// The filter and the order of the next question, when the table has a field that they can be said with.
    fn wish(&self) -> Option<(Option<Value>, Value)> {
        let field = self.columns.modified_field.as_ref()?;
        let filter = self.since_ms.map(|since_ms| {
            let day = since_ms.saturating_sub(DAYS_BACK_MS).max(0).to_string();
            let condition = json!({"field_name": field, "operator": "isGreater", "value": ["ExactDate", day]});
            json!({"conjunction": "and", "conditions": [condition]})
        });
        Some((filter, json!([{"field_name": field, "desc": false}])))
    }

    /// What of a page was not given before.
    fn news(&mut self, records: Vec<Value>, answered: &mut Answered) -> Result<Option<News>> {
        let mut given = Vec::new();
        let mut rows = Vec::new();
        for record in records {
            let modified_ms = self.modified_ms(&record)?;
            answered.latest_ms = answered.latest_ms.max(Some(modified_ms));
            let id = id(&record).ok_or_else(|| unexpected("a record has no record_id"))?.to_owned();
            let is_old = self.since_ms.is_some_and(|since_ms| modified_ms < since_ms);
            if is_old || !self.seen.is_new(&id, modified_ms) {
                continue;
            }
            given.push((id, modified_ms));
            rows.push(record);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batch =
            batch(&self.columns, &rows).map_err(|undecoded| BitableSource::misfit(&self.columns, &rows, undecoded))?;
        given.iter().for_each(|(id, modified_ms)| self.seen.add(id, *modified_ms));
        Ok(Some(News { batch, history: Seen::rows(&given), offset: offset_of(self.since_ms) }))
    }

    fn modified_ms(&self, record: &Value) -> Result<i64> {
        let field = self.columns.modified_field.as_ref().and_then(|field| value(record, field));
        let modified = field.or_else(|| record.get("last_modified_time")).and_then(Value::as_i64);
        modified.ok_or_else(|| {
            unexpected("a record does not say when it was modified")
                .with_hint("add a field of the type \"last modified time\" to the table")
        })
    }

    /// The next question goes back to `latest_ms` and a little more.
    fn advance(&mut self, latest_ms: Option<i64>) {
        let Some(latest_ms) = latest_ms else { return };
        let overlap_ms = i64::try_from(self.settings.overlap_ms).unwrap_or(i64::MAX);
        let since_ms = latest_ms.saturating_sub(overlap_ms);
        if self.since_ms.is_none_or(|known| known < since_ms) {
            self.since_ms = Some(since_ms);
            self.seen.forget_before(since_ms);
        }
    }
}

impl Pages {
    /// The pages of what is new, with the time of the last modification of each record.
    fn of_records_since(source: &BitableSource, wish: Option<(Option<Value>, Value)>) -> Result<Self> {
        let mut query = source.query.clone();
        if let Some((filter, sort)) = wish {
            query.filter = filter;
            query.sort = Some(sort);
        }
        Self::of_records(&source.table, &query).map(Self::with_times)
    }
}

/// The place of a query, as text: what was modified before this time was given.
fn offset_of(since_ms: Option<i64>) -> SourceOffset {
    SourceOffset(since_ms.map_or_else(|| "start".to_owned(), |since_ms| since_ms.to_string()))
}

fn since_of(offset: &SourceOffset) -> Result<Option<i64>> {
    if offset.0 == "start" {
        return Ok(None);
    }
    offset.0.parse().map(Some).map_err(|_| {
        Error::new(ErrorCode::InvalidArgument, format!("not an offset of a Bitable: {:?}", offset.0))
            .with_hint("the checkpoint was made with another source")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_the_time_that_questions_go_back_to() {
        for since_ms in [None, Some(0), Some(1_700_000_000_000)] {
            assert_eq!(since_of(&offset_of(since_ms)).unwrap(), since_ms);
        }
        assert_eq!(since_of(&SourceOffset("a.csv".to_owned())).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

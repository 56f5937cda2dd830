//! Frames made of frames: each method is the query over `self` that it says, planned by the same code as its text would be.
//!
//! The frame itself is a table of that one query, before the names of the session. Nothing runs until rows are asked for,
//! and then all of it runs as one plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::build::{self, Built, Expression, Item, JoinCondition, JoinKind, OTHER, SELF, SetOperation, SortKey};
use velaria_sql::{FRONTEND, Parameters};

use crate::clock::ClockUse;
use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::error::duplicate_column;
use crate::plan::query;
use crate::session::{Begun, Reading, begin_reading};
use crate::stack::{Room, Roomy};
use crate::stop::within;
use crate::variables::Variables;

/// How many frames can be made of each other one after the other: planning takes longer with each of them.
const STEPS_MAX: usize = 200;

impl DataFrame {
    /// The rows for which all of `conditions` are true: `SELECT * FROM self WHERE …`.
    ///
    /// # Errors
    /// Those of the statement, as for all methods that follow; and `VEL-2006` when two columns of this frame share a name.
    pub async fn filter(&self, conditions: &[Expression]) -> Result<Self> {
        self.query(build::filter(conditions)?).await
    }

    /// A column for each of `items`: `SELECT … FROM self`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn select(&self, items: &[Item]) -> Result<Self> {
        self.query(build::select(items)?).await
    }

    /// All columns and those of `columns`, each of which has a name; a column of that name is replaced where it stands.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`], `VEL-7001` for an expression without a name, `VEL-2006` for a name that stands there
    /// twice.
    pub async fn with_columns(&self, columns: &[Expression]) -> Result<Self> {
        let mut named = Vec::new();
        for column in columns {
            let Some(name) = column.name() else {
                return Err(Error::new(ErrorCode::InvalidArgument, format!("a column needs a name: {column}"))
                    .with_hint("with_columns(name=expression), or expression.alias(\"name\")"));
            };
            named.push((name, column));
        }
        check_distinct(named.iter().map(|(name, _)| *name))?;
        let own = self.column_names();
        let replaced = |name: &String| named.iter().find(|(new, _)| new == name).map(|(_, column)| (*column).clone());
        let kept = own.iter().map(|name| replaced(name).map_or_else(|| Expression::column(name), Ok));
        let added = named.iter().filter(|(name, _)| !own.iter().any(|own| own == name));
        let items = kept.chain(added.map(|(_, column)| Ok((*column).clone())));
        self.select(&items.map(|item| item.map(Item::One)).collect::<Result<Vec<_>>>()?).await
    }

    /// The columns that are not among `names`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`], `VEL-2001` for a name that no column has, `VEL-7001` when none is left.
    pub async fn drop_columns(&self, names: &[String]) -> Result<Self> {
        let mut dropped = BTreeSet::new();
        for name in names {
            dropped.insert(self.position(name).await?);
        }
        let kept = self.column_names().into_iter().enumerate().filter(|(position, _)| !dropped.contains(position));
        let items = kept.map(|(_, name)| Expression::column(&name).map(Item::One)).collect::<Result<Vec<_>>>()?;
        self.select(&items).await
    }

    /// All columns, those that are first in a pair of `names` under the second.
    ///
    /// # Errors
    /// Those of [`DataFrame::drop_columns`], and `VEL-2006` when two columns would share a name.
    pub async fn rename(&self, names: &[(String, String)]) -> Result<Self> {
        let mut columns = self.column_names();
        let mut renamed = BTreeSet::new();
        let old = columns.clone();
        for (name, new) in names {
            let position = self.position(name).await?;
            if let Some(column) = columns.get_mut(position) {
                renamed.insert(position);
                column.clone_from(new);
            }
        }
        check_distinct(columns.iter().map(String::as_str))?;
        let item = |(position, (old, new)): (usize, (&String, &String))| {
            let column = Expression::column(old)?;
            Ok(Item::One(if renamed.contains(&position) { column.alias(new)? } else { column }))
        };
        let items = old.iter().zip(&columns).enumerate().map(item).collect::<Result<Vec<_>>>()?;
        self.select(&items).await
    }

    /// The rows without copies: `SELECT DISTINCT * FROM self`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn distinct(&self) -> Result<Self> {
        self.query(build::distinct()?).await
    }

    /// One row for each value of `keys`, or one in all without a key: `SELECT keys, aggregates FROM self GROUP BY keys HAVING …`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn group(
        &self,
        keys: &[Expression],
        aggregates: &[Expression],
        having: Option<&Expression>,
    ) -> Result<Self> {
        self.query(build::aggregate(keys, aggregates, having)?).await
    }

    /// The rows in an order: `SELECT * FROM self ORDER BY …`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn order(&self, keys: &[SortKey]) -> Result<Self> {
        self.query(build::order(keys)?).await
    }

    /// At most `rows` rows after the first `offset` ones: `SELECT * FROM self LIMIT … OFFSET …`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`], and `VEL-2008` for a number that no rows have.
    pub async fn slice(&self, rows: Option<u64>, offset: u64) -> Result<Self> {
        self.query(build::limit(rows, offset)?).await
    }

    /// The rows of this frame with those of `other`: `SELECT * FROM self JOIN other …`.
    ///
    /// With a `suffix`, columns of `other` that are called like one of this frame have it behind their name; without one they
    /// share that name, and nothing more can be made of the frame.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn join(
        &self,
        other: &Self,
        kind: JoinKind,
        condition: &JoinCondition,
        suffix: Option<&str>,
    ) -> Result<Self> {
        let one_side = matches!(kind, JoinKind::Semi | JoinKind::Anti);
        let items = match (condition, suffix) {
            _ if one_side => vec![Item::All],
            (JoinCondition::Using(_), _) | (_, Some(_)) => self.joined_items(other, condition, suffix)?,
            (JoinCondition::None | JoinCondition::On(_), None) => vec![Item::All],
        };
        self.query_with(Some(other), build::join(kind, condition, &items)?).await
    }

    /// What `*` means for a join, in the order of the frames and with names that differ if there is a `suffix`. In SQL the place of
    /// a column that both sides have depends on the names of the tables.
    fn joined_items(&self, other: &Self, condition: &JoinCondition, suffix: Option<&str>) -> Result<Vec<Item>> {
        let (own, others) = (self.column_names(), other.column_names());
        let keys: &[String] = match condition {
            JoinCondition::Using(keys) => keys,
            JoinCondition::None | JoinCondition::On(_) => &[],
        };
        let is_key = |name: &String| keys.iter().any(|key| key.to_lowercase() == name.to_lowercase());
        let of_own = own.iter().map(|name| match is_key(name) {
            // The column that both sides have is qualified by neither.
            true => Expression::column(name),
            false => Expression::column_of(SELF, name),
        });
        let of_others = others.iter().filter(|name| !is_key(name)).map(|name| {
            let column = Expression::column_of(OTHER, name)?;
            match suffix.filter(|_| own.contains(name)) {
                Some(suffix) => column.alias(&format!("{name}{suffix}")),
                None => Ok(column),
            }
        });
        of_own.chain(of_others).map(|item| item.map(Item::One)).collect()
    }

    /// The rows of this frame and of `other` in one: `SELECT * FROM self UNION ALL SELECT * FROM other`, and the like.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn combine(&self, other: &Self, operation: SetOperation) -> Result<Self> {
        self.query_with(Some(other), build::combine(operation)?).await
    }

    /// Runs a statement in which this frame is the table `self`. It may be everything that changes nothing.
    ///
    /// # Errors
    /// Those of [`crate::Session::sql_with`], and `VEL-3001` for a statement that changes something.
    pub async fn sql(&self, text: &str, parameters: &Parameters) -> Result<Self> {
        self.check_steps(None)?;
        let context = self.context_with(None)?;
        let begin = begin_reading(&context, text, parameters, Reading::Any);
        let frame = match Roomy::new(self.inner.room, begin).await? {
            Begun::Done(frame) => frame,
            Begun::Open(statement) => statement.finish(Variables::new()).await?,
        };
        Ok(self.step(frame))
    }

    /// The names and types of the columns as rows: `DESCRIBE self`.
    ///
    /// # Errors
    /// Those of [`DataFrame::filter`].
    pub async fn describe(&self) -> Result<Self> {
        self.sql("DESCRIBE self", &Parameters::None).await
    }

    /// What the query will do, with a section that says how its text was read.
    ///
    /// # Errors
    /// Those of [`DataFrame::explain`].
    pub async fn explain_sql(&self) -> Result<String> {
        let read = FRONTEND.map(|(name, value)| format!("{name}={value}\n")).concat();
        Ok(format!("frontend\n{read}{}", self.explain().await?))
    }

    /// Statistics of each column: `SUMMARIZE self`. It reads all rows now.
    ///
    /// # Errors
    /// Those of [`DataFrame::collect`].
    pub async fn summarize(&self) -> Result<Self> {
        self.sql("SUMMARIZE self", &Parameters::None).await
    }

    async fn query(&self, built: Built) -> Result<Self> {
        self.query_with(None, built).await
    }

    /// The frame of a query over this one, and over `other` as well.
    async fn query_with(&self, other: Option<&Self>, built: Built) -> Result<Self> {
        self.check_steps(other)?;
        let context = self.context_with(other)?;
        let levels = Room::of_levels(built.depth());
        let room = levels.max(self.inner.room).max(other.map_or(Room::Small, Self::room));
        if room == Room::Large {
            // What is deep recurses elsewhere than on the caller's thread.
            tokio::task::yield_now().await;
        }
        let stop = context.running.begin();
        let bind = within(Arc::clone(&stop), query::bind(&context, "", built.into_query()));
        let bound = Roomy::new(room, bind).await?;
        stop.check()?;
        let session = context.of_session().unwrap_or(&context);
        let mut frame = Self::from_query(session, "", bound);
        if let Some(inner) = Arc::get_mut(&mut frame.inner) {
            inner.room = room;
        }
        let frame = self.step(frame);
        Ok(match other {
            Some(other) => other.step(frame),
            None => frame,
        })
    }

    /// The context of one statement about this frame.
    fn context_with(&self, other: Option<&Self>) -> Result<Arc<Context>> {
        let tables = Variables::new().with_own(SELF, &self.newest()?)?;
        let tables = match other {
            Some(other) => tables.with_own(OTHER, &other.newest()?)?,
            None => tables,
        };
        let context = &self.inner.context;
        context.of_session().unwrap_or(context).with_variables(tables)
    }

    fn check_steps(&self, other: Option<&Self>) -> Result<()> {
        if self.inner.steps.max(other.map_or(0, |other| other.inner.steps)) < STEPS_MAX {
            return Ok(());
        }
        let message = format!("a frame is made of more than {STEPS_MAX} others, one after the other");
        Err(Error::new(ErrorCode::StatementTooLarge, message)
            .with_hint("say more in one step, or keep the rows of a step: create_dataframe_from_arrow(frame)"))
    }

    /// `frame`, which was made of this one by one step.
    pub(crate) fn step(&self, frame: Self) -> Self {
        let mut frame = self.passed_on(frame);
        if let Some(inner) = Arc::get_mut(&mut frame.inner) {
            inner.steps = inner.steps.max(self.inner.steps + 1);
            inner.room = inner.room.max(Room::of_levels(inner.steps));
        }
        frame
    }

    /// Where work on this frame needs room.
    pub(crate) fn room(&self) -> Room {
        self.inner.room
    }

    /// Whether its plan holds the time at which it runs.
    pub(crate) fn clock(&self) -> ClockUse {
        self.inner.clock
    }

    fn column_names(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The position of the column that `name` means.
    async fn position(&self, name: &str) -> Result<usize> {
        let names = self.column_names();
        if let Some(position) = names.iter().position(|own| own == name) {
            return Ok(position);
        }
        let folded = name.to_lowercase();
        let mut alike = names.iter().enumerate().filter(|(_, own)| own.to_lowercase() == folded);
        if let (Some((position, _)), None) = (alike.next(), alike.next()) {
            return Ok(position);
        }
        // The error of a statement that names it.
        self.select(&[Item::One(Expression::column(name)?)]).await?;
        Err(Error::new(ErrorCode::ColumnNotFound, format!("column not found: {name}")))
    }
}

fn check_distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut names = names;
    match names.find(|name| !seen.insert(*name)) {
        Some(twice) => Err(duplicate_column(twice)),
        None => Ok(()),
    }
}

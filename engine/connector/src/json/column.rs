//! Values into columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListArray, NullBufferBuilder, StringBuilder, StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Field, Fields};
use arrow::error::ArrowError;

use super::parse::{Fault, FaultKind, Kind, Parsed, Parser};
use super::shape::{Members, Shape};

/// The values of one place in all records of a batch.
#[derive(Debug)]
pub(super) enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Json(StringBuilder),
    List(Box<ListColumn>),
    Object(Box<ObjectColumn>),
}

/// Arrays.
#[derive(Debug)]
pub(super) struct ListColumn {
    item: Column,
    field: Arc<Field>,
    ends: Vec<i32>,
    items: i32,
    valid: NullBufferBuilder,
}

/// Objects that are values of a member.
#[derive(Debug)]
pub(super) struct ObjectColumn {
    members: MemberColumns,
    fields: Fields,
    valid: NullBufferBuilder,
}

/// What happens to a member that no column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is passed over: the caller said which ones there are.
    PassOver,
    /// It is a fault: nobody would notice that it is lost.
    Refuse,
}

/// One column for each member of objects.
#[derive(Debug)]
pub(super) struct MemberColumns {
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// `None` for a member that is not wanted.
    columns: Vec<Option<Column>>,
    /// In which object a member was seen last, counted from 1.
    seen: Vec<usize>,
    objects: usize,
    unknown: Unknown,
}

impl Column {
    pub(super) fn new(shape: &Shape, unknown: Unknown) -> Self {
        match shape {
            Shape::Bool => Self::Bool(BooleanBuilder::new()),
            Shape::Int => Self::Int(Int64Builder::new()),
            Shape::Float => Self::Float(Float64Builder::new()),
            Shape::Unknown | Shape::Big | Shape::Text => Self::Text(StringBuilder::new()),
            Shape::Json => Self::Json(StringBuilder::new()),
            Shape::List(item) => Self::List(Box::new(ListColumn {
                field: Arc::new(Field::new_list_field(item.data_type(), true)),
                item: Self::new(item, unknown),
                ends: vec![0],
                items: 0,
                valid: NullBufferBuilder::new(0),
            })),
            Shape::Object(members) => Self::Object(Box::new(ObjectColumn {
                fields: members.arrow_fields(),
                members: MemberColumns::new(members, None, unknown),
                valid: NullBufferBuilder::new(0),
            })),
        }
    }

    /// Appends the next value.
    pub(super) fn read(&mut self, parser: &mut Parser<'_>) -> Parsed<()> {
        let kind = parser.kind()?;
        if kind == Kind::Null {
            self.append_null();
            return parser.null();
        }
        match (self, kind) {
            (Self::Bool(values), Kind::Bool) => values.append_value(parser.bool()?),
            (Self::Int(values), Kind::Number) => {
                let fault = parser.not_wanted("expected a whole number of 64 bits");
                let number = parser.number()?;
                let value = if number.whole { number.text.parse().ok() } else { None };
                values.append_value(value.ok_or_else(|| fault.but_found(number.text))?);
            }
            (Self::Float(values), Kind::Number) => {
                let fault = parser.not_wanted("expected a number");
                let number = parser.number()?;
                let value = number.text.parse().ok().filter(|value: &f64| value.is_finite());
                values.append_value(value.ok_or_else(|| fault.but_found(number.text))?);
            }
            (Self::Text(values), Kind::Text) => values.append_value(parser.text()?),
            (Self::Text(values) | Self::Json(values), _) => values.append_value(parser.skip()?),
            (Self::List(list), Kind::Array) => list.read(parser)?,
            (Self::Object(object), Kind::Object) => {
                object.members.read(parser)?;
                object.valid.append_non_null();
            }
            (column, _) => {
                let fault = parser.not_wanted(format!("expected {}", column.noun()));
                return Err(fault.but_found(parser.skip()?));
            }
        }
        Ok(())
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) | Self::Json(_) => "a value",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Bool(values) => values.append_null(),
            Self::Int(values) => values.append_null(),
            Self::Float(values) => values.append_null(),
            Self::Text(values) | Self::Json(values) => values.append_null(),
            Self::List(list) => {
                list.ends.push(list.items);
                list.valid.append_null();
            }
            Self::Object(object) => {
                object.members.append_null();
                object.valid.append_null();
            }
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Bool(values) => Arc::new(values.finish()),
            Self::Int(values) => Arc::new(values.finish()),
            Self::Float(values) => Arc::new(values.finish()),
            Self::Text(values) | Self::Json(values) => Arc::new(values.finish()),
            Self::List(list) => {
                let ends = std::mem::replace(&mut list.ends, vec![0]);
                list.items = 0;
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                let items = list.item.finish()?;
                Arc::new(ListArray::try_new(Arc::clone(&list.field), offsets, items, list.valid.finish())?)
            }
            Self::Object(object) => {
                let rows = object.members.objects;
                let columns = object.members.finish()?;
                let valid = object.valid.finish();
                Arc::new(StructArray::try_new_with_length(object.fields.clone(), columns, valid, rows)?)
            }
        })
    }
}

impl ListColumn {
    fn read(&mut self, parser: &mut Parser<'_>) -> Parsed<()> {
        let Self { item, items, .. } = self;
        parser.array(|parser| {
            item.read(parser)?;
            // A record has less bytes than this counts to.
            *items += 1;
            Ok(())
        })?;
        self.ends.push(self.items);
        self.valid.append_non_null();
        Ok(())
    }
}

impl MemberColumns {
    /// Columns for those of `members` that stand at `wanted`; for all of them when that is `None`.
    pub(super) fn new(members: &Members, wanted: Option<&[usize]>, unknown: Unknown) -> Self {
        let is_wanted = |index: &usize| wanted.is_none_or(|wanted| wanted.contains(index));
        let column =
            |(index, (_, shape)): (usize, &(String, Shape))| is_wanted(&index).then(|| Column::new(shape, unknown));
        let names: Vec<String> = members.fields.iter().map(|(name, _)| name.clone()).collect();
        Self {
            places: names.iter().cloned().zip(0..).collect(),
            seen: vec![0; names.len()],
            names,
            columns: members.fields.iter().enumerate().map(column).collect(),
            objects: 0,
            unknown,
        }
    }

    /// How many objects were read since the last batch.
    pub(super) fn objects(&self) -> usize {
        self.objects
    }

    /// Appends the members of the next value, which has to be an object.
    pub(super) fn read(&mut self, parser: &mut Parser<'_>) -> Parsed<()> {
        self.objects += 1;
        // Members mostly come in the order in which they came the last time.
        let mut expected = 0;
        parser.object(|parser, name| {
            let place = match self.names.get(expected) {
                Some(own) if *own == name => Some(expected),
                _ => self.places.get(name.as_ref()).copied(),
            };
            let Some(place) = place else {
                return match self.unknown {
                    Unknown::PassOver => parser.skip().map(|_| ()),
                    Unknown::Refuse => Err(parser.not_wanted(format!("no record before has {name:?}"))),
                };
            };
            expected = place + 1;
            if self.seen.get(place) == Some(&self.objects) {
                let fault = parser.not_wanted(format!("{name:?} stands twice in an object"));
                return Err(Fault { kind: FaultKind::Repeated, ..fault });
            }
            if let Some(seen) = self.seen.get_mut(place) {
                *seen = self.objects;
            }
            match self.columns.get_mut(place) {
                Some(Some(column)) => column.read(parser).map_err(|fault| fault.inside(&name)),
                _ => parser.skip().map(|_| ()),
            }
        })?;
        for (column, seen) in self.columns.iter_mut().zip(&self.seen) {
            if *seen != self.objects
                && let Some(column) = column
            {
                column.append_null();
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.objects += 1;
        self.columns.iter_mut().flatten().for_each(Column::append_null);
    }

    /// The columns that are wanted, in the order of the members.
    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.objects = 0;
        self.seen.fill(0);
        self.columns.iter_mut().flatten().map(Column::finish).collect()
    }
}

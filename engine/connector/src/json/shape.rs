//! What values look like: the types of columns, found by looking at values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};

use super::parse::{Kind, Parsed, Parser};

/// The type of the values of one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Shape {
    /// Only NULL until now.
    #[default]
    Unknown,
    Bool,
    Int,
    /// Whole numbers, of which some do not fit 64 bits: their digits are kept as text.
    Big,
    Float,
    /// Text, or values of several kinds, which are the text by which they are written.
    Text,
    /// Values of which some are objects or arrays: all are the JSON by which they are written.
    Json,
    List(Box<Self>),
    Object(Members),
}

/// The members of objects, in the order of their appearance.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Members {
    pub(super) fields: Vec<(String, Shape)>,
    places: HashMap<String, usize>,
}

impl Members {
    /// The shape of the member called `name`.
    pub(super) fn member(&mut self, name: &str) -> &mut Shape {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.places.insert(name.to_owned(), self.fields.len());
                self.fields.push((name.to_owned(), Shape::Unknown));
                self.fields.len() - 1
            }
        };
        &mut self.fields[place].1
    }

    /// Takes the next value, which has to be an object, into account.
    pub(super) fn observe(&mut self, parser: &mut Parser<'_>) -> Parsed<()> {
        if parser.kind()? != Kind::Object {
            return Err(parser.not_wanted("expected an object"));
        }
        parser.object(|parser, name| self.member(&name).observe(parser))
    }
}

impl Shape {
    /// The shape by which values of `data_type` are read. Types that JSON does not have are read as their text.
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Int,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::List(Box::new(Self::of(item.data_type())))
            }
            DataType::Struct(fields) => {
                let mut members = Members::default();
                for field in fields {
                    *members.member(field.name()) = Self::of(field.data_type());
                }
                Self::Object(members)
            }
            _ => Self::Text,
        }
    }

    /// The type of the column that the values are read into.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Unknown | Self::Big | Self::Text | Self::Json => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::List(item) => DataType::List(Arc::new(Field::new_list_field(item.data_type(), true))),
            Self::Object(members) => DataType::Struct(members.arrow_fields()),
        }
    }

    /// Takes the next value into account.
    pub(super) fn observe(&mut self, parser: &mut Parser<'_>) -> Parsed<()> {
        match parser.kind()? {
            Kind::Null => parser.null(),
            Kind::Bool => {
                parser.bool()?;
                self.meet(Self::Bool);
                Ok(())
            }
            Kind::Number => {
                let number = parser.number()?;
                self.meet(match number.whole {
                    true if number.text.parse::<i64>().is_ok() => Self::Int,
                    true => Self::Big,
                    false => Self::Float,
                });
                Ok(())
            }
            Kind::Text => {
                parser.text()?;
                self.meet(Self::Text);
                Ok(())
            }
            Kind::Array => {
                if *self == Self::Unknown {
                    *self = Self::List(Box::default());
                }
                match self {
                    Self::List(item) => parser.array(|parser| item.observe(parser)),
                    _ => self.give_up(parser),
                }
            }
            Kind::Object => {
                if *self == Self::Unknown {
                    *self = Self::Object(Members::default());
                }
                match self {
                    Self::Object(members) => members.observe(parser),
                    _ => self.give_up(parser),
                }
            }
        }
    }

    /// Values of one kind here and of another there.
    fn give_up(&mut self, parser: &mut Parser<'_>) -> Parsed<()> {
        *self = Self::Json;
        parser.skip().map(|_| ())
    }

    fn meet(&mut self, scalar: Self) {
        *self = match (std::mem::take(self), scalar) {
            (Self::Unknown, scalar) => scalar,
            (same, scalar) if same == scalar => same,
            (Self::Json | Self::List(_) | Self::Object(_), _) => Self::Json,
            (Self::Int | Self::Float | Self::Big, Self::Float) | (Self::Float, Self::Int | Self::Big) => Self::Float,
            (Self::Int | Self::Big, Self::Int | Self::Big) => Self::Big,
            (_, _) => Self::Text,
        };
    }

    /// This shape when no more values are seen: an object that never had a member is the text by which it is written.
    pub(super) fn settled(self) -> Self {
        match self {
            Self::Object(members) if members.fields.is_empty() => Self::Json,
            Self::Object(members) => Self::Object(members.settled()),
            Self::List(item) => Self::List(Box::new(item.settled())),
            other => other,
        }
    }
}

impl Members {
    /// These members when no more objects are seen.
    pub(super) fn settled(mut self) -> Self {
        for (_, shape) in &mut self.fields {
            *shape = std::mem::take(shape).settled();
        }
        self
    }

    /// The columns that the members are read into.
    pub(super) fn arrow_fields(&self) -> Fields {
        self.fields.iter().map(|(name, shape)| Field::new(name, shape.data_type(), true)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[&str]) -> DataType {
        let mut shape = Shape::default();
        for value in values {
            shape.observe(&mut Parser::new(value)).unwrap();
        }
        shape.settled().data_type()
    }

    #[test]
    fn a_column_has_the_narrowest_type_that_keeps_every_value() {
        assert_eq!(seen(&["1", "null", "2"]), DataType::Int64);
        assert_eq!(seen(&["1", "2.5"]), DataType::Float64);
        assert_eq!(seen(&["1", "9223372036854775808"]), DataType::Utf8);
        assert_eq!(seen(&["1", "\"a\""]), DataType::Utf8);
        assert_eq!(seen(&["true", "1"]), DataType::Utf8);
        assert_eq!(seen(&["null"]), DataType::Utf8);
        assert_eq!(seen(&["{}"]), DataType::Utf8);
        assert_eq!(seen(&["[1]", "{\"a\": 1}"]), DataType::Utf8);
        assert_eq!(seen(&["[]", "[1.5, null]"]).to_string(), "List(Float64)");
        assert_eq!(
            seen(&["{\"b\": 1}", "{\"a\": [\"x\"], \"b\": null}"]).to_string(),
            r#"Struct("b": Int64, "a": List(Utf8))"#
        );
    }
}

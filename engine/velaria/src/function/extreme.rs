//! `arg_min` and `arg_max`: a value from the row in which another is least or greatest.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{SortOptions, and, filter, is_not_null, sort_to_indices};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

/// Which row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Least,
    Greatest,
}

/// The aggregate. Rows in which either value is `NULL` do not count; of equal rows any may be taken.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ArgExtreme {
    end: End,
    aliases: Vec<String>,
    signature: Signature,
}

impl ArgExtreme {
    pub(super) fn new(end: End) -> Self {
        let aliases: &[&str] = match end {
            End::Least => &["argmin", "min_by"],
            End::Greatest => &["argmax", "max_by"],
        };
        Self {
            end,
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for ArgExtreme {
    fn name(&self) -> &str {
        match self.end {
            End::Least => "arg_min",
            End::Greatest => "arg_max",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [value, by] if !by.is_nested() => Ok(value.clone()),
            _ => Err(DataFusionError::Plan(format!("{} takes a value and what to compare by", self.name()))),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let names = ["value", "by"];
        let field = |(name, field): (&str, &FieldRef)| -> FieldRef {
            Arc::new(Field::new(format!("{}[{name}]", args.name), field.data_type().clone(), true))
        };
        Ok(names.into_iter().zip(args.input_fields).map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let null = |place: usize| {
            let field = args.expr_fields.get(place);
            ScalarValue::try_new_null(field.map_or(&DataType::Null, |field| field.data_type()))
        };
        Ok(Box::new(Best { end: self.end, value: null(0)?, by: null(1)? }))
    }
}

#[derive(Debug)]
struct Best {
    end: End,
    value: ScalarValue,
    by: ScalarValue,
}

impl Accumulator for Best {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [values, by] = columns else { return Ok(()) };
        let both = and(&is_not_null(values)?, &is_not_null(by)?)?;
        let (values, by) = (filter(values, &both)?, filter(by, &both)?);
        let order = SortOptions { descending: self.end == End::Greatest, nulls_first: false };
        let first = sort_to_indices(&by, Some(order), Some(1))?;
        if first.is_empty() {
            return Ok(());
        }
        let row = usize::try_from(first.value(0)).unwrap_or_default();
        let found = ScalarValue::try_from_array(&by, row)?;
        if self.is_better(&found) {
            self.by = found;
            self.value = ScalarValue::try_from_array(&values, row)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) - size_of_val(&self.value) - size_of_val(&self.by) + self.value.size() + self.by.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.by.clone()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

impl Best {
    fn is_better(&self, found: &ScalarValue) -> bool {
        self.by.is_null()
            || match (self.end, found.partial_cmp(&self.by)) {
                (End::Least, order) => order == Some(std::cmp::Ordering::Less),
                (End::Greatest, order) => order == Some(std::cmp::Ordering::Greater),
            }
    }
}

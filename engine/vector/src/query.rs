//! The vectors that are searched for.

use velaria_contract::{Error, ErrorCode, Result};

/// One or many query vectors of one length, all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Queries {
    values: Vec<f64>,
    dimension: usize,
}

impl Queries {
    /// The queries in `values`, one after the other, each of `dimension` components.
    ///
    /// # Errors
    /// `VEL-7001` for no components, for a length that is no multiple of `dimension`, and for NaN or infinity.
    pub fn try_new(values: Vec<f64>, dimension: usize) -> Result<Self> {
        if values.is_empty() || dimension == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "query vector cannot be empty"));
        }
        if !values.len().is_multiple_of(dimension) {
            let message = format!("{} numbers are no whole number of vectors of {dimension} dimensions", values.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        check_finite(&values, dimension)?;
        Ok(Self { values, dimension })
    }

    /// One query.
    ///
    /// # Errors
    /// Those of [`Queries::try_new`].
    pub fn one(values: Vec<f64>) -> Result<Self> {
        let dimension = values.len();
        Self::try_new(values, dimension)
    }

    /// The number of components of each query.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The number of queries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Each query.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dimension)
    }

    /// The queries rounded to 32 bits, which is what columns of 16- and 32-bit floats are compared with.
    ///
    /// # Errors
    /// `VEL-7001` for a component that is infinite in 32 bits.
    pub fn narrowed(&self) -> Result<Self> {
        let values: Vec<f64> = self.values.iter().map(|value| f64::from(*value as f32)).collect();
        check_finite(&values, self.dimension)?;
        Ok(Self { values, dimension: self.dimension })
    }

    /// Refuses columns of vectors of another length.
    ///
    /// # Errors
    /// `VEL-2004` with both numbers.
    pub fn check_dimension(&self, column: usize) -> Result<()> {
        if column == self.dimension {
            return Ok(());
        }
        let message = format!(
            "fixed vector length mismatch in vectorQuery: the query has {} dimensions, the column has {column}",
            self.dimension
        );
        Err(Error::new(ErrorCode::TypeMismatch, message))
    }
}

fn check_finite(values: &[f64], dimension: usize) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => {
            let message = format!(
                "the query vector is not finite: {} at position {}",
                values.get(place).copied().unwrap_or_default(),
                place % dimension
            );
            Err(Error::new(ErrorCode::InvalidArgument, message).with_hint("a query has finite 32-bit numbers only"))
        }
    }
}

//! What "near" means.

use std::cmp::Ordering;
use std::str::FromStr;

use velaria_contract::{Error, ErrorCode};

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The cosine distance `1 - clamp(a·b / (|a||b|), -1, 1)`: 0 for the same direction, 2 for the opposite one, and 1
    /// when one of the two is zero. Smaller is nearer.
    #[default]
    Cosine,
    /// The inner product `a·b`. Larger is nearer.
    Dot,
    /// The Euclidean distance `|a - b|`. Smaller is nearer.
    L2,
}

impl Metric {
    /// The name in explanations and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::L2 => "l2",
        }
    }

    /// Whether smaller scores are nearer.
    #[must_use]
    pub fn is_distance(self) -> bool {
        self != Self::Dot
    }

    /// Whether `score` is at least as near as `threshold`. NaN reaches none.
    #[must_use]
    pub fn reaches(self, score: f64, threshold: f64) -> bool {
        if self.is_distance() { score <= threshold } else { score >= threshold }
    }

    /// The order of two scores, nearest first. NaN, the score of a vector that is not finite, is after every number.
    #[must_use]
    pub fn order(self, left: f64, right: f64) -> Ordering {
        let nan_last = left.is_nan().cmp(&right.is_nan());
        let nearer = left.partial_cmp(&right).unwrap_or(Ordering::Equal);
        nan_last.then(if self.is_distance() { nearer } else { nearer.reverse() })
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Reads `cosine` (or `cosin`), `dot` or `l2`, in any case.
    ///
    /// # Errors
    /// `VEL-7001` for every other word.
    fn from_str(word: &str) -> Result<Self, Error> {
        match word.to_ascii_lowercase().as_str() {
            "cosine" | "cosin" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            "l2" => Ok(Self::L2),
            _ => Err(Error::new(ErrorCode::InvalidArgument, "metric must be one of: cosine/cosin, dot, l2")
                .with_hint(format!("got: {word}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            assert_eq!(metric.name().parse::<Metric>().unwrap(), metric);
        }
        assert_eq!("Cosin".parse::<Metric>().unwrap(), Metric::Cosine);
        let error = "hamming".parse::<Metric>().unwrap_err();
        assert_eq!(error.message(), "metric must be one of: cosine/cosin, dot, l2");
    }

    #[test]
    fn a_threshold_is_reached_from_its_nearer_side() {
        for (metric, nearer, farther) in [(Metric::L2, 1.0, 3.0), (Metric::Cosine, 1.0, 3.0), (Metric::Dot, 3.0, 1.0)] {
            assert!(metric.reaches(nearer, 2.0) && metric.reaches(2.0, 2.0) && !metric.reaches(farther, 2.0));
            assert!(!metric.reaches(f64::NAN, 2.0));
        }
    }

    #[test]
    fn what_is_no_number_is_last_for_every_metric() {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            assert_eq!(metric.order(f64::NAN, 1e300), Ordering::Greater);
            assert_eq!(metric.order(-1e300, f64::NAN), Ordering::Less);
            assert_eq!(metric.order(0.0, -0.0), Ordering::Equal);
        }
        assert_eq!(Metric::Dot.order(2.0, 1.0), Ordering::Less);
        assert_eq!(Metric::L2.order(2.0, 1.0), Ordering::Greater);
    }
}

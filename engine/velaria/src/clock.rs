//! Whether a plan depends on the time at which it runs.

/// What the functions of a query say about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClockUse {
    /// The same plan gives the same rows at any time.
    #[default]
    Never,
    /// The plan holds the time at which the query starts.
    AtStart,
}

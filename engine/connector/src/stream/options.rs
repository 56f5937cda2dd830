//! An option of a source or a sink, as documentation and SQL name it.

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndOption {
    /// Its name, in SQL `OPTIONS` and in every language.
    pub name: &'static str,
    /// Its value unless it is given, as text; empty when it is not set.
    pub default: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

impl EndOption {
    pub(super) const fn new(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { name, default, meaning }
    }
}

//! Whose checkpoint it is.

use std::path::Path;

use velaria_contract::Result;

use super::fault;

/// What must be the same for a query to go on from a checkpoint: named parts, such as the statement and the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Names and values, in the order in which differences are told.
    pub parts: Vec<(String, String)>,
}

/// More of a value is not shown.
const SHOWN_CHARS: usize = 120;

impl Identity {
    /// A short text that differs when a part differs, for people.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut sum = crc32fast::Hasher::new();
        for text in self.parts.iter().flat_map(|(name, value)| [name, value]) {
            sum.update(&(text.len() as u64).to_le_bytes());
            sum.update(text.as_bytes());
        }
        format!("{:08x}", sum.finalize())
    }

    fn part(&self, name: &str) -> Option<&str> {
        self.parts.iter().find(|(part, _)| part == name).map(|(_, value)| value.as_str())
    }

    /// Fails with the first part of this query that is another one in the checkpoint.
    pub(super) fn check(&self, found: &Self, path: &Path) -> Result<()> {
        let names = self.parts.iter().chain(&found.parts).map(|(name, _)| name);
        for name in names {
            let (here, there) = (self.part(name), found.part(name));
            if here != there {
                let (here, there) = shown(here, there);
                return Err(fault::mismatch(path, format!("its {name} is {there}, and that of this query is {here}")));
            }
        }
        Ok(())
    }
}

/// Both values, cut to what shows where they differ.
fn shown(here: Option<&str>, there: Option<&str>) -> (String, String) {
    let both = here.unwrap_or_default().chars().zip(there.unwrap_or_default().chars());
    let same = both.take_while(|(left, right)| left == right).count();
    let skip = if same > SHOWN_CHARS / 2 { same - SHOWN_CHARS / 4 } else { 0 };
    (cut(here, skip), cut(there, skip))
}

fn cut(value: Option<&str>, skip: usize) -> String {
    let Some(value) = value else {
        return "missing".to_owned();
    };
    let mut rest = value.chars().skip(skip);
    let text: String = rest.by_ref().take(SHOWN_CHARS).collect();
    let before = if skip > 0 { "…" } else { "" };
    let after = if rest.next().is_some() { "…" } else { "" };
    format!("'{before}{text}{after}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(parts: &[(&str, &str)]) -> Identity {
        Identity { parts: parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    fn difference(here: &Identity, there: &Identity) -> String {
        here.check(there, Path::new("c")).unwrap_err().to_string()
    }

    #[test]
    fn the_part_that_differs_is_named_with_both_values() {
        let here = identity(&[("statement", "SELECT 1"), ("engine", "2")]);
        let there = identity(&[("statement", "SELECT 1"), ("engine", "1")]);
        assert!(here.check(&here.clone(), Path::new("c")).is_ok());
        let expected = "checkpoint c cannot be used: its engine is '1', and that of this query is '2'";
        assert_eq!(difference(&here, &there), expected);
        assert_ne!(here.fingerprint(), there.fingerprint());
    }

    #[test]
    fn a_part_that_only_one_side_has_is_missing_on_the_other() {
        let (more, less) = (identity(&[("a", "1"), ("b", "2")]), identity(&[("a", "1")]));
        assert!(difference(&more, &less).contains("its b is missing, and that of this query is '2'"));
        assert!(difference(&less, &more).contains("its b is '2', and that of this query is missing"));
    }

    #[test]
    fn long_values_are_cut_to_where_they_differ() {
        let long = "é".repeat(5000);
        let (here, there) = (identity(&[("s", &format!("{long}x"))]), identity(&[("s", &format!("{long}y"))]));
        let text = difference(&here, &there);
        assert!(text.chars().count() < 400 && text.contains("éx'") && text.contains("éy'"), "{text}");
    }
}

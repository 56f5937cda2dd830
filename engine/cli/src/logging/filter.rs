//! What is logged: levels, and those of single targets.

use log::{Level, LevelFilter};

/// The targets of the engine, which a level without a target is for.
const ENGINE: &str = "velaria";

/// A level for each target, whose name may be that of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The longest name that fits says the level; one that none fits is not logged.
    levels: Vec<(String, LevelFilter)>,
}

impl Filter {
    /// What the engine logs, up to `level`.
    pub(crate) fn of(level: LevelFilter) -> Self {
        Self { levels: vec![(ENGINE.to_owned(), level)] }
    }

    /// Reads `info`, `velaria.stream=debug` or several of them with commas between; `None` when it is none of that.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let levels = parts.map(|part| {
            let (target, level) = part.split_once('=').unwrap_or((ENGINE, part));
            Some((target.trim().replace("::", "."), level.trim().parse().ok()?))
        });
        levels.collect::<Option<_>>().map(|levels| Self { levels })
    }

    /// Whether what is logged under `target` at `level` is wanted.
    pub(crate) fn lets(&self, level: Level, target: &str) -> bool {
        let fits = |name: &str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let found = self.levels.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len());
        found.is_some_and(|(_, wanted)| level <= *wanted)
    }

    /// The highest level that any target has.
    pub(crate) fn level(&self) -> LevelFilter {
        self.levels.iter().map(|(_, level)| *level).max().unwrap_or(LevelFilter::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_decides() {
        let filter = Filter::parse("warn, velaria.stream=debug,velaria.stream.sink=off,datafusion=info").unwrap();
        assert!(filter.lets(Level::Warn, "velaria.query") && !filter.lets(Level::Info, "velaria.query"));
        assert!(
            filter.lets(Level::Debug, "velaria.stream.driver") && !filter.lets(Level::Error, "velaria.stream.sink")
        );
        assert!(filter.lets(Level::Info, "datafusion") && !filter.lets(Level::Error, "datafusionx"));
        assert!(!filter.lets(Level::Error, "hyper"));
        assert_eq!(filter.level(), LevelFilter::Debug);
    }

    #[test]
    fn what_is_no_level_is_refused() {
        assert_eq!(Filter::parse("INFO"), Some(Filter::of(LevelFilter::Info)));
        assert_eq!(Filter::parse("loud"), None);
        assert_eq!(Filter::parse("velaria=loud"), None);
        assert_eq!(Filter::parse("").map(|filter| filter.level()), Some(LevelFilter::Off));
    }
}

//! Suites: which folders of the corpus run on which surfaces, and what is left out, with a reason.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Error, Result};

/// A file of `conformance/suites`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// What the suite is for.
    pub description: String,
    /// Folders below `sqllogic`.
    pub folders: Vec<String>,
    /// Where the records run, in this order.
    pub surfaces: Vec<SurfaceName>,
    /// Whether the workloads of `bench/workloads` are checked as well, on the surfaces in process.
    #[serde(default)]
    pub workloads: bool,
    /// What is left out.
    #[serde(default, rename = "skip")]
    pub skips: Vec<Skip>,
}

/// A surface that a suite can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SurfaceName {
    /// The engine in process, one thread.
    #[serde(rename = "engine-1")]
    #[value(name = "engine-1")]
    Engine1,
    /// The engine in process, four threads.
    #[serde(rename = "engine-4")]
    #[value(name = "engine-4")]
    Engine4,
    /// The installed Python package.
    Python,
    /// The command line binary.
    Cli,
    /// The engine in process, with micro-batches below its SELECTs.
    Replay,
}

impl SurfaceName {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine1 => "engine-1",
            Self::Engine4 => "engine-4",
            Self::Python => "python",
            Self::Cli => "cli",
            Self::Replay => "replay",
        }
    }

    /// The number of threads of a surface in process.
    #[must_use]
    pub fn threads(self) -> Option<usize> {
        match self {
            Self::Engine1 => Some(1),
            Self::Engine4 => Some(4),
            Self::Python | Self::Cli | Self::Replay => None,
        }
    }
}

/// Something that is not run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// On this surface.
    pub surface: SurfaceName,
    /// A file or folder below `sqllogic`; without it, the whole surface.
    pub path: Option<String>,
    /// Why. An empty reason is refused.
    pub reason: String,
}

impl Suite {
    /// Reads the suite `name` of the repository at `root`.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none, [`Error::File`] when it is not valid.
    pub fn read(root: &Path, name: &str) -> Result<Self> {
        let path = folder(root).join(format!("{name}.toml"));
        if !path.is_file() {
            return Err(Error::Usage(format!("no suite named {name:?} in conformance/suites")));
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        Self::parse(&path, &text)
    }

    /// Every suite of the repository, with its path.
    ///
    /// # Errors
    /// Like [`Suite::read`].
    pub fn read_all(root: &Path) -> Result<Vec<(PathBuf, Self)>> {
        let folder = folder(root);
        let mut suites = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
            let suite = Self::parse(&path, &text)?;
            suites.push((path, suite));
        }
        suites.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(suites)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let suite: Self = toml::from_str(text).map_err(|error| Error::file(path, error.to_string()))?;
        if let Some(skip) = suite.skips.iter().find(|skip| skip.reason.trim().is_empty()) {
            let path_of_skip = skip.path.as_deref().unwrap_or("everything");
            return Err(Error::file(path, format!("the skip of {path_of_skip} carries no reason")));
        }
        Ok(suite)
    }

    /// Why `file` is not run on `surface`, if it is not.
    #[must_use]
    pub fn skip_reason(&self, surface: SurfaceName, file: &str) -> Option<&str> {
        let covers = |path: &str| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.skips
            .iter()
            .find(|skip| skip.surface == surface && skip.path.as_deref().is_none_or(covers))
            .map(|skip| skip.reason.as_str())
    }
}

fn folder(root: &Path) -> PathBuf {
    root.join("conformance/suites")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = r#"
        description = "sample"
        folders = ["select"]
        surfaces = ["engine-1", "cli"]
        [[skip]]
        surface = "cli"
        path = "select/float"
        reason = "JSON has no NaN"
    "#;

    #[test]
    fn a_skip_covers_its_folder_on_its_surface_only() {
        let suite = Suite::parse(Path::new("s.toml"), SUITE).unwrap();
        assert_eq!(suite.skip_reason(SurfaceName::Cli, "select/float/nan.slt"), Some("JSON has no NaN"));
        assert_eq!(suite.skip_reason(SurfaceName::Cli, "select/floats.slt"), None);
        assert_eq!(suite.skip_reason(SurfaceName::Engine1, "select/float/nan.slt"), None);
    }

    #[test]
    fn a_skip_without_a_reason_is_refused() {
        let text = SUITE.replace("JSON has no NaN", " ");
        assert!(Suite::parse(Path::new("s.toml"), &text).is_err());
        let text = SUITE.replace("reason", "because");
        assert!(Suite::parse(Path::new("s.toml"), &text).is_err());
    }
}

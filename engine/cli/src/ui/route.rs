//! What the path of a request asks for.

use velaria_workspace::RunId;

use super::query::decoded;

/// A page, or what a page is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The list of runs.
    Runs,
    /// The list of runs, again and again.
    RunsLive,
    /// One run.
    Run(RunId),
    /// One run, again and again.
    RunLive(RunId),
    /// The report of a run, to keep.
    Report(RunId),
    /// Ends a run.
    Cancel(RunId),
    /// The list of artifacts.
    Artifacts,
    /// The rows of one artifact.
    Artifact(String),
    /// The box for SQL.
    Sql,
    /// The script.
    Script,
    /// The style.
    Style,
}

/// The longest id of an artifact: programs may have chosen it.
const ID_MAX_BYTES: usize = 256;

/// What `path`, which starts with a slash, asks for.
pub(super) fn parse(path: &str) -> Option<Route> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    match parts.as_slice() {
        [""] => Some(Route::Runs),
        ["live"] => Some(Route::RunsLive),
        ["run", id] => Some(Route::Run(id.parse().ok()?)),
        ["run", id, "live"] => Some(Route::RunLive(id.parse().ok()?)),
        ["run", id, "report.html"] => Some(Route::Report(id.parse().ok()?)),
        ["run", id, "cancel"] => Some(Route::Cancel(id.parse().ok()?)),
        ["artifacts"] => Some(Route::Artifacts),
        ["artifact", id] => Some(Route::Artifact(artifact_id(id)?)),
        ["sql"] => Some(Route::Sql),
        ["ui.js"] => Some(Route::Script),
        ["ui.css"] => Some(Route::Style),
        _ => None,
    }
}

/// Whether `path` is that of a page, in letters that mean nothing else in an address.
pub(super) fn is_page(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    path.bytes().all(plain) && parse(path).is_some_and(|route| route.takes_get())
}

/// An artifact is looked up by its id, and no path is built from it.
fn artifact_id(text: &str) -> Option<String> {
    let id = decoded(text)?;
    (!id.is_empty() && id.len() <= ID_MAX_BYTES && !id.chars().any(char::is_control)).then_some(id)
}

impl Route {
    /// Whether something is sent here.
    pub(super) fn takes_post(&self) -> bool {
        matches!(self, Self::Sql | Self::Cancel(_))
    }

    /// Whether it is there to be looked at.
    pub(super) fn takes_get(&self) -> bool {
        !matches!(self, Self::Cancel(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20261121T073807Z_41f61f86";

    #[test]
    fn paths_are_pages() {
        let id: RunId = ID.parse().unwrap();
        for (path, route) in [
            ("/".to_owned(), Route::Runs),
            ("/live".to_owned(), Route::RunsLive),
            (format!("/run/{ID}"), Route::Run(id.clone())),
            (format!("/run/{ID}/live"), Route::RunLive(id.clone())),
            (format!("/run/{ID}/cancel"), Route::Cancel(id)),
            ("/artifact/a%2Fb".to_owned(), Route::Artifact("a/b".to_owned())),
            ("/sql".to_owned(), Route::Sql),
        ] {
            assert_eq!(parse(&path), Some(route), "{path}");
        }
    }

    #[test]
    fn pages_are_on_this_server() {
        for path in ["/", "/sql", "/run/20261121T073807Z_41f61f86", "/artifact/a%2Fb"] {
            assert!(is_page(path), "{path}");
        }
        for path in [
            "//evil.example",
            "http://evil.example/",
            "/artifact/a?b",
            "/artifact/a;b",
            "/artifact/ü",
            "/\\evil.example",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }

    #[test]
    fn other_paths_are_nothing() {
        let long = format!("/artifact/{}", "a".repeat(300));
        for path in [
            "",
            "sql",
            "//",
            "/sql/",
            "/run/",
            "/run/..",
            "/run/../../etc/passwd",
            "/run/%2e%2e",
            "/run/20261121T073807Z_41F61F86",
            "/run/20261121T073807Z_41f61f86/",
            "/run/20261121T073807Z_41f61f86/../x",
            "/run/20261121T073807Z_41f61f86%00",
            "/artifact/",
            "/artifact/a/b",
            "/artifact/%",
            "/artifact/%zz",
            "/artifact/%ff",
            "/artifact/a%00b",
            "/artifact/a%0Ab",
            &long,
            "/etc/passwd",
            "/UI.JS",
        ] {
            assert!(parse(path).is_none() && !is_page(path), "{path}");
        }
    }
}

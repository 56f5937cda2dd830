//! One file that a run made, and its `file://` address.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use velaria_contract::Result;

use crate::Object;
use crate::failure::invalid;
use crate::home::Home;
use crate::run_id::{RunId, artifact_id};

/// What a run made, before it has an id.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// The kind of thing, `file` for all that there are today.
    pub kind: String,
    /// Where it is; see [`file_uri`].
    pub uri: String,
    /// `csv`, `parquet`, `arrow` or `text`.
    pub format: String,
    /// Its rows, where it has rows.
    pub row_count: Option<u64>,
    /// The names of its columns, where it has columns.
    pub schema: Option<Vec<String>>,
    /// Its first rows; see [`preview`](crate::preview()).
    pub preview: Option<Object>,
    /// Labels, such as `result`.
    pub tags: Vec<String>,
}

impl NewArtifact {
    /// A file of `format` at `path`, which is absolute.
    ///
    /// # Errors
    /// `VEL-7001` when `path` is relative.
    pub fn file(path: &Path, format: impl Into<String>) -> Result<Self> {
        Ok(Self {
            kind: "file".to_owned(),
            uri: file_uri(path)?,
            format: format.into(),
            row_count: None,
            schema: None,
            preview: None,
            tags: Vec::new(),
        })
    }

    /// The record of this artifact of the run `id`, with a new id of its own, for
    /// [`insert_artifact`](crate::ArtifactIndex::insert_artifact).
    ///
    /// # Errors
    /// `VEL-6003` when the system has no random numbers.
    pub fn record(&self, home: &Home, id: &RunId) -> Result<Object> {
        let mut record = Object::new();
        let mut set = |key: &str, value: Value| record.insert(key.to_owned(), value);
        set("type", json!(self.kind));
        set("uri", json!(self.uri));
        set("format", json!(self.format));
        set("row_count", json!(self.row_count));
        set("schema_json", json!(self.schema));
        set("preview_json", json!(self.preview));
        set("tags_json", json!(self.tags));
        set("artifact_id", json!(artifact_id()?));
        set("run_id", json!(id.as_str()));
        set("created_at", json!(home.now()));
        Ok(record)
    }
}

/// Makes the file at `path` one of its user alone, as everything in `home` is; a file elsewhere stays as it is.
///
/// # Errors
/// `VEL-6003` when the file system refuses.
pub fn keep_private(home: &Home, path: &Path) -> Result<()> {
    if !home.contains(path) || !path.symlink_metadata().is_ok_and(|file| file.is_file()) {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|source| crate::failure::refused("cannot change the permissions of", path, source))?;
    }
    Ok(())
}

/// The address of the file at `path`: `file:///` and the path, with what an address cannot hold as `%XX`.
///
/// # Errors
/// `VEL-7001` when `path` is relative.
pub fn file_uri(path: &Path) -> Result<String> {
    if !path.is_absolute() {
        return Err(invalid(format!("{} is not an absolute path", path.display())));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(uri)
}

/// The path that the address `uri` of a local file says, or that `uri` is: text that starts with `/` is taken as it is.
///
/// # Errors
/// `VEL-7001` for every other address.
pub fn file_path(uri: &str) -> Result<PathBuf> {
    let refused = || invalid(format!("{uri} is not the address of a local file")).with_hint("write file:///path");
    if uri.starts_with('/') && !uri.contains('\0') {
        return Ok(PathBuf::from(uri));
    }
    let rest = uri.strip_prefix("file://").ok_or_else(refused)?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(refused());
    }
    let bytes = decoded(path.as_bytes()).filter(|bytes| !bytes.contains(&0)).ok_or_else(refused)?;
    from_bytes(bytes).ok_or_else(refused)
}

/// `text` with every `%XX` as its byte.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'%' {
            bytes.push(u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()?);
            at += 3;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    Some(bytes)
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_from_its_address() {
        for path in ["/a/b.csv", "/with space/%41/ü/北京.csv", "/", "/a#b?c\n"] {
            let uri = file_uri(Path::new(path)).unwrap();
            assert!(uri.is_ascii() && !uri.contains(' '), "{uri}");
            assert_eq!(file_path(&uri).unwrap(), Path::new(path));
        }
        assert_eq!(file_uri(Path::new("/a b")).unwrap(), "file:///a%20b");
        assert_eq!(file_path("file:///with space").unwrap(), Path::new("/with space"));
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        for path in ["/", "/a b/%41?x#y.csv", "/北"] {
            assert_eq!(file_path(path).unwrap(), Path::new(path));
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for uri in [
            "",
            "a",
            "/a\0b",
            "http://h/a",
            "file:a",
            "file://host/a",
            "file:///a%0",
            "file:///a%zz",
            "file:///a%00",
            "file:///a?b",
        ] {
            assert!(file_path(uri).is_err(), "{uri}");
        }
        assert!(file_uri(Path::new("a.csv")).is_err());
    }
}

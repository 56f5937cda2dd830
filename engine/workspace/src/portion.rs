//! A part of a file of a run, which may be larger than anybody wants to see, or not be a file at all.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use velaria_contract::Result;

use crate::failure::refused;
use crate::file;

/// A part of a file, as text; bytes that are no UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// The part.
    pub text: String,
    /// The bytes of the file.
    pub file_bytes: u64,
    /// Whether it is not all of the file.
    pub partial: bool,
}

/// The first `bytes_max` bytes of the file at `path`, where there is one. A link is not followed.
///
/// # Errors
/// `VEL-6003` when the file system refuses, or `path` is not a file.
pub fn read_head(path: &Path, bytes_max: usize) -> Result<Option<Portion>> {
    read(path, bytes_max, |_| 0)
}

/// The last `bytes_max` bytes of the file at `path`, where there is one. A link is not followed.
///
/// # Errors
/// `VEL-6003` when the file system refuses, or `path` is not a file.
pub fn read_tail(path: &Path, bytes_max: usize) -> Result<Option<Portion>> {
    read(path, bytes_max, |length| length.saturating_sub(bytes_max as u64))
}

/// The part from the byte that `begin` says for the length of the file.
fn read(path: &Path, bytes_max: usize, begin: impl Fn(u64) -> u64) -> Result<Option<Portion>> {
    match open(path).and_then(|(file, length)| part(file, length, begin(length), bytes_max)) {
        Ok(portion) => Ok(Some(portion)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(refused("cannot read", path, source)),
    }
}

/// The file at `path`, and its length.
///
/// # Errors
/// When it is a link, or anything but a file: a pipe would make its reader wait.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = file::open_read(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta.len())) } else { Err(io::Error::other("it is not a file")) }
}

fn part(mut file: File, file_bytes: u64, begin: u64, bytes_max: usize) -> io::Result<Portion> {
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64).read_to_end(&mut bytes)?;
    let partial = (bytes.len() as u64) < file_bytes;
    Ok(Portion { text: String::from_utf8_lossy(whole_letters(&bytes, begin)).into_owned(), file_bytes, partial })
}

/// `bytes` without the end of a letter that begins before them, where they begin in the middle of a file.
fn whole_letters(bytes: &[u8], begin: u64) -> &[u8] {
    // A letter has at most three bytes after its first.
    let continued = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    if begin == 0 { bytes } else { &bytes[continued..] }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_ends_of_a_file_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        assert_eq!(read_head(&path, 9).unwrap(), None);
        fs::write(&path, "ab北cd").unwrap();
        let portion = |text: &str, partial| Some(Portion { text: text.to_owned(), file_bytes: 7, partial });
        assert_eq!(read_head(&path, 2).unwrap(), portion("ab", true));
        assert_eq!(read_tail(&path, 4).unwrap(), portion("cd", true));
        assert_eq!(read_tail(&path, 5).unwrap(), portion("北cd", true));
        for both in [read_head(&path, 7), read_tail(&path, 99)] {
            assert_eq!(both.unwrap(), portion("ab北cd", false));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_directories_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        fs::write(folder.path().join("target"), "secret").unwrap();
        std::os::unix::fs::symlink(folder.path().join("target"), &link).unwrap();
        for path in [link.as_path(), folder.path()] {
            assert!(read_head(path, 10).is_err(), "{}", path.display());
            assert!(read_tail(path, 10).is_err(), "{}", path.display());
        }
    }
}

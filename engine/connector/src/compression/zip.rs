//! The one member of a zip archive, as a stream.
//!
//! The `zip` crate reads the directory; the content is inflated here, since its readers borrow the archive. Directories
//! and the side files of macOS do not count as members.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use velaria_contract::{Error, ErrorCode, Result};
use zip::{CompressionMethod, ZipArchive};

use super::carry;
use crate::LocalFile;
use crate::counted_file::CountedFile;

/// With more entries than this the archive is refused unread: a directory of millions of entries would fill the memory.
const ENTRIES_MAX: u64 = 1000;
const NAMES_SHOWN: usize = 5;

/// The content of the only member of `file`.
///
/// # Errors
/// `VEL-5008` when the archive is damaged, has another number of members, or when the member is encrypted or compressed
/// in a way that is not known.
pub(super) fn open(file: &LocalFile) -> Result<Box<dyn Read + Send>> {
    let mut content = file.counted()?;
    let member = only_member(file.path(), &mut content)?;
    content.seek(SeekFrom::Start(member.start)).map_err(|error| damaged(file.path(), &error))?;
    let raw = BufReader::new(content).take(member.compressed_bytes);
    let inflate = if member.deflated { Inflate::Deflated(DeflateDecoder::new(raw)) } else { Inflate::Stored(raw) };
    Ok(Box::new(MemberReader { inflate, member, crc: Crc::new(), bytes: 0, path: file.path().to_path_buf() }))
}

/// The names of the members of `file`, at most some thousand.
///
/// # Errors
/// `VEL-5008` when it is not a zip archive.
pub(crate) fn names(file: &LocalFile) -> Result<Vec<String>> {
    let archive = archive(file.path(), file.reader()?)?;
    Ok(archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

struct Member {
    start: u64,
    compressed_bytes: u64,
    bytes: u64,
    crc: u32,
    deflated: bool,
}

fn archive<R: Read + Seek>(path: &Path, mut content: R) -> Result<ZipArchive<R>> {
    let entries = claimed_entries(&mut content).map_err(|error| damaged(path, &error))?;
    if entries > ENTRIES_MAX {
        return Err(many(path, &format!("{entries} members")));
    }
    ZipArchive::new(content).map_err(|error| damaged(path, &error))
}

/// The number of entries that the end of the archive gives; 65,535 stands for any number from there on.
fn claimed_entries(content: &mut (impl Read + Seek)) -> io::Result<u64> {
    const END: &[u8] = b"PK\x05\x06";
    const END_BYTES: u64 = 22;
    let bytes = content.seek(SeekFrom::End(0))?;
    content.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES + u64::from(u16::MAX))))?;
    let mut tail = Vec::new();
    content.read_to_end(&mut tail)?;
    let end = memchr::memmem::rfind(&tail, END).and_then(|start| tail.get(start + 10..start + 12));
    Ok(end.map_or(0, |count| u64::from(u16::from_le_bytes([count[0], count[1]]))))
}

fn only_member(path: &Path, content: &mut CountedFile) -> Result<Member> {
    let mut archive = archive(path, content)?;
    let counted: Vec<usize> = (0..archive.len()).filter(|index| counts(&archive, *index)).collect();
    let [index] = counted[..] else {
        let names: Vec<String> = counted.iter().take(NAMES_SHOWN).map(|index| name(&archive, *index)).collect();
        let more = if counted.len() > NAMES_SHOWN { ", …" } else { "" };
        let what = if counted.is_empty() { String::new() } else { format!(": {}{more}", names.join(", ")) };
        return Err(many(path, &format!("{} members{what}", counted.len())));
    };
    let member = archive.by_index_raw(index).map_err(|error| damaged(path, &error))?;
    if member.encrypted() {
        return Err(refused(path, "the member is encrypted", "decrypt it with an archiver first"));
    }
    let deflated = match member.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        other => return Err(refused(path, &format!("the member is compressed as {other}"), "unpack it first")),
    };
    let start = member.data_start().ok_or_else(|| damaged(path, &"no data"))?;
    let (compressed_bytes, bytes, crc) = (member.compressed_size(), member.size(), member.crc32());
    Ok(Member { start, compressed_bytes, bytes, crc, deflated })
}

fn name<R>(archive: &ZipArchive<R>, index: usize) -> String
where
    R: Read + Seek,
{
    archive.name_for_index(index).and_then(std::result::Result::ok).unwrap_or_default().into_owned()
}

fn counts<R: Read + Seek>(archive: &ZipArchive<R>, index: usize) -> bool {
    let name = name(archive, index);
    !name.ends_with('/') && !name.starts_with("__MACOSX/") && !name.ends_with(".DS_Store")
}

fn many(path: &Path, what: &str) -> Error {
    refused(path, &format!("a zip archive with {what}, where one is needed"), "unpack it and read the files")
}

fn refused(path: &Path, what: &str, hint: &str) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("{}: {what}", path.display())).with_hint(hint)
}

fn damaged(path: &Path, error: &impl ToString) -> Error {
    refused(path, "the zip archive is damaged", &error.to_string())
}

enum Inflate {
    Stored(Take<BufReader<CountedFile>>),
    Deflated(DeflateDecoder<Take<BufReader<CountedFile>>>),
}

struct MemberReader {
    inflate: Inflate,
    member: Member,
    crc: Crc,
    bytes: u64,
    path: PathBuf,
}

impl Read for MemberReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inflate {
            Inflate::Stored(raw) => raw.read(buf),
            Inflate::Deflated(decoder) => decoder.read(buf),
        };
        let read = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fault(&format!("is damaged ({error})"))),
        };
        self.crc.update(&buf[..read]);
        self.bytes += read as u64;
        if self.bytes > self.member.bytes {
            return Err(self.fault("holds more than its directory says"));
        }
        if read == 0 && !buf.is_empty() && (self.bytes, self.crc.sum()) != (self.member.bytes, self.member.crc) {
            return Err(self.fault("ends early or is damaged"));
        }
        Ok(read)
    }
}

impl MemberReader {
    fn fault(&self, what: &str) -> io::Error {
        let used = match &self.inflate {
            Inflate::Stored(raw) => self.member.compressed_bytes - raw.limit(),
            Inflate::Deflated(decoder) => decoder.total_in(),
        };
        let place = self.member.start + used;
        let message = format!("{}: zip data {what} at compressed byte {place}", self.path.display());
        carry(Error::new(ErrorCode::MalformedFile, message).with_hint("the file may be cut: copy it again"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::FileAccess;

    pub(in crate::compression) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8]) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.csv");
        std::fs::write(&path, bytes).unwrap();
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap())?;
        let mut text = String::new();
        open(&file)?.read_to_string(&mut text).map_err(|error| super::super::carried(&path, error))?;
        Ok(text)
    }

    #[test]
    fn side_files_are_not_members() {
        let bytes = archive(&[("t.csv", b"a\n1\n"), ("__MACOSX/._t.csv", b"x"), (".DS_Store", b"x")]);
        assert_eq!(read(&bytes).unwrap(), "a\n1\n");
    }

    #[test]
    fn several_members_are_named() {
        let error = read(&archive(&[("a.csv", b"a\n"), ("b.csv", b"b\n")])).unwrap_err();
        assert!(
            error.message().ends_with("a zip archive with 2 members: a.csv, b.csv, where one is needed"),
            "{error}"
        );
        let error = read(&archive(&[])).unwrap_err();
        assert!(error.message().ends_with("a zip archive with 0 members, where one is needed"), "{error}");
    }

    #[test]
    fn an_encrypted_member_is_refused() {
        let mut bytes = archive(&[("t.csv", b"a\n1\n")]);
        // The flags in the header of the member and in the directory.
        bytes[6] |= 1;
        let directory = memchr::memmem::find(&bytes, b"PK\x01\x02").unwrap();
        bytes[directory + 8] |= 1;
        let error = read(&bytes).unwrap_err();
        assert!(error.message().ends_with("data.csv: the member is encrypted"), "{error}");
    }

    #[test]
    fn a_member_that_is_larger_than_it_says_ends_there() {
        let mut bytes = archive(&[("t.csv", &b"a,b\n".repeat(1000))]);
        let directory = memchr::memmem::find(&bytes, b"PK\x01\x02").unwrap();
        bytes[directory + 24..directory + 28].copy_from_slice(&100u32.to_le_bytes());
        let error = read(&bytes).unwrap_err();
        assert!(error.message().contains("zip data holds more than its directory says at compressed byte"), "{error}");
    }
}

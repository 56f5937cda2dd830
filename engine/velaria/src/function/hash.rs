//! Digests of text and bytes, as lower-case hexadecimal text.

use md5::{Digest, Md5};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::kernel::{Kind, Row, Spec, Value};
use super::text::hex;

use Kind::{Text, TextOrBytes};

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("md5", &[TextOrBytes], Text, |row| Ok(digest::<Md5>(row))),
    Spec::new("sha224", &[TextOrBytes], Text, |row| Ok(digest::<Sha224>(row))),
    Spec::new("sha256", &[TextOrBytes], Text, |row| Ok(digest::<Sha256>(row))),
    Spec::new("sha384", &[TextOrBytes], Text, |row| Ok(digest::<Sha384>(row))),
    Spec::new("sha512", &[TextOrBytes], Text, |row| Ok(digest::<Sha512>(row))),
];

fn digest<D: Digest>(row: &Row<'_>) -> Value {
    Value::Text(hex(&D::digest(row.bytes(0))).to_lowercase())
}

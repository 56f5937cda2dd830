//! Tables of Feishu and Lark Bases ("Bitable"), read over their open interface.
//!
//! [`Pages`] says which request comes next and judges each answer, and never sends anything: whoever has it decides how a
//! request travels. [`BitableClient`] is one such way, with the token, the pace and the retries that the service asks for;
//! any other is a [`Transport`]. [`read_records`] brings fields, pages and types together as batches, and
//! [`BitableStream`] does so again and again with what was modified since.
//!
//! Credentials go to the hosts of the service and to those that the caller named, never along a redirect, and never into
//! text: what prints them prints stars.

mod address;
mod client;
mod decode;
mod exchange;
mod fault;
mod fields;
mod pace;
mod paging;
mod read;
mod reply;
mod retry;
mod secret;
mod stream;
mod token;
mod transport;

pub use self::address::{Origin, TableAddress};
pub use self::client::{BitableClient, BitableSettings};
pub use self::paging::{PageHead, PageRequest, Pages, RecordQuery};
pub use self::read::{BitableRows, BitableSource, read_records};
pub use self::secret::Secret;
pub use self::stream::{BitableStream, BitableStreamSettings};
pub use self::transport::{Blocking, TextTransport, Transport};

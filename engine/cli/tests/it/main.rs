//! The binary, called as a shell calls it.

mod runs;

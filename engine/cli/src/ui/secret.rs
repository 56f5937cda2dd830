//! Who may come in: the token of the address, the cookie that it is exchanged for, and a ticket that is taken once.
//!
//! A token that opens pages again and again must not stand where other users of the machine can read it, such as among the
//! arguments of the program that opens a browser: a ticket stands there.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use velaria::{Error, ErrorCode, Result};

/// Bytes of a secret.
const LENGTH_BYTES: usize = 32;

/// The secrets of one server, which live as long as it does.
pub(super) struct Secrets {
    token: String,
    cookie: String,
    ticket: Mutex<Option<String>>,
}

impl Secrets {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { token: random()?, cookie: random()?, ticket: Mutex::new(None) })
    }

    /// What the printed address holds.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// What a browser keeps.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// A new ticket; one of before is of no use any more.
    pub(super) fn issue_ticket(&self) -> Result<String> {
        let ticket = random()?;
        *self.ticket() = Some(ticket.clone());
        Ok(ticket)
    }

    /// Whether `text` is the token, or the ticket, which is taken.
    pub(super) fn admits(&self, text: &str) -> bool {
        if same(text, &self.token) {
            return true;
        }
        self.ticket().take_if(|ticket| same(text, ticket)).is_some()
    }

    /// Whether `text` is the cookie.
    pub(super) fn is_cookie(&self, text: &str) -> bool {
        same(text, &self.cookie)
    }

    // A poisoned lock still holds a whole ticket.
    fn ticket(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random() -> Result<String> {
    let mut bytes = [0_u8; LENGTH_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorCode::Io, "the system has no random numbers").with_hint(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether the texts are equal, in a time that does not say how much of them is.
fn same(left: &str, right: &str) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let differences = left.bytes().zip(right.bytes()).fold(0, |seen, (left, right)| black_box(seen | (left ^ right)));
    differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_taken_once_and_a_token_again_and_again() {
        let secrets = Secrets::new().unwrap();
        let ticket = secrets.issue_ticket().unwrap();
        assert!(!secrets.admits("") && !secrets.admits(&"0".repeat(2 * LENGTH_BYTES)));
        assert!(secrets.admits(&ticket) && !secrets.admits(&ticket));
        let token = secrets.token().to_owned();
        assert!(secrets.admits(&token) && secrets.admits(&token));
        assert!(secrets.is_cookie(secrets.cookie()) && !secrets.is_cookie(&token));
        assert!(!secrets.admits(secrets.cookie()));
    }

    #[test]
    fn texts_are_the_same_when_each_character_is() {
        for (left, right) in [("", "a"), ("a", "b"), ("ab", "aB"), ("ab", "abc")] {
            assert!(!same(left, right) && !same(right, left), "{left} {right}");
        }
        assert!(same("", "") && same("abc", "abc"));
    }
}

//! Text that must not be printed.

use std::fmt;

/// What stands in place of a secret.
const STARS: &str = "***";

/// Shorter ones are found in ordinary words: hiding them would garble text and hide nothing.
const HIDDEN_BYTES_MIN: usize = 4;

/// A secret or a token. Its `Debug` shows stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret that `text` is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` with stars wherever the secret stands in it, as a service may repeat what it was sent.
    pub(super) fn hide(&self, text: String) -> String {
        if self.0.len() >= HIDDEN_BYTES_MIN && text.contains(&self.0) { text.replace(&self.0, STARS) } else { text }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter22");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.hide("no: hunter22!".to_owned()), "no: ***!");
        assert_eq!(Secret::new("").hide("text".to_owned()), "text");
    }
}

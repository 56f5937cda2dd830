//! Ids of runs and artifacts: a run's says when it began, and both are unique by chance.

use std::fmt;
use std::str::FromStr;

use velaria_contract::{Clock, Error, ErrorCode, Result};

use crate::failure::run_not_found;
use crate::time::compact;

/// The id of a run: `<UTC YYYYMMDDTHHMMSSZ>_<8 hex>`, such as `20261121T073807Z_41f61f86`.
///
/// A value of this type is safe as the name of a directory; text becomes one by [`FromStr`] alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// A new id of this moment.
    ///
    /// # Errors
    /// `VEL-6003` when the system has no random numbers.
    pub fn new(clock: &dyn Clock) -> Result<Self> {
        Ok(Self(format!("{}_{}", compact(clock.wall_ms()), random_hex::<4>()?)))
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The second in which the run began.
    pub(crate) fn second(&self) -> &str {
        &self.0[..16]
    }
}

impl FromStr for RunId {
    type Err = Error;

    /// Checks the form `[0-9]{8}T[0-9]{6}Z_[0-9a-f]{8,32}`; `VEL-6201` says that there is no such run.
    fn from_str(text: &str) -> Result<Self> {
        if well_formed(text.as_bytes()) { Ok(Self(text.to_owned())) } else { Err(run_not_found(text)) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn well_formed(text: &[u8]) -> bool {
    let digits = |range: std::ops::Range<usize>| text[range].iter().all(u8::is_ascii_digit);
    (25..=49).contains(&text.len())
        && digits(0..8)
        && text[8] == b'T'
        && digits(9..15)
        && &text[15..17] == b"Z_"
        && text[17..].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `artifact_` and 16 hex digits.
pub(crate) fn artifact_id() -> Result<String> {
    Ok(format!("artifact_{}", random_hex::<8>()?))
}

fn random_hex<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|source| Error::new(ErrorCode::Io, "the system has no random numbers").with_source(source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use velaria_contract::ManualClock;

    use super::*;

    #[test]
    fn an_id_says_its_moment_and_reads_back() {
        let id = RunId::new(&ManualClock::new(1_795_246_687_999)).unwrap();
        assert!(id.as_str().starts_with("20261121T073807Z_"), "{id}");
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
    }

    #[test]
    fn what_is_no_id_is_a_run_that_does_not_exist() {
        let long = format!("20261121T073807Z_{}", "a".repeat(300));
        for text in [
            "",
            ".",
            "..",
            "/",
            "../../x",
            "/etc/passwd",
            "missing-run",
            "20261121T073807Z_41f61f8",
            "20261121T073807Z_41F61F86",
            "20261121T073807Z_41f61f86/",
            "20261121T073807Z_41f61f86\0",
            "20261121T073807Z-41f61f86",
            "２0261121T073807Z_41f61f86",
            &long,
        ] {
            let error = text.parse::<RunId>().unwrap_err();
            assert_eq!(error.code(), ErrorCode::RunNotFound, "{text}");
            assert_eq!(error.message(), format!("run not found: {text}"));
        }
    }
}

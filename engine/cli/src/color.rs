//! Whether text for people has colours, and which.
//!
//! On a terminal it has, unless `NO_COLOR` is set or the terminal is `dumb`; elsewhere only when `CLICOLOR_FORCE` asks for it.

use std::env;

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[36m";
const PLAIN: &str = "\u{1b}[0m";

/// Whether text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colors {
    Some,
    None,
}

impl Colors {
    /// The colours of what goes to a stream, by the environment.
    pub(crate) fn of(is_terminal: bool) -> Self {
        Self::decide(is_terminal, |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn decide(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let says = |name| variable(name).is_some_and(|value| !value.is_empty());
        let is_forced = variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        let is_dumb = variable("TERM").as_deref() == Some("dumb");
        match says("NO_COLOR") {
            false if is_forced || (is_terminal && !is_dumb) => Self::Some,
            _ => Self::None,
        }
    }

    /// The text of an error: its first word, the carets and the hint stand out.
    pub(crate) fn error(self, text: &str) -> String {
        if self == Self::None {
            return text.to_owned();
        }
        text.split_inclusive('\n').map(error_line).collect()
    }

    /// The word before a warning.
    pub(crate) fn warning(self) -> String {
        self.paint(YELLOW, "warning:")
    }

    fn paint(self, color: &str, text: &str) -> String {
        match self {
            Self::Some => format!("{color}{text}{PLAIN}"),
            Self::None => text.to_owned(),
        }
    }
}

fn error_line(line: &str) -> String {
    for (word, color) in [("error:", RED), ("hint:", CYAN)] {
        if let Some(rest) = line.strip_prefix(word) {
            return format!("{color}{word}{PLAIN}{rest}");
        }
    }
    let carets = line.trim();
    match !carets.is_empty() && carets.chars().all(|character| character == '^') {
        true => line.replace(carets, &format!("{RED}{carets}{PLAIN}")),
        false => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(is_terminal: bool, variables: &[(&str, &str)]) -> Colors {
        let value = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Colors::decide(is_terminal, value)
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(decide(true, &[]), Colors::Some);
        assert_eq!(decide(true, &[("NO_COLOR", "")]), Colors::Some);
        assert_eq!(decide(false, &[("CLICOLOR_FORCE", "1")]), Colors::Some);
        let plain: [(bool, &[(&str, &str)]); 6] = [
            (false, &[]),
            (true, &[("NO_COLOR", "1")]),
            (true, &[("TERM", "dumb")]),
            (false, &[("CLICOLOR_FORCE", "0")]),
            (false, &[("CLICOLOR_FORCE", "")]),
            (true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]),
        ];
        for (is_terminal, variables) in plain {
            assert_eq!(decide(is_terminal, variables), Colors::None, "{variables:?}");
        }
    }

    #[test]
    fn an_error_stands_out_and_loses_no_character() {
        let text = "error: column not found: nope [VEL-2001]\nline 1: SELECT nope\n               ^^^^\nhint: did you mean \"note\"?\n";
        assert_eq!(Colors::None.error(text), text);
        let colored = Colors::Some.error(text);
        assert!(colored.starts_with("\u{1b}[1;31merror:\u{1b}[0m column"), "{colored}");
        assert!(colored.contains("\u{1b}[1;31m^^^^\u{1b}[0m\n\u{1b}[36mhint:\u{1b}[0m"), "{colored}");
        let plain = [RED, CYAN, PLAIN].iter().fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(plain, text);
    }
}

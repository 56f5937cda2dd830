//! The tree of all commands, for what describes them: completions and the manual page.

use clap::{Command, CommandFactory};

use super::{ActionLine, CommandLine, PROGRAM};

/// All commands that a person can call: completions would offer those that are hidden.
pub(crate) fn tree() -> Command {
    let whole = CommandLine::command();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new(PROGRAM)
        .bin_name(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .after_help(whole.get_after_help().cloned().unwrap_or_default())
        .args(whole.get_arguments().cloned())
        .subcommands(shown.collect::<Vec<_>>())
        .subcommand_required(true)
        .disable_help_subcommand(true)
}

/// The actions of a run, as commands.
pub(crate) fn actions() -> Vec<Command> {
    ActionLine::command().get_subcommands().cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::args::{Parsed, parse, parse_action};
    use crate::color::Colors;

    /// Every command with its whole name, groups too.
    fn commands(path: &str, command: &Command) -> Vec<(String, Command)> {
        let below =
            command.get_subcommands().flat_map(|inner| commands(&format!("{path} {}", inner.get_name()), inner));
        std::iter::once((path.to_owned(), command.clone())).chain(below).collect()
    }

    /// The words of the calls of the program in `help`, as a shell reads them.
    fn calls(help: &str) -> Vec<Vec<String>> {
        let whole = help.replace("\\\n    ", "");
        let lines =
            whole.lines().map(str::trim).filter_map(|line| line.split_once("velaria-cli ")).map(|(_, call)| call);
        lines.map(|call| words(call.split(['|', '>']).next().unwrap())).collect()
    }

    fn words(call: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (place, part) in call.trim().split('\'').enumerate() {
            if place % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            for (number, word) in part.split(' ').enumerate() {
                if number > 0 {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push_str(word);
            }
        }
        words
    }

    #[test]
    fn every_command_has_an_example_that_can_be_called() {
        let actions = actions().into_iter().map(|action| (format!("run start -- {}", action.get_name()), action));
        for (path, command) in commands(PROGRAM, &tree()).into_iter().chain(actions) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let calls = calls(&help);
            assert!(help.contains("Example") && !calls.is_empty(), "no example: {path}");
            let name = path.trim_start_matches(PROGRAM).trim();
            for call in calls {
                assert!(call.join(" ").starts_with(name), "not an example of {name}: {call:?}");
                let args: Vec<OsString> = call.iter().map(OsString::from).collect();
                assert!(
                    matches!(parse(args.clone(), false, Colors::None), Ok(Parsed::Command(..))),
                    "cannot be called: {call:?}"
                );
                if let Some(action) = args.iter().position(|arg| arg == "--") {
                    assert!(parse_action(args[action + 1..].to_vec()).is_ok(), "cannot be called: {call:?}");
                }
            }
        }
    }

    #[test]
    fn every_command_and_option_says_what_it_is() {
        for (path, command) in commands(PROGRAM, &tree()) {
            assert!(command.get_about().is_some(), "{path}");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path}: {arg}");
            }
        }
    }

    #[test]
    fn nothing_hidden_is_in_the_tree() {
        assert!(commands(PROGRAM, &tree()).iter().all(|(path, _)| !path.contains("__")));
    }
}

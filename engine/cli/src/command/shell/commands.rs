//! The dot commands: one list for help, completion and what they do.

use velaria::{Error, ErrorCode, Result};

/// What a dot command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Explain,
    Help,
    MaxRows,
    Mode,
    Open,
    Output,
    Pager,
    Quit,
    Read,
    Schema,
    Tables,
    Timer,
}

/// A dot command by one of its names.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) verb: Verb,
    arguments: &'static str,
    about: &'static str,
}

const fn command(name: &'static str, verb: Verb, arguments: &'static str, about: &'static str) -> Command {
    Command { name, verb, arguments, about }
}

/// Sorted by name. Of those with the same verb the first is shown in help.
pub(super) const COMMANDS: &[Command] = &[
    command(".exit", Verb::Quit, "", "leave, as Ctrl-D does"),
    command(".explain", Verb::Explain, "QUERY", "show how a query will run"),
    command(".help", Verb::Help, "", "show this list"),
    command(".load", Verb::Open, "FILE [AS NAME] [KEY=VALUE …]", "give a file a name; options are those of its reader"),
    command(".maxrows", Verb::MaxRows, "[N]", "set how many rows a table shows"),
    command(".mode", Verb::Mode, "[FORMAT]", "set the format of results"),
    command(".open", Verb::Open, "FILE [AS NAME] [KEY=VALUE …]", "give a file a name; options are those of its reader"),
    command(".output", Verb::Output, "[--force] [FILE]", "write results into a new file; without one, show them again"),
    command(".pager", Verb::Pager, "[on|off]", "show long results with $PAGER, or less"),
    command(".quit", Verb::Quit, "", "leave, as Ctrl-D does"),
    command(".read", Verb::Read, "FILE", "run the statements of a file"),
    command(".schema", Verb::Schema, "[TABLE]", "show the columns of a table, or of all"),
    command(".tables", Verb::Tables, "", "list tables and views"),
    command(".timer", Verb::Timer, "[on|off]", "say how long each statement takes"),
];

/// The command that `name` is, or is the only one to begin with.
pub(super) fn find(name: &str) -> Result<Verb> {
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command.verb);
    }
    let mut verbs = COMMANDS.iter().filter(|command| command.name.starts_with(name)).map(|command| command.verb);
    match verbs.next() {
        Some(verb) if name.len() > 1 && verbs.all(|other| other == verb) => Ok(verb),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("no such command: {name}"))
            .with_hint(".help lists the commands")),
    }
}

/// Every command with what it does.
pub(super) fn help() -> String {
    let mut text = String::from("A statement ends with a semicolon. Tab completes, Ctrl-C cancels, Ctrl-D leaves.\n\n");
    for command in COMMANDS.iter().filter(|command| !matches!(command.name, ".exit" | ".load")) {
        let usage = format!("{} {}", command.name, command.arguments);
        text.push_str(&format!("{usage:<36} {}\n", command.about));
    }
    text.push_str(
        "\nA query over a file needs no name for it: SELECT * FROM 'scores.csv'. A table from CREATE SOURCE TABLE is read as\n\
         it is now; INSERT INTO a sink from CREATE SINK TABLE … USING runs as a stream until its sources end, or Ctrl-C.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_name_or_by_an_unmistakable_beginning() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        assert_eq!(find(".mode").unwrap(), Verb::Mode);
        assert_eq!(find(".ta").unwrap(), Verb::Tables);
        assert_eq!(find(".e").unwrap_err().message(), "no such command: .e");
        assert!(find(".t").is_err() && find(".").is_err() && find(".nosuch").is_err());
        assert!(help().contains(".open FILE [AS NAME]") && !help().contains(".load"));
    }
}

//! `man`: one manual page with every command.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::Io;
use crate::args::{PROGRAM, actions, tree};
use crate::failure::Failure;

pub(crate) fn run(io: &mut Io<'_>) -> Result<(), Failure> {
    let page = page()?;
    Ok(io.print(&page)?)
}

fn page() -> io::Result<String> {
    let root = tree();
    let man = Man::new(root.clone()).title(PROGRAM.to_uppercase()).manual("Velaria");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    let mut page = text(page)?;
    page.push_str(&section("NAME", &rendered(|out| man.render_name_section(out))?));
    page.push_str(&section("SYNOPSIS", &rendered(|out| man.render_synopsis_section(out))?));
    page.push_str(&section("OPTIONS", &rendered(|out| man.render_options_section(out))?));
    let actions = actions().into_iter().map(|action| (format!("{PROGRAM} run start -- {}", action.get_name()), action));
    for (path, command) in commands(PROGRAM, &root).into_iter().chain(actions) {
        page.push_str(&of_command(&path, command)?);
    }
    Ok(page)
}

/// Every command below `command` with its whole name, a group before its commands.
fn commands(path: &str, command: &Command) -> Vec<(String, Command)> {
    let below = |inner: &Command| {
        let path = format!("{path} {}", inner.get_name());
        let deeper = commands(&path, inner);
        std::iter::once((path, inner.clone())).chain(deeper).collect::<Vec<_>>()
    };
    command.get_subcommands().flat_map(below).collect()
}

/// What one command does, how it is called, its options, and what its help says after them.
fn of_command(path: &str, command: Command) -> io::Result<String> {
    let examples = command.get_after_help().map(ToString::to_string);
    let is_group = command.has_subcommands();
    let man = Man::new(command.bin_name(path.to_owned()));
    let mut body = rendered(|out| man.render_description_section(out))?;
    body.push_str(".PP\n");
    body.push_str(&rendered(|out| man.render_synopsis_section(out))?);
    if !is_group {
        body.push_str(&rendered(|out| man.render_options_section(out))?);
    }
    if let Some(examples) = examples {
        body.push_str(&verbatim(&examples));
    }
    let name = path.strip_prefix(PROGRAM).unwrap_or(path).trim();
    Ok(section(&name.to_uppercase(), &body))
}

fn section(title: &str, body: &str) -> String {
    let mut heading = Roff::new();
    heading.control("SH", [title]);
    format!("{}{body}", heading.to_roff())
}

/// What `render` writes, without the lines before and in its heading.
fn rendered(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<String> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    let text = text(bytes)?;
    let lines = text.lines().skip_while(|line| !line.starts_with(".SH")).skip(1);
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// Lines that stay as they are.
fn verbatim(lines: &str) -> String {
    let mut roff = Roff::new();
    roff.control("PP", []).control("nf", []);
    lines.lines().for_each(|line| {
        roff.text([roman(line)]);
    });
    roff.control("fi", []);
    // Only this one keeps apostrophes as they are, after lines that the page has at its beginning.
    let lines = roff.render();
    lines.lines().skip_while(|line| *line != ".PP").map(|line| format!("{line}\n")).collect()
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_nothing_hidden() {
        let page = page().unwrap();
        assert!(page.contains(".TH VELARIA-CLI 1"), "{page}");
        let root = tree();
        for (path, _) in commands(PROGRAM, &root) {
            let name = path.strip_prefix("velaria-cli ").unwrap().to_uppercase();
            assert!(page.contains(&format!(".SH \"{name}\"\n")) || page.contains(&format!(".SH {name}\n")), "{name}");
        }
        assert!(page.contains("RUN START -- CSV-SQL"));
        assert!(!page.contains("__worker"));
    }
}

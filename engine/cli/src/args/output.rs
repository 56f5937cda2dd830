//! The arguments that say how results are printed.

use clap::Args;

use crate::output::{self, Format};

/// How many rows a table shows when nobody says it.
const MAX_ROWS: usize = 40;

/// How results are printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// The format of the result [default: table on a terminal, else json]
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Format>,
    /// The most rows that a table shows [default: 40]
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<usize>,
    /// The most characters in a line of a table; 0 is as many as there are [default: the width of a terminal, else 0]
    #[arg(long, value_name = "N")]
    pub(crate) max_width: Option<u16>,
    /// What stands for NULL in every format that is text but JSON [default: nothing in csv and tsv, else NULL]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) null_value: Option<String>,
    #[arg(skip)]
    pub(super) terminal: bool,
}

impl OutputArgs {
    /// The format that was asked for, or the one that fits the reader.
    pub(crate) fn format(&self) -> Format {
        self.output.unwrap_or(if self.terminal { Format::Table } else { Format::Json })
    }

    /// The most rows that a table shows.
    pub(crate) fn rows_max(&self) -> usize {
        self.max_rows.unwrap_or(MAX_ROWS)
    }

    /// The same, with every row in a table unless a number was given.
    pub(crate) fn with_all_rows(&self) -> Self {
        Self { max_rows: self.max_rows.or(Some(usize::MAX)), ..self.clone() }
    }

    /// The most characters in a line of a table, where there is a limit.
    pub(crate) fn width_max(&self) -> Option<usize> {
        let terminal = || self.terminal.then(output::terminal_width).flatten();
        self.max_width.or_else(terminal).filter(|width| *width > 0).map(usize::from)
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The same format for a file.
    pub(crate) fn for_file(&self) -> Self {
        Self { output: Some(self.format()), terminal: false, ..self.clone() }
    }
}

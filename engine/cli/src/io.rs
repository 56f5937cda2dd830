//! The streams of a command: the only way in or out.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::path::PathBuf;

use crate::color::Colors;
use crate::input::Input;
use crate::progress::Bars;
use crate::screen;
use crate::signals::Signals;

/// What a command reads from and writes to.
pub struct Io<'a> {
    stdin: &'a mut dyn BufRead,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    stdout_is_terminal: bool,
    stdin_is_terminal: bool,
    program: Vec<OsString>,
    signals: Signals,
    stdout_colors: Colors,
    stderr_colors: Colors,
    bars: Bars,
    is_program: bool,
}

impl<'a> Io<'a> {
    /// The streams of a command. `stdout_is_terminal` chooses between a table and JSON where neither was asked for.
    pub fn new(
        stdin: &'a mut dyn BufRead,
        stdout: &'a mut dyn Write,
        stderr: &'a mut dyn Write,
        stdout_is_terminal: bool,
    ) -> Self {
        Self {
            stdin,
            stdout,
            stderr,
            stdout_is_terminal,
            stdin_is_terminal: false,
            program: Vec::new(),
            signals: Signals::default(),
            stdout_colors: Colors::of(stdout_is_terminal),
            stderr_colors: Colors::None,
            bars: Bars::Hidden,
            is_program: false,
        }
    }

    /// The same streams, where a person types what is standard input of the process.
    #[must_use]
    pub fn with_terminal_input(mut self) -> Self {
        self.stdin_is_terminal = true;
        self
    }

    /// The same streams with another standard output.
    pub(crate) fn redirected<'b>(&'b mut self, stdout: &'b mut dyn Write) -> Io<'b> {
        Io {
            stdin: self.stdin,
            stdout,
            stderr: self.stderr,
            program: self.program.clone(),
            signals: self.signals.clone(),
            ..*self
        }
    }

    /// The same streams with the program, and its first arguments, that runs this command line again in a process of its
    /// own, as tracked runs do.
    #[must_use]
    pub fn with_program(mut self, program: Vec<OsString>) -> Self {
        self.program = program;
        self
    }

    /// The same streams as those of the process that is this command line: it logs, and it draws bars where standard error is a
    /// terminal.
    fn of_program(mut self, stderr_is_terminal: bool) -> Self {
        self.stderr_colors = Colors::of(stderr_is_terminal);
        self.bars = Bars::of(stderr_is_terminal);
        self.is_program = true;
        self
    }

    /// The same streams with the signals that end a command: they give it its exit code.
    #[must_use]
    pub fn with_signals(mut self, signals: Signals) -> Self {
        self.signals = signals;
        self
    }

    /// The signals that end a command.
    #[must_use]
    pub fn signals(&self) -> Signals {
        self.signals.clone()
    }

    /// Whether the process is this command line, and its log and its terminal are its own.
    pub(crate) fn is_program(&self) -> bool {
        self.is_program
    }

    /// The colours of standard output.
    pub(crate) fn stdout_colors(&self) -> Colors {
        self.stdout_colors
    }

    /// The colours of standard error.
    pub(crate) fn stderr_colors(&self) -> Colors {
        self.stderr_colors
    }

    /// Whether bars are drawn.
    pub(crate) fn bars(&self) -> Bars {
        self.bars
    }

    /// Draws no bars.
    pub(crate) fn hide_bars(&mut self) {
        self.bars = Bars::Hidden;
    }

    /// Gives the program that runs this command line again more arguments.
    pub(crate) fn add_to_program(&mut self, args: Vec<OsString>) {
        if !self.program.is_empty() {
            self.program.extend(args);
        }
    }

    pub(crate) fn program(&self) -> &[OsString] {
        &self.program
    }

    /// Whether a person reads standard output.
    #[must_use]
    pub fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether a person types on standard input of the process.
    pub(crate) fn stdin_is_terminal(&self) -> bool {
        self.stdin_is_terminal
    }

    pub(crate) fn stdin(&mut self) -> &mut dyn BufRead {
        self.stdin
    }

    pub(crate) fn stdout(&mut self) -> &mut dyn Write {
        self.stdout
    }

    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        self.stdout.write_all(text.as_bytes())
    }

    pub(crate) fn complain(&mut self, text: &str) -> io::Result<()> {
        screen::clear();
        self.stderr.write_all(text.as_bytes())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// The standard streams of a process that does nothing but run one command, owned so that an [`Io`] can borrow them.
pub struct Streams {
    stdin: BufReader<Input>,
    stdout: BufWriter<Stdout>,
    stderr: Stderr,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    stdin_is_terminal: bool,
    signals: Signals,
}

impl Streams {
    /// The standard streams of the process, whose signals are taken from now on.
    #[must_use]
    pub fn standard() -> Self {
        let signals = Signals::listen();
        let stdout = io::stdout();
        let stdout_is_terminal = stdout.is_terminal();
        Self {
            stdin: BufReader::new(Input::new(signals.clone())),
            stdout: BufWriter::new(stdout),
            stderr: io::stderr(),
            stdout_is_terminal,
            stderr_is_terminal: io::stderr().is_terminal(),
            stdin_is_terminal: io::stdin().is_terminal(),
            signals,
        }
    }

    /// The streams for one command.
    pub fn io(&mut self) -> Io<'_> {
        // Without a program there are no runs, and the error of starting one says so.
        let program = std::env::current_exe().ok().map(PathBuf::into_os_string);
        let io = Io::new(&mut self.stdin, &mut self.stdout, &mut self.stderr, self.stdout_is_terminal)
            .with_program(program.into_iter().collect())
            .with_signals(self.signals.clone())
            .of_program(self.stderr_is_terminal);
        if self.stdin_is_terminal { io.with_terminal_input() } else { io }
    }
}

//! Standard input, read so that a signal ends the wait for it.
//!
//! Signals do not wake up a read. So a thread of its own reads ahead into the buffer of the process, and the command waits
//! for that thread, and looks at the signals meanwhile.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use velaria::{Error, ErrorCode};

use crate::signals::Signals;

/// How long a signal may go unseen.
const TICK: Duration = Duration::from_millis(20);

/// Standard input of the process.
pub(crate) struct Input {
    signals: Signals,
    reader: Option<Reader>,
}

/// The thread that reads ahead.
struct Reader {
    requests: Sender<()>,
    /// Whether there is something to read.
    answers: Receiver<io::Result<bool>>,
    is_asked: bool,
}

impl Input {
    pub(crate) fn new(signals: Signals) -> Self {
        Self { signals, reader: None }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start()?),
        };
        if reader.wait(&self.signals)? { io::stdin().read(buffer) } else { Ok(0) }
    }
}

impl Reader {
    fn start() -> io::Result<Self> {
        let (requests, asked) = mpsc::channel();
        let (sender, answers) = mpsc::channel();
        let read_ahead = move || {
            for () in asked {
                let filled = io::stdin().lock().fill_buf().map(|bytes| !bytes.is_empty());
                if sender.send(filled).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("velaria-input".to_owned()).spawn(read_ahead)?;
        Ok(Self { requests, answers, is_asked: false })
    }

    /// Waits until there is something to read, or will never be.
    fn wait(&mut self, signals: &Signals) -> io::Result<bool> {
        // After an interrupt the thread still waits for what it was asked for.
        if !self.is_asked {
            self.requests.send(()).map_err(io::Error::other)?;
            self.is_asked = true;
        }
        loop {
            match self.answers.recv_timeout(TICK) {
                Ok(answer) => {
                    self.is_asked = false;
                    return answer;
                }
                Err(RecvTimeoutError::Timeout) => signals.check().map_err(io::Error::other)?,
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

/// Why standard input cannot be read. A wait for it that was ended by a signal is no fault of the input.
pub(crate) fn unreadable(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(interrupt) => interrupt,
        Err(error) => Error::new(ErrorCode::Io, "cannot read standard input").with_hint(error.to_string()),
    }
}

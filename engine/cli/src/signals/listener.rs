//! The thread that waits for signals.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;
use signal_hook::low_level::exit;

use super::{SHELL_BASE, Signals};

/// Programs that run others send a signal to the process and once more to its group: what comes within this time is one
/// signal.
const ECHO: Duration = Duration::from_millis(100);

/// Tells `signals` of what comes. Where there can be no thread, signals do what they do anyway.
pub(super) fn start(signals: Signals) {
    let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
    let began = thread::Builder::new().name("velaria-signals".to_owned()).spawn({
        // They are taken over here, not on the thread: afterwards none is lost.
        let taken = iterator::Signals::new(wanted);
        move || taken.map(|taken| run(taken, &signals))
    });
    drop(began);
}

fn run(mut taken: iterator::Signals, signals: &Signals) {
    let mut last: Option<(i32, Instant)> = None;
    for signal in taken.forever() {
        // One that was answered has no echo: the next one is about what runs by now.
        if signals.came().is_some() {
            let is_echo = last.is_some_and(|(number, at)| number == signal && at.elapsed() < ECHO);
            if is_echo {
                continue;
            }
            exit(SHELL_BASE + signal);
        }
        last = Some((signal, Instant::now()));
        signals.came.store(signal, Ordering::SeqCst);
    }
}

/// Whether this process was told by who started it to ignore `signal`. Where that cannot be known it was not.
fn is_ignored(signal: i32) -> bool {
    read_ignored().is_ok_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// One bit for each signal, the lowest for number 1.
fn read_ignored() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    Ok(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default())
}

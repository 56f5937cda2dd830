//! What the workspace asks of the system about processes.

/// Ends the process `pid` and the group that it leads; `false` when the system refuses.
#[cfg(unix)]
pub(crate) fn kill(pid: u32) -> bool {
    use nix::sys::signal::{Signal, kill, killpg};
    use nix::unistd::Pid;
    // Zero and one are not numbers of workers, and mean others to the system.
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1).map(Pid::from_raw) else { return false };
    // Without a group of its own there is none with its number.
    let group = killpg(pid, Signal::SIGKILL).is_ok();
    kill(pid, Signal::SIGKILL).is_ok() || group
}

#[cfg(not(unix))]
pub(crate) fn kill(_: u32) -> bool {
    false
}

/// Makes this process the leader of a session of its own, which the end of a terminal does not reach.
#[cfg(unix)]
pub fn own_session() {
    // One that leads a session or a group already is as far from the terminal as it can be.
    let _ = nix::unistd::setsid();
}

/// There are no sessions here.
#[cfg(not(unix))]
pub fn own_session() {}

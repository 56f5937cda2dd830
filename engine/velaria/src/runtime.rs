//! The process-wide threads on which queries run, and the way to wait for one and still be interruptible.

use std::future::Future;
use std::io;
use std::sync::LazyLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use velaria_contract::{Error, ErrorCode, Result};

/// How long an interrupt may go unseen.
const TICK: Duration = Duration::from_millis(20);

/// Planning and expression evaluation recurse; the memory is only reserved, not used.
const STACK_BYTES: usize = 16 << 20;

static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().thread_name("velaria").thread_stack_size(STACK_BYTES).enable_time().build()
});

/// Runs `future` on the engine's threads and waits for it, calling `check` every 20 ms.
///
/// A compute-bound query keeps its thread busy, so it is never polled on the calling thread: that one stays free to
/// notice an interrupt.
///
/// # Errors
/// What the future returns. What `check` returns, after the query was told to stop. `VEL-9001` when the query panicked.
pub fn wait<T, F>(future: F, mut check: impl FnMut() -> Result<()>) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let runtime = RUNTIME
        .as_ref()
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot start threads").with_hint(error.to_string()))?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let task = runtime.spawn(async move {
        // The receiver is gone only when the caller was interrupted and no longer wants the answer.
        let _ = sender.send(future.await);
    });
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => {
                if let Err(interrupt) = check() {
                    task.abort();
                    return Err(interrupt);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(ErrorCode::Internal, "the engine panicked while running the query")
                    .with_hint("this is a bug in the engine; please report the statement"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_ends_the_wait_and_a_panic_is_an_error() {
        let forever = async { std::future::pending::<Result<()>>().await };
        let interrupted = || Err(Error::new(ErrorCode::Cancelled, "interrupted"));
        assert_eq!(wait(forever, interrupted).unwrap_err().code(), ErrorCode::Cancelled);

        let panics = async { if true { panic!("on purpose") } else { Ok(()) } };
        assert_eq!(wait(panics, || Ok(())).unwrap_err().code(), ErrorCode::Internal);
    }
}

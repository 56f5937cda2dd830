//! A commit as one frame: its head as JSON, its state behind it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use velaria_contract::{Result, StreamingQueryProgress};

use super::CommitHead;
use super::fault;
use super::frame::{Found, Frame};
use super::rows::{Part, RowsDecoder, RowsEncoder};
use crate::StateFrame;

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    commit: Cow<'a, CommitHead>,
    parts: Vec<Part<'a>>,
}

/// The frame of a commit or of a snapshot.
pub(super) fn encode(head: &CommitHead, frames: &[StateFrame], rows: &mut RowsEncoder) -> Result<Frame> {
    let mut body = Vec::new();
    let parts = frames.iter().map(|frame| rows.encode(frame, &mut body)).collect::<Result<Vec<_>>>()?;
    let json = serde_json::to_vec(&Head { commit: readable(head), parts }).map_err(fault::internal)?;
    Ok(Frame::new(json, body))
}

/// The commit of a frame, or what is wrong with it.
pub(super) fn decode(
    found: &Found,
    rows: &mut RowsDecoder,
) -> std::result::Result<(CommitHead, Vec<StateFrame>), String> {
    let head: Head<'_> = serde_json::from_slice(&found.json).map_err(|error| error.to_string())?;
    let frames = rows.decode(&head.parts, &found.body)?;
    Ok((head.commit.into_owned(), frames))
}

/// The head with numbers that JSON has: what is no number would be written as null, and could not be read back.
fn readable(head: &CommitHead) -> Cow<'_, CommitHead> {
    let StreamingQueryProgress {
        last_batch_latency_ms: batch,
        last_sink_latency_ms: sink,
        last_state_latency_ms: state,
        actor_speedup: speedup,
        compute_to_overhead_ratio: ratio,
        checkpoint_ms: checkpoint,
        ..
    } = head.progress;
    let measured = [batch, sink, state, speedup, ratio, checkpoint];
    if measured.into_iter().all(f64::is_finite) {
        return Cow::Borrowed(head);
    }
    let [batch, sink, state, speedup, ratio, checkpoint] = measured.map(|n| if n.is_finite() { n } else { 0.0 });
    let progress = StreamingQueryProgress {
        last_batch_latency_ms: batch,
        last_sink_latency_ms: sink,
        last_state_latency_ms: state,
        actor_speedup: speedup,
        compute_to_overhead_ratio: ratio,
        checkpoint_ms: checkpoint,
        ..head.progress.clone()
    };
    Cow::Owned(CommitHead { progress, ..head.clone() })
}

#[cfg(test)]
mod tests {
    use arrow::buffer::Buffer;

    use super::*;
    use crate::checkpoint::frame::{Place, read};

    #[test]
    fn what_is_no_number_is_read_back_as_zero() {
        let mut head = CommitHead { epoch: 7, ..CommitHead::default() };
        (head.progress.actor_speedup, head.progress.checkpoint_ms) = (f64::NAN, f64::INFINITY);
        head.progress.last_sink_latency_ms = 1.5;
        let mut bytes = Vec::new();
        let frame = encode(&head, &[], &mut RowsEncoder::default()).unwrap();
        frame.write(Place { offset: 0, durable: 0 }, &mut bytes).unwrap();
        let (found, _) = decode(&read(&Buffer::from(bytes), 0).unwrap(), &mut RowsDecoder::default()).unwrap();
        (head.progress.actor_speedup, head.progress.checkpoint_ms) = (0.0, 0.0);
        assert_eq!(found, head);
    }
}

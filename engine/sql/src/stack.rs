//! Room on the stack for statements that are long.
//!
//! Reading and rewriting a statement recurses over its syntax tree, and so does dropping it. The depth is bounded by the
//! number of tokens, so a long statement gets a stack of its own size; the memory is only reserved until it is used.

/// Statements of fewer tokens cannot nest deeply enough to need more than any thread has.
const SMALL_TOKENS_MAX: usize = 256;

/// What one level of the syntax tree may take in the deepest of the recursions.
const LEVEL_BYTES: usize = 2 << 10;

/// No statement within the limits needs more.
const STACK_BYTES_MAX: usize = 1 << 30;

/// Runs `work` over a statement of `tokens` tokens where it cannot run out of stack.
pub(crate) fn with_room<T>(tokens: usize, work: impl FnOnce() -> T) -> T {
    if tokens < SMALL_TOKENS_MAX {
        return work();
    }
    let bytes = tokens.saturating_mul(LEVEL_BYTES).clamp(4 << 20, STACK_BYTES_MAX);
    stacker::maybe_grow(bytes, bytes, work)
}

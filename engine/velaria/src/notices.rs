//! What a user should know although nothing failed. Each notice is said once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::log_target::FILES;

/// More notices than this are not kept: the oldest go.
const KEPT_MAX: usize = 1000;

/// The notices of one session that nobody has read yet.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: Mutex<VecDeque<String>>,
}

impl Notices {
    pub(crate) fn add(&self, notice: String) {
        log::info!(target: FILES, "{notice}");
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == KEPT_MAX {
            waiting.pop_front();
        }
        waiting.push_back(notice);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

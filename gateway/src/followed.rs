//! A value that somebody else replaces as a whole, as one worker has it.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;

use crate::intake::Intake;

/// See the module. It is the same until [`Followed::catch_up`], which costs one atomic load where nothing has changed.
#[derive(Debug)]
pub(crate) struct Followed<T> {
    source: watch::Receiver<Arc<T>>,
    value: Arc<T>,
}

impl<T> Followed<T> {
    /// As it stands now.
    pub(crate) fn new(source: &watch::Receiver<Arc<T>>) -> Self {
        let mut source = source.clone();
        let value = Arc::clone(&source.borrow_and_update());
        Self { source, value }
    }

    /// Takes over what has come in its place, if anything has. Returns what was there before.
    #[inline]
    pub(crate) fn catch_up(&mut self) -> Option<Arc<T>> {
        // Who changes it may have gone; then it stays as it is.
        if !self.source.has_changed().unwrap_or(false) {
            return None;
        }
        Some(std::mem::replace(&mut self.value, Arc::clone(&self.source.borrow_and_update())))
    }

    /// The value, to be kept.
    pub(crate) fn get(&self) -> &Arc<T> {
        &self.value
    }
}

impl<T> Deref for Followed<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Has the tick look whenever a value is replaced.
pub(crate) async fn wake_at_changes<T>(mut source: watch::Receiver<Arc<T>>, intake: std::rc::Rc<Intake>) {
    while source.changed().await.is_ok() {
        intake.work.wake();
    }
}

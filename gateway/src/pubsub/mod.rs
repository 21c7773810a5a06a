//! Publish and subscribe: who listens to what, and what is on its way to them.
//!
//! [`PubSub`] is what all workers share: for each channel and pattern how many clients of which worker listen, and for
//! each worker an inbox. Who publishes puts one message, encoded once, into the inbox of every worker that has
//! somebody who listens. Which of its clients those are, only the worker knows ([`Audience`]).
//!
//! A worker changes what it listens to under the lock of the channel, and who publishes holds that lock until the message
//! is in the inboxes. So the number of messages an inbox has had by then tells which a new listener does not get.

mod audience;
mod events;
mod message;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};
use tidegate_protocols::glob::{self, Case};
use tidegate_protocols::link::Said;
pub(crate) use tidegate_protocols::messages::Kind;
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use self::audience::{Audience, Subscriptions};
pub(crate) use self::events::{publish as publish_all, publish_events};
pub(crate) use self::message::{Message, Push};
use crate::limits::INBOXES_BYTES;
use crate::worker;

/// See the module.
#[derive(Debug)]
pub(crate) struct PubSub {
    channels: DashMap<Box<[u8]>, Crowd>,
    shard_channels: DashMap<Box<[u8]>, Crowd>,
    /// By the numbers of gateways' processes.
    scripts: DashMap<Box<[u8]>, Crowd>,
    patterns: RwLock<BTreeMap<Box<[u8]>, Crowd>>,
    /// How many patterns there are: mostly none.
    pattern_count: AtomicUsize,
    /// Who watches all commands.
    monitors: RwLock<Crowd>,
    /// How many these are: mostly none.
    monitor_count: AtomicUsize,
    inboxes: Box<[Inbox]>,
    /// Bytes of messages in all inboxes.
    waiting_bytes: AtomicUsize,
}

/// How many clients of which workers listen to something.
#[derive(Debug, Default)]
struct Crowd(Vec<(usize, usize)>);

impl Crowd {
    fn total(&self) -> usize {
        self.0.iter().map(|(_, clients)| clients).sum()
    }

    fn add(&mut self, worker: usize) {
        match self.0.iter_mut().find(|(of, _)| *of == worker) {
            Some((_, clients)) => *clients += 1,
            None => self.0.push((worker, 1)),
        }
    }

    fn remove(&mut self, worker: usize) {
        if let Some(at) = self.0.iter().position(|(of, _)| *of == worker) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.swap_remove(at);
            }
        }
    }
}

/// What is on its way to the clients of one worker.
#[derive(Debug)]
struct Inbox {
    waiting: Mutex<Waiting>,
    /// Whether there may be something; the worker has been told.
    is_told: AtomicBool,
    worker: UnboundedSender<worker::Message>,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: Vec<Arc<Message>>,
    /// How many messages came before these.
    before: u64,
}

/// Messages for the clients of one worker, in order.
pub(crate) struct Delivery {
    /// How many came before them; [`Delivery::FOR_ALL`] if they are for all who listen.
    pub(crate) before: u64,
    pub(crate) messages: Vec<Arc<Message>>,
}

impl Delivery {
    /// More than any worker ever gets.
    pub(crate) const FOR_ALL: u64 = 1 << 62;
}

impl PubSub {
    /// For workers that are reached in these ways.
    pub(crate) fn new(workers: &[UnboundedSender<worker::Message>]) -> Self {
        let inbox = |worker: &UnboundedSender<_>| Inbox {
            waiting: Mutex::default(),
            is_told: AtomicBool::new(false),
            worker: worker.clone(),
        };
        Self {
            channels: DashMap::new(),
            shard_channels: DashMap::new(),
            scripts: DashMap::new(),
            patterns: RwLock::default(),
            pattern_count: AtomicUsize::new(0),
            monitors: RwLock::default(),
            monitor_count: AtomicUsize::new(0),
            inboxes: workers.iter().map(inbox).collect(),
            waiting_bytes: AtomicUsize::new(0),
        }
    }

    fn map(&self, kind: Kind) -> &DashMap<Box<[u8]>, Crowd> {
        match kind {
            Kind::Channel | Kind::Pattern => &self.channels,
            Kind::Shard => &self.shard_channels,
            Kind::Scripts => &self.scripts,
        }
    }

    /// One more client of `worker` listens. Returns how many messages that worker has had before the first that the
    /// client is to get.
    pub(crate) fn join(&self, kind: Kind, name: &[u8], worker: usize) -> u64 {
        if kind == Kind::Pattern {
            let mut patterns = self.patterns.write();
            patterns.entry(name.into()).or_default().add(worker);
            self.pattern_count.store(patterns.len(), Ordering::Release);
            return self.had(worker);
        }
        let mut crowd = self.map(kind).entry(name.into()).or_default();
        crowd.add(worker);
        self.had(worker)
    }

    /// How many messages a worker has had.
    fn had(&self, worker: usize) -> u64 {
        let waiting = self.inboxes[worker].waiting.lock();
        waiting.before + waiting.messages.len() as u64
    }

    /// One more client of `worker` watches all commands. Returns as [`PubSub::join`].
    pub(crate) fn join_monitors(&self, worker: usize) -> u64 {
        let mut monitors = self.monitors.write();
        monitors.add(worker);
        self.monitor_count.store(monitors.total(), Ordering::Release);
        self.had(worker)
    }

    /// One client of `worker` less watches all commands.
    pub(crate) fn leave_monitors(&self, worker: usize) {
        let mut monitors = self.monitors.write();
        monitors.remove(worker);
        self.monitor_count.store(monitors.total(), Ordering::Release);
    }

    /// Whether anybody watches all commands.
    #[inline]
    pub(crate) fn has_monitors(&self) -> bool {
        self.monitor_count.load(Ordering::Acquire) > 0
    }

    /// Tells those who watch all commands of one, executed by the worker `by`.
    pub(crate) fn tell_monitors(&self, line: Vec<u8>, by: usize) {
        let monitors = self.monitors.read();
        let message = Arc::new(Message::for_monitors(line));
        self.waiting_bytes.fetch_add(message.bytes() * monitors.0.len(), Ordering::Relaxed);
        for (worker, _) in &monitors.0 {
            self.inboxes[*worker].put(Arc::clone(&message), *worker != by);
        }
    }

    /// One client of `worker` less listens.
    pub(crate) fn leave(&self, kind: Kind, name: &[u8], worker: usize) {
        if kind == Kind::Pattern {
            let mut patterns = self.patterns.write();
            if let Some(crowd) = patterns.get_mut(name) {
                crowd.remove(worker);
                if crowd.0.is_empty() {
                    patterns.remove(name);
                }
            }
            self.pattern_count.store(patterns.len(), Ordering::Release);
            return;
        }
        self.map(kind).remove_if_mut(name, |_, crowd| {
            crowd.remove(worker);
            crowd.0.is_empty()
        });
    }

    /// Sends a message to a channel, by a client of the worker `by`, which looks into its inbox by itself; the gateway that
    /// is the process `from` has told its clients already. Returns how many get it.
    pub(crate) fn publish(&self, said: &Said<'_>, by: usize, from: Option<u64>) -> usize {
        let &Said { kind, channel, .. } = said;
        let crowd = self.map(kind).get(channel);
        let patterns = (kind == Kind::Channel && self.pattern_count.load(Ordering::Acquire) > 0)
            .then(|| self.patterns.read());
        let matching = patterns.iter().flat_map(|patterns| patterns.iter());
        let matching = matching.filter(|(pattern, _)| glob::matches(pattern, channel, Case::Sensitive));
        let crowds = crowd.as_deref().into_iter().chain(matching.map(|(_, crowd)| crowd));
        let (mut receivers, mut to) = (0, Vec::new());
        for crowd in crowds {
            receivers += crowd.total();
            to.extend(crowd.0.iter().map(|(worker, _)| *worker));
        }
        if to.is_empty() {
            return 0;
        }
        to.sort_unstable();
        to.dedup();
        let message = Arc::new(Message::new(said, from));
        self.waiting_bytes.fetch_add(message.bytes() * to.len(), Ordering::Relaxed);
        for worker in to {
            self.inboxes[worker].put(Arc::clone(&message), worker != by);
        }
        receivers
    }

    /// Sends a message to the worker of the one client it is for, by the worker `by`.
    pub(crate) fn tell_one(&self, worker: usize, message: Arc<Message>, by: usize) {
        self.waiting_bytes.fetch_add(message.bytes(), Ordering::Relaxed);
        self.inboxes[worker].put(message, worker != by);
    }

    /// Whether so much is on its way that whoever publishes should wait.
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting_bytes.load(Ordering::Relaxed) > INBOXES_BYTES
    }

    /// Whether there may be something for clients of `worker`.
    #[inline]
    pub(crate) fn has_for(&self, worker: usize) -> bool {
        self.inboxes[worker].is_told.load(Ordering::Acquire)
    }

    /// Takes what there is for clients of `worker`.
    pub(crate) fn take(&self, worker: usize) -> Delivery {
        let inbox = &self.inboxes[worker];
        inbox.is_told.store(false, Ordering::Release);
        let mut waiting = inbox.waiting.lock();
        let messages = std::mem::take(&mut waiting.messages);
        let before = waiting.before;
        waiting.before += messages.len() as u64;
        drop(waiting);
        let bytes = messages.iter().map(|message| message.bytes()).sum();
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Delivery { before, messages }
    }

    /// The channels somebody listens to whose names match; all without a pattern.
    pub(crate) fn channels(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let channels = self.map(kind).iter().map(|entry| entry.key().clone());
        channels
            .filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive)))
            .collect()
    }

    /// How many channels somebody listens to.
    pub(crate) fn channel_count(&self, kind: Kind) -> usize {
        self.map(kind).len()
    }

    /// How many patterns somebody listens to.
    pub(crate) fn pattern_count(&self) -> usize {
        self.pattern_count.load(Ordering::Relaxed)
    }

    /// How many clients listen to a channel, patterns left aside.
    pub(crate) fn listeners(&self, kind: Kind, channel: &[u8]) -> usize {
        self.map(kind).get(channel).map_or(0, |crowd| crowd.total())
    }
}

impl Inbox {
    fn put(&self, message: Arc<Message>, wakes: bool) {
        self.waiting.lock().messages.push(message);
        if !self.is_told.swap(true, Ordering::AcqRel) && wakes {
            // A worker that is gone has closed its clients.
            let _ = self.worker.send(worker::Message::Look);
        }
    }
}

//! Groups of consumers that share the reading of a stream, and what each has been given and not acknowledged yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Id;
use crate::structures::ordered::Ordered;

/// A consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerNumber(u32);

/// An entry that was given to a consumer and is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Who has it.
    pub(crate) consumer: ConsumerNumber,
    /// When it was given last, in Unix milliseconds.
    pub(crate) delivered_at: u64,
    /// How often it was given.
    pub(crate) deliveries: u64,
}

/// Somebody who reads for a group.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    /// Its name.
    pub(crate) name: Arc<[u8]>,
    /// When it asked last, in Unix milliseconds.
    pub(crate) seen_at: u64,
    /// When it was given something last; `None` is never.
    pub(crate) active_at: Option<u64>,
    pending: Ordered<Id, ()>,
}

impl Consumer {
    /// How many entries it has not acknowledged.
    pub(crate) fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The highest ID that was given to anybody.
    pub(crate) last_id: Id,
    /// How many entries were given; `None` if nobody knows.
    pub(crate) entries_read: Option<u64>,
    pending: Ordered<Id, Pending>,
    numbers: BTreeMap<Arc<[u8]>, ConsumerNumber>,
    /// By their numbers.
    consumers: Vec<Option<Consumer>>,
    /// Numbers that are free again.
    free: Vec<ConsumerNumber>,
}

impl Group {
    /// A group without consumers that goes on after an ID.
    pub(crate) fn new(last_id: Id, entries_read: Option<u64>) -> Self {
        Self {
            last_id,
            entries_read,
            pending: Ordered::default(),
            numbers: BTreeMap::new(),
            consumers: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The consumer of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<ConsumerNumber> {
        self.numbers.get(name).copied()
    }

    /// The consumer of this name, made now if there is none.
    pub(crate) fn find_or_add(&mut self, name: &[u8], now_ms: u64) -> ConsumerNumber {
        self.find(name).unwrap_or_else(|| self.add(name, now_ms))
    }

    /// Adds a consumer of a name that no other has.
    pub(crate) fn add(&mut self, name: &[u8], now_ms: u64) -> ConsumerNumber {
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer {
            name: Arc::clone(&name),
            seen_at: now_ms,
            active_at: None,
            pending: Ordered::default(),
        };
        let number = self.free.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            ConsumerNumber(self.consumers.len() as u32 - 1)
        });
        self.consumers[number.0 as usize] = Some(consumer);
        self.numbers.insert(name, number);
        number
    }

    /// Takes out a consumer with what it has not acknowledged, and says how much that was.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.numbers.remove(name)?;
        let consumer = self.consumers[number.0 as usize].take()?;
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        self.free.push(number);
        Some(consumer.pending.len())
    }

    /// A consumer.
    pub(crate) fn consumer(&self, number: ConsumerNumber) -> &Consumer {
        self.consumers[number.0 as usize].as_ref().expect("numbers are of consumers that are there")
    }

    /// A consumer, to be changed.
    pub(crate) fn consumer_mut(&mut self, number: ConsumerNumber) -> &mut Consumer {
        self.consumers[number.0 as usize].as_mut().expect("numbers are of consumers that are there")
    }

    /// All consumers in the order of their names.
    pub(crate) fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerNumber, &Consumer)> {
        self.numbers.values().map(|&number| (number, self.consumer(number)))
    }

    /// What is not acknowledged, of all consumers, with IDs from one to another.
    pub(crate) fn pending(&self, from: Id, to: Id) -> impl DoubleEndedIterator<Item = (Id, Pending)> {
        self.pending.range(from, to).map(|(id, pending)| (id, *pending))
    }

    /// The same of one consumer.
    pub(crate) fn pending_of(
        &self,
        number: ConsumerNumber,
        from: Id,
        to: Id,
    ) -> impl DoubleEndedIterator<Item = (Id, Pending)> {
        let ids = self.consumer(number).pending.range(from, to);
        ids.filter_map(|(id, ())| self.get(id).map(|pending| (id, pending)))
    }

    /// How many entries are not acknowledged.
    pub(crate) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is known of an entry that is not acknowledged.
    pub(crate) fn get(&self, id: Id) -> Option<Pending> {
        self.pending.get(id).copied()
    }

    /// Notes what has become of an entry that is not acknowledged, whoever had it before.
    pub(crate) fn set(&mut self, id: Id, pending: Pending) {
        let before = self.pending.insert(id, pending);
        if before.is_some_and(|before| before.consumer == pending.consumer) {
            return;
        }
        if let Some(before) = before {
            self.consumer_mut(before.consumer).pending.remove(id);
        }
        self.consumer_mut(pending.consumer).pending.insert(id, ());
    }

    /// Takes note that an entry needs no acknowledgement any more. Says whether it did.
    pub(crate) fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        self.consumer_mut(pending.consumer).pending.remove(id).is_some()
    }

    /// Bytes it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let consumer =
            |consumer: &Consumer| consumer.name.len() + size_of::<[usize; 8]>() + consumer.pending.bytes();
        let consumers: usize = self.consumers.iter().flatten().map(consumer).sum();
        size_of::<Self>()
            + self.pending.bytes()
            + size_of::<Option<Consumer>>() * self.consumers.capacity()
            + consumers
    }

    /// Pieces of memory to be freed, roughly.
    pub(super) fn pieces(&self) -> usize {
        1 + self.numbers.len() + self.pending.pieces()
    }

    /// Frees one of its pieces; false if there is none left. It is good for nothing else any more.
    pub(super) fn free_one(&mut self) -> bool {
        if self.pending.free_one() {
            return true;
        }
        self.numbers.clear();
        let Some(Some(consumer)) = self.consumers.last_mut() else { return self.consumers.pop().is_some() };
        if !consumer.pending.free_one() {
            self.consumers.pop();
        }
        true
    }
}

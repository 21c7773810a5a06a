//! Which shards a request goes to.

use super::scan::Leg;
use crate::request::{Args, Request, Span};
use crate::slot::{SLOTS, slot_of};
use crate::slots::Slots;
use crate::table::{Begin, Find, Gather, Route, Row};

/// A shard by its place in the topology.
pub type Shard = u16;

/// Who has each slot, and who is asked where it is about all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    of: Box<[Shard]>,
    asked: Vec<Shard>,
    runs: Vec<Run>,
}

/// Slots from the first to the last that those who are asked have, with no slot of another of them in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) shard: Shard,
}

impl Owners {
    /// Nobody's.
    const NOBODY: Shard = Shard::MAX;

    /// The slots of each shard, in the order of their places. All are asked.
    ///
    /// # Errors
    /// A slot that two have, and which; or more shards than there are slots.
    pub fn new<'a>(slots: impl IntoIterator<Item = &'a Slots>) -> Result<Self, String> {
        let mut of: Box<[Shard]> = vec![Self::NOBODY; SLOTS.into()].into();
        let mut shards = 0;
        for slots in slots {
            for slot in slots.ranges().flat_map(|(first, last)| first..=last) {
                let owner = &mut of[usize::from(slot)];
                if *owner != Self::NOBODY {
                    return Err(format!("shards {owner} and {shards} both have slot {slot}"));
                }
                *owner = shards;
            }
            shards += 1;
            if shards > SLOTS {
                return Err(format!("more than {SLOTS} shards"));
            }
        }
        Ok(Self { of, asked: Vec::new(), runs: Vec::new() }.asking((0..shards).collect()))
    }

    /// The same, but only these shards, of which there is one at least, are asked about the whole keyspace: a node of
    /// a cluster speaks for what is beside it. Keys go to whoever has them, as ever.
    #[must_use]
    pub fn asking(mut self, asked: Vec<Shard>) -> Self {
        self.runs.clear();
        for slot in 0..SLOTS {
            let Some(shard) = self.of(slot).filter(|shard| asked.contains(shard)) else { continue };
            match self.runs.last_mut() {
                Some(run) if run.shard == shard => run.last = slot,
                _ => self.runs.push(Run { first: slot, last: slot, shard }),
            }
        }
        self.asked = asked;
        self
    }

    /// Who is asked about the whole keyspace: all shards, unless [`Owners::asking`] says which.
    pub fn asked(&self) -> &[Shard] {
        &self.asked
    }

    /// Who has `slot`, if anybody does.
    #[inline]
    pub fn of(&self, slot: u16) -> Option<Shard> {
        Some(self.of[usize::from(slot)]).filter(|&shard| shard != Self::NOBODY)
    }

    /// The run that has the first slot from `slot` on that anybody who is asked has, and those after it.
    pub(super) fn runs_from(&self, slot: u16) -> &[Run] {
        &self.runs[self.runs.partition_point(|run| run.last < slot)..]
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nowhere: the gateway answers.
    Here,
    /// To one shard, as it is.
    One(Shard),
    /// To the shards that have its keys, to each with its own keys; see [`super::merge_split`].
    Split(Vec<Part>),
    /// To every shard that is [`Owners::asked`], as it is; see [`super::merge`].
    Every(Gather),
    /// To one shard, as it is; what it answers is for [`Leg::answer`].
    Scan(Leg),
    /// Nowhere: an argument is missing that belongs to a key (`MSET key`).
    Incomplete,
    /// Nowhere: its keys belong to several shards and must not be separated.
    CrossSlot,
    /// Nowhere: nobody has this slot.
    Unserved(u16),
}

/// What one of several shards is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Who is asked.
    pub shard: Shard,
    /// Which keys of the request are its own: positions of arguments, ascending.
    pub keys: Vec<usize>,
}

impl Part {
    /// The request for this shard: the name, the subcommand's with it, and each of its keys with the arguments that belong to it. `spans` is
    /// where its arguments are put together.
    pub fn request<'a>(&self, request: &Request<'a>, spans: &'a mut Vec<Span>) -> Request<'a> {
        let step = step(request.row);
        spans.clear();
        let groups = self.keys.iter().flat_map(|&key| key..key + step);
        let args = request.args.picked((0..first(request.row)).chain(groups), spans);
        Request { args, ..*request }
    }
}

/// Where `request` goes while `owners` have the slots.
#[inline]
pub fn plan(request: &Request<'_>, owners: &Owners) -> Plan {
    let Request { row, args, .. } = request;
    if let Some(key) = row.only_key() {
        let slot = slot_of(args.at(key));
        return owners.of(slot).map_or(Plan::Unserved(slot), Plan::One);
    }
    match (row.route, owners.asked()) {
        (Route::Gateway, _) => Plan::Here,
        (Route::Every, &[shard]) => Plan::One(shard),
        (Route::Every, _) if row.gather == Gather::Cursor => Plan::Scan(Leg::at(args.at(1), owners)),
        (Route::Every, _) => Plan::Every(row.gather),
        (Route::Keys | Route::Split, _) => by_keys(row, args, owners),
    }
}

/// The plan for a request of several keys.
fn by_keys(row: &Row, args: &Args<'_>, owners: &Owners) -> Plan {
    let mut parts: Vec<Part> = Vec::new();
    for key in row.keys_of(args) {
        let slot = slot_of(args.at(key.index));
        let Some(shard) = owners.of(slot) else { return Plan::Unserved(slot) };
        match parts.iter_mut().find(|part| part.shard == shard) {
            Some(part) => part.keys.push(key.index),
            None => parts.push(Part { shard, keys: vec![key.index] }),
        }
    }
    if is_incomplete(row, args, &parts) {
        return Plan::Incomplete;
    }
    match parts.as_slice() {
        // What has no keys after all may be answered by anyone (`… numkeys 0` is an error everywhere).
        [] => Plan::One(0),
        [part] => Plan::One(part.shard),
        _ if row.route == Route::Split => Plan::Split(parts),
        _ => Plan::CrossSlot,
    }
}

/// Whether an argument is missing that belongs to a key (`MSET key` without a value).
fn is_incomplete(row: &Row, args: &Args<'_>, parts: &[Part]) -> bool {
    let last = parts.iter().filter_map(|part| part.keys.last()).max();
    row.route == Route::Split && last.is_some_and(|last| last + step(row) > args.len())
}

/// Where the first key is.
fn first(row: &Row) -> usize {
    match row.keys.first().map(|spec| &spec.begin) {
        Some(Begin::Index(index)) => usize::from(*index),
        _ => 1,
    }
}

/// Arguments from one key to the next.
fn step(row: &Row) -> usize {
    match row.keys.first().map(|spec| spec.find) {
        Some(Find::Range { step, .. }) => usize::from(step),
        _ => 1,
    }
}

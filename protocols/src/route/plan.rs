//! Which shards a request goes to.

use crate::request::{Args, Request, Span};
use crate::slot::{SLOTS, slot_of};
use crate::slots::Slots;
use crate::table::{Find, Gather, Route, Row};

/// A shard by its place in the topology.
pub type Shard = u16;

/// Who has each slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    of: Box<[Shard]>,
    shards: Shard,
}

impl Owners {
    /// Nobody's.
    const NOBODY: Shard = Shard::MAX;

    /// The slots of each shard, in the order of their places.
    ///
    /// # Errors
    /// A slot that two have, and which; or more shards than there are slots.
    pub fn new<'a>(slots: impl IntoIterator<Item = &'a Slots>) -> Result<Self, String> {
        let mut owners = Self { of: vec![Self::NOBODY; SLOTS.into()].into(), shards: 0 };
        for slots in slots {
            let shard = owners.shards;
            for slot in slots.ranges().flat_map(|(first, last)| first..=last) {
                let owner = &mut owners.of[usize::from(slot)];
                if *owner != Self::NOBODY {
                    return Err(format!("shards {owner} and {shard} both have slot {slot}"));
                }
                *owner = shard;
            }
            owners.shards += 1;
            if owners.shards > SLOTS {
                return Err(format!("more than {SLOTS} shards"));
            }
        }
        Ok(owners)
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        usize::from(self.shards)
    }

    /// Who has `slot`, if anybody does.
    #[inline]
    pub fn of(&self, slot: u16) -> Option<Shard> {
        Some(self.of[usize::from(slot)]).filter(|&shard| shard != Self::NOBODY)
    }

    /// The first slot from `slot` on that another shard has than `slot` itself, or nobody; [`SLOTS`] if there is none.
    pub fn end_of_run(&self, slot: u16) -> u16 {
        let owner = self.of[usize::from(slot)];
        (slot..SLOTS).find(|&next| self.of[usize::from(next)] != owner).unwrap_or(SLOTS)
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
    /// To every shard, as it is; see [`super::merge`].
    Every(Gather),
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
    /// The request for this shard: the name, and each of its keys with the arguments that belong to it. `spans` is
    /// where its arguments are put together.
    pub fn request<'a>(&self, request: &Request<'a>, spans: &'a mut Vec<Span>) -> Request<'a> {
        let step = step(request.row);
        spans.clear();
        let groups = self.keys.iter().flat_map(|&key| key..key + step);
        let args = request.args.picked(std::iter::once(0).chain(groups), spans);
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
    match row.route {
        Route::Gateway => Plan::Here,
        Route::Every if owners.shards == 1 => Plan::One(0),
        Route::Every => Plan::Every(row.gather),
        Route::Keys | Route::Split => by_keys(row, args, owners),
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
    match parts.as_slice() {
        // What has no keys after all may be answered by anyone (`… numkeys 0` is an error everywhere).
        [] => Plan::One(0),
        [part] => Plan::One(part.shard),
        _ if row.route == Route::Split => Plan::Split(parts),
        _ => Plan::CrossSlot,
    }
}

/// Arguments from one key to the next.
fn step(row: &Row) -> usize {
    match row.keys.first().map(|spec| spec.find) {
        Some(Find::Range { step, .. }) => usize::from(step),
        _ => 1,
    }
}

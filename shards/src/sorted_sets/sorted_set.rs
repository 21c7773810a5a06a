//! One sorted set, in whichever way it is kept.

use std::cmp::Ordering;
use std::ops::Range;

use tidegate_protocols::Error;
use tidegate_protocols::number::{Decimal, bound, whole};
use tidegate_protocols::settings::{Key, Settings};

use super::range::Bounds;
use crate::db::{Encoding, Kind};
use crate::entry_mut::EntryMut;
use crate::large::{Built, Large};
use crate::structures::buffer::Buffer;
use crate::structures::listpack::{self, Element, Listpack, ListpackMut, Position, Positions};
use crate::structures::scored::Scored;
use crate::view::Value;

/// Bytes that a member and its score take in a packed set beside the member's own, at most.
const PAIR_BYTES: usize = 40;

/// How large a packed sorted set may become.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Members.
    members: usize,
    /// Bytes of each of them.
    bytes: usize,
}

impl Limits {
    /// What the settings say.
    #[inline]
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            members: settings.number(Key::ZsetMaxListpackEntries) as usize,
            bytes: settings.number(Key::ZsetMaxListpackValue) as usize,
        }
    }

    /// Redis packs members one after the other up to the first that is too long, and what is packed has no zero below
    /// zero. These members are in ascending order, and are packed in this.
    pub(super) fn forget_signs_of_zeros<M: AsRef<[u8]>>(self, members: &mut [(f64, M)], order: Order) {
        if members.len() > self.members {
            return;
        }
        let is_long = |(_, name): &(f64, M)| name.as_ref().len() > self.bytes;
        let packed = match order {
            Order::Ascending => 0..members.iter().position(is_long).unwrap_or(members.len()),
            Order::Descending => members.iter().rposition(is_long).map_or(0, |long| long + 1)..members.len(),
        };
        members[packed].iter_mut().for_each(|(score, _)| *score += 0.0);
    }
}

/// From which end members are visited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The lowest score first.
    Ascending,
    /// The highest score first.
    Descending,
}

/// A sorted set to be read.
#[derive(Clone, Copy)]
pub(crate) enum SortedSet<'a> {
    /// Members and scores in turn, in order.
    Packed(Listpack<'a>),
    /// Members by name and by score.
    Scored(&'a Scored),
}

impl<'a> SortedSet<'a> {
    /// The sorted set that a value is.
    #[inline]
    pub(crate) fn of(value: Value<'a>) -> Self {
        match value {
            Value::Packed(bytes) => Self::Packed(Listpack::new(bytes)),
            Value::Large(Large::SortedSet(scored)) => Self::Scored(scored),
            Value::Large(_) => unreachable!("the large value of a sorted set is scored"),
        }
    }

    /// Members in it.
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len() / 2,
            Self::Scored(scored) => scored.len(),
        }
    }

    /// The score of a member.
    #[inline]
    pub(crate) fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(pack) => {
                pack.find(Position::START, member, 1).map(|at| score_of(pack.get(pack.after(at))))
            }
            Self::Scored(scored) => scored.score(member),
        }
    }

    /// How many come before a member, and its score.
    pub(super) fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Packed(pack) => {
                let at = pack.find(Position::START, member, 1)?;
                let before = pack.positions_in(Position::START, at).count() / 2;
                Some((before, score_of(pack.get(pack.after(at)))))
            }
            Self::Scored(scored) => scored.rank(member),
        }
    }

    /// Visits the members of these ranks, which are all there.
    #[inline]
    pub(super) fn for_each(self, ranks: Range<usize>, order: Order, mut each: impl FnMut(Element<'a>, f64)) {
        match self {
            Self::Packed(pack) => {
                let mut positions = positions(pack, ranks);
                match order {
                    Order::Ascending => {
                        while let (Some(member), Some(score)) = (positions.next(), positions.next()) {
                            each(pack.get(member), score_of(pack.get(score)));
                        }
                    }
                    Order::Descending => {
                        while let (Some(score), Some(member)) = (positions.next_back(), positions.next_back())
                        {
                            each(pack.get(member), score_of(pack.get(score)));
                        }
                    }
                }
            }
            Self::Scored(scored) => {
                let mut each = |(score, member)| each(Element::Text(member), score);
                match order {
                    Order::Ascending => scored.range(ranks).for_each(&mut each),
                    Order::Descending => scored.range(ranks).rev().for_each(&mut each),
                }
            }
        }
    }

    /// Visits all members from the lowest to the highest.
    #[inline]
    pub(super) fn for_all(self, each: impl FnMut(Element<'a>, f64)) {
        self.for_each(0..self.len(), Order::Ascending, each);
    }

    /// Visits the members of these ranks, the lowest score first, as long as `each` says so.
    pub(crate) fn while_each(self, ranks: Range<usize>, mut each: impl FnMut(Element<'a>, f64) -> bool) {
        match self {
            Self::Packed(pack) => {
                let mut positions = positions(pack, ranks);
                while let (Some(member), Some(score)) = (positions.next(), positions.next()) {
                    if !each(pack.get(member), score_of(pack.get(score))) {
                        return;
                    }
                }
            }
            Self::Scored(scored) => {
                scored.range(ranks).all(|(score, member)| each(Element::Text(member), score));
            }
        }
    }

    /// The ranks of those within bounds. Where scores differ, names are in no order, and what lies between two names
    /// depends on the end from which it is looked for, in a packed set as in Redis.
    pub(crate) fn ranks_within(self, bounds: &Bounds<'_>, order: Order) -> Range<usize> {
        if bounds.are_empty() {
            return 0..0;
        }
        match self {
            Self::Packed(pack) => ranks_in_pack(pack, bounds, order),
            Self::Scored(scored) => {
                let start = scored.count_while(|score, member| !bounds.have_after_begin(score, member));
                let end = scored.count_while(|score, member| bounds.have_before_end(score, member));
                start..end.max(start)
            }
        }
    }
}

/// Where the members of these ranks, which are all there, and their scores are in a packed set.
#[inline]
fn positions(pack: Listpack<'_>, ranks: Range<usize>) -> Positions<'_> {
    let at = |rank: usize| pack.seek(2 * rank as isize).unwrap_or(pack.end());
    let to = if 2 * ranks.end < pack.len() { at(ranks.end) } else { pack.end() };
    pack.positions_in(at(ranks.start), to)
}

/// The score that an element of a packed set is.
#[inline]
fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(number) => number as f64,
        Element::Text(text) => bound(text).unwrap_or(0.0),
    }
}

fn ranks_in_pack(pack: Listpack<'_>, bounds: &Bounds<'_>, order: Order) -> Range<usize> {
    let score = |member: Position| score_of(pack.get(pack.after(member)));
    let is_after = |member: Position| {
        bounds.have_after_begin(score(member), pack.get(member).text(&mut itoa::Buffer::new()))
    };
    let is_before = |member: Position| {
        bounds.have_before_end(score(member), pack.get(member).text(&mut itoa::Buffer::new()))
    };
    let last = pack.before(pack.end()).and_then(|score| pack.before(score));
    if !is_before(Position::START) || !last.is_some_and(is_after) {
        return 0..0;
    }
    match order {
        Order::Ascending => {
            let (before, within) = run(pack.positions().step_by(2), is_after, is_before);
            before..before + within
        }
        Order::Descending => {
            let (after, within) = run(pack.positions().rev().skip(1).step_by(2), is_before, is_after);
            let end = pack.len() / 2 - after;
            end - within..end
        }
    }
}

/// How many come before the first that `begins` a run, and how long it is, as far as it goes on.
fn run(
    members: impl Iterator<Item = Position>,
    begins: impl Fn(Position) -> bool,
    goes_on: impl Fn(Position) -> bool,
) -> (usize, usize) {
    let (mut before, mut within) = (0, 0);
    for member in members {
        if within == 0 && !begins(member) {
            before += 1;
        } else if goes_on(member) {
            within += 1;
        } else {
            break;
        }
    }
    (before, within)
}

/// A score to be put into a packed set: an integer if it is one. Source: Redis `t_zset.c`, `zzlInsertAt`.
struct Packed {
    whole: Option<i64>,
    text: Decimal,
}

impl Packed {
    fn new(score: f64) -> Self {
        Self { whole: whole(score), text: Decimal::of(score) }
    }

    fn element(&self) -> Element<'_> {
        match self.whole {
            Some(number) => Element::Int(number),
            // Digits of a larger one are an integer all the same, if it is not too large for that.
            None => Element::of(self.text.as_bytes()),
        }
    }
}

/// Puts a member that is not there into a packed set.
fn insert<B: Buffer>(pack: &mut ListpackMut<'_, B>, member: &[u8], score: f64) {
    let view = pack.view();
    let mut digits = itoa::Buffer::new();
    let mut comes_after = |at: Position| {
        let found = score_of(view.get(view.after(at)));
        match found.partial_cmp(&score) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => view.get(at).text(&mut digits) > member,
            _ => false,
        }
    };
    // Often scores grow with time.
    let last = view.before(view.end()).and_then(|score| view.before(score));
    let at = if last.is_some_and(&mut comes_after) {
        let mut at = Position::START;
        while !comes_after(at) {
            at = view.after(view.after(at));
        }
        at
    } else {
        view.end()
    };
    pack.insert(at, [Element::of(member), Packed::new(score).element()]);
}

/// A sorted set to be changed. Nobody who watches it learns of that before [`EntryMut::has_changed`] says so.
pub(super) struct SortedSetMut<'e, 'a> {
    entry: &'e mut EntryMut<'a>,
    limits: Limits,
}

impl<'e, 'a> SortedSetMut<'e, 'a> {
    /// The sorted set that is there or may come there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if something else is there.
    #[inline]
    pub(super) fn new(entry: &'e mut EntryMut<'a>, limits: Limits) -> Result<Self, Error> {
        entry.value(Kind::SortedSet)?;
        Ok(Self { entry, limits })
    }

    /// To be read, if it is there.
    #[inline]
    pub(super) fn view(&self) -> Option<SortedSet<'_>> {
        self.entry.value(Kind::SortedSet).ok().flatten().map(SortedSet::of)
    }

    #[inline]
    fn scored(&mut self) -> Option<&mut Scored> {
        match self.entry.large_mut() {
            Some(Large::SortedSet(scored)) => Some(scored),
            _ => None,
        }
    }

    /// Puts it where none is, or unpacks one, before `count` members are put in, of which this is the first. Source: Redis
    /// 7.2 `t_zset.c`, `zsetTypeCreate` and `zsetTypeMaybeConvert`.
    pub(super) fn expect(&mut self, count: usize, first: &[u8]) {
        let is_new = !self.entry.is_there();
        if is_new {
            self.entry.create(Encoding::PackedSortedSet, &listpack::EMPTY);
        }
        if count > self.limits.members || is_new && first.len() > self.limits.bytes {
            self.unpack();
        }
    }

    /// Gives a member the score that `decide` makes of the one it has; equal ones, and `None`, change nothing. It has been
    /// [expected](SortedSetMut::expect).
    #[inline]
    pub(super) fn change(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) {
        let limits = self.limits;
        if let Some(scored) = self.scored() {
            return scored.change(member, decide);
        }
        let mut packed = self.entry.packed_mut();
        let mut pack = ListpackMut::new(&mut packed);
        let view = pack.view();
        let found = view.find(Position::START, member, 1);
        let old = found.map(|at| score_of(view.get(view.after(at))));
        let Some(new) = decide(old).filter(|&new| old != Some(new)) else { return };
        let has_room = view.has_room_for(PAIR_BYTES + member.len());
        if let Some(at) = found {
            pack.remove(at, 2);
        } else if view.len() / 2 >= limits.members || member.len() > limits.bytes || !has_room {
            self.unpack();
            if let Some(scored) = self.scored() {
                scored.change(member, |_| Some(new));
            }
            return;
        }
        insert(&mut pack, member, new);
    }

    /// Takes out a member, and the key with the last one. Says whether it was there.
    #[inline]
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let was_there = if let Some(scored) = self.scored() {
            scored.remove(member).is_some()
        } else if self.entry.is_there() {
            let mut packed = self.entry.packed_mut();
            let mut pack = ListpackMut::new(&mut packed);
            let found = pack.view().find(Position::START, member, 1);
            if let Some(at) = found {
                pack.remove(at, 2);
            }
            found.is_some()
        } else {
            false
        };
        if was_there {
            self.has_shrunk();
        }
        was_there
    }

    /// Takes out the members of these ranks, and the key with the last one.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        if self.view().is_some_and(|set| set.len() == ranks.len()) {
            // Freed as any other, in steps if there are many.
            self.entry.remove();
            return;
        }
        if let Some(scored) = self.scored() {
            scored.remove_ranks(ranks, |_, _| {});
        } else {
            let mut packed = self.entry.packed_mut();
            ListpackMut::new(&mut packed).remove_range(2 * ranks.start, 2 * ranks.len());
        }
        self.has_shrunk();
    }

    fn has_shrunk(&mut self) {
        if self.view().is_some_and(|set| set.len() == 0) {
            self.entry.remove();
        }
    }

    /// Takes it apart into a tree and a table, unless it is.
    #[cold]
    fn unpack(&mut self) {
        if let Some(set @ SortedSet::Packed(_)) = self.view() {
            let mut scored = Scored::new();
            let mut digits = itoa::Buffer::new();
            set.for_all(|member, score| scored.change(member.text(&mut digits), |_| Some(score)));
            self.entry.set_large(Large::SortedSet(scored));
        }
    }

    /// Tells those who watch the key that it is not what it was.
    pub(super) fn has_changed(&mut self) {
        self.entry.has_changed();
    }
}

/// How a result is kept.
#[derive(Clone, Copy)]
pub(crate) enum Keep {
    /// As small as it can be.
    Packed(Limits),
    /// By name and by score, whatever it is.
    Scored,
}

/// The sorted set of these members, which are in order.
pub(crate) fn built<M: AsRef<[u8]>>(members: &[(f64, M)], keep: Keep) -> Built {
    let names = || members.iter().map(|(_, member)| member.as_ref());
    let bytes = names().map(|name| name.len() + PAIR_BYTES).sum::<usize>();
    if let Keep::Packed(limits) = keep
        && members.len() <= limits.members
        && names().all(|name| name.len() <= limits.bytes)
        && bytes < listpack::BYTES_MAX
    {
        let mut packed = listpack::EMPTY.to_vec();
        let mut pack = ListpackMut::new(&mut packed);
        for (score, member) in members {
            let end = pack.view().end();
            pack.insert(end, [Element::of(member.as_ref()), Packed::new(*score).element()]);
        }
        return Built::Packed(Encoding::PackedSortedSet, packed);
    }
    let mut scored = Scored::new();
    for (score, member) in members {
        scored.change(member.as_ref(), |_| Some(*score));
    }
    Built::Large(Large::SortedSet(scored))
}

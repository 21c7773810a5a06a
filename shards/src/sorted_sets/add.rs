//! `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member ...` and `ZINCRBY key increment member`.

use tidegate_protocols::number::double;
use tidegate_protocols::{Args, Error, Reply};

use super::sorted_set::{Limits, SortedSetMut};
use crate::db::Db;

/// What becomes of which members.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Options {
    /// Only those that are new.
    only_new: bool,
    /// Only those that are there.
    only_old: bool,
    /// Of those that are there, only those whose score grows.
    only_up: bool,
    /// Of those that are there, only those whose score shrinks.
    only_down: bool,
    /// The reply counts changed members with the new ones.
    count_changed: bool,
    /// The score is added to the one it has.
    increment: bool,
}

impl Options {
    /// Reads those of `names` at the beginning of `words`, and says how many there are.
    pub(crate) fn parse(words: Args<'_>, names: &[&str]) -> (Self, usize) {
        let mut options = Self::default();
        for (at, word) in words.iter().enumerate() {
            let name = names.iter().find(|name| word.eq_ignore_ascii_case(name.as_bytes()));
            match name.copied() {
                Some("nx") => options.only_new = true,
                Some("xx") => options.only_old = true,
                Some("gt") => options.only_up = true,
                Some("lt") => options.only_down = true,
                Some("ch") => options.count_changed = true,
                Some("incr") => options.increment = true,
                _ => return (options, at),
            }
        }
        (options, words.len())
    }

    /// Whether nobody can be both new and there.
    pub(crate) fn exclude_each_other(self) -> bool {
        self.only_new && self.only_old
    }

    /// Checks that they do not exclude each other, for so many members.
    fn check(self, members: usize) -> Result<(), Error> {
        if self.exclude_each_other() {
            return Err(Error::Text("ERR XX and NX options at the same time are not compatible"));
        }
        if self.only_up && self.only_down || self.only_new && (self.only_up || self.only_down) {
            return Err(Error::Text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && members > 1 {
            return Err(Error::Text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score of a member that has or does not have one; `None` if it is none of those that are meant.
    fn score(self, old: Option<f64>, score: f64) -> Option<f64> {
        let Some(old) = old else { return Some(score).filter(|_| !self.only_old) };
        let new = if self.increment { old + score } else { score };
        let is_left_out = self.only_new || self.only_up && new <= old || self.only_down && new >= old;
        (!is_left_out).then_some(new)
    }
}

/// `ZADD`, and `ZINCRBY`, which is one with `INCR`.
pub(super) fn zadd(
    db: &mut Db<'_>,
    args: Args<'_>,
    increment: bool,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (mut options, count) = Options::parse(args.from(2), &["nx", "xx", "gt", "lt", "ch", "incr"]);
    options.increment |= increment;
    let pairs = args.from(2 + count);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    options.check(pairs.len() / 2)?;
    let at = |at: usize| Ok((double(pairs.at(at)).ok_or(Error::NotFloat)?, pairs.at(at + 1)));
    add(db, args.at(1), options, (0..pairs.len()).step_by(2).map(at), reply)
}

/// Gives members their scores.
///
/// # Errors
/// The first of `pairs`, before anything is done; [`Error::Syntax`] if there are none.
pub(crate) fn add<'k>(
    db: &mut Db<'_>,
    key: &[u8],
    options: Options,
    pairs: impl ExactSizeIterator<Item = Result<(f64, &'k [u8]), Error>> + Clone,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let mut first = None;
    for pair in pairs.clone() {
        first.get_or_insert(pair?);
    }
    let (_, first) = first.ok_or(Error::Syntax)?;
    let limits = Limits::of(db.settings());
    let mut entry = db.change(key);
    let is_there = entry.is_there();
    let mut set = SortedSetMut::new(&mut entry, limits)?;
    let (mut new, mut changed, mut last) = (0, 0, None);
    if is_there || !options.only_old {
        set.expect(pairs.len(), first);
        for (score, member) in pairs.flatten() {
            set.change(member, |old| {
                last = options.score(old, score);
                let score = last.filter(|score| !score.is_nan())?;
                new += i64::from(old.is_none());
                changed += i64::from(old.is_some() && old != Some(score));
                Some(score)
            });
        }
    }
    if new + changed > 0 {
        set.has_changed();
    }
    match last {
        _ if !options.increment => reply.integer(if options.count_changed { new + changed } else { new }),
        Some(score) if score.is_nan() => {
            return Err(Error::Text("ERR resulting score is not a number (NaN)"));
        }
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}

//! `ZUNION`, `ZINTER`, `ZDIFF`, their forms that store, and `ZINTERCARD`. Sets may stand for sorted sets: each member has the
//! score 1 there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tidegate_protocols::number::{double, integer, integer_argument};
use tidegate_protocols::{Args, Error, Reply};

use super::sorted_set::{Keep, Limits, SortedSet, built};
use super::{Scores, in_order, name, select};
use crate::db::{Db, EntryRef, Kind};
use crate::hash::KeyHasher;
use crate::sets::set::Set;
use crate::structures::listpack::Element;

/// Who of several sorted sets is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// Who is in any.
    Union,
    /// Who is in all.
    Intersection,
    /// Who is in the first and in no other.
    Difference,
}

/// How scores of one member become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        match () {
            () if word.eq_ignore_ascii_case(b"sum") => Ok(Self::Sum),
            () if word.eq_ignore_ascii_case(b"min") => Ok(Self::Min),
            () if word.eq_ignore_ascii_case(b"max") => Ok(Self::Max),
            () => Err(Error::Syntax),
        }
    }

    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinite ones of both signs are nothing together.
            Self::Sum => number_or_zero(one + other),
            Self::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Self::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One of the sorted sets that are combined.
#[derive(Clone, Copy)]
enum Source<'a> {
    Sorted(SortedSet<'a>),
    Unsorted(Set<'a>),
    Nothing,
}

impl<'a> Source<'a> {
    fn of(entry: Option<&EntryRef<'a>>) -> Result<Self, Error> {
        Ok(match entry {
            Some(entry) if entry.kind() == Kind::Set => Self::Unsorted(Set::of(entry)?),
            Some(entry) => Self::Sorted(SortedSet::of(entry.value(Kind::SortedSet)?)),
            None => Self::Nothing,
        })
    }

    fn len(self) -> usize {
        match self {
            Self::Sorted(set) => set.len(),
            Self::Unsorted(set) => set.len(),
            Self::Nothing => 0,
        }
    }

    fn score(self, member: Element<'_>) -> Option<f64> {
        let mut digits = itoa::Buffer::new();
        match self {
            Self::Sorted(set) => set.score(member.text(&mut digits)),
            Self::Unsorted(set) => {
                // A member of a large sorted set is text even if it is an integer.
                let member = member.text(&mut digits);
                set.has(Element::of(member)).then_some(1.0)
            }
            Self::Nothing => None,
        }
    }

    /// Visits all members, as long as `each` says so.
    fn while_each(self, mut each: impl FnMut(Element<'a>, f64) -> bool) {
        match self {
            Self::Sorted(set) => set.while_each(0..set.len(), each),
            Self::Unsorted(set) => set.while_each(|member| each(member, 1.0)),
            Self::Nothing => {}
        }
    }

    fn for_each(self, mut each: impl FnMut(Element<'a>, f64)) {
        self.while_each(|member, score| {
            each(member, score);
            true
        });
    }
}

/// Where the result goes, which decides what else may be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Tell,
    Store,
    Count,
}

/// What is asked for beside the keys.
struct Options {
    /// By which each source's scores are multiplied.
    weights: Vec<f64>,
    aggregate: Aggregate,
    scores: Scores,
    /// Members after which counting ends; 0 is never.
    limit: usize,
}

impl Options {
    /// Reads what follows `keys` keys. Source: Redis `t_zset.c`, `zunionInterDiffGenericCommand`.
    fn parse(mut words: Args<'_>, keys: usize, join: Join, purpose: Purpose) -> Result<Self, Error> {
        let (mut aggregate, mut scores, mut limit) = (Aggregate::Sum, Scores::Without, 0);
        let mut weights = vec![1.0; keys];
        let is_weighed = join != Join::Difference && purpose != Purpose::Count;
        while let Some(word) = words.get(0) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let taken = match () {
                () if is_weighed && words.len() > keys && is("weights") => {
                    for (weight, text) in weights.iter_mut().zip(words.from(1).iter()) {
                        *weight = double(text).ok_or(Error::Text("ERR weight value is not a float"))?;
                    }
                    1 + keys
                }
                () if is_weighed && words.len() > 1 && is("aggregate") => {
                    aggregate = Aggregate::parse(words.at(1))?;
                    2
                }
                () if purpose == Purpose::Tell && is("withscores") => {
                    scores = Scores::With;
                    1
                }
                () if purpose == Purpose::Count && words.len() > 1 && is("limit") => {
                    limit = integer(words.at(1))
                        .and_then(|limit| usize::try_from(limit).ok())
                        .ok_or(Error::Text("ERR LIMIT can't be negative"))?;
                    2
                }
                () => return Err(Error::Syntax),
            };
            words = words.from(taken);
        }
        Ok(Self { weights, aggregate, scores, limit })
    }
}

/// Sorted sets with the weights of their scores.
type Sources<'a> = Vec<(Source<'a>, f64)>;

/// Reads how many keys there are, the keys, and what is asked of them: all that follows the argument `at`.
fn read<'a>(
    db: &'a mut Db<'_>,
    words: Args<'_>,
    (join, purpose): (Join, Purpose),
    command: &'static str,
) -> Result<(Sources<'a>, Options), Error> {
    let keys = integer_argument(words.at(0))?;
    if keys < 1 {
        let text = format!("ERR at least 1 input key is needed for '{command}' command");
        return Err(Error::Composed(text.into_bytes().into()));
    }
    let keys = usize::try_from(keys).ok().filter(|&keys| keys < words.len()).ok_or(Error::Syntax)?;
    let entries = db.read_all(words.iter().skip(1).take(keys), &[Kind::SortedSet, Kind::Set])?;
    let options = Options::parse(words.from(1 + keys), keys, join, purpose)?;
    let weighed = entries.iter().zip(&options.weights);
    let sources = weighed.map(|(entry, &weight)| Ok((Source::of(entry.as_ref())?, weight)));
    let mut sources = sources.collect::<Result<Sources<'a>, Error>>()?;
    if join != Join::Difference {
        // So it is decided in which order scores are added.
        sources.sort_by_key(|(source, _)| source.len());
    }
    Ok((sources, options))
}

/// `ZUNION`, `ZINTER`, `ZDIFF`
pub(super) fn tell(
    db: &mut Db<'_>,
    args: Args<'_>,
    join: Join,
    command: &'static str,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (sources, options) = read(db, args.from(1), (join, Purpose::Tell), command)?;
    let members = combined(&sources, join, options.aggregate);
    options.scores.open(members.len(), reply);
    for (score, member) in &members {
        options.scores.tell(Element::Text(member), *score, reply);
    }
    Ok(())
}

/// `ZUNIONSTORE`, `ZINTERSTORE`, `ZDIFFSTORE`
pub(super) fn store(
    db: &mut Db<'_>,
    args: Args<'_>,
    join: Join,
    command: &'static str,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let limits = Limits::of(db.settings());
    let (sources, options) = read(db, args.from(2), (join, Purpose::Store), command)?;
    let members = combined(&sources, join, options.aggregate);
    let (count, built) = (members.len(), built(&members, Keep::Packed(limits)));
    select::store(db, args.at(1), count, built, reply);
    Ok(())
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn zintercard(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let purpose = (Join::Intersection, Purpose::Count);
    let (sources, options) = read(db, args.from(1), purpose, "zintercard")?;
    let mut count = 0;
    while_common(&sources, options.aggregate, |_, _| {
        count += 1;
        count != options.limit
    });
    reply.integer(count as i64);
    Ok(())
}

/// Members and scores in order.
type Members<'a> = Vec<(f64, Cow<'a, [u8]>)>;

fn combined<'a>(sources: &[(Source<'a>, f64)], join: Join, aggregate: Aggregate) -> Members<'a> {
    let mut members = match join {
        Join::Union => union(sources, aggregate),
        Join::Intersection => {
            let mut members = Vec::new();
            while_common(sources, aggregate, |member, score| {
                members.push((score, name(member)));
                true
            });
            members
        }
        Join::Difference => difference(sources),
    };
    in_order(&mut members);
    members
}

fn union<'a>(sources: &[(Source<'a>, f64)], aggregate: Aggregate) -> Members<'a> {
    let most = sources.iter().map(|(source, _)| source.len()).max().unwrap_or(0);
    let mut scores: HashMap<_, f64, Names> = HashMap::with_capacity_and_hasher(most, Names::default());
    for (source, weight) in sources {
        source.for_each(|member, score| {
            let score = number_or_zero(weight * score);
            scores.entry(name(member)).and_modify(|sum| *sum = aggregate.of(*sum, score)).or_insert(score);
        });
    }
    scores.into_iter().map(|(member, score)| (score, member)).collect()
}

/// Visits those of the first who are in all others, with what their scores become, as long as `each` says so.
fn while_common<'a>(
    sources: &[(Source<'a>, f64)],
    aggregate: Aggregate,
    mut each: impl FnMut(Element<'a>, f64) -> bool,
) {
    let [(first, weight), others @ ..] = sources else { return };
    first.while_each(|member, score| {
        let scores = others.iter().map(|(source, weight)| Some(weight * source.score(member)?));
        let sum = number_or_zero(weight * score);
        let sum = scores.into_iter().try_fold(sum, |sum, score| Some(aggregate.of(sum, score?)));
        sum.is_none_or(|score| each(member, score))
    });
}

fn difference<'a>(sources: &[(Source<'a>, f64)]) -> Members<'a> {
    let mut members = Vec::new();
    let Some(((first, _), others)) = sources.split_first() else { return members };
    first.for_each(|member, score| {
        if !others.iter().any(|(source, _)| source.score(member).is_some()) {
            members.push((score, name(member)));
        }
    });
    members
}

/// Hashes names as keys are hashed.
type Names = BuildHasherDefault<NameHasher>;

#[derive(Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= KeyHasher::new().hash(bytes);
    }

    /// The length that stands before the bytes says nothing they do not.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

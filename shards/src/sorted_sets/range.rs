//! Which members of a sorted set are meant: between two scores, two names or two ranks.

use std::ops::Range;

use tidegate_protocols::number::{bound, integer_argument};
use tidegate_protocols::{Error, Reply};

use super::sorted_set::{Order, SortedSet};

/// An end of a range of scores.
#[derive(Clone, Copy)]
pub(crate) struct Score {
    /// The score.
    pub(crate) at: f64,
    /// Whether it belongs to the range.
    pub(crate) is_in: bool,
}

impl Score {
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            [b'(', text @ ..] => bound(text).map(|at| Self { at, is_in: false }),
            _ => bound(text).map(|at| Self { at, is_in: true }),
        }
    }
}

/// An end of a range of names.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    /// Before all.
    First,
    /// After all.
    Last,
    /// This one.
    At {
        name: &'a [u8],
        /// Whether it belongs to the range.
        is_in: bool,
    },
}

impl<'a> Name<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            [b'-'] | [b'-', 0, ..] => Some(Self::First),
            [b'+'] | [b'+', 0, ..] => Some(Self::Last),
            [b'(', name @ ..] => Some(Self::At { name, is_in: false }),
            [b'[', name @ ..] => Some(Self::At { name, is_in: true }),
            _ => None,
        }
    }
}

/// A range, from its lower to its upper end.
#[derive(Clone, Copy)]
pub(crate) enum Bounds<'a> {
    /// Of scores.
    Scores(Score, Score),
    /// Of names, all scores being equal.
    Names(NameRange<'a>),
}

/// See [`Bounds::Names`].
#[derive(Clone, Copy)]
pub(crate) struct NameRange<'a>(Name<'a>, Name<'a>);

impl<'a> Bounds<'a> {
    /// Reads a range of scores.
    ///
    /// # Errors
    /// If one of them is none.
    pub(super) fn scores(begin: &[u8], end: &[u8]) -> Result<Self, Error> {
        match (Score::parse(begin), Score::parse(end)) {
            (Some(begin), Some(end)) => Ok(Self::Scores(begin, end)),
            _ => Err(Error::Text("ERR min or max is not a float")),
        }
    }

    /// Reads a range of names.
    ///
    /// # Errors
    /// If one of them is none.
    pub(super) fn names(begin: &'a [u8], end: &'a [u8]) -> Result<Self, Error> {
        match (Name::parse(begin), Name::parse(end)) {
            (Some(begin), Some(end)) => Ok(Self::Names(NameRange(begin, end))),
            _ => Err(Error::Text("ERR min or max not valid string range item")),
        }
    }

    /// Whether nothing can lie between them.
    pub(super) fn are_empty(&self) -> bool {
        match self {
            Self::Scores(begin, end) => {
                if begin.is_in && end.is_in {
                    begin.at > end.at
                } else {
                    begin.at >= end.at
                }
            }
            Self::Names(NameRange(begin, end)) => match (begin, end) {
                (Name::Last, _) | (_, Name::First) => true,
                (Name::First, _) | (_, Name::Last) => false,
                (Name::At { name: a, is_in: has_a }, Name::At { name: b, is_in: has_b }) => {
                    a > b || a == b && !(*has_a && *has_b)
                }
            },
        }
    }

    /// Whether a member does not come before the lower end.
    #[inline]
    pub(super) fn have_after_begin(&self, score: f64, member: &[u8]) -> bool {
        match self {
            Self::Scores(begin, _) => {
                if begin.is_in {
                    score >= begin.at
                } else {
                    score > begin.at
                }
            }
            Self::Names(NameRange(begin, _)) => match begin {
                Name::First => true,
                Name::Last => false,
                Name::At { name, is_in } => member > *name || *is_in && member == *name,
            },
        }
    }

    /// Whether a member does not come after the upper end.
    #[inline]
    pub(super) fn have_before_end(&self, score: f64, member: &[u8]) -> bool {
        match self {
            Self::Scores(_, end) => {
                if end.is_in {
                    score <= end.at
                } else {
                    score < end.at
                }
            }
            Self::Names(NameRange(_, end)) => match end {
                Name::First => false,
                Name::Last => true,
                Name::At { name, is_in } => member < *name || *is_in && member == *name,
            },
        }
    }
}

/// What a range is a range of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Name,
}

/// Which members are meant.
pub(super) enum Selection<'a> {
    /// From one rank to another, counted in the order in which they are visited; below 0 they count from its end.
    Ranks(i64, i64),
    /// Within bounds.
    Within(Bounds<'a>),
}

impl<'a> Selection<'a> {
    /// Reads a range from its lower to its upper end.
    ///
    /// # Errors
    /// If one of them is none.
    pub(super) fn parse(by: By, begin: &'a [u8], end: &'a [u8]) -> Result<Self, Error> {
        Ok(match by {
            By::Rank => Self::Ranks(integer_argument(begin)?, integer_argument(end)?),
            By::Score => Self::Within(Bounds::scores(begin, end)?),
            By::Name => Self::Within(Bounds::names(begin, end)?),
        })
    }

    /// The ranks, from the lowest score, of those who are meant.
    pub(super) fn ranks(&self, set: SortedSet<'_>, order: Order) -> Range<usize> {
        match self {
            Self::Ranks(begin, end) => {
                let ranks = within(*begin, *end, set.len());
                match order {
                    Order::Ascending => ranks,
                    Order::Descending => set.len() - ranks.end..set.len() - ranks.start,
                }
            }
            Self::Within(bounds) => set.ranks_within(bounds, order),
        }
    }
}

/// The ranks from `start` to `stop` that a set of `len` members has; below 0 they count from its end.
fn within(start: i64, stop: i64, len: usize) -> Range<usize> {
    let rank = |rank: i64| if rank < 0 { rank.saturating_add(len as i64) } else { rank };
    let start = (rank(start).max(0) as usize).min(len);
    let end = (rank(stop).saturating_add(1).max(0) as usize).min(len);
    start..end.max(start)
}

/// Part of what a range has: so many after the first `skipped`.
pub(super) struct Part {
    /// None are left if it is below 0.
    pub(super) skipped: i64,
    /// All if it is below 0.
    pub(super) count: i64,
}

impl Part {
    /// All of it.
    pub(super) const ALL: Self = Self { skipped: 0, count: -1 };

    /// The ranks of the part, which is counted in the order in which they are visited.
    pub(super) fn of(&self, ranks: Range<usize>, order: Order) -> Range<usize> {
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(ranks.len());
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(ranks.len() - skipped);
        match order {
            Order::Ascending => ranks.start + skipped..ranks.start + skipped + count,
            Order::Descending => ranks.end - skipped - count..ranks.end - skipped,
        }
    }
}

/// Whether a member and its score are an array of their own.
pub(super) fn is_nested(reply: &Reply<'_>) -> bool {
    reply.dialect() == tidegate_protocols::Dialect::Resp3
}

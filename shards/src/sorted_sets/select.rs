//! `ZRANGE` in all its forms, and `ZRANGESTORE`.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error, Reply};

use super::range::{By, Part, Selection};
use super::sorted_set::{Keep, Limits, Order, built};
use super::{Scores, name, read};
use crate::db::{Db, Look};
use crate::large::Built;

/// What the name of a command says; `None` is left to its options.
#[derive(Clone, Copy)]
pub(super) struct Form {
    by: Option<By>,
    order: Option<Order>,
    /// Whether the result is kept, so that scores are not asked for.
    is_kept: bool,
}

impl Form {
    /// Nothing.
    pub(super) const ANY: Self = Self { by: None, order: None, is_kept: false };

    /// A range, the lowest first.
    pub(super) fn up(by: By) -> Self {
        Self { by: Some(by), order: Some(Order::Ascending), is_kept: false }
    }

    /// A range, the highest first.
    pub(super) fn down(by: By) -> Self {
        Self { by: Some(by), order: Some(Order::Descending), is_kept: false }
    }
}

/// What is asked for.
struct Query<'a> {
    by: By,
    selection: Selection<'a>,
    order: Order,
    part: Part,
    scores: Scores,
}

impl<'a> Query<'a> {
    /// Reads a range and the options after it. Source: Redis `t_zset.c`, `zrangeGenericCommand`.
    fn parse(words: Args<'a>, form: Form) -> Result<Self, Error> {
        let (mut by, mut order) = (form.by, form.order);
        let (mut part, mut scores) = (Part::ALL, Scores::Without);
        let mut options = words.from(2);
        while let Some(option) = options.get(0) {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            let mut taken = 1;
            match () {
                () if !form.is_kept && is("withscores") => scores = Scores::With,
                () if is("limit") && options.len() > 2 => {
                    part.skipped = integer_argument(options.at(1))?;
                    part.count = integer_argument(options.at(2))?;
                    taken = 3;
                }
                () if order.is_none() && is("rev") => order = Some(Order::Descending),
                () if by.is_none() && is("bylex") => by = Some(By::Name),
                () if by.is_none() && is("byscore") => by = Some(By::Score),
                () => return Err(Error::Syntax),
            }
            options = options.from(taken);
        }
        let (by, order) = (by.unwrap_or(By::Rank), order.unwrap_or(Order::Ascending));
        if part.count != -1 && by == By::Rank {
            return Err(Error::Text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if scores == Scores::With && by == By::Name {
            return Err(Error::Text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        if by == By::Rank {
            part = Part::ALL;
        }
        let is_turned = order == Order::Descending && by != By::Rank;
        let (begin, end) = if is_turned { (1, 0) } else { (0, 1) };
        let selection = Selection::parse(by, words.at(begin), words.at(end))?;
        Ok(Self { by, selection, order, part, scores })
    }
}

pub(super) fn zrange(
    db: &mut Db<'_>,
    args: Args<'_>,
    form: Form,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let query = Query::parse(args.from(2), form)?;
    let Some(set) = read(db, args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.part.of(query.selection.ranks(set, query.order), query.order);
    query.scores.open(ranks.len(), reply);
    set.for_each(ranks, query.order, |member, score| query.scores.tell(member, score, reply));
    Ok(())
}

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`. What is not a range of ranks is never packed:
/// Redis 7.2 does not know beforehand how many members there will be.
pub(super) fn zrangestore(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [destination, source] = [args.at(1), args.at(2)];
    let query = Query::parse(args.from(3), Form { is_kept: true, ..Form::ANY })?;
    let limits = Limits::of(db.settings());
    let mut members = Vec::new();
    if let Some(set) = read(db, source)? {
        let ranks = query.part.of(query.selection.ranks(set, query.order), query.order);
        set.for_each(ranks, Order::Ascending, |member, score| members.push((score, name(member))));
    }
    let keep = match query.by {
        By::Rank => {
            limits.forget_signs_of_zeros(&mut members, query.order);
            Keep::Packed(limits)
        }
        By::Score | By::Name => Keep::Scored,
    };
    let (count, built) = (members.len(), built(&members, keep));
    store(db, destination, count, built, reply);
    Ok(())
}

/// Puts what was made of `count` members at `key`, or removes that if there are none; and tells how many there are.
pub(crate) fn store(db: &mut Db<'_>, key: &[u8], count: usize, built: Built, reply: &mut Reply<'_>) {
    let mut entry = db.open(key, Look::Change);
    if count == 0 {
        entry.remove();
    } else {
        entry.set_built(built);
    }
    reply.integer(count as i64);
}

//! `ZRANDMEMBER key [count [WITHSCORES]]`.

use tidegate_protocols::{Args, Error, Reply};

use super::sorted_set::{Order, SortedSet};
use super::{Scores, read, tell};
use crate::by_chance::{Wanted, tell_any};
use crate::db::Db;
use crate::structures::listpack::Element;

pub(super) fn zrandmember(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut random = fastrand::Rng::with_seed(db.local.random.u64(..));
    let key = args.at(1);
    let Some((wanted, with_scores)) = Wanted::parse_with(&args, b"WITHSCORES")? else {
        match read(db, key)? {
            Some(set) => tell(one(set, &mut random).0, reply),
            None => reply.null(),
        }
        return Ok(());
    };
    let scores = if with_scores { Scores::With } else { Scores::Without };
    let reply_bytes_max = db.local.reply_bytes_max;
    let Some(set) = read(db, key)?.filter(|_| !wanted.is_none()) else {
        reply.array(0);
        return Ok(());
    };
    let count = match wanted {
        Wanted::Different(count) => count,
        Wanted::Any(count) => {
            let open = |reply: &mut Reply<'_>| scores.open(count, reply);
            return tell_any(count, reply_bytes_max, reply, open, |reply| {
                let (member, score) = one(set, &mut random);
                scores.tell(member, score, reply);
            });
        }
    };
    let (mut left, mut wanted) = (set.len(), set.len().min(count));
    scores.open(wanted, reply);
    match set {
        SortedSet::Scored(large) if wanted < left => {
            large.sample(wanted, &mut random, |score, member| {
                scores.tell(Element::Text(member), score, reply);
            });
        }
        // All of them begin with the highest, of a packed set's as of any others. Each of those that are left is taken
        // with the chance that as many of them are wanted as are.
        _ => {
            let order = if wanted == left { Order::Descending } else { Order::Ascending };
            set.for_each(0..left, order, |member, score| {
                if random.usize(..left) < wanted {
                    wanted -= 1;
                    scores.tell(member, score, reply);
                }
                left -= 1;
            });
        }
    }
    Ok(())
}

/// One member by chance, with its score. Sorted sets are never empty.
fn one<'a>(set: SortedSet<'a>, random: &mut fastrand::Rng) -> (Element<'a>, f64) {
    match set {
        SortedSet::Packed(_) => {
            let (rank, mut found) = (random.usize(..set.len()), None);
            set.for_each(rank..rank + 1, Order::Ascending, |member, score| found = Some((member, score)));
            found.expect("as many as it has")
        }
        SortedSet::Scored(scored) => {
            let (score, member) = scored.random(random);
            (Element::Text(member), score)
        }
    }
}

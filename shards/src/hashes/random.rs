//! `HRANDFIELD key [count [WITHVALUES]]`.

use tidegate_protocols::{Args, Error, Reply};

use super::due;
use super::hash::Hash;
use super::{read, tell};
use crate::by_chance::{Wanted, tell_any};
use crate::db::Db;
use crate::structures::listpack::{Element, Listpack};

pub(super) fn hrandfield(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut random = fastrand::Rng::with_seed(db.local.random.u64(..));
    let key = args.at(1);
    let Some((wanted, with_values)) = Wanted::parse_with(&args, b"WITHVALUES")? else {
        match read(db, key)?.filter(|hash| hash.live_len() > 0) {
            Some(hash) => tell(one(hash, &mut random).0, reply),
            None => reply.null(),
        }
        return Ok(());
    };
    let reply_bytes_max = db.local.reply_bytes_max;
    let Some(hash) = read(db, key)?.filter(|hash| !wanted.is_none() && hash.live_len() > 0) else {
        reply.array(0);
        return Ok(());
    };
    let is_nested = with_values && reply.dialect() == tidegate_protocols::Dialect::Resp3;
    let times = if with_values && !is_nested { 2 } else { 1 };
    let each = |(field, value): Pair<'_>, reply: &mut Reply<'_>| {
        if is_nested {
            reply.array(2);
        }
        tell(field, reply);
        if with_values {
            tell(value, reply);
        }
    };
    let count = match wanted {
        Wanted::Different(count) => count,
        Wanted::Any(count) => {
            let open = |reply: &mut Reply<'_>| reply.array(count.saturating_mul(times));
            return tell_any(count, reply_bytes_max, reply, open, |reply| {
                each(one(hash, &mut random), reply);
            });
        }
    };
    let (mut left, mut wanted) = (hash.live_len(), hash.live_len().min(count));
    reply.array(wanted * times);
    if let Hash::Table(members) = hash {
        members.sample(wanted, &mut random, |field, value| {
            each((Element::Text(field), Element::Text(value)), reply);
        });
        return Ok(());
    }
    // Each of those that are left is taken with the chance that as many of them are wanted as are.
    hash.for_each(|field, value| {
        if random.usize(..left) < wanted {
            wanted -= 1;
            each((field, value), reply);
        }
        left -= 1;
    });
    Ok(())
}

type Pair<'a> = (Element<'a>, Element<'a>);

/// How often a field is picked by chance where some have expired.
const PICKS: usize = 100;

/// One field by chance, with its value. There is one.
fn one<'a>(hash: Hash<'a>, random: &mut fastrand::Rng) -> Pair<'a> {
    let packed = |pack: Listpack<'a>, elements: usize, overdue: usize, random: &mut fastrand::Rng| {
        let at = random.usize(overdue..hash.len());
        let field = pack.seek((elements * at) as isize).expect("as many as it has");
        (pack.get(field), pack.get(pack.after(field)))
    };
    match hash {
        Hash::Packed(pack) => packed(pack, 2, 0, random),
        Hash::Expiring(pack, overdue) => packed(pack, due::ELEMENTS, overdue, random),
        Hash::Table(members) => {
            let (field, value) = members.random(random);
            (Element::Text(field), Element::Text(value))
        }
        Hash::Overdue(members, _) => {
            let mut picks = (0..PICKS).map(|_| members.random(random));
            let found = picks.find(|(field, _)| hash.get(field).is_some());
            let first = || {
                let mut first = None;
                hash.for_each(|field, value| first = first.or(Some((field, value))));
                first.expect("there is one")
            };
            found.map_or_else(first, |(field, value)| (Element::Text(field), Element::Text(value)))
        }
    }
}

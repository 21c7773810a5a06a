//! `HRANDFIELD key [count [WITHVALUES]]`.

use tidegate_protocols::number::integer;
use tidegate_protocols::{Args, Error, Reply};

use super::hash::Hash;
use super::{read, tell};
use crate::db::Db;
use crate::structures::listpack::Element;

/// Counts beyond this are refused, with values. Source: Redis `t_hash.c`, `hrandfieldCommand`.
const COUNT_MAX: i64 = i64::MAX / 2;

/// Bytes of the shortest element of a reply, `$0` with its line ends.
const ELEMENT_BYTES_MIN: usize = 6;

const COUNT_RANGE: Error =
    Error::Text("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

pub(super) fn hrandfield(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut random = fastrand::Rng::with_seed(db.local.random.u64(..));
    let key = args.at(1);
    let Some(count) = args.get(2) else {
        match read(db, key)? {
            Some(hash) => tell(one(hash, &mut random).0, reply),
            None => reply.null(),
        }
        return Ok(());
    };
    let count = integer(count).ok_or(Error::NotInteger)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let with_values = match args.get(3) {
        Some(word) if args.len() == 4 && word.eq_ignore_ascii_case(b"withvalues") => true,
        Some(_) => return Err(Error::Syntax),
        None => false,
    };
    if with_values && !(-COUNT_MAX..=COUNT_MAX).contains(&count) {
        return Err(Error::Text("ERR value is out of range"));
    }
    let reply_bytes_max = db.local.reply_bytes_max;
    let Some(hash) = read(db, key)?.filter(|_| count != 0) else {
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
    if count < 0 {
        let (wanted, begin) = (count.unsigned_abs() as usize, reply.mark());
        if wanted.saturating_mul(ELEMENT_BYTES_MIN) > reply_bytes_max {
            return Err(Error::ReplyTooLong);
        }
        reply.array(wanted.saturating_mul(times));
        for _ in 0..wanted {
            each(one(hash, &mut random), reply);
            // A short request can ask for a field a million times.
            reply.check_since(begin, reply_bytes_max)?;
        }
        return Ok(());
    }
    // Each of those that are left is taken with the chance that as many of them are wanted as are.
    let (mut left, mut wanted) = (hash.len(), hash.len().min(count as usize));
    reply.array(wanted * times);
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

/// One field by chance, with its value. Hashes are never empty.
fn one<'a>(hash: Hash<'a>, random: &mut fastrand::Rng) -> Pair<'a> {
    match hash {
        Hash::Packed(pack) => {
            let field = pack.seek(2 * random.usize(..hash.len()) as isize).expect("as many as it has");
            (pack.get(field), pack.get(pack.after(field)))
        }
        Hash::Table(members) => {
            let (field, value) = members.random(random);
            (Element::Text(field), Element::Text(value))
        }
    }
}

//! Looking for elements: `LPOS`, `LINSERT`, `LREM`.

use tidegate_protocols::number::{integer, integer_argument};
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::list::{List, ListMut, limit_of};
use super::read;
use crate::db::Db;
use crate::structures::listpack::{End, Needle};
use crate::structures::quicklist::Side;

/// `LINSERT key BEFORE | AFTER pivot element`: how many elements there are then, or -1.
pub(super) fn linsert(
    db: &mut Db<'_>,
    [key, side, pivot, element]: [&[u8]; 4],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let side = if side.eq_ignore_ascii_case(b"after") {
        Side::After
    } else if side.eq_ignore_ascii_case(b"before") {
        Side::Before
    } else {
        return Err(Error::Syntax);
    };
    let limit = limit_of(db.settings());
    let mut entry = db.change(key);
    let mut list = ListMut::new(&mut entry, limit)?;
    if !list.is_there() {
        reply.integer(0);
        return Ok(());
    }
    // Before it is known whether there is a pivot, as in Redis.
    list.expect(1, element.len());
    if list.insert(side, pivot, element) {
        list.has_changed();
        reply.integer(list.len() as i64);
    } else {
        reply.integer(-1);
    }
    Ok(())
}

/// `LREM key count element`: below 0 from the end, 0 is all.
pub(super) fn lrem(
    db: &mut Db<'_>,
    [key, count, element]: [&[u8]; 3],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (count, limit) = (integer_argument(count)?, limit_of(db.settings()));
    let mut entry = db.change(key);
    let mut list = ListMut::new(&mut entry, limit)?;
    let end = if count < 0 { End::Tail } else { End::Head };
    let count_max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let removed = list.remove_equal(element, end, count_max);
    if removed > 0 {
        list.settle();
        list.has_changed();
    }
    reply.integer(removed as i64);
    Ok(())
}

/// What `LPOS` is asked.
struct Search {
    /// Where it begins.
    from: End,
    /// Matches that are passed over.
    skip: u64,
    /// Matches that are told, 0 for all; `None` is the first one, and not in an array.
    count: Option<u64>,
    /// Elements that are looked at; 0 for all.
    len: u64,
}

impl Search {
    fn parse(mut options: Args<'_>) -> Result<Self, Error> {
        let mut search = Self { from: End::Head, skip: 0, count: None, len: 0 };
        while let Some(option) = options.get(0) {
            let value = options.get(1).ok_or(Error::Syntax)?;
            if option.eq_ignore_ascii_case(b"rank") {
                let rank = rank(value)?;
                search.from = if rank < 0 { End::Tail } else { End::Head };
                search.skip = rank.unsigned_abs() - 1;
            } else if option.eq_ignore_ascii_case(b"count") {
                search.count = Some(natural(value, "ERR COUNT can't be negative")?);
            } else if option.eq_ignore_ascii_case(b"maxlen") {
                search.len = natural(value, "ERR MAXLEN can't be negative")?;
            } else {
                return Err(Error::Syntax);
            }
            options = options.from(2);
        }
        Ok(search)
    }

    /// Tells each match to `tell`, which says whether to go on.
    fn run(&self, list: List<'_>, element: &[u8], mut tell: impl FnMut(i64) -> bool) {
        let (needle, len) = (Needle::new(element), list.len());
        let looked_at = usize::try_from(self.len).ok().filter(|&max| (1..len).contains(&max)).unwrap_or(len);
        let (mut elements, mut skip) = (list.range(0..len), self.skip);
        for index in 0..looked_at {
            let (element, index) = match self.from {
                End::Head => (elements.next(), index),
                End::Tail => (elements.next_back(), len - 1 - index),
            };
            if !element.is_some_and(|element| needle.is(element)) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
            } else if !tell(index as i64) {
                return;
            }
        }
    }
}

fn rank(text: &[u8]) -> Result<i64, Error> {
    match integer_argument(text)? {
        i64::MIN => Err(Error::Text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        0 => Err(Error::Text(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
             or use negative to start from the end of the list",
        )),
        rank => Ok(rank),
    }
}

fn natural(text: &[u8], refusal: &'static str) -> Result<u64, Error> {
    integer(text).and_then(|number| u64::try_from(number).ok()).ok_or(Error::Text(refusal))
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(super) fn lpos(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (search, element) = (Search::parse(args.from(3))?, args.at(2));
    let list = read(db, args.at(1))?;
    let Some(count) = search.count else {
        let mut found = None;
        if let Some(list) = list {
            search.run(list, element, |index| {
                found = Some(index);
                false
            });
        }
        match found {
            Some(index) => reply.integer(index),
            None => reply.null(),
        }
        return Ok(());
    };
    let (matches, mut told) = (reply.deferred(Collection::Array), 0);
    if let Some(list) = list {
        search.run(list, element, |index| {
            reply.integer(index);
            told += 1;
            told as u64 != count
        });
    }
    reply.finish(matches, told);
    Ok(())
}

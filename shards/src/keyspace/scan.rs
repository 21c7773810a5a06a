//! `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`, and what scans of collections have in common with it.

use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::glob::{Case, matches};
use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use crate::db::Db;
use crate::structures::listpack::Element;
use crate::view::tell;

/// Keys a step looks at unless `COUNT` says otherwise. Source: Redis `db.c`, `scanGenericCommand`.
const COUNT: usize = 10;

pub(super) fn scan(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let cursor = Cursor::parse(args.at(1)).ok_or(Error::Cursor)?;
    let Options { count, pattern, kind } = Options::parse(args.from(2), true)?;
    if db.stops_walking(count) {
        return Ok(());
    }
    // Of those it visits that are like the pattern, whatever their type: they go, as in Redis.
    let mut over = Vec::new();
    tell_step(reply, |reply| {
        let (list, mut found) = (reply.deferred(Collection::Array), 0);
        let next = db.scan_over(cursor, count, |entry, is_over| {
            if !pattern.is_none_or(|pattern| matches(pattern, entry.key(), Case::Sensitive)) {
                return;
            }
            if is_over {
                over.push(entry.key().to_vec());
            } else if kind.is_none_or(|kind| entry.kind().name().as_bytes().eq_ignore_ascii_case(kind)) {
                reply.bulk(entry.key());
                found += 1;
            }
        });
        reply.finish(list, found);
        Ok(next)
    })?;
    for key in over {
        db.lock_key(&key);
        // Who looks for it removes it.
        db.exists(&key);
    }
    Ok(())
}

/// The options of a scan.
struct Options<'a> {
    /// Elements a step looks at, about.
    count: usize,
    /// What those that are told of are like; `None` is anything.
    pattern: Option<&'a [u8]>,
    /// Their type.
    kind: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads them; `TYPE` only if elements are keys.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is no option, [`Error::NotInteger`] for a count that is none.
    fn parse(mut words: Args<'a>, of_keys: bool) -> Result<Self, Error> {
        let mut options = Self { count: COUNT, pattern: None, kind: None };
        while let Some(option) = words.get(0) {
            let value = words.get(1).ok_or(Error::Syntax)?;
            match option.to_ascii_lowercase().as_slice() {
                b"count" => options.count = at_least_one(value)?,
                b"match" => options.pattern = Some(value).filter(|pattern| *pattern != b"*"),
                b"type" if of_keys => options.kind = Some(value),
                _ => return Err(Error::Syntax),
            }
            words = words.from(2);
        }
        Ok(options)
    }
}

/// Replies with the cursor that `step` returns and, behind it, the elements it writes.
fn tell_step(
    reply: &mut Reply<'_>,
    step: impl FnOnce(&mut Reply<'_>) -> Result<Cursor, Error>,
) -> Result<(), Error> {
    reply.array(2);
    let mark = reply.mark();
    let next = step(reply)?;
    if reply.mark() == mark {
        reply.array(0);
    }
    // The cursor stands before the elements and is known only after them.
    let end = reply.mark();
    reply.bulk(itoa::Buffer::new().format(next.0).as_bytes());
    let cursor_bytes = reply.mark() - end;
    reply.out()[mark..].rotate_right(cursor_bytes);
    Ok(())
}

/// Those elements of a collection that a scan of it tells.
pub(crate) struct Found<'r, 'o> {
    reply: &'r mut Reply<'o>,
    pattern: Option<&'r [u8]>,
    digits: itoa::Buffer,
    /// Elements of the reply.
    told: usize,
}

impl Found<'_, '_> {
    /// Tells an element, if the client wants it.
    pub(crate) fn add(&mut self, element: Element<'_>) {
        if self.is_wanted(element) {
            tell(element, self.reply);
            self.told += 1;
        }
    }

    /// Tells an element, if the client wants it, and what belongs to it.
    pub(crate) fn add_with(&mut self, element: Element<'_>, tell_other: impl FnOnce(&mut Reply<'_>)) {
        if self.is_wanted(element) {
            tell(element, self.reply);
            tell_other(self.reply);
            self.told += 2;
        }
    }

    fn is_wanted(&mut self, element: Element<'_>) -> bool {
        let digits = &mut self.digits;
        self.pattern.is_none_or(|pattern| matches(pattern, element.text(digits), Case::Sensitive))
    }
}

/// `HSCAN`, `SSCAN` and `ZSCAN`: a step over the collection that `read` finds, if it is there. `step` is given it, the
/// cursor, which is a prefix of a hash as within a slot, and about how many elements to look at; it returns the next
/// cursor, 0 at the end.
pub(crate) fn scan_collection<'a, T>(
    args: Args<'a>,
    reply: &mut Reply<'_>,
    read: impl FnOnce(&'a [u8]) -> Result<Option<T>, Error>,
    step: impl FnOnce(T, (u64, usize), &mut Found<'_, '_>) -> u64,
) -> Result<(), Error> {
    let cursor = Cursor::parse(args.at(2)).ok_or(Error::Cursor)?;
    let Some(collection) = read(args.at(1))? else {
        // Options are not looked at where there is nothing to scan.
        return tell_step(reply, |_| Ok(Cursor::ZERO));
    };
    let Options { count, pattern, .. } = Options::parse(args.from(3), false)?;
    tell_step(reply, |reply| {
        let list = reply.deferred(Collection::Array);
        let mut found = Found { reply, pattern, digits: itoa::Buffer::new(), told: 0 };
        let next = step(collection, (cursor.0, count), &mut found);
        let told = found.told;
        reply.finish(list, told);
        Ok(Cursor(next))
    })
}

fn at_least_one(text: &[u8]) -> Result<usize, Error> {
    let count = integer_argument(text)?;
    if count < 1 { Err(Error::Syntax) } else { Ok(count as usize) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::replay;
    use crate::testing::Client;

    #[test]
    fn a_scan_filters_what_it_visits() {
        replay(
            &mut Client::new(),
            "SCAN 0 -> *2|$1|0|*0
             SET a 1 -> +OK
             SCAN 0 -> *2|$1|0|*1|$1|a
             SCAN 0 MATCH b* -> *2|$1|0|*0
             SCAN 0 match * COUNT 100 type STRING -> *2|$1|0|*1|$1|a
             SCAN 0 TYPE list -> *2|$1|0|*0
             SCAN x -> -ERR invalid cursor
             SCAN 0 COUNT -> -ERR syntax error
             SCAN 0 COUNT 0 -> -ERR syntax error
             SCAN 0 COUNT x -> -ERR value is not an integer or out of range
             SCAN 0 LIMIT 5 -> -ERR syntax error",
        );
    }

    #[test]
    fn cursors_and_their_order_do_not_depend_on_the_number_of_workers() {
        let [mut alone, mut many] = [1, 8].map(Client::with_workers);
        for number in 0..200 {
            for client in [&mut alone, &mut many] {
                client.run(&format!("SET key:{number} v"));
            }
        }
        let mut cursor = "0".to_owned();
        loop {
            let reply = alone.run(&format!("SCAN {cursor} COUNT 7"));
            assert_eq!(many.run(&format!("SCAN {cursor} COUNT 7")), reply);
            cursor = reply.split("\\r\\n").nth(2).expect("a cursor").to_owned();
            if cursor == "0" {
                break;
            }
        }
    }

    #[test]
    fn steps_together_visit_every_key() {
        let mut client = Client::new();
        for number in 0..100 {
            client.run(&format!("SET key:{number} v"));
        }
        assert_eq!(client.scanned("SCAN", "key:").len(), 100);
    }
}

//! `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`, and what scans of collections have in common with it.

use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::glob::{Case, matches};
use tidegate_protocols::number::integer;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use crate::db::Db;

/// Keys a step looks at unless `COUNT` says otherwise. Source: Redis `db.c`, `scanGenericCommand`.
const COUNT: usize = 10;

pub(super) fn scan(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let cursor = Cursor::parse(args.at(1)).ok_or(Error::Cursor)?;
    let Options { count, pattern, kind } = Options::parse(args.from(2), true)?;
    tell_step(reply, |reply| {
        let (list, mut found) = (reply.deferred(Collection::Array), 0);
        let next = db.scan(cursor, count, |entry| {
            if kind.is_none_or(|kind| entry.kind().name().as_bytes().eq_ignore_ascii_case(kind))
                && pattern.is_none_or(|pattern| matches(pattern, entry.key(), Case::Sensitive))
            {
                reply.bulk(entry.key());
                found += 1;
            }
        });
        reply.finish(list, found);
        Ok(next)
    })
}

/// The options of a scan.
pub(crate) struct Options<'a> {
    /// Elements a step looks at, about.
    pub(crate) count: usize,
    /// What those that are told of are like; `None` is anything.
    pub(crate) pattern: Option<&'a [u8]>,
    /// Their type.
    pub(crate) kind: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads them; `TYPE` only if elements are keys.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is no option, [`Error::NotInteger`] for a count that is none.
    pub(crate) fn parse(mut words: Args<'a>, of_keys: bool) -> Result<Self, Error> {
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
pub(crate) fn tell_step(
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

fn at_least_one(text: &[u8]) -> Result<usize, Error> {
    let count = integer(text).ok_or(Error::NotInteger)?;
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
        let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
        loop {
            let reply = client.run(&format!("SCAN {cursor} COUNT 7"));
            let mut lines =
                reply.split("\\r\\n").filter(|line| !line.starts_with(['$', '*']) && !line.is_empty());
            cursor = lines.next().expect("a cursor").to_owned();
            seen.extend(lines.map(str::to_owned));
            if cursor == "0" {
                break;
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 100);
    }
}

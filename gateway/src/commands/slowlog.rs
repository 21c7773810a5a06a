//! SLOWLOG GET.

use tidegate_protocols::number::integer;
use tidegate_protocols::{Args, Error, Reply};

use super::Scope;

/// Entries shown unless a count is given. Source: Redis `slowlog.c`.
const COUNT: i64 = 10;

/// `SLOWLOG GET [count]`: number, Unix seconds, microseconds, arguments, address and name of each; -1 shows
/// all.
pub(super) fn get(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::wrong_subcommand("SLOWLOG", args.at(1)));
    }
    let count = match args.get(2) {
        None => COUNT,
        Some(text) => integer(text)
            .filter(|count| *count >= -1)
            .ok_or(Error::Text("ERR count should be greater than or equal to -1"))?,
    };
    let entries = scope.shared.slow_log.newest(usize::try_from(count).unwrap_or(usize::MAX));
    reply.array(entries.len());
    for entry in &entries {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.unix_s as i64);
        reply.integer(entry.micros as i64);
        reply.array(entry.arguments.len());
        entry.arguments.iter().for_each(|argument| reply.bulk(argument));
        reply.bulk(entry.address.as_bytes());
        reply.bulk(entry.name.as_bytes());
    }
    Ok(())
}

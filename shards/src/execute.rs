//! From a request to the function of its command.

use tidegate_protocols::data::Outcome;
use tidegate_protocols::memcached::Answer;
use tidegate_protocols::{Dialect, Error, Reply, Request, Verb};

use crate::db::Db;
use crate::diary;
use crate::log::effects;
use crate::{
    bitmaps, geo, hashes, hyperloglog, keyspace, lists, memcached, sets, sorted_sets, streams, strings,
};

/// Executes `request` and writes its reply; an error takes back what the command had written.
#[inline]
pub(crate) fn execute(request: &Request<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mark = reply.mark();
    let answered = answer(request, db, reply);
    if request.row.may_write() {
        let has_changed = db.count_change();
        if diary::is_logged() {
            end_command(request, has_changed, db);
        }
    }
    match answered {
        Ok(()) => Outcome::Done,
        Err(error) => {
            reply.rewind(mark);
            refuse(request, &error, reply)
        }
    }
}

/// Has the log know of a command that is through.
#[cold]
fn end_command(request: &Request<'_>, has_changed: bool, db: &mut Db<'_>) {
    if has_changed && matches!(request.row.verb, Verb::Memcached(_)) {
        memcached::log(request, db);
    }
    effects::end_command(db.database(), &request.args, has_changed);
}

/// Answers a request with an error, in the client's language.
pub(crate) fn refuse(request: &Request<'_>, error: &Error, reply: &mut Reply<'_>) -> Outcome {
    match request.dialect {
        Dialect::Resp2 | Dialect::Resp3 => reply.refuse(error),
        _ => Answer::new(request, reply).error(error),
    }
    Outcome::Failed
}

#[inline]
fn answer(request: &Request<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match request.row.verb {
        Verb::Strings(verb) => strings::execute(verb, request, db, reply),
        Verb::Bitmaps(verb) => bitmaps::execute(verb, request, db, reply),
        Verb::Hashes(verb) => hashes::execute(verb, request, db, reply),
        Verb::Lists(verb) => lists::execute(verb, request, db, reply),
        Verb::Sets(verb) => sets::execute(verb, request, db, reply),
        Verb::Hyperloglog(verb) => hyperloglog::execute(verb, request, db, reply),
        Verb::Streams(verb) => streams::execute(verb, request, db, reply),
        Verb::SortedSets(verb) => sorted_sets::execute(verb, request, db, reply),
        Verb::Geo(verb) => geo::execute(verb, request, db, reply),
        Verb::Keyspace(verb) => keyspace::execute(verb, request, db, reply),
        Verb::Memcached(verb) => memcached::execute(verb, request, db, reply),
        Verb::Connection(_)
        | Verb::Server(_)
        | Verb::Pubsub(_)
        | Verb::Cluster(_)
        | Verb::Users(_)
        | Verb::MemcachedServer(_)
        | Verb::Transactions(_)
        | Verb::Scripting(_)
        | Verb::Link(_) => {
            unreachable!("the gateway answers these itself")
        }
    }
}

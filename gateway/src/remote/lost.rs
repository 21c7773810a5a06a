//! What clients are told of requests that no shard has answered.

use tidegate_protocols::memcached::Answer;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Dialect, Error, Reply, Request, Row};

/// The request may have been executed. A code of its own: who knows that a second time does no harm may try again.
pub(super) fn in_doubt(shard: &str) -> Error {
    composed(format!(
        "INDOUBT shard {shard} was lost before it answered: it is not known whether this was executed"
    ))
}

/// The request has not been executed. Clients of a cluster know the code, and try again.
pub(super) fn unreachable(shard: &str, reason: &str) -> Error {
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    composed(format!("CLUSTERDOWN shard {shard} does not answer{why}: nothing was executed"))
}

/// One of several shards has not executed its part, and others may have executed theirs.
pub(super) fn in_part(shard: &str) -> Error {
    composed(format!(
        "INDOUBT shard {shard} does not answer: the others may have executed their part of this"
    ))
}

/// A read has not been answered.
pub(super) fn unanswered(shard: &str) -> Error {
    composed(format!("CLUSTERDOWN shard {shard} does not answer"))
}

/// A request without an argument that belongs to a key.
pub(super) fn incomplete(row: &Row) -> Error {
    composed(format!("ERR wrong number of arguments for '{}' command", row.name.to_ascii_lowercase()))
}

/// A request about the whole keyspace in a transaction.
pub(super) fn about_all(row: &Row) -> Error {
    composed(format!("CROSSSLOT {} asks every shard, and a transaction takes place in one", row.name))
}

/// A shard has said what it cannot have said.
pub(super) fn senseless(part: usize) -> Error {
    composed(format!("ERR what shard {} of those that were asked has answered makes no sense here", part + 1))
}

fn composed(text: String) -> Error {
    Error::Composed(text.into_bytes().into())
}

/// Adds the error to what is answered to `request`, in the client's language.
pub(super) fn refuse(request: &Request<'_>, error: &Error, reply: &mut Reply<'_>) {
    match request.dialect {
        Dialect::Resp2 | Dialect::Resp3 => reply.refuse(error),
        _ => Answer::new(request, reply).error(error),
    }
}

/// The same, by itself.
pub(super) fn refusal_to(request: &Request<'_>, error: &Error) -> Vec<u8> {
    let mut bytes = Vec::new();
    refuse(request, error, &mut Reply::new(&mut bytes, request.dialect));
    bytes
}

/// The same for every request in `frame`; without one, in the words of RESP.
pub(super) fn refusal(frame: &[u8], error: &Error) -> Vec<u8> {
    let (mut requests, mut bytes) = (Requests::new(frame), Vec::new());
    while let Some(request) = requests.next_request() {
        refuse(&request, error, &mut Reply::new(&mut bytes, request.dialect));
    }
    if frame.is_empty() {
        Reply::new(&mut bytes, Dialect::Resp2).refuse(error);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::Words;

    use super::*;

    #[test]
    fn who_asked_for_much_is_told_as_well() {
        // Long requests to several shards are not kept; their clients speak RESP.
        assert_eq!(refusal(&[], &Error::CrossSlot), format!("-{}\r\n", Error::CrossSlot).into_bytes());
    }
    #[test]
    fn a_binary_client_is_told_in_words_and_may_try_again_only_what_was_not_executed() {
        use tidegate_protocols::memcached::Item;
        use tidegate_protocols::table::memcached::Memcached;

        let words = Words::new(&[&b"\x01"[..], b"k", b"v"]);
        let (row, dialect) = (Memcached::Set.row(), Dialect::MemcachedBinary);
        let request = Request { row, dialect, args: words.args(), item: &Item::NONE };
        for (error, status) in [
            (in_doubt("a"), 0x84),
            (in_part("a"), 0x84),
            (unreachable("a", ""), 0x86),
            (Error::Unserved, 0x86),
        ] {
            let packet = refusal_to(&request, &error);
            assert_eq!(packet[6..8], [0, status], "{error}");
            assert_eq!(packet[24..], *error.to_string().as_bytes());
        }
    }
}

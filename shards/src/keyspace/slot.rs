//! `CLUSTER COUNTKEYSINSLOT` and `CLUSTER GETKEYSINSLOT`: walks of one slot's table.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::{Args, Error, Reply};

use super::is_cluster;
use crate::db::Db;

/// `CLUSTER COUNTKEYSINSLOT slot`
pub(super) fn count(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if !is_cluster(db) {
        return Err(Error::NoCluster);
    }
    let number = integer_argument(args.at(2))?;
    let slot = slot(number).ok_or(Error::Text("ERR Invalid slot"))?;
    reply.integer(db.visit_slot(slot, usize::MAX, |_| {}) as i64);
    Ok(())
}

/// `CLUSTER GETKEYSINSLOT slot count`
pub(super) fn keys(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    const INVALID: Error = Error::Text("ERR Invalid slot or number of keys");
    if !is_cluster(db) {
        return Err(Error::NoCluster);
    }
    let number = integer_argument(args.at(2))?;
    let count = integer_argument(args.at(3))?;
    let slot = slot(number).ok_or(INVALID)?;
    let count = usize::try_from(count).map_err(|_| INVALID)?;
    let list = reply.deferred(Collection::Array);
    let found = db.visit_slot(slot, count, |key| reply.bulk(key));
    reply.finish(list, found);
    Ok(())
}

fn slot(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|slot| *slot < SLOTS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::replay;
    use crate::testing::Client;

    fn client() -> Client {
        let mut client = Client::new();
        client.context.in_cluster = true;
        client
    }

    #[test]
    fn keys_of_a_slot_are_counted_and_listed() {
        let mut client = client();
        replay(
            &mut client,
            "CLUSTER COUNTKEYSINSLOT 15495 -> :0
             CLUSTER GETKEYSINSLOT 15495 10 -> *0
             SET a 1 -> +OK
             SET b 1 -> +OK
             CLUSTER COUNTKEYSINSLOT 15495 -> :1
             CLUSTER GETKEYSINSLOT 15495 10 -> *1|$1|a
             CLUSTER GETKEYSINSLOT 15495 0 -> *0",
        );
        for number in 0..1000 {
            client.run(&format!("SET {{a}}{number} v"));
        }
        replay(&mut client, "CLUSTER COUNTKEYSINSLOT 15495 -> :1001");
        let reply = client.run("CLUSTER GETKEYSINSLOT 15495 77");
        let keys: BTreeSet<_> = reply.split("\\r\\n").skip(2).step_by(2).collect();
        assert_eq!(keys.len(), 77, "{reply}");
        assert!(reply.starts_with("*77\\r\\n"));
    }

    #[test]
    fn databases_are_one() {
        replay(
            &mut client(),
            "SWAPDB 0 1 -> -ERR SWAPDB is not allowed in cluster mode
             MOVE a 1 -> -ERR MOVE is not allowed in cluster mode
             COPY a b DB 1 -> -ERR Copying to another database is not allowed in cluster mode
             COPY a b DB 0 -> :0",
        );
    }
}

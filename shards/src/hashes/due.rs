//! Fields that expire, as the store sees them: it takes out those whose time is past when it comes across their hash,
//! before any command does.

use crate::diary;
use crate::entry::{Encoding, EntryPtr};
use crate::entry_mut::EntryMut;
use crate::large::Large;
use crate::structures::listpack::{Element, Listpack, ListpackMut, Position};

/// Elements of a packed hash for each field: it, its value, and when it expires in Unix milliseconds or 0.
/// Those that expire come first, the earliest of them at the beginning. Source: Redis 7.4 `t_hash.c`, `listpackEx`.
pub(super) const ELEMENTS: usize = 3;

/// Fields taken out of a table in one go: more may wait for the next access, or the sweep.
const FIELDS: usize = 1000;

/// A time, in Unix milliseconds, before which no field of the hash expires.
pub(crate) fn of(hash: EntryPtr<'_>) -> u64 {
    match hash.encoding() {
        Encoding::ExpiringHash => times(Listpack::new(hash.value())).next().unwrap_or(u64::MAX),
        Encoding::TableHash => match hash.as_large() {
            Some(Large::Hash(members)) => members.due(),
            _ => u64::MAX,
        },
        _ => u64::MAX,
    }
}

/// When fields of a packed hash expire, from the first to the last.
pub(super) fn times(pack: Listpack<'_>) -> impl Iterator<Item = u64> {
    let times = pack.iter().skip(ELEMENTS - 1).step_by(ELEMENTS);
    times.map_while(|time| match time {
        Element::Int(at) if at > 0 => Some(at as u64),
        _ => None,
    })
}

/// How many fields of a packed hash expired before `now_ms`: they are the first.
#[inline]
pub(super) fn overdue(pack: Listpack<'_>, now_ms: u64) -> usize {
    times(pack).take_while(|&at| at < now_ms).count()
}

/// Takes out fields of a hash that expired before `now_ms`, and the key with the last one. Returns how many.
#[cold]
pub(crate) fn expire(entry: &mut EntryMut<'_>, now_ms: u64) -> u64 {
    let (is_logged, mut fields) = (diary::is_logged(), Vec::new());
    let (expired, is_empty) = if let Some(Large::Hash(members)) = entry.large_mut() {
        let expired = members.expire(now_ms, FIELDS, |field| {
            if is_logged {
                fields.push(field.to_vec());
            }
        });
        (expired, members.len() == 0)
    } else {
        let mut packed = entry.packed_mut();
        let mut pack = ListpackMut::new(&mut packed);
        let expired = overdue(pack.view(), now_ms);
        if is_logged {
            let overdue = pack.view().iter().step_by(ELEMENTS).take(expired);
            fields.extend(overdue.map(|field| field.text(&mut itoa::Buffer::new()).to_vec()));
        }
        pack.remove(Position::START, ELEMENTS * expired);
        (expired, pack.view().is_empty())
    };
    if expired > 0 {
        entry.lose_fields(is_empty, &fields);
    }
    entry.sweep_fields();
    expired as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;
    use tidegate_protocols::data::{Data as _, Worker as _};
    use tidegate_protocols::settings::Key;

    use crate::testing::Client;

    /// A client with a hash `h` of so many fields, the even ones of which expire after a second.
    fn with_hash(fields: usize) -> Client {
        // Its only worker sweeps everything.
        let mut client = Client::with_workers(1);
        for number in 0..fields {
            client.run(&format!("HSET h field:{number} {number}"));
            if number % 2 == 0 {
                client.run(&format!("HPEXPIRE h 1000 FIELDS 1 field:{number}"));
            }
        }
        client
    }

    /// Packed, a table, and one with more fields than are taken out in one go.
    const SIZES: [(usize, &str); 3] = [
        (10, "$10\\r\\nlistpackex\\r\\n"),
        (700, "$9\\r\\nhashtable\\r\\n"),
        (5000, "$9\\r\\nhashtable\\r\\n"),
    ];

    fn sweep(client: &mut Client) {
        for _ in 0..20 {
            client.worker.maintain(client.now_ms, Duration::from_secs(1));
        }
    }

    #[test]
    fn fields_are_there_until_their_time_is_past_and_not_after() {
        for (fields, encoding) in SIZES {
            let mut client = with_hash(fields);
            assert_eq!(client.run("OBJECT ENCODING h"), encoding);
            client.now_ms += 1000;
            assert_eq!(client.run("HLEN h"), format!(":{fields}\\r\\n"));
            assert_eq!(client.run("HPTTL h FIELDS 2 field:0 field:1"), "*2\\r\\n:0\\r\\n:-1\\r\\n");
            client.now_ms += 1;
            let half = fields / 2;
            // However many are left to be taken out, nobody sees them.
            assert!(client.run("HGETALL h").starts_with(&format!("*{}\\r\\n", 2 * half)));
            assert!(client.run("HKEYS h").starts_with(&format!("*{half}\\r\\n")));
            assert!(client.run("HRANDFIELD h 10000").starts_with(&format!("*{half}\\r\\n")));
            for number in 0..fields {
                let live = i32::from(number % 2 == 1);
                assert_eq!(client.run(&format!("HEXISTS h field:{number}")), format!(":{live}\\r\\n"));
            }
            assert_eq!(client.run("HLEN h"), format!(":{half}\\r\\n"));
            assert_eq!(client.run("HDEL h field:0 field:1"), ":1\\r\\n");
        }
    }

    #[test]
    fn fields_that_expire_while_clients_are_paused_stay_and_nobody_finds_them() {
        for (fields, _) in SIZES {
            let mut client = with_hash(fields);
            client.now_ms += 1001;
            client.settings.set(Key::PausedUntil, &(client.now_ms + 10).to_string()).unwrap();
            let half = fields / 2;
            assert!(client.run("HGETALL h").starts_with(&format!("*{}\\r\\n", 2 * half)));
            assert!(client.run("HRANDFIELD h 10000").starts_with(&format!("*{half}\\r\\n")));
            assert_eq!(client.scanned("HSCAN h", "field").len(), half);
            for number in 0..fields {
                let value = if number % 2 == 1 { number.to_string() } else { String::new() };
                let told = client.run(&format!("HGET h field:{number}"));
                assert_eq!(told.split("\\r\\n").nth(1).unwrap_or_default(), value);
                let odd = client.run("HRANDFIELD h").split(':').next_back().and_then(|name| {
                    name.trim_end_matches("\\r\\n").parse::<usize>().ok().map(|number| number % 2 == 1)
                });
                assert_eq!(odd, Some(true));
            }
            assert_eq!(client.run("HPTTL h FIELDS 2 field:0 field:1"), "*2\\r\\n:-2\\r\\n:-1\\r\\n");
            sweep(&mut client);
            assert_eq!(client.run("HLEN h"), format!(":{fields}\\r\\n"));
            client.now_ms += 11;
            sweep(&mut client);
            assert_eq!(client.run("HLEN h"), format!(":{half}\\r\\n"));
        }
    }

    #[test]
    fn what_was_never_asked_for_is_swept_and_so_is_a_hash_without_fields() {
        for (fields, _) in SIZES {
            let mut client = with_hash(fields);
            client.now_ms += 1001;
            sweep(&mut client);
            client.settings.set(Key::ActiveExpire, "no").unwrap();
            assert_eq!(client.run("HLEN h"), format!(":{}\\r\\n", fields / 2));
            client.settings.set(Key::ActiveExpire, "yes").unwrap();
            for number in 0..fields {
                client.run(&format!("HPEXPIRE h 1000 FIELDS 1 field:{number}"));
            }
            client.now_ms += 1001;
            sweep(&mut client);
            assert_eq!(client.store.figures().databases[0].keys, 0);
        }
    }

    #[test]
    fn fields_expire_wherever_their_hash_goes() {
        for go in ["RENAME h i", "COPY h i REPLACE", "MOVE h 1"] {
            for (fields, _) in SIZES {
                let mut client = with_hash(fields);
                client.run(go);
                client.run("DEL h");
                client.now_ms += 1001;
                sweep(&mut client);
                let is_moved = go.starts_with("MOVE");
                client.context.database = u8::from(is_moved);
                let key = if is_moved { "h" } else { "i" };
                assert_eq!(client.run(&format!("HLEN {key}")), format!(":{}\\r\\n", fields / 2), "{go}");
                assert_eq!(
                    client.store.figures().databases.iter().map(|figures| figures.keys).sum::<u64>(),
                    1
                );
            }
        }
    }

    #[test]
    fn a_field_that_does_not_expire_any_more_stays() {
        for (fields, _) in SIZES {
            let mut client = with_hash(fields);
            client.run("HPERSIST h FIELDS 1 field:0");
            client.run("HSET h field:2 new");
            client.run("HINCRBY h field:4 1");
            client.now_ms += 1001;
            sweep(&mut client);
            let left = "*3\\r\\n$1\\r\\n0\\r\\n$3\\r\\nnew\\r\\n$-1\\r\\n";
            assert_eq!(client.run("HMGET h field:0 field:2 field:4"), left);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn fields_come_and_go_as_in_a_map_with_times(
            changes in proptest::collection::vec((0..30_u8, 0..14_u8, 1..400_u64), 1..250),
            entries in prop_oneof![Just("512"), Just("0"), Just("10")],
        ) {
            let mut client = Client::new();
            client.settings.set(Key::HashMaxListpackEntries, entries).unwrap();
            let mut model: BTreeMap<String, (String, Option<u64>)> = BTreeMap::new();
            for (field, change, number) in changes {
                let (field, now) = (format!("f{field}"), client.now_ms);
                model.retain(|_, (_, at)| at.is_none_or(|at| at >= now));
                match change {
                    0..=2 => {
                        client.run(&format!("HSET h {field} {number}"));
                        model.insert(field, (number.to_string(), None));
                    }
                    3 | 4 => {
                        client.run(&format!("HSETEX h PX {number} FIELDS 1 {field} {number}"));
                        model.insert(field, (number.to_string(), Some(now + number)));
                    }
                    5 => {
                        client.run(&format!("HSETEX h KEEPTTL FIELDS 1 {field} {number}"));
                        let at = model.get(&field).and_then(|(_, at)| *at);
                        model.insert(field, (number.to_string(), at));
                    }
                    6 | 7 => {
                        client.run(&format!("HPEXPIRE h {number} FIELDS 1 {field}"));
                        if let Some((_, at)) = model.get_mut(&field) {
                            *at = Some(now + number);
                        }
                    }
                    8 => {
                        client.run(&format!("HPERSIST h FIELDS 1 {field}"));
                        if let Some((_, at)) = model.get_mut(&field) {
                            *at = None;
                        }
                    }
                    9 => {
                        client.run(&format!("HDEL h {field}"));
                        model.remove(&field);
                    }
                    10 => {
                        client.run(&format!("HGETEX h PXAT 1 FIELDS 1 {field}"));
                        model.remove(&field);
                    }
                    11 => client.worker.maintain(now, Duration::from_secs(1)),
                    _ => client.now_ms += number / 4,
                }
                let now = client.now_ms;
                model.retain(|_, (_, at)| at.is_none_or(|at| at >= now));
                prop_assert_eq!(client.run("HLEN h"), format!(":{}\\r\\n", model.len()));
                prop_assert_eq!(client.run("EXISTS h"), format!(":{}\\r\\n", u8::from(!model.is_empty())));
                let all = client.run("HGETALL h");
                prop_assert_eq!(all.split("\\r\\n").count(), 2 + 4 * model.len());
                for (field, (value, at)) in &model {
                    let told = format!("${}\\r\\n{value}\\r\\n", value.len());
                    prop_assert_eq!(client.run(&format!("HGET h {field}")), told);
                    let left = at.map_or(-1, |at| (at - now) as i64);
                    let told = format!("*1\\r\\n:{left}\\r\\n");
                    prop_assert_eq!(client.run(&format!("HPTTL h FIELDS 1 {field}")), told);
                }
            }
        }
    }
}

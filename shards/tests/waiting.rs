//! Requests that wait for keys: who is answered, when, and by whom.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use common::Client;
use tidegate_protocols::Dialect;
use tidegate_protocols::Reply;
use tidegate_protocols::data::{Data as _, Outcome, Ticket, Unblock, Worker as _};
use tidegate_protocols::settings::Settings;
use tidegate_protocols::transaction::Watches;
use tidegate_shards::Store;

fn store(workers: usize) -> Store {
    Store::new(Arc::new(Settings::default()), workers)
}

fn pair(key: &str, element: &str) -> String {
    format!("*2\r\n${}\r\n{key}\r\n${}\r\n{element}\r\n", key.len(), element.len())
}

const NOTHING: &str = "*-1\r\n";

fn unblock(client: &mut Client, id: u64, answer: Unblock) -> String {
    let mut out = Vec::new();
    client.worker.begin(client.now_ms);
    let outcome = client.worker.unblock(0, id, answer, &mut Reply::new(&mut out, Dialect::Resp2));
    client.worker.finish();
    assert_eq!(outcome, Outcome::Done);
    String::from_utf8(out).unwrap()
}

#[test]
fn who_has_waited_longest_is_answered_first_whichever_worker_asked() {
    let store = store(2);
    let [mut one, mut other] = [0, 1].map(|index| Client::new(&store, index, 2));
    let first = one.ask(1, "BLPOP a b 0").unwrap_err();
    let second = other.ask(2, "BRPOP c a 0").unwrap_err();
    let third = one.ask(3, "BLPOP a 0").unwrap_err();
    assert_eq!(store.figures().waited_for, 3);
    assert_eq!(other.run("RPUSH a 1 2"), ":2\r\n");
    assert_eq!(other.run("LLEN a"), ":0\r\n");
    assert_eq!(one.collect(), [(first, pair("a", "1"))]);
    assert_eq!(other.collect(), [(second, pair("a", "2"))]);
    assert_eq!(one.run("LPUSH b x"), ":1\r\n");
    assert_eq!(one.run("LPUSH a y z"), ":2\r\n");
    assert_eq!(one.collect(), [(third, pair("a", "z"))]);
    assert_eq!(
        (store.figures().waited_for, one.run("LLEN b"), one.run("LLEN a")),
        (0, ":1\r\n".into(), ":1\r\n".into())
    );
}

#[test]
fn who_waits_is_answered_when_a_transaction_is_through() {
    for workers in [1, 4] {
        let store = store(workers);
        let mut client = Client::new(&store, 0, workers);
        let ticket = client.ask(1, "BLPOP none a b 0").unwrap_err();
        let lines = ["RPUSH b 1", "LPOP b", "BLPOP b 0", "RPUSH b 2", "RPUSH a 3", "LLEN b"];
        let replies = client.transact(&Watches::default(), &lines, || {}).unwrap();
        assert_eq!(replies.concat(), format!(":1\r\n$1\r\n1\r\n{NOTHING}:1\r\n:1\r\n:1\r\n"));
        assert_eq!(client.collect(), [(ticket, pair("a", "3"))], "keys count in the order of the arguments");
    }
}

#[test]
fn whatever_makes_a_list_of_the_right_name_ends_the_waiting() {
    let store = store(2);
    let mut client = Client::new(&store, 0, 2);
    for (before, line, element) in
        [("RPUSH b 1", "RENAME b a", "1"), ("RPUSH b 2", "COPY b a", "2"), ("DEL b", "RPUSH a 3", "3")]
    {
        let ticket = client.ask(1, "BLPOP a 0").unwrap_err();
        client.run(before);
        assert_eq!(client.collect(), []);
        client.run(line);
        assert_eq!(client.collect(), [(ticket, pair("a", element))], "{line}");
    }
    let ticket = client.ask(1, "BLPOP a 0").unwrap_err();
    client.run("SET a text");
    client.run("HSET b f v");
    client.run("DEL a");
    assert_eq!(client.collect(), [], "nothing of another type");
    client.run("SET a text");
    assert_eq!(
        client.ask(2, "BLPOP a 0"),
        Ok("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".into())
    );
    client.run("DEL a");
    assert_eq!(client.ask(2, "BLPOP a x"), Ok("-ERR timeout is not a float or out of range\r\n".into()));
    client.run("RPUSH a 4");
    assert_eq!(client.collect(), [(ticket, pair("a", "4"))]);
}

#[test]
fn databases_that_change_places_bring_what_is_waited_for() {
    let store = store(2);
    let mut client = Client::new(&store, 0, 2);
    client.run("RPUSH a 1");
    client.run("MOVE a 1");
    let ticket = client.ask(1, "BLPOP a 0").unwrap_err();
    client.run("SWAPDB 0 1");
    assert_eq!(client.collect(), [(ticket, pair("a", "1"))]);
}

#[test]
fn waiting_ends_when_its_time_is_over_or_it_is_called_off() {
    let store = store(2);
    let [mut one, mut other] = [0, 1].map(|index| Client::new(&store, index, 2));
    let long = one.ask(1, "BLPOP a 0.5").unwrap_err();
    let short = one.ask(2, "BLPOP a b 0.1").unwrap_err();
    let endless = one.ask(3, "BLPOP a 0").unwrap_err();
    assert_eq!(one.worker.due_ms(), Some(one.now_ms + 101));
    one.now_ms += 100;
    assert_eq!(one.collect(), []);
    one.now_ms += 1;
    assert_eq!(one.collect(), [(short, NOTHING.into())]);
    one.worker.call_off(long);
    assert_eq!(one.worker.due_ms(), Some(0));
    assert_eq!(one.collect(), [(long, String::new())]);
    assert_eq!(one.worker.due_ms(), None);
    assert_eq!(unblock(&mut other, 2, Unblock::Timeout), ":0\r\n");
    assert_eq!(unblock(&mut other, 3, Unblock::Error), ":1\r\n");
    assert_eq!(unblock(&mut other, 3, Unblock::Error), ":0\r\n");
    assert_eq!(one.collect(), [(endless, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n".into())]);
    let again = one.ask(4, "BLPOP a a 0").unwrap_err();
    assert_eq!(unblock(&mut one, 4, Unblock::Timeout), ":1\r\n");
    assert_eq!(one.collect(), [(again, NOTHING.into())]);
    other.run("RPUSH a 1");
    assert_eq!((other.run("LLEN a"), store.figures().waited_for), (":1\r\n".into(), 0));
}

#[test]
fn every_reader_of_a_stream_is_told_what_is_added_and_one_consumer_is_given_it() {
    let store = store(2);
    let [mut one, mut other] = [0, 1].map(|index| Client::new(&store, index, 2));
    other.run("XADD s 1-1 a 1");
    other.run("XGROUP CREATE s g $");
    let told =
        |id: &str| format!("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    let newest = one.ask(1, "XREAD BLOCK 0 STREAMS none s $ $").unwrap_err();
    let later = one.ask(2, "XREAD BLOCK 0 STREAMS s 1-2").unwrap_err();
    let alice = one.ask(3, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >").unwrap_err();
    let bob = one.ask(4, "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >").unwrap_err();
    // Nothing that is there already, or not above an ID, is waited for.
    assert_eq!(one.ask(5, "XREAD BLOCK 0 STREAMS s 1-0"), Ok(told("1-1")));
    other.run("XDEL s 1-1");
    assert_eq!(one.collect(), []);
    other.run("XADD s 1-2 a 1");
    assert_eq!(one.collect(), [(newest, told("1-2")), (alice, told("1-2"))]);
    other.run("XADD s 1-3 a 1");
    assert_eq!(one.collect(), [(later, told("1-3")), (bob, told("1-3"))]);
    assert!(other.run("XPENDING s g").starts_with("*4\r\n:2\r\n"));
    assert_eq!(store.figures().waited_for, 0);
}

#[test]
fn a_consumer_is_told_that_its_group_is_gone() {
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    for (change, answer) in
        [("XGROUP DESTROY s g", gone), ("DEL s", gone), ("SET s v", wrong), ("FLUSHALL", gone)]
    {
        let store = store(2);
        let [mut one, mut other] = [0, 1].map(|index| Client::new(&store, index, 2));
        other.run("XGROUP CREATE s g $ MKSTREAM");
        let reader = one.ask(1, "XREAD BLOCK 100 STREAMS s $").unwrap_err();
        let consumer = one.ask(2, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >").unwrap_err();
        let watches = other.watch("s");
        other.run(change);
        assert_eq!(one.collect(), [(consumer, answer.into())], "{change}");
        // For a watch a group is no part of the stream.
        let executed = other.transact(&watches, &["XLEN s"], || {}).is_some();
        assert_eq!(executed, change.starts_with("XGROUP"), "{change}");
        one.now_ms += 101;
        assert_eq!(one.collect(), [(reader, NOTHING.into())]);
    }
}

/// Every worker pushes to some keys, and has clients that wait for several of them.
#[test]
fn every_element_is_given_to_one_client_and_in_order() {
    const WORKERS: usize = 4;
    const KEYS: usize = 6;
    const EACH: usize = 1500;
    let store = store(WORKERS);
    let given = AtomicUsize::new(0);
    let all: Vec<Vec<(usize, usize)>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS)
            .map(|index| {
                let (store, given) = (&store, &given);
                scope.spawn(move || work(Client::new(store, index, WORKERS), index, given))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut seen = HashSet::new();
    for worker in &all {
        for element in worker {
            assert!(seen.insert(*element), "{element:?} was given twice");
        }
    }
    assert_eq!(seen.len(), WORKERS * EACH);
    assert_eq!(store.figures().databases[0].keys, 0);

    fn work(mut client: Client, index: usize, given: &AtomicUsize) -> Vec<(usize, usize)> {
        let mut random = fastrand::Rng::with_seed(index as u64);
        let mut taken: Vec<(usize, usize)> = Vec::new();
        let mut last: HashMap<(u64, String, usize), usize> = HashMap::new();
        let mut waiting: HashMap<Ticket, u64> = HashMap::new();
        let mut idle: Vec<u64> = (0..12).map(|number| (index * 100 + number + 1) as u64).collect();
        let mut pushed = 0;
        let total = WORKERS * EACH;
        loop {
            if pushed < EACH {
                let key = format!("k{}", random.usize(..KEYS));
                let count = random.usize(1..4).min(EACH - pushed);
                let elements: Vec<_> = (pushed..pushed + count).map(|n| format!("{index}:{n}")).collect();
                client.run(&format!("RPUSH {key} {}", elements.join(" ")));
                pushed += count;
            } else if given.load(SeqCst) == total {
                return taken;
            }
            while let Some(id) = idle.pop() {
                let keys: Vec<String> =
                    (0..random.usize(1..4)).map(|_| format!("k{}", random.usize(..KEYS))).collect();
                let answer = match random.u8(..8) {
                    0 => client.ask(id, &format!("BLPOP {} 0.005", keys.join(" "))),
                    _ => client.ask(id, &format!("BLPOP {} 0", keys.join(" "))),
                };
                match answer {
                    Ok(reply) => {
                        take(&reply, id, &mut taken, &mut last, given);
                        idle.push(id);
                        if random.bool() {
                            break;
                        }
                    }
                    Err(ticket) => assert_eq!(waiting.insert(ticket, id), None),
                }
                if given.load(SeqCst) == total {
                    return taken;
                }
            }
            if random.u8(..16) == 0
                && let Some((ticket, _)) = waiting.iter().next()
            {
                client.worker.call_off(*ticket);
            }
            client.now_ms += 1;
            for (ticket, reply) in client.collect() {
                let id = waiting.remove(&ticket).unwrap();
                take(&reply, id, &mut taken, &mut last, given);
                idle.push(id);
            }
        }
    }

    fn take(
        reply: &str,
        id: u64,
        taken: &mut Vec<(usize, usize)>,
        last: &mut HashMap<(u64, String, usize), usize>,
        given: &AtomicUsize,
    ) {
        if reply.is_empty() || reply == NOTHING {
            return;
        }
        let lines: Vec<&str> = reply.split("\r\n").collect();
        let (worker, number) = lines[4].split_once(':').unwrap();
        let (worker, number) = (worker.parse().unwrap(), number.parse().unwrap());
        let before = last.insert((id, lines[2].into(), worker), number);
        assert!(before.is_none_or(|before| before < number), "{before:?} {number}");
        taken.push((worker, number));
        given.fetch_add(1, SeqCst);
    }
}

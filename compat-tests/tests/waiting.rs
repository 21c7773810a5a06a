//! Clients that wait for lists: each element goes to one of them, whatever happens to the others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use tidegate_compat_tests::answer::{ask, reply, request};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::in_each_form;
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::shard::ShardPlan;
use tidegate_compat_tests::wire::Wire;

/// How long a shard may not answer, in these tests: longer than it stands still.
const LINK_TIMEOUT: &str = "--link-timeout-ms=3000";

#[test]
fn who_waits_at_a_shard_that_dies_is_told_so_and_who_waits_at_another_waits_on() {
    let plans = ["0-8191", "8192-16383"].map(|slots| ShardPlan { slots: slots.into(), flags: Vec::new() });
    let mut server = Server::gateway(&plans, &[LINK_TIMEOUT.into()]).unwrap();
    let mut wire = connect(&server);
    let mut others: Vec<Wire> = GROUPS.iter().map(|_| connect(&server)).collect();
    for (group, other) in GROUPS.iter().zip(&mut others) {
        other.send(&request(&["BLPOP", group, "0"]));
    }
    await_blocked(&mut wire, GROUPS.len());
    // Longer than any answer may take: what waits is no answer that is due.
    assert!(ask(&mut wire, &["BLPOP", "none", "3.5"]).is_empty());
    assert_eq!(blocked(&mut wire), GROUPS.len());
    server.shards_mut()[0].restart().unwrap();
    // The slots of `{b}` and `{c}` are its own.
    for other in &mut others[1..3] {
        let answer = reply(other).concat();
        assert!(answer.starts_with("INDOUBT"), "{answer}");
    }
    for place in [0, 3] {
        assert_eq!(ask(&mut wire, &["RPUSH", GROUPS[place], "x"]), ["1"]);
        assert_eq!(reply(&mut others[place]), [GROUPS[place], "x"]);
    }
    // What was in doubt waits for nothing any more.
    others[1].send(&request(&["BLPOP", GROUPS[1], "0"]));
    await_blocked(&mut wire, 1);
    assert_eq!(ask(&mut wire, &["RPUSH", GROUPS[1], "1", "2"]), ["2"]);
    assert_eq!(reply(&mut others[1]), [GROUPS[1], "1"]);
    assert_eq!(ask(&mut wire, &["LRANGE", GROUPS[1], "0", "-1"]), ["2"]);
}

in_each_form!(
    every_element_is_given_to_one_client_and_in_order,
    who_is_gone_takes_nothing,
    what_is_waited_for_may_be_long,
    many_are_answered_by_one_transaction,
);

const PRODUCERS: usize = 10;
const CONSUMERS: usize = 40;
const EACH: usize = 150;
/// Groups of keys, which are in different shards where there are three.
const GROUPS: [&str; 4] = ["{a}", "{b}", "{c}", "{d}"];
const PATIENCE: Duration = Duration::from_mins(1);

fn blocked(wire: &mut Wire) -> usize {
    let info = ask(wire, &["INFO", "clients"]).concat();
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
    line.parse().unwrap()
}

fn await_blocked(wire: &mut Wire, count: usize) {
    let end = Instant::now() + PATIENCE;
    while blocked(wire) != count {
        assert!(Instant::now() < end, "{} clients wait, not {count}", blocked(wire));
        thread::yield_now();
    }
}

fn connect(server: &Server) -> Wire {
    let mut wire = Wire::connect(server.redis()).unwrap();
    wire.wait_at_most(PATIENCE);
    wire
}

fn every_element_is_given_to_one_client_and_in_order(form: Form) {
    let server = Server::tidegate(form, &["--threads=2".into()]).unwrap();
    let (given, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let taken: Mutex<HashSet<String>> = Mutex::default();
    let ids: Mutex<Vec<String>> = Mutex::default();
    thread::scope(|scope| {
        for number in 0..CONSUMERS {
            let (server, given, is_over, taken, ids) = (&server, &given, &is_over, &taken, &ids);
            scope.spawn(move || {
                let mut wire = connect(server);
                let mut dice = fastrand::Rng::with_seed(number as u64);
                ids.lock().unwrap().push(ask(&mut wire, &["CLIENT", "ID"]).concat());
                let mut last: HashMap<String, usize> = HashMap::new();
                while !is_over.load(SeqCst) {
                    let group = GROUPS[number % GROUPS.len()];
                    let keys: Vec<_> =
                        (0..dice.usize(1..4)).map(|_| format!("{group}{}", dice.u8(..4))).collect();
                    let mut words = vec!["BLPOP"];
                    words.extend(keys.iter().map(String::as_str));
                    words.push(["0.05", "0.5", "0"][dice.usize(..3)]);
                    let mut element = ask(&mut wire, &words);
                    if dice.u8(..4) == 0 && element.is_empty() {
                        let out = format!("{group}out{number}");
                        let [key, ..] = &keys[..] else { unreachable!() };
                        element = ask(&mut wire, &["BLMOVE", key, &out, "LEFT", "RIGHT", "0.3"]);
                        assert!(element.is_empty() || ask(&mut wire, &["LPOP", &out]) == element);
                    }
                    let Some(element) = element.last().filter(|element| *element != "stop") else { continue };
                    let [key, producer, sequence] = element.split(':').collect::<Vec<_>>()[..] else {
                        panic!("{element}")
                    };
                    let before = last.insert(format!("{key}:{producer}"), sequence.parse().unwrap());
                    assert!(before.is_none_or(|before| before < sequence.parse().unwrap()));
                    assert!(taken.lock().unwrap().insert(element.clone()), "{element} was given twice");
                    given.fetch_add(1, SeqCst);
                }
            });
        }
        for number in 0..PRODUCERS {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                let mut dice = fastrand::Rng::with_seed(1000 + number as u64);
                for sequence in 0..EACH {
                    let key = format!("{}{}", GROUPS[dice.usize(..GROUPS.len())], dice.u8(..4));
                    let element = format!("{key}:{number}:{sequence}");
                    if dice.u8(..4) == 0 {
                        wire.send(&request(&["MULTI"]));
                        wire.send(&request(&["RPUSH", &key, &element]));
                        wire.send(&request(&["EXEC"]));
                        assert_eq!([reply(&mut wire), reply(&mut wire)].concat(), ["OK", "QUEUED"]);
                        assert_eq!(reply(&mut wire).len(), 1);
                    } else {
                        assert!(ask(&mut wire, &["RPUSH", &key, &element])[0].parse::<u64>().is_ok());
                    }
                    if dice.u8(..8) == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
        // Somebody who disturbs.
        let mut wire = connect(&server);
        let end = Instant::now() + PATIENCE;
        let mut dice = fastrand::Rng::with_seed(2000);
        while given.load(SeqCst) < PRODUCERS * EACH {
            assert!(Instant::now() < end, "{} elements of {}", given.load(SeqCst), PRODUCERS * EACH);
            let id = dice.choice(&*ids.lock().unwrap()).cloned();
            if let Some(id) = id {
                let answer = ask(&mut wire, &["CLIENT", "UNBLOCK", &id]).concat();
                assert!(answer == "0" || answer == "1", "{answer}");
            }
        }
        is_over.store(true, SeqCst);
        for group in GROUPS {
            for key in 0..4 {
                let stops = ["stop"; CONSUMERS];
                let key = format!("{group}{key}");
                ask(&mut wire, &[&["RPUSH", &key][..], &stops].concat());
            }
        }
    });
    assert_eq!(taken.lock().unwrap().len(), PRODUCERS * EACH);
    await_blocked(&mut connect(&server), 0);
}

fn who_is_gone_takes_nothing(form: Form) {
    let server = Server::tidegate(form, &["--threads=2".into()]).unwrap();
    let mut wire = connect(&server);
    let mut others: Vec<Wire> = (0..50).map(|_| connect(&server)).collect();
    let mut last = connect(&server);
    for other in &mut others {
        other.send(&request(&["BLPOP", "k", "0"]));
        // What is sent behind it does not hide that it hangs up.
        other.send(&request(&["PING"]));
    }
    await_blocked(&mut wire, 50);
    last.send(&request(&["BLPOP", "k", "0"]));
    await_blocked(&mut wire, 51);
    let killed: Vec<String> = ask(&mut wire, &["CLIENT", "LIST"])
        .concat()
        .lines()
        .filter(|line| line.contains(" flags=b "))
        .take(10)
        .map(|line| line.split(' ').next().unwrap()[3..].to_owned())
        .collect();
    for id in &killed {
        assert_eq!(ask(&mut wire, &["CLIENT", "KILL", "ID", id]), ["1"]);
    }
    drop(others);
    await_blocked(&mut wire, 1);
    assert_eq!(ask(&mut wire, &["RPUSH", "k", "x", "y"]), ["2"]);
    assert_eq!(reply(&mut last), ["k", "x"]);
    assert_eq!(ask(&mut wire, &["LRANGE", "k", "0", "-1"]), ["y"]);
}

fn what_is_waited_for_may_be_long(form: Form) {
    let server = Server::tidegate(form, &["--threads=2".into()]).unwrap();
    let (mut wire, mut other) = (connect(&server), connect(&server));
    let long = "x".repeat(3 << 20);
    for _ in 0..3 {
        other.send(&request(&["BLMPOP", "0", "1", "k", "LEFT", "COUNT", "10"]));
        await_blocked(&mut wire, 1);
        assert_eq!(ask(&mut wire, &["RPUSH", "k", "a", &long, "b"]), ["3"]);
        assert!(reply(&mut other) == ["k", "a", &long, "b"]);
    }
}

fn many_are_answered_by_one_transaction(form: Form) {
    let server = Server::tidegate(form, &["--threads=2".into()]).unwrap();
    let mut wire = connect(&server);
    let mut others: Vec<Wire> = (0..50).map(|_| connect(&server)).collect();
    for (number, other) in others.iter_mut().enumerate() {
        other.send(&request(&["BLPOP", "{k}none", "{k}", "0"]));
        await_blocked(&mut wire, number + 1);
    }
    wire.send(&request(&["MULTI"]));
    for element in 0..60 {
        wire.send(&request(&["RPUSH", "{k}", &element.to_string()]));
    }
    wire.send(&request(&["LLEN", "{k}"]));
    wire.send(&request(&["EXEC"]));
    for _ in 0..62 {
        reply(&mut wire);
    }
    assert_eq!(reply(&mut wire).last().unwrap(), "60");
    for (number, other) in others.iter_mut().enumerate() {
        assert_eq!(reply(other), ["{k}", &number.to_string()]);
    }
    assert_eq!(ask(&mut wire, &["LLEN", "{k}"]), ["10"]);
}

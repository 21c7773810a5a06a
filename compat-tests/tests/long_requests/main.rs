//! What takes long (scripts, `KEYS` of many keys) holds up nobody who needs nothing of what it holds.
//!
//! Nothing here is measured: a script that never ends is ended only after all others have been answered.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tidegate_compat_tests::answer::{ask, reply, request};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::shard::ShardPlan;
use tidegate_compat_tests::wire::Wire;
use tidegate_protocols::limits::SCRIPT_THREADS;
use tidegate_protocols::slot::slot_of;

const PATIENCE: Duration = Duration::from_mins(1);

/// A script is not overdue before somebody says so.
const THRESHOLD: &str = "--busy-reply-threshold=3600000";

/// Every process of these tests has as many partitions, or a multiple of that.
const PARTITIONS: u16 = 16;

/// In which processes the keys are, and how many workers each has.
#[derive(Clone, Copy)]
enum Where {
    Here { threads: u8 },
    AtTwoShards { threads: u8 },
}

fn start(place: Where) -> Server {
    let flags = |threads: u8| vec![format!("--threads={threads}"), THRESHOLD.to_owned()];
    match place {
        Where::Here { threads } => Server::tidegate(Form::InProcess, &flags(threads)),
        Where::AtTwoShards { threads } => {
            let plan = |slots: &str| ShardPlan { slots: slots.into(), flags: flags(threads) };
            Server::gateway(&["0-8191", "8192-16383"].map(plan), &flags(2))
        }
    }
    .unwrap()
}

/// Tests of the functions named, in each of these places.
macro_rules! tests {
    ($($module:ident: $place:ident { threads: $threads:literal }),+ => $names:tt) => {
        $(mod $module { tests!(@ $place $threads $names); })+
    };
    (@ $place:ident $threads:literal [$($name:ident),* $(,)?]) => {
        $(#[test] fn $name() { super::$name(super::Where::$place { threads: $threads }); })*
    };
}

tests!(
    in_process: Here { threads: 2 },
    one_thread: Here { threads: 1 },
    two_shards: AtTwoShards { threads: 2 },
    two_shards_of_one_thread: AtTwoShards { threads: 1 }
    => [
        who_needs_nothing_of_a_script_that_never_ends_is_served,
        a_script_that_was_short_until_it_never_ends_goes_elsewhere_if_it_has_only_read,
        who_has_to_wait_for_a_script_is_executed_in_order,
        every_key_that_stays_is_told_of_once_while_others_come_and_go,
    ]
);
tests!(
    by_one_server: Here { threads: 2 },
    by_one_thread: Here { threads: 1 }
    => [
        a_script_that_waits_for_a_key_is_ended_with_a_reply,
        a_short_script_that_waits_for_a_key_holds_up_nobody,
        a_server_ends_while_a_script_runs,
        what_a_script_has_done_before_it_begins_again_is_not_counted,
    ]
);
tests!(
    over_links: AtTwoShards { threads: 2 }
    => [what_waits_for_a_script_may_take_longer_than_an_answer]
);

mod transactions;

fn connect(server: &Server) -> Wire {
    let mut wire = Wire::connect(server.redis()).unwrap();
    wire.wait_at_most(PATIENCE);
    wire
}

/// Keys that are in no partition with `key`, wherever they are.
fn keys_apart_from(key: &str) -> impl Iterator<Item = String> {
    let held = slot_of(key.as_bytes()) % PARTITIONS;
    (0..)
        .map(|number| format!("key:{number}"))
        .filter(move |key| slot_of(key.as_bytes()) % PARTITIONS != held)
}

const ENDLESS: &str = "while true do end";

fn who_needs_nothing_of_a_script_that_never_ends_is_served(place: Where) {
    let server = start(place);
    let mut script = connect(&server);
    script.send(&request(&["EVAL", ENDLESS, "1", "held"]));
    // Its keys are held from some moment on: from then on they wait, on whichever workers. There are more scripts among
    // them than threads for scripts.
    let mut waiting: Vec<Wire> = (0..8 * SCRIPT_THREADS).map(|_| connect(&server)).collect();
    for (number, wire) in waiting.iter_mut().enumerate() {
        match number % 4 {
            0 => wire.send(&request(&["GET", "held"])),
            1 => wire.send(&request(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "held"])),
            2 => wire.send(&request(&["WATCH", "held"])),
            _ => {
                wire.send(&request(&["MULTI"]));
                wire.send(&request(&["GET", "held"]));
                wire.send(&request(&["EXEC"]));
            }
        }
    }
    let mut others: Vec<Wire> = (0..8).map(|_| connect(&server)).collect();
    for key in keys_apart_from("held").take(40) {
        for wire in &mut others {
            assert_eq!(ask(wire, &["SET", &key, "v"]), ["OK"]);
            assert_eq!(ask(wire, &["APPEND", &key, "w"]), ["2"]);
            assert_eq!(ask(wire, &["EVAL", "return redis.call('GET', KEYS[1])", "1", &key]), ["vw"]);
        }
    }
    // It is ended when it has run for too long.
    assert_eq!(ask(&mut others[0], &["CONFIG", "SET", "busy-reply-threshold", "1"]), ["OK"]);
    while ask(&mut others[0], &["SCRIPT", "KILL"]) != ["OK"] {}
    let end = reply(&mut script).concat();
    assert!(end.contains("Script killed by user with SCRIPT KILL"), "{end}");
    for (number, wire) in waiting.iter_mut().enumerate() {
        let told = reply(wire).concat();
        assert!(
            matches!(told.as_str(), "" | "OK") || told.starts_with("BUSY Redis is busy running a script."),
            "{number}: {told}"
        );
    }
    assert_eq!(ask(&mut script, &["SET", "held", "1"]), ["OK"]);
}

fn what_waits_for_a_script_may_take_longer_than_an_answer(place: Where) {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let server = start(place);
    let [mut script, mut wire, mut listener] = [(); 3].map(|()| connect(&server));
    let timeout_ms = TIMEOUT.as_millis().to_string();
    assert_eq!(ask(&mut wire, &["CONFIG", "SET", "link-timeout-ms", &timeout_ms]), ["OK"]);
    assert_eq!(ask(&mut wire, &["MSET", "held", "v", "{held}other", "w"]), ["OK"]);
    assert_eq!(ask(&mut listener, &["SUBSCRIBE", "holds"]), ["subscribe", "holds", "1"]);
    let endless = format!("redis.call('PUBLISH', 'holds', '') {ENDLESS}");
    script.send(&request(&["EVAL", &endless, "1", "held"]));
    let one =
        [request(&["INCR", "held"]), request(&["INCR", "{held}other"]), request(&["GET", "held"])].concat();
    let mut waiting: Vec<Wire> = (0..8).map(|_| connect(&server)).collect();
    // Before the script holds the keys, while it takes them, and when it has them.
    for (number, wire) in waiting.iter_mut().enumerate() {
        if number == 4 {
            assert_eq!(reply(&mut listener), ["message", "holds", ""]);
        }
        wire.send(&one.repeat(20));
    }
    let began = Instant::now();
    // Of the other shard, so that nothing comes from this one.
    let is_elsewhere = |key: &String| (slot_of(key.as_bytes()) < 8192) != (slot_of(b"held") < 8192);
    for key in keys_apart_from("held").filter(is_elsewhere) {
        assert_eq!(ask(&mut wire, &["SET", &key, "v"]), ["OK"]);
        if began.elapsed() > TIMEOUT * 2 {
            break;
        }
    }
    assert_eq!(ask(&mut wire, &["CONFIG", "SET", "busy-reply-threshold", "1"]), ["OK"]);
    while ask(&mut wire, &["SCRIPT", "KILL"]) != ["OK"] {}
    assert!(reply(&mut script).concat().contains("Script killed by user with SCRIPT KILL"));
    let no_number = "ERR value is not an integer or out of range";
    for number in 0..8 * 20 {
        let wire = &mut waiting[number / 20];
        for expected in [no_number, no_number, "v"] {
            let told = reply(wire).concat();
            assert!(told == expected || told.starts_with("BUSY "), "{number}: {told}");
        }
    }
}

fn a_script_that_was_short_until_it_never_ends_goes_elsewhere_if_it_has_only_read(place: Where) {
    const SHORT_OR_NOT: &str =
        "repeat redis.call('GET', KEYS[1]) redis.call('TIME') until ARGV[1] == 'short' return 'end'";
    let server = start(place);
    let (mut script, mut wire) = (connect(&server), connect(&server));
    for _ in 0..50 {
        assert_eq!(ask(&mut script, &["EVAL", SHORT_OR_NOT, "1", "held", "short"]), ["end"]);
    }
    script.send(&request(&["EVAL", SHORT_OR_NOT, "1", "held", "long"]));
    for key in keys_apart_from("held").take(40) {
        assert_eq!(ask(&mut wire, &["SET", &key, "v"]), ["OK"]);
    }
    while ask(&mut wire, &["CONFIG", "SET", "busy-reply-threshold", "1"]) != ["OK"] {}
    while ask(&mut wire, &["SCRIPT", "KILL"]) != ["OK"] {}
    let end = reply(&mut script).concat();
    assert!(end.contains("Script killed by user with SCRIPT KILL"), "{end}");
}

fn who_has_to_wait_for_a_script_is_executed_in_order(place: Where) {
    let server = start(place);
    let (mut script, mut wire) = (connect(&server), connect(&server));
    let some_time = "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
        local until_ms = now() + 100 repeat until now() >= until_ms return 'done'";
    for round in 0..5 {
        script.send(&request(&["EVAL", some_time, "1", "{held}a"]));
        let mut words = Vec::new();
        words.extend(request(&["DEL", "{held}a", "{held}b"]));
        words.extend(request(&["MSET", "{held}a", "1", "{held}b", "1"]));
        for number in 0..10 {
            words.extend(request(&["APPEND", "{held}a", &number.to_string()]));
            words.extend(request(&["APPEND", "{held}b", &number.to_string()]));
        }
        words.extend(request(&["MULTI"]));
        words.extend(request(&["APPEND", "{held}a", "m"]));
        words.extend(request(&["EXEC"]));
        words.extend(request(&["MGET", "{held}a", "{held}b"]));
        wire.send(&words);
        assert_eq!(reply(&mut wire).len(), 1, "round {round}");
        assert_eq!(reply(&mut wire), ["OK"]);
        for number in 2..12 {
            for _ in 0..2 {
                assert_eq!(reply(&mut wire), [number.to_string()], "round {round}");
            }
        }
        assert_eq!([reply(&mut wire), reply(&mut wire), reply(&mut wire)].concat(), ["OK", "QUEUED", "12"]);
        assert_eq!(reply(&mut wire), ["10123456789m", "10123456789"]);
        assert_eq!(reply(&mut script), ["done"]);
    }
}

fn every_key_that_stays_is_told_of_once_while_others_come_and_go(place: Where) {
    const STAY: usize = 30_000;
    let server = start(place);
    let (mut wire, mut changes) = (connect(&server), connect(&server));
    let stay: Vec<String> = (0..STAY).map(|number| format!("stays:{number}")).collect();
    for some in stay.chunks(1000) {
        let words: Vec<_> =
            std::iter::once("MSET").chain(some.iter().flat_map(|key| [key.as_str(), "v"])).collect();
        assert_eq!(ask(&mut wire, &words), ["OK"]);
    }
    let stay: HashSet<String> = stay.into_iter().collect();
    for (round, words) in [&["KEYS", "*"][..], &["KEYS", "stays:*"], &["SCAN", "0", "COUNT", "1000000"]]
        .into_iter()
        .cycle()
        .take(9)
        .enumerate()
    {
        wire.send(&request(words));
        for number in 0..200 {
            let key = format!("goes:{round}:{number}");
            ask(&mut changes, &["SET", &key, "v"]);
            ask(&mut changes, &["DEL", &key]);
        }
        let mut told = reply(&mut wire);
        while words[0] == "SCAN" && told[0] != "0" {
            let mut more = ask(&mut wire, &["SCAN", &told[0], "COUNT", "1000000"]);
            std::mem::swap(&mut told, &mut more);
            told.extend(more.drain(1..));
        }
        let told: Vec<_> = told.into_iter().filter(|key| key.starts_with("stays:")).collect();
        assert_eq!(told.len(), STAY, "round {round}");
        assert!(told.iter().all(|key| stay.contains(key)));
        assert_eq!(told.iter().collect::<HashSet<_>>().len(), STAY);
    }
    // What comes behind is answered behind. At a shard it may be there before KEYS is through.
    wire.send(&[request(&["KEYS", "*"]), request(&["SET", "last", "v"]), request(&["GET", "last"])].concat());
    assert_eq!(reply(&mut wire).iter().filter(|key| *key != "last").count(), STAY);
    assert_eq!([reply(&mut wire), reply(&mut wire)].concat(), ["OK", "v"]);
}

/// A script that holds `held`, and has changed it, for as long as `keeper` is connected.
struct Holder {
    script: Wire,
    keeper: Wire,
}

impl Holder {
    fn start(server: &Server) -> Self {
        let [mut script, mut keeper, mut listener] = [(); 3].map(|()| connect(server));
        let text = "redis.call('SET', KEYS[1], 'v') redis.call('PUBLISH', 'holds', '')
            repeat for _ = 1, 1000000 do end until redis.call('PUBLISH', 'goes on', '') == 0 return 'done'";
        // It is trusted to use its own keys only once it has done so for a while. It is never short.
        for _ in 0..20 {
            assert_eq!(ask(&mut script, &["EVAL", text, "1", "held"]), ["done"]);
        }
        assert_eq!(ask(&mut keeper, &["SUBSCRIBE", "goes on"]), ["subscribe", "goes on", "1"]);
        assert_eq!(ask(&mut listener, &["SUBSCRIBE", "holds"]), ["subscribe", "holds", "1"]);
        script.send(&request(&["EVAL", text, "1", "held"]));
        assert_eq!(reply(&mut listener), ["message", "holds", ""]);
        Self { script, keeper }
    }

    fn end(mut self) {
        drop(self.keeper);
        assert_eq!(reply(&mut self.script), ["done"]);
    }
}

fn a_script_that_waits_for_a_key_is_ended_with_a_reply(place: Where) {
    let server = start(place);
    let holder = Holder::start(&server);
    let [mut listener, mut waiter, mut wire] = [(); 3].map(|()| connect(&server));
    assert_eq!(ask(&mut listener, &["SUBSCRIBE", "waits"]), ["subscribe", "waits", "1"]);
    let own = keys_apart_from("held").next().unwrap();
    let waits = "redis.call('PUBLISH', 'waits', '') return redis.call('GET', 'held')";
    waiter.send(&request(&["EVAL", waits, "1", &own]));
    assert_eq!(reply(&mut listener), ["message", "waits", ""]);
    assert_eq!(ask(&mut wire, &["CONFIG", "SET", "busy-reply-threshold", "1"]), ["OK"]);
    while ask(&mut wire, &["SCRIPT", "KILL"]) != ["OK"] {}
    let end = reply(&mut waiter).concat();
    assert!(end.contains("Script killed by user with SCRIPT KILL"), "{end}");
    holder.end();
    assert_eq!(ask(&mut waiter, &["ECHO", "next"]), ["next"]);
}

fn a_short_script_that_waits_for_a_key_holds_up_nobody(place: Where) {
    let server = start(place);
    let mut waiter = connect(&server);
    let own: Vec<String> = keys_apart_from("held").take(2).collect();
    let waits = ["EVAL", "return redis.call('GET', 'held')", "1", &own[0]];
    assert_eq!(ask(&mut waiter, &["SET", "held", "v"]), ["OK"]);
    for _ in 0..20 {
        assert_eq!(ask(&mut waiter, &waits), ["v"]);
    }
    let holder = Holder::start(&server);
    waiter.send(&request(&waits));
    for _ in 0..200 {
        assert_eq!(ask(&mut connect(&server), &["SET", &own[1], "v"]), ["OK"]);
    }
    holder.end();
    assert_eq!(reply(&mut waiter), ["v"]);
}

fn a_server_ends_while_a_script_runs(place: Where) {
    let server = start(place);
    let (mut script, mut wire) = (connect(&server), connect(&server));
    script.send(&request(&["EVAL", ENDLESS, "1", "held"]));
    while ask(&mut wire, &["CLIENT", "LIST"])
        .concat()
        .lines()
        .filter(|line| line.contains("cmd=eval"))
        .count()
        == 0
    {}
    wire.send(&request(&["SHUTDOWN", "NOSAVE"]));
    wire.expect_close();
    script.expect_close();
}

fn what_a_script_has_done_before_it_begins_again_is_not_counted(place: Where) {
    const COUNTS: &str =
        "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
        local count, until_ms = 0, now() + ARGV[1]
        repeat count = count + 1 redis.call('GET', KEYS[1]) until now() >= until_ms
        return count";
    let server = start(place);
    let mut wire = connect(&server);
    for _ in 0..20 {
        ask(&mut wire, &["EVAL", COUNTS, "1", "k", "0"]);
    }
    assert_eq!(ask(&mut wire, &["CONFIG", "RESETSTAT"]), ["OK"]);
    let [count] = &ask(&mut wire, &["EVAL", COUNTS, "1", "k", "50"])[..] else { panic!("a number") };
    let told = ask(&mut wire, &["INFO", "commandstats"]).concat();
    assert!(told.contains(&format!("cmdstat_get:calls={count},")), "{count}: {told}");
    assert!(told.contains("cmdstat_eval:calls=1,"), "{told}");
}

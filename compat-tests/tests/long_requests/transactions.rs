//! The same of transactions with scripts in them.

use super::*;

tests!(
    in_process: Here { threads: 2 },
    one_thread: Here { threads: 1 },
    two_shards: AtTwoShards { threads: 2 },
    two_shards_of_one_thread: AtTwoShards { threads: 1 }
    => [
        who_needs_nothing_of_a_script_in_a_transaction_is_served_and_can_end_it,
        a_script_in_a_transaction_that_was_short_can_be_ended_as_long_as_it_has_only_read,
        what_a_transaction_watches_is_looked_at_when_it_begins,
        what_comes_behind_a_transaction_is_executed_behind_it,
        replies_in_a_transaction_are_left_out_as_things_stand_when_each_is_due,
    ]
);
tests!(
    over_links: AtTwoShards { threads: 1 }
    => [a_script_in_a_transaction_may_take_longer_than_an_answer]
);

/// Queues requests, and sends EXEC without waiting for its reply.
fn send_transaction(wire: &mut Wire, requests: &[&[&str]]) {
    assert_eq!(ask(wire, &["MULTI"]), ["OK"]);
    for words in requests {
        assert_eq!(ask(wire, words), ["QUEUED"]);
    }
    wire.send(&request(&["EXEC"]));
}

/// Ends a script that has run for too long by then.
fn kill(wire: &mut Wire) {
    while ask(wire, &["CONFIG", "SET", "busy-reply-threshold", "1"]) != ["OK"] {}
    while ask(wire, &["SCRIPT", "KILL"]) != ["OK"] {}
}

fn who_needs_nothing_of_a_script_in_a_transaction_is_served_and_can_end_it(place: Where) {
    let server = start(place);
    let [mut script, mut waiter, mut wire] = [(); 3].map(|()| connect(&server));
    let queued: [&[&str]; 3] = [&["SET", "held", "v"], &["EVAL", ENDLESS, "1", "held"], &["GET", "held"]];
    send_transaction(&mut script, &queued);
    waiter.send(&request(&["GET", "held"]));
    for key in keys_apart_from("held").take(40) {
        assert_eq!(ask(&mut wire, &["SET", &key, "v"]), ["OK"]);
        send_transaction(&mut wire, &[&["APPEND", &key, "w"], &["GET", &key]]);
        assert_eq!(reply(&mut wire), ["2", "vw"]);
    }
    kill(&mut wire);
    let told = reply(&mut script);
    assert!(told.len() == 3 && told[0] == "OK" && told[2] == "v", "{told:?}");
    assert!(told[1].starts_with("ERR Script killed by user with SCRIPT KILL..."), "{told:?}");
    let told = reply(&mut waiter).concat();
    assert!(matches!(told.as_str(), "" | "v") || told.starts_with("BUSY "), "{told}");
    assert_eq!(ask(&mut script, &["GET", "held"]), ["v"]);
}

fn a_script_in_a_transaction_that_was_short_can_be_ended_as_long_as_it_has_only_read(place: Where) {
    const SHORT_OR_NOT: &str = "repeat redis.call('GET', KEYS[1]) until ARGV[1] == 'short' return 'end'";
    let server = start(place);
    let (mut script, mut wire) = (connect(&server), connect(&server));
    for first in [&["GETRANGE", "held", "0", "-1"][..], &["GETSET", "held", "v"]] {
        assert_eq!(ask(&mut wire, &["SET", "held", "v"]), ["OK"]);
        assert_eq!(ask(&mut wire, &["CONFIG", "SET", "busy-reply-threshold", "3600000"]), ["OK"]);
        for _ in 0..50 {
            let queued: [&[&str]; 2] = [first, &["EVAL", SHORT_OR_NOT, "1", "held", "short"]];
            send_transaction(&mut script, &queued);
            assert_eq!(reply(&mut script), ["v", "end"]);
        }
        let queued: [&[&str]; 2] = [first, &["EVAL", SHORT_OR_NOT, "1", "held", "long"]];
        send_transaction(&mut script, &queued);
        for key in keys_apart_from("held").take(40) {
            assert_eq!(ask(&mut wire, &["SET", &key, "v"]), ["OK"]);
        }
        kill(&mut wire);
        let told = reply(&mut script);
        assert!(told.len() == 2 && told[1].contains("Script killed by user with SCRIPT KILL"), "{told:?}");
    }
}

fn what_a_transaction_watches_is_looked_at_when_it_begins(place: Where) {
    let server = start(place);
    // At the same shard, but in another partition.
    let is_near = |key: &String| (slot_of(key.as_bytes()) < 8192) == (slot_of(b"held") < 8192);
    let watched: Vec<String> = keys_apart_from("held").filter(is_near).take(2).collect();
    let mut wire = connect(&server);
    let mut waiting = [(); 2].map(|()| connect(&server));
    for (client, key) in waiting.iter_mut().zip(&watched) {
        assert_eq!(ask(client, &["WATCH", key]), ["OK"]);
    }
    let holder = Holder::start(&server);
    for client in &mut waiting {
        send_transaction(client, &[&["EVAL", "return redis.call('GET', KEYS[1])", "1", "held"]]);
    }
    assert_eq!(ask(&mut wire, &["SET", &watched[0], "changed"]), ["OK"]);
    holder.end();
    assert_eq!(reply(&mut waiting[1]), ["v"]);
    assert!(reply(&mut waiting[0]).concat().is_empty());
}

fn what_comes_behind_a_transaction_is_executed_behind_it(place: Where) {
    let server = start(place);
    let (mut wire, mut other) = (connect(&server), connect(&server));
    for round in 0..20 {
        let mut words = Vec::new();
        words.extend(request(&["DEL", "{k}a", "{k}b"]));
        words.extend(request(&["MULTI"]));
        words.extend(request(&["RPUSH", "{k}a", "1"]));
        words.extend(request(&["EVAL", "return redis.call('RPUSH', KEYS[1], 2)", "1", "{k}a"]));
        words.extend(request(&["SELECT", "1"]));
        let text = format!("redis.call('SET', KEYS[1], {round}) return 'set'");
        words.extend(request(&["EVAL", &text, "1", "{k}b"]));
        words.extend(request(&["EXEC"]));
        words.extend(request(&["GET", "{k}b"]));
        words.extend(request(&["SELECT", "0"]));
        words.extend(request(&["GET", "{k}b"]));
        words.extend(request(&["RPUSH", "{k}a", "3"]));
        words.extend(request(&["LRANGE", "{k}a", "0", "-1"]));
        wire.send(&words);
        reply(&mut wire);
        let told: Vec<_> = (0..5).flat_map(|_| reply(&mut wire)).collect();
        assert_eq!(told, ["OK", "QUEUED", "QUEUED", "QUEUED", "QUEUED"]);
        assert_eq!(reply(&mut wire), ["1", "2", "OK", "set"], "round {round}");
        // There is none in the database of before.
        let told: Vec<_> = (0..4).flat_map(|_| reply(&mut wire)).collect();
        assert_eq!(told, [round.to_string().as_str(), "OK", "3"], "round {round}");
        assert_eq!(reply(&mut wire), ["1", "2", "3"]);
        // Who waits for a list is answered when all has been done, the script included.
        assert_eq!(ask(&mut wire, &["DEL", "{k}a"]), ["1"]);
        other.send(&request(&["BLPOP", "{k}a", "0"]));
        while !ask(&mut wire, &["INFO", "clients"]).concat().contains("blocked_clients:1") {}
        let pops = "return redis.call('LPOP', KEYS[1])";
        let queued: [&[&str]; 2] = [&["RPUSH", "{k}a", "1", "2"], &["EVAL", pops, "1", "{k}a"]];
        send_transaction(&mut wire, &queued);
        assert_eq!(reply(&mut wire), ["2", "1"]);
        assert_eq!(reply(&mut other), ["{k}a", "2"]);
    }
}

fn replies_in_a_transaction_are_left_out_as_things_stand_when_each_is_due(place: Where) {
    let server = start(place);
    let mut wire = connect(&server);
    for number in 1..5 {
        let script = ["EVAL", "return redis.call('INCR', KEYS[1])", "1", "k"];
        let queued: [&[&str]; 8] = [
            &script,
            &["CLIENT", "REPLY", "SKIP"],
            &script,
            &script,
            &["CLIENT", "REPLY", "OFF"],
            &script,
            &["CLIENT", "REPLY", "ON"],
            &script,
        ];
        send_transaction(&mut wire, &queued);
        // There SKIP says nothing, but of what comes behind EXEC.
        let [first, second, third, last] = [4, 3, 2, 0].map(|before| number * 5 - before);
        let expected = format!("*8\r\n:{first}\r\n:{second}\r\n:{third}\r\n+OK\r\n:{last}\r\n");
        wire.expect(expected.as_bytes());
        wire.send(&request(&["PING"]));
    }
}

fn a_script_in_a_transaction_may_take_longer_than_an_answer(place: Where) {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let server = start(place);
    let [mut script, mut wire] = [(); 2].map(|()| connect(&server));
    let timeout_ms = TIMEOUT.as_millis().to_string();
    assert_eq!(ask(&mut wire, &["CONFIG", "SET", "link-timeout-ms", &timeout_ms]), ["OK"]);
    send_transaction(&mut script, &[&["SET", "held", "v"], &["EVAL", ENDLESS, "1", "held"]]);
    let began = Instant::now();
    let is_elsewhere = |key: &String| (slot_of(key.as_bytes()) < 8192) != (slot_of(b"held") < 8192);
    for key in keys_apart_from("held").filter(is_elsewhere) {
        assert_eq!(ask(&mut wire, &["SET", &key, "v"]), ["OK"]);
        if began.elapsed() > TIMEOUT * 2 {
            break;
        }
    }
    kill(&mut wire);
    let told = reply(&mut script);
    assert!(told.len() == 2 && told[0] == "OK", "{told:?}");
    assert!(told[1].starts_with("ERR Script killed by user with SCRIPT KILL..."), "{told:?}");
}

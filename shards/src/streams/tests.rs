use std::time::Duration;

use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::{Key, Policy};

use crate::testing::Client;

const REFUSED: &str = "-ERR the reply would be longer than a reply may be\\r\\n";

/// A client with a stream `s` of some entries, all of which have been given to consumers of `g`.
fn with_stream(entries: usize) -> Client {
    let mut client = Client::new();
    client.run("XGROUP CREATE s g 0 MKSTREAM");
    for ms in 1..=entries {
        client.run(&format!("XADD s {ms} field {ms}"));
    }
    client.run(&format!("XREADGROUP GROUP g alice COUNT {} STREAMS s >", entries / 2));
    client.run("XREADGROUP GROUP g bob STREAMS s >");
    client
}

#[test]
fn a_stream_goes_with_its_key_wherever_that_goes() {
    let mut client = with_stream(300);
    let check = |client: &mut Client, key: &str| {
        assert_eq!(client.run(&format!("TYPE {key}")), "+stream\\r\\n");
        assert_eq!(client.run(&format!("XLEN {key}")), ":300\\r\\n");
        assert!(client.run(&format!("XPENDING {key} g")).starts_with("*4\\r\\n:300\\r\\n$3\\r\\n1-0\\r\\n"));
    };
    check(&mut client, "s");
    client.run("RENAME s t");
    check(&mut client, "t");
    client.run("COPY t u");
    client.run("XADD u * a 1");
    client.run("XACK u g 1-0 2-0");
    check(&mut client, "t");
    client.run("EXPIRE t 100");
    check(&mut client, "t");
    client.run("PERSIST t");
    client.run("MOVE t 1");
    client.context.database = 1;
    check(&mut client, "t");
}

#[test]
fn what_a_removed_stream_held_is_freed_in_steps() {
    for way in ["DEL s", "UNLINK s", "SET s v", "PEXPIREAT s 1", "RENAME k s", "COPY k s REPLACE"] {
        for (entries, is_long) in [(10_000, true), (10, false)] {
            let mut client = with_stream(entries);
            client.run("SET k v");
            client.run(way);
            let pending = u64::from(is_long);
            assert_eq!(client.store.figures().lazyfree_pending, pending, "{way}, {entries}");
            let mut steps = 0;
            while client.store.figures().lazyfree_pending > 0 {
                client.worker.maintain(client.now_ms, Duration::ZERO);
                steps += 1;
            }
            assert!(steps >= 2 * pending, "{way}, {entries}: {steps}");
            assert_eq!(client.store.figures().lazyfreed, pending, "{way}, {entries}");
        }
    }
}

#[test]
fn what_a_removed_group_held_is_freed_later() {
    for (entries, is_long) in [(10_000, true), (10, false)] {
        let mut client = with_stream(entries);
        assert_eq!(client.run("XGROUP DESTROY s g"), ":1\\r\\n");
        assert_eq!(client.worker.has_waste(), is_long);
        client.worker.maintain(client.now_ms, Duration::from_secs(1));
        assert!(!client.worker.has_waste());
        assert_eq!(client.store.figures().lazyfreed, 0, "it was no key");
    }
}

#[test]
fn streams_are_evicted_and_swept_and_flushed() {
    let mut client = with_stream(100);
    client.evict_one(Policy::AllKeysLru);
    assert_eq!(client.run("EXISTS s"), ":0\\r\\n");
    let mut client = with_stream(100);
    client.run("PEXPIRE s 1");
    client.now_ms += 1000;
    client.worker.maintain(client.now_ms, Duration::from_secs(1));
    assert_eq!(client.run("DBSIZE"), ":0\\r\\n");
    let mut client = with_stream(1000);
    client.run("FLUSHALL ASYNC");
    while client.worker.has_waste() {
        client.worker.maintain(client.now_ms, Duration::from_secs(1));
    }
    assert_eq!(client.store.figures().lazyfreed, 1, "keys are counted, not entries");
}

#[test]
fn a_stream_takes_about_the_memory_of_its_entries() {
    let mut client = Client::new();
    for ms in 1..=10_000 {
        client.run(&format!("XADD s {ms} field value:{}", ms % 100));
    }
    let reply = client.run("MEMORY USAGE s");
    let bytes: usize = reply.trim_start_matches(':').trim_end_matches("\\r\\n").parse().unwrap();
    assert!((10_000 * 15..10_000 * 30).contains(&bytes), "{bytes}");
    client.run("XGROUP CREATE s g 0");
    client.run("XREADGROUP GROUP g alice STREAMS s >");
    let more = client.run("MEMORY USAGE s");
    let more: usize = more.trim_start_matches(':').trim_end_matches("\\r\\n").parse().unwrap();
    assert!((bytes + 10_000 * 55..bytes + 10_000 * 65).contains(&more), "{more}");
}

#[test]
fn the_time_of_an_id_never_goes_back() {
    let mut client = Client::new();
    let now = client.now_ms;
    assert_eq!(client.run("XADD s * a 1"), format!("$15\\r\\n{now}-0\\r\\n"));
    assert_eq!(client.run("XADD s * a 1"), format!("$15\\r\\n{now}-1\\r\\n"));
    client.now_ms -= 1000;
    assert_eq!(client.run("XADD s * a 1"), format!("$15\\r\\n{now}-2\\r\\n"));
    client.now_ms += 2000;
    assert_eq!(client.run("XADD s * a 1"), format!("$15\\r\\n{}-0\\r\\n", now + 1000));
}

#[test]
fn idle_times_count_from_the_last_delivery() {
    let mut client = with_stream(2);
    client.now_ms += 500;
    let pending =
        |idle, count| format!("*4\\r\\n$3\\r\\n1-0\\r\\n$5\\r\\nalice\\r\\n:{idle}\\r\\n:{count}\\r\\n");
    assert_eq!(client.run("XPENDING s g - + 1"), format!("*1\\r\\n{}", pending(500, 1)));
    assert_eq!(client.run("XPENDING s g IDLE 501 - + 1"), "*0\\r\\n");
    client.run("XREADGROUP GROUP g alice STREAMS s 0");
    assert_eq!(client.run("XPENDING s g - + 1"), format!("*1\\r\\n{}", pending(0, 2)));
    // Clocks may go back.
    client.now_ms -= 300;
    assert_eq!(client.run("XPENDING s g - + 1"), format!("*1\\r\\n{}", pending(0, 2)));
    assert_eq!(client.run("XPENDING s g IDLE 1 1 1 1"), "*0\\r\\n");
    client.now_ms += 800;
    assert_eq!(
        client.run("XAUTOCLAIM s g bob 501 - JUSTID"),
        "*3\\r\\n$3\\r\\n0-0\\r\\n*1\\r\\n$3\\r\\n2-0\\r\\n*0\\r\\n"
    );
    assert!(
        client
            .run("XINFO CONSUMERS s g")
            .contains("$5\\r\\nalice\\r\\n$7\\r\\npending\\r\\n:1\\r\\n$4\\r\\nidle\\r\\n:500")
    );
}

#[test]
fn a_reply_that_would_be_too_long_is_refused_unless_it_has_taken_effect() {
    let mut client = with_stream(100);
    client.worker.limit_replies(200);
    let reads = [
        "XRANGE s - +",
        "XREVRANGE s + -",
        "XREAD STREAMS s 0",
        "XINFO STREAM s FULL",
        "XPENDING s g - + 100",
    ];
    for request in reads {
        assert_eq!(client.run(request), REFUSED, "{request}");
    }
    client.run("XGROUP SETID s g 0");
    let given = |reply: String| reply.matches("field").count();
    let first = given(client.run("XREADGROUP GROUP g carol STREAMS s >"));
    assert!((5..10).contains(&first), "{first}");
    assert_eq!(client.run("XREADGROUP GROUP g carol STREAMS s 0").matches("field").count(), first);
    assert!(given(client.run("XREADGROUP GROUP g carol STREAMS s >")) >= 5);
    assert!((5..10).contains(&given(client.run("XAUTOCLAIM s g carol 0 -"))));
    let ids: Vec<_> = (1..=100).map(|ms| ms.to_string()).collect();
    assert!((5..10).contains(&given(client.run(&format!("XCLAIM s g dave 0 {}", ids.join(" "))))));
}

#[test]
fn keys_that_are_not_locked_are_not_looked_at() {
    let mut client = with_stream(1);
    let astray = "XREADGROUP NOACK GROUP g STREAMS STREAMS s >";
    assert_eq!(client.run(astray), "-ERR syntax error\\r\\n");
    assert_eq!(client.run("XREADGROUP GROUP g STREAMS NOACK STREAMS s >"), "*-1\\r\\n");
    let late = format!("XREAD BLOCK {} STREAMS s 0", i64::MAX);
    assert_eq!(client.run(&late), "-ERR timeout is out of range\\r\\n");
}

#[test]
fn nodes_that_may_be_endless_are_trimmed_in_parts_all_the_same() {
    for (entries, left) in [("0", 0), ("100", 0), ("9223372036854775807", 0), ("1", 400)] {
        let mut client = Client::new();
        client.settings.set(Key::StreamNodeMaxEntries, entries).unwrap();
        for ms in 1..=500 {
            client.run(&format!("XADD s {ms} a 1"));
        }
        let trimmed = format!(":{}\\r\\n", 500 - left);
        assert_eq!(client.run("XTRIM s MAXLEN ~ 0"), trimmed, "{entries}");
    }
}

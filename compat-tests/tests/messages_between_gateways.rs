//! What is published at one gateway reaches those who listen at another in front of the same shards.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use tidegate_compat_tests::nodes::{Kind, THIRDS, TwoNodes};
use tidegate_compat_tests::wire::Wire;

/// Of slots of all three shards.
const CHANNELS: [&str; 6] = ["a", "b", "c", "u50", "foo", "hello"];

fn bulks(words: &[&[u8]]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        wire.extend_from_slice(&[format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat());
    }
    wire
}

fn listen(wire: &mut Wire, word: &str, name: &str, count: usize) {
    let told = format!("*3\r\n${}\r\n{word}\r\n${}\r\n{name}\r\n:{count}\r\n", word.len(), name.len());
    wire.ask(format!("{word} {name}\r\n").as_bytes(), told.as_bytes());
}

#[test]
fn who_listens_anywhere_gets_each_message_once_and_each_publisher_s_in_order() {
    let nodes = TwoNodes::start(Kind::TidegateAlone, &THIRDS).unwrap();
    let [one, two] = nodes.addresses();
    let connect = |address| Wire::connect(address).unwrap();
    let mut by_channel: Vec<Wire> = [one, two, two, two].map(connect).into();
    let mut by_pattern = connect(two);
    let mut by_both = connect(two);
    for wire in &mut by_channel {
        for (count, channel) in CHANNELS.iter().enumerate() {
            listen(wire, "subscribe", channel, count + 1);
        }
    }
    listen(&mut by_pattern, "psubscribe", "*", 1);
    listen(&mut by_both, "subscribe", "a", 1);
    listen(&mut by_both, "psubscribe", "?", 2);
    let mut publisher = connect(one);
    for number in 0..200 {
        for channel in CHANNELS {
            // Those of the same gateway are counted.
            publisher.ask(format!("PUBLISH {channel} {number}\r\n").as_bytes(), b":1\r\n");
        }
    }
    let long = vec![b'l'; 300_000];
    publisher.ask(&bulks(&[b"PUBLISH", b"a", &long]), b":1\r\n");
    let message = |channel: &str, number: &str| bulks(&[b"message", channel.as_bytes(), number.as_bytes()]);
    by_channel.push(connect(two));
    let mut late = by_channel.pop().unwrap();
    for wire in &mut by_channel {
        let mut next = [0; CHANNELS.len()];
        for _ in 0..200 * CHANNELS.len() {
            let (channel, number) = take(wire);
            let place = CHANNELS.iter().position(|name| **name == channel).unwrap();
            assert_eq!(number, next[place].to_string(), "of {channel}");
            next[place] += 1;
        }
        let (channel, text) = take(wire);
        assert!(channel == "a" && text.as_bytes() == long);
        wire.ask(b"PING\r\n", b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    }
    for _ in 0..=200 * CHANNELS.len() {
        take(&mut by_pattern);
    }
    by_pattern.ask(b"PING\r\n", b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    // What is said in a transaction; a channel that is left; who comes later.
    listen(&mut late, "ssubscribe", "s", 1);
    listen(&mut by_channel[1], "unsubscribe", "hello", 5);
    publisher.ask(b"MULTI\r\n", b"+OK\r\n");
    publisher.ask(
        b"PUBLISH a within\r\nSPUBLISH s sharded\r\nEXEC\r\n",
        b"+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:0\r\n",
    );
    late.expect(&bulks(&[b"smessage", b"s", b"sharded"]));
    for wire in &mut by_channel {
        wire.expect(&message("a", "within"));
    }
    // The other way round, and by the other's own clients.
    connect(two).ask(b"PUBLISH c back\r\n", b":5\r\n");
    for wire in &mut by_channel {
        wire.expect(&message("c", "back"));
    }
}

/// The channel and the text of the next message.
fn take(wire: &mut Wire) -> (String, String) {
    let head = wire.line().unwrap();
    let mut words: Vec<String> = (0..head[1] - b'0')
        .map(|_| {
            let bytes = String::from_utf8(wire.line().unwrap()).unwrap()[1..].parse::<usize>().unwrap();
            let mut word = wire.bytes(bytes + 2).unwrap();
            word.truncate(bytes);
            String::from_utf8(word).unwrap()
        })
        .collect();
    let text = words.pop().unwrap();
    (words.pop().unwrap(), text)
}

//! Publish and subscribe across threads: who gets what, in which order, and what it may cost.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::io::Read as _;
use std::thread;

use fake::{Client, Server, array};
use tidegate_protocols::settings::Key;

const MESSAGES: usize = 500;

/// Listens to a channel, which is answered.
fn listener(server: &Server, word: &[u8], channel: &[u8]) -> Client {
    let mut client = server.client();
    client.ask(&array(&[word, channel]), &told(word, channel, 1));
    client
}

fn told(word: &[u8], name: &[u8], count: usize) -> Vec<u8> {
    let mut wire = array(&[word, name]);
    wire[1] = b'3';
    wire.extend_from_slice(format!(":{count}\r\n").as_bytes());
    wire
}

#[test]
fn every_listener_on_any_thread_gets_what_each_publisher_says_in_its_order() {
    let server = Server::start(3);
    let mut listeners: Vec<_> = (0..6).map(|_| listener(&server, b"subscribe", b"ch")).collect();
    let mut of_pattern: Vec<_> = (0..3).map(|_| listener(&server, b"psubscribe", b"c?")).collect();
    let publisher = |name: u8| {
        let mut client = server.client();
        move || {
            for number in 0..MESSAGES {
                let text = format!("{name} {number}");
                client.send(&array(&[b"PUBLISH", b"ch", text.as_bytes()]));
            }
            client.expect(&b":9\r\n".repeat(MESSAGES));
        }
    };
    let publishers: Vec<_> = (0..3).map(|name| thread::spawn(publisher(name))).collect();
    for client in listeners.iter_mut().chain(&mut of_pattern) {
        let mut next = [0; 3];
        for _ in 0..3 * MESSAGES {
            let words = if client.line() == "*3" { 2 } else { 3 };
            for _ in 0..words {
                client.bulk();
            }
            let text = client.bulk();
            let (name, number) = text.split_once(' ').unwrap();
            let next = &mut next[name.parse::<usize>().unwrap()];
            assert_eq!(number.parse::<usize>().unwrap(), *next);
            *next += 1;
        }
        client.ask(b"PING\r\n", b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
}

#[test]
fn who_begins_to_listen_gets_only_what_is_said_from_then_on_and_all_before_it_stops() {
    let server = Server::start(1);
    let mut first = listener(&server, b"subscribe", b"ch");
    let mut other = server.client();
    // In one tick: what is said before and after another client has begun to listen, and has stopped.
    other.send(b"PUBLISH ch 1\r\nSUBSCRIBE ch\r\n");
    other.expect(b":1\r\n");
    other.expect(&told(b"subscribe", b"ch", 1));
    server.client().ask(b"PUBLISH ch 2\r\n", b":2\r\n");
    other.send(b"UNSUBSCRIBE ch\r\nPING\r\n");
    other.expect(&array(&[b"message", b"ch", b"2"]));
    other.expect(&told(b"unsubscribe", b"ch", 0));
    other.expect(b"+PONG\r\n");
    first.expect(&array(&[b"message", b"ch", b"1"]));
    first.expect(&array(&[b"message", b"ch", b"2"]));
}

#[test]
fn what_a_client_says_to_itself_follows_the_reply_and_precedes_the_next() {
    let server = Server::start(1);
    let mut client = server.client();
    client.send(b"HELLO 3\r\nSUBSCRIBE ch\r\n");
    while !client.line().starts_with('>') {}
    client.expect(b"$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n");
    client.send(b"PUBLISH ch 1\r\nPING\r\nPUBLISH ch 2\r\nMULTI\r\nPUBLISH ch 3\r\nPING\r\nEXEC\r\nPING\r\n");
    let message =
        |number: u8| [&b">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\n"[..], &[b'0' + number], b"\r\n"].concat();
    client.expect(b":1\r\n");
    client.expect(&message(1));
    client.expect(b"+PONG\r\n:1\r\n");
    client.expect(&message(2));
    client.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+PONG\r\n");
    client.expect(&message(3));
    client.expect(b"+PONG\r\n");
}

#[test]
fn a_listener_that_does_not_read_is_closed_at_its_limit_and_holds_nobody_up() {
    let limits = "normal 0 0 0 pubsub 1mb 0 0";
    let server = Server::start_with(2, &[(Key::ClientOutputBufferLimit, limits)]);
    let mut slow = listener(&server, b"subscribe", b"ch");
    let mut others: Vec<_> = (0..2).map(|_| listener(&server, b"subscribe", b"ch")).collect();
    let message = vec![b'm'; 256 * 1024];
    let mut publisher = server.client();
    let mut said = 0;
    loop {
        publisher.send(&array(&[b"PUBLISH", b"ch", &message]));
        said += 1;
        for other in &mut others {
            other.expect(&array(&[b"message", b"ch", &message]));
        }
        if publisher.line() == ":2" {
            break;
        }
        assert!(said < 1000, "it takes what nobody reads");
    }
    let mut got = Vec::new();
    let _ = slow.0.read_to_end(&mut got);
    assert!(got.len() < said * message.len());
    assert_eq!(server.running.shared().counters.totals().output_limit_disconnections, 1);
}

#[test]
fn who_is_gone_listens_no_more() {
    let server = Server::start(2);
    let mut asking = server.client();
    for _ in 0..10 {
        let clients: Vec<_> = (0..5).map(|_| listener(&server, b"ssubscribe", b"s")).collect();
        asking.ask(b"PUBSUB SHARDNUMSUB s\r\n", b"*2\r\n$1\r\ns\r\n:5\r\n");
        drop(clients);
        loop {
            asking.send(b"SPUBLISH s x\r\n");
            if asking.line() == ":0" {
                break;
            }
        }
        asking.ask(b"PUBSUB SHARDCHANNELS\r\n", b"*0\r\n");
    }
}

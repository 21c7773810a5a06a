//! What a client sees of a transaction where the order of bytes matters, and what others see of it.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::io::Write as _;

use fake::{Server, array, eventually};
use tidegate_protocols::settings::Key;

#[test]
fn what_client_reply_says_within_a_transaction_counts_from_there_on() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(
        b"SET a b\r\nMULTI\r\nGET a\r\nCLIENT REPLY OFF\r\nGET a\r\n",
        b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n",
    );
    client.ask(b"CLIENT REPLY ON\r\nGET a\r\n", b"+QUEUED\r\n+QUEUED\r\n");
    client.ask(b"EXEC\r\nPING\r\n", b"*5\r\n$1\r\nb\r\n+OK\r\n$1\r\nb\r\n+PONG\r\n");
    client.ask(b"MULTI\r\nCLIENT REPLY SKIP\r\nSET a c\r\n", b"+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    client.ask(b"EXEC\r\nPING unseen\r\nPING\r\n", b"*2\r\n+OK\r\n+PONG\r\n");
    client.ask(
        b"CLIENT REPLY OFF\r\nMULTI\r\nGET a\r\nCLIENT REPLY ON\r\nGET a\r\nEXEC\r\n",
        b"+OK\r\n$1\r\nc\r\n",
    );
    client.ask(
        b"MULTI\r\nGET a\r\nCLIENT REPLY OFF\r\nEXEC\r\n",
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\nc\r\n",
    );
    client.ask(b"PING\r\nCLIENT REPLY ON\r\n", b"+OK\r\n");
    client.ask(b"MULTI\r\nGET a\r\nCLIENT REPLY SKIP\r\n", b"+OK\r\n+QUEUED\r\n+QUEUED\r\n");
}

#[test]
fn the_version_of_resp_changes_in_its_place_within_a_transaction() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(b"MULTI\r\nGET none\r\nHELLO 3\r\nGET none\r\n", b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    client.ask(b"EXEC\r\n", b"*3\r\n$-1\r\n%7\r\n");
    while client.line() != "modules" {}
    client.expect(b"*0\r\n_\r\n");
}

#[test]
fn who_closes_itself_within_a_transaction_gets_no_more_but_all_is_executed() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(b"MULTI\r\nSET a 1\r\n", b"+OK\r\n+QUEUED\r\n");
    client.ask(b"CLIENT KILL SKIPME no\r\nSET a 2\r\nEXEC\r\n", b"+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:1\r\n");
    client.expect_end();
    server.client().ask(b"GET a\r\n", b"$1\r\n2\r\n");
}

#[test]
fn what_is_queued_stays_within_the_limit_of_a_request() {
    let server = Server::start_with(1, &[(Key::ClientQueryBufferLimit, "1mb")]);
    let mut client = server.client();
    let set = array(&[b"SET", b"k", &b"x".repeat(300_000)]);
    client.ask(&[b"MULTI\r\n", &set[..]].concat(), b"+OK\r\n+QUEUED\r\n");
    client.ask(&set, b"+QUEUED\r\n");
    // Refused once, nothing more is kept, and more may be sent.
    client.ask(b"GET\r\n", b"-ERR wrong number of arguments for 'get' command\r\n");
    for _ in 0..10 {
        client.ask(&set, b"+QUEUED\r\n");
    }
    client.ask(b"EXEC\r\n", b"-EXECABORT Transaction discarded because of previous errors.\r\n");
    client.ask(
        &[b"MULTI\r\n", &set[..], &set[..], &set[..]].concat(),
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n",
    );
    // It may be closed before it has sent all.
    let _ = client.0.write_all(&set);
    client.expect_end();
    server.client().ask(b"GET k\r\n", b"$-1\r\n");
}

#[test]
fn a_pause_of_writes_holds_a_transaction_that_writes_and_no_other() {
    let server = Server::start(1);
    let (mut reads, mut writes, mut other) = (server.client(), server.client(), server.client());
    reads.ask(b"MULTI\r\nGET k\r\n", b"+OK\r\n+QUEUED\r\n");
    writes.ask(b"MULTI\r\nSET k v\r\n", b"+OK\r\n+QUEUED\r\n");
    other.ask(b"CLIENT PAUSE 100000 WRITE\r\n", b"+OK\r\n");
    writes.send(b"EXEC\r\n");
    reads.ask(b"EXEC\r\n", b"*1\r\n$-1\r\n");
    other.ask(b"GET k\r\nCLIENT UNPAUSE\r\n", b"$-1\r\n+OK\r\n");
    writes.expect(b"*1\r\n+OK\r\n");
}

#[test]
fn what_a_client_watched_is_watched_no_more_when_it_is_gone() {
    let server = Server::start(1);
    let watched = || server.fake.watched.load(std::sync::atomic::Ordering::SeqCst);
    let mut client = server.client();
    for end in [&b"UNWATCH\r\n"[..], b"RESET\r\n", b"MULTI\r\nDISCARD\r\n", b"MULTI\r\nGET\r\nEXEC\r\n"] {
        client.ask(b"WATCH a b a\r\nWATCH b c\r\n", b"+OK\r\n+OK\r\n");
        assert_eq!(watched(), 3);
        client.send(end);
        client.send(b"ECHO end\r\n");
        while client.line() != "end" {}
        assert_eq!(watched(), 0, "{}", end.escape_ascii());
    }
    client.ask(b"WATCH a b\r\n", b"+OK\r\n");
    client.ask(b"QUIT\r\n", b"+OK\r\n");
    client.expect_end();
    let mut other = server.client();
    eventually("nothing is watched", || {
        other.ask(b"PING\r\n", b"+PONG\r\n");
        watched() == 0
    });
}

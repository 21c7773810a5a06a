//! What clients can say about themselves and each other, and what that changes.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::time::{Duration, Instant};

use fake::{Client, Server, array, eventually};
use tidegate_gateway::Users;
use tidegate_protocols::settings::Key;

/// The fields of a line of `CLIENT LIST`.
fn field(line: &str, name: &str) -> String {
    let prefix = format!("{name}=");
    let field = line.split_whitespace().find_map(|field| field.strip_prefix(&prefix));
    field.unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
}

fn id_of(client: &mut Client) -> u64 {
    client.send(b"CLIENT ID\r\n");
    client.line().strip_prefix(':').unwrap().parse().unwrap()
}

#[test]
fn a_handshake_tells_the_version_and_switches_it() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(b"GET none\r\nHELLO 3 SETNAME me\r\n", b"$-1\r\n%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
    client.expect(b"$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n");
    client.line();
    client
        .expect(b"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
    client.ask(b"GET none\r\nCLIENT GETNAME\r\n", b"_\r\n$2\r\nme\r\n");
    client.ask(b"HELLO 4\r\n", b"-NOPROTO unsupported protocol version\r\n");
    client.ask(b"RESET\r\nGET none\r\nCLIENT GETNAME\r\n", b"+RESET\r\n$-1\r\n$-1\r\n");
}

#[test]
fn nothing_but_a_login_is_answered_until_the_password_is_given() {
    let server = Server::start_with(1, &[(Key::RequirePass, "secret")]);
    let mut client = server.client();
    client.ask(
        b"GET k\r\nPING\r\n",
        b"-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n",
    );
    client.ask(b"foo\r\n", b"-ERR unknown command 'foo', with args beginning with: \r\n");
    let wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    client.ask(b"AUTH nope\r\n", wrong);
    client.ask(b"AUTH other secret\r\n", wrong);
    client.ask(b"HELLO 2 AUTH default nope\r\n", wrong);
    client.ask(b"AUTH secret\r\nGET k\r\n", b"+OK\r\n$-1\r\n");
    client.ask(b"RESET\r\nGET k\r\n", b"+RESET\r\n-NOAUTH Authentication required.\r\n");
    let mut pipelining = server.client();
    pipelining
        .send(&[&b"PING\r\nAUTH secret\r\n*20\r\n$4\r\nPING\r\n"[..], &b"$1\r\nx\r\n".repeat(19)].concat());
    pipelining.expect(
        b"-NOAUTH Authentication required.\r\n+OK\r\n-ERR wrong number of arguments for 'ping' command\r\n",
    );
    let mut large = server.client();
    large.ask(b"*100\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n");
    large.expect_end();
}

#[test]
fn each_client_has_its_own_database() {
    let server = Server::start(1);
    let (mut one, mut other) = (server.client(), server.client());
    one.ask(b"SELECT 3\r\nSET k v\r\nGET k\r\n", b"+OK\r\n+OK\r\n$1\r\nv\r\n");
    other.ask(
        b"GET k\r\nSELECT 16\r\nSELECT x\r\n",
        b"$-1\r\n-ERR DB index is out of range\r\n-ERR value is not an integer or out of range\r\n",
    );
    other.ask(b"SELECT 3\r\nGET k\r\n", b"+OK\r\n$1\r\nv\r\n");
}

#[test]
fn replies_are_left_out_when_a_client_says_so() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(b"CLIENT REPLY SKIP\r\nPING a\r\nPING b\r\n", b"$1\r\nb\r\n");
    client.ask(b"CLIENT REPLY OFF\r\nPING c\r\nfoo\r\nCLIENT REPLY ON\r\nPING d\r\n", b"+OK\r\n$1\r\nd\r\n");
    client.ask(b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING e\r\nPING f\r\n", b"$1\r\nf\r\n");
    client.ask(b"CLIENT REPLY SKIP\r\nfoo\r\nPING g\r\n", b"$1\r\ng\r\n");
}

#[test]
fn clients_are_listed_with_what_they_are_and_did() {
    let server = Server::start(2);
    let (mut one, mut other) = (server.client(), server.client());
    one.ask(
        b"CLIENT SETNAME first\r\nCLIENT SETINFO LIB-NAME lib\r\nSELECT 2\r\nPING\r\n",
        b"+OK\r\n+OK\r\n+OK\r\n+PONG\r\n",
    );
    other.ask(b"CLIENT NO-EVICT on\r\nCLIENT NO-TOUCH on\r\n", b"+OK\r\n+OK\r\n");
    other.send(b"CLIENT LIST\r\n");
    let list = other.bulk();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert_eq!(field(lines[0], "name"), "first");
    assert_eq!(field(lines[0], "lib-name"), "lib");
    assert_eq!(field(lines[0], "db"), "2");
    assert_eq!(field(lines[0], "cmd"), "ping");
    assert_eq!(field(lines[0], "addr"), one.0.local_addr().unwrap().to_string());
    assert_eq!(field(lines[1], "flags"), "eT");
    let id = id_of(&mut one);
    other.send(format!("CLIENT LIST ID {id} 999\r\n").as_bytes());
    assert_eq!(field(&other.bulk(), "name"), "first");
}

#[test]
fn a_client_is_killed_whichever_worker_holds_it() {
    let server = Server::start(2);
    let mut killer = server.client();
    for _ in 0..4 {
        let mut victim = server.client();
        let id = id_of(&mut victim);
        killer.ask(format!("CLIENT KILL ID {id}\r\n").as_bytes(), b":1\r\n");
        victim.expect_end();
        killer.ask(format!("CLIENT KILL ID {id}\r\n").as_bytes(), b":0\r\n");
    }
    let mut victim = server.client();
    victim.ask(b"PING\r\n", b"+PONG\r\n");
    let address = victim.0.local_addr().unwrap();
    killer.ask(format!("CLIENT KILL {address}\r\n").as_bytes(), b"+OK\r\n");
    victim.expect_end();
    killer.ask(format!("CLIENT KILL {address}\r\n").as_bytes(), b"-ERR No such client\r\n");
    let id = id_of(&mut killer);
    killer.ask(format!("PING\r\nCLIENT KILL ID {id} SKIPME no\r\nPING\r\n").as_bytes(), b"+PONG\r\n:1\r\n");
    killer.expect_end();
}

#[test]
fn a_pause_holds_back_what_it_says_and_nothing_is_lost() {
    let server = Server::start(2);
    let (mut admin, mut client) = (server.client(), server.client());
    admin.ask(b"CLIENT PAUSE 600000 WRITE\r\n", b"+OK\r\n");
    client.ask(b"GET k\r\n", b"$-1\r\n");
    client.send(b"GET k\r\nSET k 1\r\nGET k\r\n");
    client.expect(b"$-1\r\n");
    client.send(b"SET k 2\r\nGET k\r\n");
    let mut waiting = || {
        admin.send(b"INFO clients\r\n");
        let told = admin.bulk();
        told.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap().to_owned()
    };
    eventually("one is held back", || waiting() == "1");
    admin.ask(b"GET k\r\nCLIENT UNPAUSE\r\n", b"$-1\r\n+OK\r\n");
    client.expect(b"+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
    admin.send(b"INFO clients\r\n");
    assert!(admin.bulk().contains("\nblocked_clients:0\r\n"));
    let began = Instant::now();
    admin.ask(b"CLIENT PAUSE 50\r\n", b"+OK\r\n");
    client.ask(b"PING\r\n", b"+PONG\r\n");
    assert!(began.elapsed() >= Duration::from_millis(49), "{:?}", began.elapsed());
}

#[test]
fn a_sleeping_client_sleeps_alone() {
    let server = Server::start(1);
    let (mut sleeper, mut other) = (server.client(), server.client());
    let began = Instant::now();
    sleeper.ask(b"PING\r\nDEBUG SLEEP 0.2\r\nPING\r\n", b"+PONG\r\n+OK\r\n+PONG\r\n");
    assert!(began.elapsed() >= Duration::from_millis(199), "{:?}", began.elapsed());
    // Far longer than anybody waits here.
    sleeper.send(b"DEBUG SLEEP 1000000\r\nPING\r\n");
    eventually("it sleeps", || {
        other.send(b"CLIENT LIST\r\n");
        other.bulk().lines().any(|line| field(line, "cmd").starts_with("debug"))
    });
    other.ask(b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn quit_answers_and_closes_without_a_look_at_the_rest() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(b"SET k 1\r\nQUIT\r\nSET k 2\r\n", b"+OK\r\n+OK\r\n");
    client.expect_end();
    server.client().ask(b"GET k\r\n", b"$1\r\n1\r\n");
}

#[test]
fn memcached_clients_are_whom_its_flags_name_and_redis_clients_need_no_password_for_that() {
    let users = || Users::of(b"ann:secret\n").unwrap();
    let [alone, beside] =
        [&[][..], &[(Key::RequirePass, "pass")]].map(|settings| Server::start_for(1, settings, users()));
    let connect = |server: &Server| Client::connect(server.running.memcached()[0]);
    for server in [&alone, &beside] {
        let mut client = connect(server);
        client.ask(b"mn\r\n", b"CLIENT_ERROR unauthenticated\r\n");
        client.ask(b"set k 0 0 9\r\nann wrong\r\n", b"CLIENT_ERROR authentication failure\r\n");
        client.ask(b"set k 0 0 10\r\nann secret\r\n", b"STORED\r\n");
        client.ask(b"mn\r\n", b"MN\r\n");
    }
    let as_default = b"set k 0 0 12\r\ndefault pass\r\n";
    connect(&alone).ask(as_default, b"CLIENT_ERROR authentication failure\r\n");
    connect(&beside).ask(as_default, b"STORED\r\n");
    alone.client().ask(b"PING\r\n", b"+PONG\r\n");
    beside.client().ask(b"PING\r\n", b"-NOAUTH Authentication required.\r\n");
}

#[test]
fn codes_of_errors_that_a_client_makes_up_are_counted_in_bounded_memory() {
    let server = Server::start(1);
    let mut client = server.client();
    let long = "X".repeat(100_000);
    for code in (0..200).map(|number| format!("CODE{number}")).chain([long]) {
        let request = array(&[b"DEBUG", b"ERROR", code.as_bytes()]);
        client.ask(&request, format!("-{code}\r\n").as_bytes());
    }
    let errors = server.running.shared().counters.totals().errors;
    assert_eq!(
        (errors.get("CODE0"), errors.get("CODE199"), errors.get("other")),
        (Some(&1), None, Some(&73))
    );
    assert!(errors.len() <= 129);
}

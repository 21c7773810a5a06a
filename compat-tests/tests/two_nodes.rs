//! Two nodes of a cluster, of redis-server and of Tidegate: what each says of keys that are the other's, and client
//! programs that find them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fmt::Write as _;
use std::process::Command;

use tidegate_compat_tests::install::{clients, needed, node, program, python};
use tidegate_compat_tests::nodes::{Kind, Slots, THIRDS, TwoNodes};
use tidegate_compat_tests::wire::Wire;

/// Nobody has the last slots.
const HOLES: Slots = [(0, 5460), (5461, 10922), (10923, 16000)];

/// What the first node is asked. Slots of a and b, which are its own: 15495, 3300; of c, which is the second's: 7365;
/// of u50, which is nobody's: 16331.
const REQUESTS: &str = "
    SET a 1
    SET b 1
    GET c
    SET u50 1
    MGET c c
    MGET a b
    MGET c a
    MGET a c
    MGET u50 a
    MGET a u50
    MGET c u50
    READONLY
    GET c
    READWRITE
    ASKING
    GET c
    GET a
    GET a b
    WATCH c
    WATCH a
    UNWATCH
    OBJECT ENCODING c
    EXISTS c
    DEL c
    RENAME a c
    RENAME c c
    COPY a c
    TTL c
    NOTHING c
    MULTI
    SET a 1
    SET c 1
    EXEC
    EXEC
    MULTI
    SET u50 1
    EXEC
    MULTI
    MGET a b
    EXEC
    MULTI
    GET a
    GET b
    EXEC
    EXEC
    MULTI
    GET a
    PING
    GET a
    EXEC
    MULTI
    WATCH c
    EXEC
    DBSIZE
    CLUSTER KEYSLOT c
    CLUSTER COUNTKEYSINSLOT 15495
    CLUSTER COUNTKEYSINSLOT 7365
    CLUSTER GETKEYSINSLOT 15495 10
    CLUSTER GETKEYSINSLOT 7365 10
    CONFIG SET cluster-preferred-endpoint-type hostname
    GET c
    CONFIG SET cluster-preferred-endpoint-type unknown-endpoint
    GET c
    CONFIG SET cluster-preferred-endpoint-type ip
    FLUSHALL
    DBSIZE
";

#[test]
fn what_is_another_node_s_is_answered_as_by_redis() {
    let Some(_) = needed("two nodes", program("redis-server", "redis-server")) else { return };
    let [real, ours] = [Kind::Redis, Kind::Tidegate].map(|kind| {
        let nodes = TwoNodes::start(kind, &HOLES).unwrap();
        told(&nodes, REQUESTS)
    });
    assert_eq!(ours, real);
    assert!(real.contains("GET c\n-MOVED 7365 127.0.0.1:<two>\n"), "{real}");
}

#[test]
fn gateways_that_are_no_nodes_of_a_cluster_answer_for_all() {
    let nodes = TwoNodes::start(Kind::TidegateAlone, &THIRDS).unwrap();
    let [one, two] = nodes.addresses();
    let mut written = Wire::connect(one).unwrap();
    let mut read = Wire::connect(two).unwrap();
    for number in 0..300 {
        assert_eq!(asked(&mut written, &format!("SET key:{number} {number}")), "+OK\n");
    }
    for number in 0..300 {
        let value = number.to_string();
        assert_eq!(asked(&mut read, &format!("GET key:{number}")), format!("${}\n{value}\n", value.len()));
    }
    assert_eq!(asked(&mut read, "DBSIZE"), ":300\n");
    assert_eq!(asked(&mut read, "MGET key:1 key:2 key:3 key:4"), "*4\n$1\n1\n$1\n2\n$1\n3\n$1\n4\n");
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let answer = asked(&mut read, &format!("SCAN {cursor} COUNT 7"));
        let mut words = answer.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned);
        cursor = words.next().unwrap();
        seen.extend(words);
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    let mut keys: Vec<_> = (0..300).map(|number| format!("key:{number}")).collect();
    keys.sort();
    assert_eq!(seen, keys);
    assert_eq!(asked(&mut read, "FLUSHALL"), "+OK\n");
    assert_eq!(asked(&mut written, "RANDOMKEY"), "$-1\n");
}

#[test]
fn redis_py_finds_both_nodes() {
    let Some(python) = needed("redis_cluster.py", python()) else { return };
    works("redis_cluster.py", || Command::new(&python));
}

#[test]
fn ioredis_finds_both_nodes() {
    let Some((node, packages)) = needed("ioredis_cluster.mjs", node()) else { return };
    works("ioredis_cluster.mjs", || with_packages(&node, &packages));
}

#[test]
fn node_redis_finds_both_nodes() {
    let Some((node, packages)) = needed("node_redis_cluster.mjs", node()) else { return };
    works("node_redis_cluster.mjs", || with_packages(&node, &packages));
}

#[test]
fn redis_cli_and_redis_benchmark_find_both_nodes() {
    let Some(_) = needed("redis_cli_cluster.sh", program("redis-cli", "redis-tools")) else { return };
    works("redis_cli_cluster.sh", || Command::new("sh"));
}

fn with_packages(node: &std::path::Path, packages: &std::path::Path) -> Command {
    let mut command = Command::new(node);
    command.env("CLIENTS", packages);
    command
}

/// Runs a client against two nodes of redis-server first, so that a failure tells whose it is, and then of Tidegate.
fn works(script: &str, interpreter: impl Fn() -> Command) {
    let Some(_) = needed(script, program("redis-server", "redis-server")) else { return };
    for kind in [Kind::Redis, Kind::Tidegate] {
        let nodes = TwoNodes::start(kind, &THIRDS).unwrap();
        let [one, _] = nodes.addresses();
        let mut command = interpreter();
        command.arg(clients().join(script)).args([&one.ip().to_string(), &one.port().to_string(), "2"]);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{script} against {kind:?}: {}\n{}{}\nservers' logs:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            nodes.log(),
        );
    }
}

/// What the first node says to these requests, each with its answer, ports and ids by name.
fn told(nodes: &TwoNodes, requests: &str) -> String {
    let [one, two] = nodes.addresses();
    let mut wire = Wire::connect(one).unwrap();
    let mut told = String::new();
    for request in requests.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let answer = asked(&mut wire, request);
        writeln!(told, "{request}\n{answer}").unwrap();
    }
    told.replace(&format!(":{}", one.port()), ":<one>").replace(&format!(":{}", two.port()), ":<two>")
}

/// The answer to a request, line by line.
fn asked(wire: &mut Wire, request: &str) -> String {
    wire.send(format!("{request}\r\n").as_bytes());
    wire.wait_at_most(tidegate_compat_tests::wire::REPLY_WAIT);
    let mut answer = String::new();
    let mut missing = 1;
    while missing > 0 {
        let line = String::from_utf8(wire.line().unwrap()).unwrap();
        let count = |text: &str| text.parse::<usize>().unwrap_or(0);
        missing -= 1;
        match line.split_at(1) {
            ("*", number) => missing += count(number),
            ("$", number) if number != "-1" => missing += 1,
            _ => {}
        }
        answer.push_str(&line);
        answer.push('\n');
    }
    answer
}

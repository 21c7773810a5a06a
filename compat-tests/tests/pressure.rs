//! Memory is full: who is evicted, and who is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::wire::Wire;

/// Requests sent before the first of their replies is awaited.
const PIPELINE: usize = 100;

/// Tidegate, and the real server if it is there.
fn servers(name: &str, tidegate: Server, real: impl FnOnce() -> Result<Server, String>) -> Vec<Server> {
    let mut servers = vec![tidegate];
    if needed(name, program(name, name)).is_some() {
        servers.push(real().unwrap());
    }
    servers
}

/// Sends what `request` makes of the numbers below `count` until a line other than `line` comes, and returns that.
fn until_refused(
    wire: &mut Wire,
    count: usize,
    line: &str,
    request: impl Fn(usize) -> String,
) -> Option<String> {
    for first in (0..count).step_by(PIPELINE) {
        let requests: String = (first..first + PIPELINE).map(&request).collect();
        wire.send(requests.as_bytes());
        let mut refused = None;
        for _ in 0..PIPELINE {
            wire.wait_at_most(std::time::Duration::from_secs(10));
            let reply = String::from_utf8(wire.line().unwrap()).unwrap();
            if reply != line {
                refused.get_or_insert(reply);
            }
        }
        if refused.is_some() {
            return refused;
        }
    }
    None
}

/// The lines of a bulk string that answers `request`.
fn told(redis: &mut Wire, request: &str) -> Vec<String> {
    redis.send(format!("{request}\r\n").as_bytes());
    redis.wait_at_most(std::time::Duration::from_secs(10));
    let length = String::from_utf8(redis.line().unwrap()).unwrap();
    let bytes = redis.bytes(length[1..].parse::<usize>().unwrap() + 2).unwrap();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn number(lines: &[String], name: &str) -> u64 {
    lines.iter().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[test]
fn memcached_clients_who_want_an_error_get_it_and_nothing_is_evicted() {
    let flags = ["-M", "-m", "8"].map(str::to_owned);
    let tidegate = Server::tidegate_as_memcached(Form::InProcess, &flags).unwrap();
    for server in servers("memcached", tidegate, || Server::real_memcached(&flags)) {
        let mut client = Wire::connect(server.memcached()).unwrap();
        let value = "v".repeat(10_000);
        client.ask(format!("set first 0 0 10000\r\n{value}\r\n").as_bytes(), b"STORED\r\n");
        let refused = until_refused(&mut client, 10_000, "STORED", |number| {
            format!("set key:{number} 0 0 10000\r\n{value}\r\n")
        });
        assert_eq!(refused.as_deref(), Some("SERVER_ERROR out of memory storing object"));
        client.ask(b"get first\r\n", format!("VALUE first 0 10000\r\n{value}\r\nEND\r\n").as_bytes());
        client.send(b"stats\r\n");
        let evictions = std::iter::from_fn(|| client.line().ok())
            .find(|line| line.starts_with(b"STAT evictions "))
            .unwrap();
        assert_eq!(String::from_utf8(evictions).unwrap(), "STAT evictions 0");
    }
}

#[test]
fn volatile_policies_evict_only_what_expires_and_refuse_when_that_is_gone() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let tidegate =
            Server::tidegate(Form::InProcess, &["--set".to_owned(), format!("maxmemory-policy={policy}")])
                .unwrap();
        let real = || Server::real_redis(&["--maxmemory-policy".to_owned(), policy.to_owned()]);
        for server in servers("redis-server", tidegate, real) {
            let mut client = Wire::connect(server.redis()).unwrap();
            let value = "v".repeat(1000);
            let set =
                |name: &str, number: usize, more: &str| format!("SET {name}:{number} {value}{more}\r\n");
            assert_eq!(until_refused(&mut client, 1000, "+OK", |number| set("stays", number, "")), None);
            let limit = number(&told(&mut client, "INFO memory"), "used_memory:") + (4 << 20);
            client.ask(format!("CONFIG SET maxmemory {limit}\r\n").as_bytes(), b"+OK\r\n");
            let expires = |number| set("expires", number, " EX 1000");
            assert_eq!(until_refused(&mut client, 10_000, "+OK", expires), None, "{policy}");
            assert!(number(&told(&mut client, "INFO stats"), "evicted_keys:") > 1000, "{policy}");
            let names: Vec<_> = (0..1000).map(|number| format!("stays:{number}")).collect();
            client.ask(format!("EXISTS {}\r\n", names.join(" ")).as_bytes(), b":1000\r\n");
            let refused = until_refused(&mut client, 50_000, "+OK", |number| set("more", number, ""));
            let out_of_memory = "-OOM command not allowed when used memory > 'maxmemory'.";
            assert_eq!(refused.as_deref(), Some(out_of_memory), "{policy}");
            let keyspace = told(&mut client, "INFO keyspace");
            assert!(keyspace[1].contains(",expires=0,"), "{policy}: {keyspace:?}");
            client.ask(format!("EXISTS {}\r\n", names.join(" ")).as_bytes(), b":1000\r\n");
        }
    }
}

//! One keyspace: what a client of one protocol stores, a client of the other reads.
#![allow(clippy::unwrap_used)]

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::in_each_form;
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::wire::Wire;

/// A client of each protocol.
struct Clients {
    redis: Wire,
    memcached: Wire,
    _server: Server,
}

impl Clients {
    fn new(form: Form) -> Self {
        let server = Server::tidegate(form, &[]).unwrap();
        let redis = Wire::connect(server.redis()).unwrap();
        let memcached = Wire::connect(server.memcached()).unwrap();
        Self { redis, memcached, _server: server }
    }

    fn redis(&mut self, request: &str, reply: &str) {
        self.redis.ask(format!("{request}\r\n").as_bytes(), reply.as_bytes());
    }

    fn memcached(&mut self, request: &str, reply: &str) {
        self.memcached.ask(format!("{request}\r\n").as_bytes(), reply.as_bytes());
    }
}

in_each_form!(
    an_item_is_a_string,
    a_string_is_an_item_without_flags,
    both_count_with_the_same_number,
    both_see_the_same_time_to_live,
    a_change_through_redis_changes_the_cas_value,
    either_empties_the_database_of_the_other,
    a_hash_is_no_item,
);

fn an_item_is_a_string(form: Form) {
    let mut clients = Clients::new(form);
    clients.memcached("set k 7 0 5\r\nhello", "STORED\r\n");
    clients.redis("GET k", "$5\r\nhello\r\n");
    clients.redis("TYPE k", "+string\r\n");
    clients.redis("TTL k", ":-1\r\n");
    clients.redis("APPEND k !", ":6\r\n");
    clients.memcached("get k", "VALUE k 7 6\r\nhello!\r\nEND\r\n");
    clients.memcached("delete k", "DELETED\r\n");
    clients.redis("EXISTS k", ":0\r\n");
}

fn a_string_is_an_item_without_flags(form: Form) {
    let mut clients = Clients::new(form);
    clients.redis("SET k hello", "+OK\r\n");
    clients.memcached("get k", "VALUE k 0 5\r\nhello\r\nEND\r\n");
    clients.memcached("append k 0 0 1\r\n!", "STORED\r\n");
    clients.redis("GET k", "$6\r\nhello!\r\n");
    clients.redis("DEL k", ":1\r\n");
    clients.memcached("get k", "END\r\n");
}

fn both_count_with_the_same_number(form: Form) {
    let mut clients = Clients::new(form);
    clients.redis("SET n 10", "+OK\r\n");
    clients.memcached("incr n 5", "15\r\n");
    clients.redis("INCRBY n 27", ":42\r\n");
    clients.memcached("get n", "VALUE n 0 2\r\n42\r\nEND\r\n");
    clients.memcached("decr n 100", "0\r\n");
    clients.memcached("set m 0 0 2\r\n41", "STORED\r\n");
    clients.redis("INCR m", ":42\r\n");
}

fn both_see_the_same_time_to_live(form: Form) {
    let mut clients = Clients::new(form);
    clients.memcached("set k 0 100 1\r\nv", "STORED\r\n");
    clients.redis("EXPIRE k 1000 LT", ":0\r\n");
    clients.redis("EXPIRE k 5000", ":1\r\n");
    clients.memcached("mg k t", "HD t5000\r\n");
    clients.memcached("touch k 0", "TOUCHED\r\n");
    clients.redis("TTL k", ":-1\r\n");
    clients.redis("PEXPIREAT k 1", ":1\r\n");
    clients.memcached("get k", "END\r\n");
}

fn a_change_through_redis_changes_the_cas_value(form: Form) {
    let mut clients = Clients::new(form);
    clients.memcached("set k 0 0 1\r\n1", "STORED\r\n");
    clients.memcached.send(b"gets k\r\n");
    let header = String::from_utf8(clients.memcached.line().unwrap()).unwrap();
    let cas = header.rsplit(' ').next().unwrap().to_owned();
    clients.memcached.expect(b"1\r\nEND\r\n");
    clients.redis("SET k 2", "+OK\r\n");
    clients.memcached(&format!("cas k 0 0 1 {cas}\r\n3"), "EXISTS\r\n");
    clients.redis("GET k", "$1\r\n2\r\n");
}

fn either_empties_the_database_of_the_other(form: Form) {
    let mut clients = Clients::new(form);
    clients.redis("SET k v", "+OK\r\n");
    clients.memcached("flush_all", "OK\r\n");
    clients.redis("DBSIZE", ":0\r\n");
    clients.memcached("set k 0 0 1\r\nv", "STORED\r\n");
    clients.redis("FLUSHALL", "+OK\r\n");
    clients.memcached("get k", "END\r\n");
}

fn a_hash_is_no_item(form: Form) {
    const NO: &str = "SERVER_ERROR the key holds a value that is not a string\r\n";
    let mut clients = Clients::new(form);
    clients.redis("HSET h a 1", ":1\r\n");
    for request in [
        "get h",
        "gets h",
        "gat 100 h",
        "incr h 1",
        "decr h 1",
        "append h 0 0 1\r\nx",
        "prepend h 0 0 1\r\nx",
        "mg h v",
    ] {
        clients.memcached(request, NO);
    }
    clients.memcached("add h 0 0 1\r\nx", "NOT_STORED\r\n");
    clients.redis("HGETALL h", "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    clients.memcached("touch h 100", "TOUCHED\r\n");
    clients.redis("TTL h", ":100\r\n");
    clients.memcached("set h 0 0 1\r\nx", "STORED\r\n");
    clients.redis("GET h", "$1\r\nx\r\n");
    clients.redis("DEL h", ":1\r\n");
    clients.redis("HSET h a 1", ":1\r\n");
    clients.memcached("delete h", "DELETED\r\n");
    clients.redis("EXISTS h", ":0\r\n");
}

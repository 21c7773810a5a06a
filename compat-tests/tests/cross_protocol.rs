//! One keyspace: what a client of one protocol stores, a client of the other reads.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

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
    a_list_is_no_item,
    a_set_is_no_item,
    a_stream_is_no_item,
    a_sorted_set_is_no_item,
    rules_hold_for_clients_of_both,
    a_user_logs_in_by_either,
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
    clients.memcached.send(b"mg k t\r\n");
    let left = String::from_utf8(clients.memcached.line().unwrap()).unwrap();
    assert!((101..=5000).contains(&left.strip_prefix("HD t").unwrap().parse().unwrap()), "{left}");
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
    is_no_item(form, "HSET k a 1", "HGETALL k", "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
}

fn a_list_is_no_item(form: Form) {
    is_no_item(form, "RPUSH k 7", "LRANGE k 0 -1", "*1\r\n$1\r\n7\r\n");
}

fn a_set_is_no_item(form: Form) {
    is_no_item(form, "SADD k 7", "SMEMBERS k", "*1\r\n$1\r\n7\r\n");
}

fn a_stream_is_no_item(form: Form) {
    let told = "*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n";
    is_no_item_once_made(form, ("XADD k 1-1 a 1", "$3\r\n1-1\r\n"), ("XRANGE k - +", told));
}

fn a_sorted_set_is_no_item(form: Form) {
    is_no_item(form, "ZADD k 7 a", "ZRANGE k 0 -1 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n7\r\n");
}

/// What `make` makes of a key, and `tell` tells of it, is no item for Memcached clients.
fn is_no_item(form: Form, make: &str, tell: &str, told: &str) {
    is_no_item_once_made(form, (make, ":1\r\n"), (tell, told));
}

/// The same; requests come with their replies.
fn is_no_item_once_made(form: Form, (make, reply): (&str, &str), (tell, told): (&str, &str)) {
    const NO: &str = "SERVER_ERROR the key holds a value that is not a string\r\n";
    let mut clients = Clients::new(form);
    clients.redis(make, reply);
    for request in [
        "get k",
        "gets k",
        "gat 100 k",
        "incr k 1",
        "decr k 1",
        "append k 0 0 1\r\nx",
        "prepend k 0 0 1\r\nx",
        "mg k v",
    ] {
        clients.memcached(request, NO);
    }
    clients.memcached("add k 0 0 1\r\nx", "NOT_STORED\r\n");
    clients.redis(tell, told);
    clients.memcached("touch k 100", "TOUCHED\r\n");
    clients.redis.send(b"TTL k\r\n");
    let left = String::from_utf8(clients.redis.line().unwrap()).unwrap();
    assert!((1..=100).contains(&left[1..].parse().unwrap()), "{left}");
    clients.memcached("set k 0 0 1\r\nx", "STORED\r\n");
    clients.redis("GET k", "$1\r\nx\r\n");
    clients.redis("DEL k", ":1\r\n");
    clients.redis(make, reply);
    clients.memcached("delete k", "DELETED\r\n");
    clients.redis("EXISTS k", ":0\r\n");
}

fn rules_hold_for_clients_of_both(form: Form) {
    let mut clients = Clients::new(form);
    clients.memcached("set b 0 0 1\r\nx", "STORED\r\n");
    clients.redis("ACL SETUSER default resetkeys ~a* -del -config|set -flushall", "+OK\r\n");
    let (no_key, no_command) = (
        "SERVER_ERROR NOPERM No permissions to access a key\r\n",
        "SERVER_ERROR NOPERM User default has no permissions to run the ",
    );
    clients.memcached("set a 0 0 1\r\ny", "STORED\r\n");
    clients.memcached("set b 0 0 1\r\ny", no_key);
    clients.memcached("mg b v", no_key);
    clients.memcached("get a", "VALUE a 0 1\r\ny\r\nEND\r\n");
    clients.memcached("delete a", &format!("{no_command}'del' command\r\n"));
    clients.memcached("flush_all", &format!("{no_command}'flushall' command\r\n"));
    clients.memcached("cache_memlimit 64", &format!("{no_command}'config|set' command\r\n"));
    clients.memcached("mn", "MN\r\n");
    clients.redis("GET b", "-NOPERM No permissions to access a key\r\n");
    clients.redis("ACL SETUSER default %R~b +del", "+OK\r\n");
    clients.memcached("get b", "VALUE b 0 1\r\nx\r\nEND\r\n");
    clients.memcached("gat 0 b", no_key);
    clients.memcached("delete a", "DELETED\r\n");
    clients.redis("ACL SETUSER default allkeys allcommands", "+OK\r\n");
    clients.memcached("delete b", "DELETED\r\n");
    // What cannot be told key by key ends the connection.
    clients.memcached("set a 0 0 1\r\ny", "STORED\r\n");
    clients.redis("ACL SETUSER default resetkeys ~a*", "+OK\r\n");
    clients.memcached.send(b"get a b c\r\n");
    let told = format!("VALUE a 0 1\r\ny\r\n{no_key}");
    clients.memcached.expect(told.as_bytes());
    clients.memcached.expect_close();
}

fn a_user_logs_in_by_either(form: Form) {
    let server = Server::tidegate(form, &[]).unwrap();
    let mut redis = Wire::connect(server.redis()).unwrap();
    redis.ask(b"ACL SETUSER alice on >secret ~a* +@all\r\n", b"+OK\r\n");
    redis.ask(b"ACL SETUSER default resetpass >other\r\n", b"+OK\r\n");
    let mut memcached = Wire::connect(server.memcached()).unwrap();
    memcached.ask(b"get a\r\n", b"CLIENT_ERROR unauthenticated\r\n");
    memcached.ask(b"set a 0 0 11\r\nalice wrong\r\n", b"CLIENT_ERROR authentication failure\r\n");
    memcached.ask(b"set a 0 0 12\r\nalice secret\r\n", b"STORED\r\n");
    memcached.ask(b"get a\r\n", b"END\r\n");
    memcached.ask(b"get b\r\n", b"SERVER_ERROR NOPERM No permissions to access a key\r\n");
    redis.ask(b"ACL DELUSER alice\r\n", b":1\r\n");
    memcached.expect_close();
}

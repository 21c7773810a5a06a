//! The Rust crates `redis` and `memcache`, each against the server it was made for and against Tidegate in each form.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::HashMap;
use std::net::SocketAddr;

use memcache::MemcacheError;
use redis::{Commands, RedisResult, Value};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;

const MEBIBYTE: usize = 1024 * 1024;

/// The real server first, so that a failure tells whose it is, then Tidegate in each of its forms.
fn with_each_form(real: Server) -> impl Iterator<Item = Server> {
    let ours = Form::ALL.into_iter().map(|form| Server::tidegate(form, &[]).unwrap());
    std::iter::once(real).chain(ours)
}

#[test]
fn the_redis_crate_works() {
    let Some(_) = needed("the redis crate", program("redis-server", "redis-server")) else { return };
    for server in with_each_form(Server::real_redis(&[]).unwrap()) {
        for protocol in ["resp2", "resp3"] {
            let url = format!("redis://{}/?protocol={protocol}", server.redis());
            use_redis(&mut redis::Client::open(url).unwrap().get_connection().unwrap()).unwrap();
        }
    }
}

fn use_redis(redis: &mut redis::Connection) -> RedisResult<()> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = vec![b'\r'; MEBIBYTE];
    redis::cmd("FLUSHALL").exec(redis)?;
    let () = redis.set(&every_byte, &every_byte)?;
    assert_eq!(redis.get::<_, Vec<u8>>(&every_byte)?, every_byte);
    let () = redis.set("large", &large)?;
    assert_eq!(redis.get::<_, Vec<u8>>("large")?, large);
    let () = redis.mset(&[("a", 1), ("b", 2)])?;
    assert_eq!(redis.mget::<_, Vec<Option<i64>>>(&["a", "none", "b"])?, [Some(1), None, Some(2)]);
    assert_eq!(redis.incr::<_, _, i64>("a", 41)?, 42);
    assert_eq!(redis.incr::<_, _, i64>("large", 1).unwrap_err().code(), Some("ERR"));
    let () = redis.set_ex("t", "v", 100)?;
    assert!((1..=100).contains(&redis.ttl::<_, i64>("t")?));
    assert!(redis.setbit::<_, i64>("bits", 5, true).is_ok_and(|was| was == 0));
    assert_eq!(redis.bitcount::<_, i64>("bits")?, 1);
    let (set, got): (String, i64) = redis::pipe().set("p", 7).get("p").query(redis)?;
    assert_eq!((set.as_str(), got), ("OK", 7));
    let mut found: Vec<String> = redis.scan_match("[ab]")?.collect::<RedisResult<_>>()?;
    found.sort();
    assert_eq!(found, ["a", "b"]);
    assert_eq!(redis.del::<_, i64>(&["a", "b", "none"])?, 2);
    let config: HashMap<String, String> = redis::cmd("CONFIG").arg("GET").arg("databases").query(redis)?;
    assert_eq!(config["databases"], "16");
    assert!(matches!(redis::cmd("GET").arg("none").query(redis)?, Value::Nil));
    Ok(())
}

#[test]
fn the_memcache_crate_works() {
    let Some(_) = needed("the memcache crate", program("memcached", "memcached")) else { return };
    for server in with_each_form(Server::real_memcached(&[]).unwrap()) {
        use_memcached(server.memcached(), "ascii").unwrap();
        use_memcached(server.memcached(), "binary").unwrap();
    }
}

fn use_memcached(address: SocketAddr, protocol: &str) -> Result<(), MemcacheError> {
    let client = memcache::connect(format!("memcache://{address}?timeout=10&protocol={protocol}"))?;
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = vec![b'\r'; MEBIBYTE - 200];
    client.flush()?;
    client.set("k", &every_byte[..], 0)?;
    assert_eq!(client.get::<Vec<u8>>("k")?, Some(every_byte));
    assert_eq!(client.get::<String>("none")?, None);
    client.set("large", &large[..], 0)?;
    assert_eq!(client.get::<Vec<u8>>("large")?, Some(large));
    // In text the crate calls a refused add a success; what counts is that nothing changed.
    let _ = client.add("k", "x", 0);
    assert_eq!(client.get::<Vec<u8>>("k")?, Some((0..=255).collect()));
    client.add("new", "b", 100)?;
    client.append("new", "c")?;
    client.prepend("new", "a")?;
    client.replace("k", "replaced", 0)?;
    let several: HashMap<String, String> = client.gets(&["new", "k", "none"])?;
    assert_eq!((several["new"].as_str(), several["k"].as_str(), several.len()), ("abc", "replaced", 2));
    let (_, _, cas) = client.get::<(Vec<u8>, u32, Option<u64>)>("k")?.unwrap();
    let cas = match cas {
        Some(cas) => cas,
        // The text dialect gives it with `gets` only.
        None => client.gets::<(Vec<u8>, u32, Option<u64>)>(&["k"])?["k"].2.unwrap(),
    };
    assert!(client.cas("k", "v", 0, cas)?);
    assert!(!client.cas("k", "late", 0, cas)?);
    client.set("n", 10, 0)?;
    assert_eq!((client.increment("n", 5)?, client.decrement("n", 20)?), (15, 0));
    assert!(client.touch("n", 100)? && !client.touch("none", 100)?);
    assert!(client.delete("n")? && !client.delete("n")?);
    assert_eq!(client.stats()?.len(), 1);
    assert_eq!(client.version()?.len(), 1);
    Ok(())
}

//! Clients that ask for much, through a gateway of two workers in front of shard processes: memory stays bounded, and
//! other clients hardly notice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use tidegate_compat_tests::form::PATIENT;
use tidegate_compat_tests::install::{Missing, needed};
use tidegate_compat_tests::load::dialect::{Dialect, Operation};
use tidegate_compat_tests::load::{self, Extent, Load};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::shard::ShardPlan;
use tidegate_compat_tests::wire::Wire;

const KIBIBYTE: u64 = 1024;
const MEBIBYTE: u64 = 1024 * KIBIBYTE;
/// Bytes of the longest value there can be.
const LONGEST: u64 = 512 * MEBIBYTE;
/// What a process may grow by beyond what has to wait in it.
const GROWTH_MAX: u64 = 64 * MEBIBYTE;
/// Bytes of each of several long values, and what they are made of.
const LONG: u64 = 32 * MEBIBYTE;
const LONG_REPLIES: Range<u8> = b'a'..b'i';
/// After how many requests of another client without any growth a process is taken to have what comes.
const ROUNDS_AS_LARGE: usize = 500;
/// How many of them may be on their way to a client of which nothing is known.
const LONG_AT_ONCE: u64 = 2;
/// Processor time that the gateway may spend while the slowest request of another client waits, as those come. Time of the
/// clock would be the machine's as well.
const SLOWEST_MAX: Duration = Duration::from_millis(250);
/// Bytes of the gateway that a connection may cost that has asked a shard for something.
const CONNECTION_BYTES_MAX: u64 = 3 * KIBIBYTE;
const CONNECTIONS: usize = 10_000;
/// How many times longer the slowest hundredth of other clients' requests may take.
const SLOWER_MAX: f64 = 2.0;
/// What does not count as slower: less than a time slice of a machine that is shared.
const NOISE_US: f64 = 2000.0;
/// Measurements of which the median counts, in turns of those that are compared.
const SAMPLES: usize = 5;
/// Comparisons of which one has to be good: neighbours may have been at work during others.
const ATTEMPTS: usize = 10;
const SAMPLE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_mins(1);
/// Keys of the clients that only want to be served.
const KEYS: u64 = 10_000;

/// One after the other: they measure times and memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two workers in front of two shards, which may take their time for the longest value.
fn start(flags: &[&str]) -> Server {
    let shard = |slots: &str| ShardPlan {
        slots: slots.to_owned(),
        flags: ["--threads", "1"].map(str::to_owned).into(),
    };
    let flags: Vec<_> =
        ["--threads", "2", PATIENT].iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
    let server = Server::gateway(&[shard("0-8191"), shard("8192-16383")], &flags).unwrap();
    let fill = Load { extent: Extent::EachKeyOnce, operation: Operation::Set, pipeline: 16, ..load(&server) };
    load::run(&fill, &[server.process()]).unwrap();
    server
}

/// Clients that only want to be served.
fn load(server: &Server) -> Load {
    Load {
        address: server.redis(),
        dialect: Dialect::Resp,
        operation: Operation::Get,
        connections: 10,
        pipeline: 1,
        keys: KEYS,
        value_bytes: 64,
        extent: Extent::Random { warm: SAMPLE / 4, counted: SAMPLE },
    }
}

/// The 99th percentile of their waits, in µs.
fn p99(server: &Server) -> f64 {
    p99_of(&load(server), server)
}

fn p99_of(load: &Load, server: &Server) -> f64 {
    match load::run(load, &[server.process()]) {
        Ok(figures) => figures.latency.quantile_us(0.99),
        // All that time.
        Err(error) if error.kind() == ErrorKind::TimedOut => SAMPLE.as_secs_f64() * 1e6,
        Err(error) => panic!("{error}"),
    }
}

/// Whether others are as well served `with` as `without`: both are measured in turns, so that whatever else the machine has to do
/// slows both.
fn is_hardly_noticed(without: impl Fn() -> f64, with: impl Fn() -> f64) -> bool {
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[SAMPLES / 2]
    };
    (0..ATTEMPTS).any(|_| {
        let samples = (0..SAMPLES).map(|_| (without(), with()));
        let (without, with): (Vec<_>, Vec<_>) = samples.unzip();
        let [without, with] = [without, with].map(median);
        println!("p99 of others: {without:.0} µs without, {with:.0} µs with");
        with <= (without * SLOWER_MAX).max(without + NOISE_US)
    })
}

fn gateway_bytes(server: &Server) -> u64 {
    server.process().resident_bytes().unwrap()
}

/// Waits until `happened`.
fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "in {PATIENCE:?} not: {what}");
        thread::yield_now();
    }
}

#[test]
fn a_slow_reader_of_the_longest_value_costs_that_value_and_nobody_else_anything() {
    let _alone = alone();
    let server = start(&[]);
    let mut writer = Wire::connect(server.redis()).unwrap();
    // All zeros, made where it is.
    writer.send(format!("SETRANGE long {} x\r\n", LONGEST - 1).as_bytes());
    writer.wait_at_most(PATIENCE);
    assert_eq!(writer.line().unwrap(), format!(":{LONGEST}").into_bytes());
    let before = (gateway_bytes(&server), server.resident_bytes());
    let calm = start(&[]);
    let mut slow = Wire::connect(server.redis()).unwrap();
    slow.send(b"GET long\r\n");
    slow.wait_at_most(PATIENCE);
    assert_eq!(slow.line().unwrap(), format!("${LONGEST}").into_bytes());
    // Whatever the gateway takes of it is there when a request that came after it is answered.
    writer.send(b"STRLEN long\r\n");
    writer.wait_at_most(PATIENCE);
    assert_eq!(writer.line().unwrap(), format!(":{LONGEST}").into_bytes());
    // It is slow, not dead.
    slow.wait_at_most(PATIENCE);
    slow.bytes(KIBIBYTE as usize).unwrap();
    let good = is_hardly_noticed(|| p99(&calm), || p99(&server));
    assert!(good, "others are served more slowly while a long answer is pending");
    let grown = (gateway_bytes(&server) - before.0, server.resident_bytes() - before.1);
    println!("grown: the gateway by {} MiB, all by {} MiB", grown.0 / MEBIBYTE, grown.1 / MEBIBYTE);
    assert!(grown.0 <= LONGEST + GROWTH_MAX, "the gateway holds {} bytes more", grown.0);
    assert!(grown.1 <= 2 * LONGEST + GROWTH_MAX, "all processes hold {} bytes more", grown.1);
    // The rest comes, and then nobody holds anything of it.
    let mut left = LONGEST - KIBIBYTE;
    while left > 0 {
        slow.wait_at_most(PATIENCE);
        let bytes = slow.bytes(left.min(MEBIBYTE) as usize).unwrap();
        let is_end = left == bytes.len() as u64;
        let zeros = bytes.len() - usize::from(is_end);
        assert!(bytes[..zeros].iter().all(|byte| *byte == 0), "{left} bytes before the end");
        left -= bytes.len() as u64;
    }
    slow.expect(b"\r\n");
    until("memory is given back", || {
        gateway_bytes(&server) <= before.0 + GROWTH_MAX && server.resident_bytes() <= before.1 + GROWTH_MAX
    });
}

/// How much the gateway has worked during the slowest of another client's requests to both shards until it has not grown
/// for many of them, and how large it has become.
fn until_it_stays(server: &Server) -> (Duration, u64) {
    let mut other = Wire::connect(server.redis()).unwrap();
    let (mut slowest, mut bytes, mut as_large) = (Duration::ZERO, gateway_bytes(server), 0);
    while as_large < ROUNDS_AS_LARGE {
        let before = server.process().cpu().unwrap();
        other.ask(b"SET {1}other x\r\nSET {3}other x\r\n", b"+OK\r\n+OK\r\n");
        slowest = slowest.max(server.process().cpu().unwrap().saturating_sub(before));
        as_large += 1;
        let now = gateway_bytes(server);
        if now > bytes {
            (bytes, as_large) = (now, 0);
        }
    }
    (slowest, bytes)
}

/// Insists on all of a value of [`LONG`] bytes, all the same.
fn expect_long(reader: &mut Wire, byte: u8) {
    reader.expect(format!("${LONG}\r\n").as_bytes());
    let mut left = LONG;
    while left > 0 {
        reader.wait_at_most(PATIENCE);
        let bytes = reader.bytes(left.min(MEBIBYTE) as usize).unwrap();
        assert!(bytes.iter().all(|it| *it == byte), "{left} bytes before the end");
        left -= bytes.len() as u64;
    }
    reader.expect(b"\r\n");
}

#[test]
fn many_long_replies_that_nobody_reads_are_fetched_by_and_by() {
    let _alone = alone();
    let server = start(&[]);
    let before = gateway_bytes(&server);
    let mut writer = Wire::connect(server.redis()).unwrap();
    for (number, byte) in LONG_REPLIES.enumerate() {
        writer.send(format!("*3\r\n$3\r\nSET\r\n$6\r\nlong:{number}\r\n${LONG}\r\n").as_bytes());
        writer.send(&vec![byte; LONG as usize]);
        writer.ask(b"\r\n", b"+OK\r\n");
    }
    let asks =
        (0..LONG_REPLIES.len()).map(|number| format!("GET long:{number}\r\n")).collect::<Vec<_>>().concat();
    let mut good = false;
    for attempt in 1.. {
        until("memory is given back", || gateway_bytes(&server) <= before + GROWTH_MAX / 2);
        let mut slow = Wire::connect(server.redis()).unwrap();
        slow.send(asks.as_bytes());
        let (slowest, bytes) = until_it_stays(&server);
        let grown = bytes.saturating_sub(before);
        println!(
            "the gateway has grown by {} MiB, others waited for {slowest:?} of its work",
            grown / MEBIBYTE
        );
        assert!(grown <= LONG_AT_ONCE * LONG + GROWTH_MAX, "the gateway holds {grown} bytes more");
        good = good || slowest <= SLOWEST_MAX;
        if good || attempt == ATTEMPTS {
            // It reads after all.
            LONG_REPLIES.for_each(|byte| expect_long(&mut slow, byte));
            break;
        }
    }
    assert!(good, "others wait while long replies are fetched that nobody reads");
}

#[test]
fn a_hot_key_slows_nobody_down_who_asks_for_others() {
    let _alone = alone();
    let server = start(&[]);
    // As many clients on all keys, and on one.
    let among = |keys| {
        let is_over = AtomicBool::new(false);
        let crowd = Load { connections: 50, operation: Operation::Set, keys, ..load(&server) };
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    p99_of(&crowd, &server);
                }
            });
            let measured = p99(&server);
            is_over.store(true, SeqCst);
            measured
        })
    };
    let before = gateway_bytes(&server);
    let good = is_hardly_noticed(|| among(KEYS), || among(1));
    assert!(good, "others are served more slowly while many ask for one key");
    let grown = gateway_bytes(&server).saturating_sub(before);
    assert!(grown <= GROWTH_MAX, "the gateway has grown by {grown} bytes");
}

#[test]
fn ten_thousand_clients_over_two_workers_cost_little_and_leave_room_for_others() {
    let _alone = alone();
    // The server inherits the limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let enough = if limit.maximum.unwrap_or(u64::MAX) > CONNECTIONS as u64 + 500 {
        Ok(())
    } else {
        Err(Missing::until("ulimit -Hn 20000"))
    };
    let Some(()) = needed("ten thousand clients", enough) else { return };

    let [server, calm] = [(); 2].map(|()| start(&["--maxclients", "11000"]));
    // What it needs for any client it has by now.
    p99(&server);
    let before = gateway_bytes(&server);
    let mut clients: Vec<Wire> = (0..CONNECTIONS).map(|_| Wire::connect(server.redis()).unwrap()).collect();
    // All ask at the same time, for keys of both shards, and then again.
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(format!("SET client:{number} {round}\r\nGET client:{number}\r\n").as_bytes());
        }
        for client in &mut clients {
            client.expect(format!("+OK\r\n$1\r\n{round}\r\n").as_bytes());
        }
    }
    let each = gateway_bytes(&server).saturating_sub(before) / CONNECTIONS as u64;
    println!("a connection costs {each} bytes of the gateway");
    assert!(each <= CONNECTION_BYTES_MAX, "a connection costs {each} bytes of the gateway");
    let good = is_hardly_noticed(|| p99(&calm), || p99(&server));
    assert!(good, "others are served more slowly while there are ten thousand clients");
}

//! Gateways and shards of a topology file that is changed again and again while clients work: each process hears of it
//! when it does, and no client notices.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_compat_tests::answer::{Answer, request};
use tidegate_compat_tests::kept::Kept;
use tidegate_compat_tests::port::free_port;
use tidegate_compat_tests::server::tidegate_program;
use tidegate_compat_tests::wire::Wire;

const CLIENTS: u64 = 20;

/// How often the topology changes.
const CHANGES: u64 = 40;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Hash tags of slots that never move, 3300 of the first shard and 15495 of the second; and of one that may, 7365.
const STAYS: [&str; 2] = ["{b}", "{a}"];
const MOVES: &str = "{c}";

/// Two shards and two gateways, all of one file.
struct Processes {
    directory: PathBuf,
    programs: Vec<(&'static str, Kept)>,
    gateways: [SocketAddr; 2],
}

impl Processes {
    fn start(name: &str) -> Self {
        let directory = env::temp_dir().join(format!("tg-{name}-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let gateways = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let mut all = Self { directory, programs: Vec::new(), gateways };
        all.write(1, 8192);
        let file = all.file().to_string_lossy().into_owned();
        for name in ["s1", "s2"] {
            all.run(name, &["shard", "--id", name, "--topology", &file, "--threads", "2"]);
            let socket = all.directory.join(format!("{name}.sock"));
            all.await_that(name, || UnixStream::connect(&socket).is_ok());
        }
        for (name, address) in ["g1", "g2"].into_iter().zip(gateways) {
            let port = address.port().to_string();
            let ports = ["--redis-port", &port, "--memcached-port", "0", "--admin-port", "0"];
            let gateway = ["gateway", "--topology", &file, "--name", name, "--threads", "2"];
            all.run(name, &[&gateway[..], &ports].concat());
            all.await_that(name, || TcpStream::connect(address).is_ok());
        }
        all
    }

    fn file(&self) -> PathBuf {
        self.directory.join("topology.toml")
    }

    /// The second shard has the slots from `first` on.
    fn write(&self, epoch: u64, first: u16) {
        let directory = self.directory.display();
        let before = first - 1;
        let text = format!(
            "epoch = {epoch}\n[[gateways]]\nname = 'g1'\n[[gateways]]\nname = 'g2'\n\
             [[shards]]\nname = 's1'\nslots = '0-{before}'\nlink = 'unix:{directory}/s1.sock'\n\
             [[shards]]\nname = 's2'\nslots = '{first}-16383'\nlink = 'unix:{directory}/s2.sock'\n"
        );
        fs::write(self.file(), text).unwrap();
    }

    fn run(&mut self, name: &'static str, flags: &[&str]) {
        let program = tidegate_program().unwrap();
        let command: Vec<_> = [&[&*program], flags].concat().into_iter().map(str::to_owned).collect();
        let log = self.directory.join(format!("{name}.log"));
        self.programs.push((name, Kept::start(&command, &self.directory, &log).unwrap()));
    }

    /// Waits for what the program of this name has to do.
    fn await_that(&self, name: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "{name}: {}", self.log(name));
            thread::yield_now();
        }
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(format!("{name}.log"))).unwrap_or_default()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A client and what it has done.
struct Client {
    wire: Wire,
    number: u64,
    rounds: u64,
}

impl Client {
    fn ask_all(&mut self, requests: &[String]) -> Vec<Answer> {
        let bytes: Vec<_> = requests.iter().flat_map(|line| request(&words(line))).collect();
        self.wire.send(&bytes);
        self.wire.wait_at_most(PATIENCE);
        let answers = requests.iter().map(|line| match Answer::read(&mut self.wire) {
            Ok(Answer::Error(error)) => panic!("{line}: {error}"),
            Ok(answer) => answer,
            Err(error) => panic!("{line}: {error:?}"),
        });
        answers.collect()
    }

    /// What stays where it is has to be as in one server; of what moves there must be no error.
    fn round(&mut self) {
        self.rounds += 1;
        let (number, round) = (self.number, self.rounds);
        let [one, two] = STAYS.map(|tag| format!("{tag}:{number}"));
        let other = format!("{MOVES}:{number}");
        let (mut requests, mut expected) = (Vec::new(), Vec::new());
        let mut ask = |line: String, answer: Option<String>| {
            requests.push(line);
            expected.push(answer);
        };
        for key in [&one, &two] {
            ask(format!("INCR {key}:count"), Some(format!(":{round}")));
            ask(format!("SET {key} {round}"), Some("+OK".into()));
            ask(format!("GET {key}"), Some(round.to_string()));
        }
        ask(format!("MSET {one}:m {round} {other} {round} {two}:m {round}"), Some("+OK".into()));
        ask(format!("MGET {one}:m {two}:m"), Some(format!("[{round}, {round}]")));
        ask(format!("MGET {other} {one}:m {two}:m"), None);
        ask(format!("EXISTS {one} {two} {one}:count"), Some(":3".into()));
        ask("MULTI".into(), Some("+OK".into()));
        ask(format!("INCR {two}:count-in-transactions"), Some("+QUEUED".into()));
        ask(format!("GET {two}"), Some("+QUEUED".into()));
        ask("EXEC".into(), Some(format!("[:{round}, {round}]")));
        ask(format!("DEL {other} {other}:none"), None);
        ask(format!("APPEND {other} x"), None);
        ask("DBSIZE".into(), None);
        ask(format!("SCAN 0 COUNT {round} MATCH {one}*"), None);
        ask("RANDOMKEY".into(), None);
        let answers = self.ask_all(&requests);
        for ((line, answer), expected) in requests.iter().zip(&answers).zip(expected) {
            if let Some(expected) = expected {
                assert_eq!(text(answer), expected, "{line} (client {number}, round {round})");
            }
        }
    }
}

/// An answer in one line.
fn text(answer: &Answer) -> String {
    match answer {
        Answer::Simple(text) => format!("+{text}"),
        Answer::Error(text) => format!("-{text}"),
        Answer::Integer(number) => format!(":{number}"),
        Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Answer::Null => "null".into(),
        Answer::Array(answers) => format!("[{}]", answers.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn who_waits_for_keys_of_a_slot_that_moves_waits_where_it_is_now() {
    let processes = Processes::start("waiting");
    let mut wires = processes.gateways.map(|address| Wire::connect(address).unwrap());
    for wire in &mut wires {
        wire.wait_at_most(PATIENCE);
    }
    let key = format!("{MOVES}waited-for");
    // The slot is of the second shard now and of the first then, and the other way round.
    for (round, first) in [6000, 9000, 6000].into_iter().enumerate() {
        let round = round as u64;
        wires[0].send(&request(&["BLPOP", &key, "0"]));
        let epoch = 2 + round;
        processes.write(epoch, first);
        for (name, program) in &processes.programs {
            program.signal(Signal::HUP);
            let heard = format!("has epoch {epoch} ");
            processes.await_that(name, || processes.log(name).contains(&heard));
        }
        let element = round.to_string();
        wires[1].ask(&request(&["RPUSH", &key, &element]), b":1\r\n");
        let answer = Answer::read(&mut wires[0]).unwrap();
        let expected = [&key, &element].map(|word| Answer::Bulk(word.clone().into_bytes()));
        assert_eq!(answer, Answer::Array(expected.into()));
    }
}

#[test]
fn no_client_notices_that_slots_change_hands_but_that_their_keys_are_gone() {
    let processes = Processes::start("changes");
    let (is_over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut dice = fastrand::Rng::with_seed(3);
    let clients: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let wire = Wire::connect(processes.gateways[number as usize % 2]).unwrap();
                let mut client = Client { wire, number, rounds: 0 };
                let (is_over, rounds) = (&is_over, &rounds);
                scope.spawn(move || {
                    while !is_over.load(SeqCst) {
                        client.round();
                        rounds.fetch_add(1, SeqCst);
                    }
                    client
                })
            })
            .collect();
        let is_working = || clients.iter().all(|client| !client.is_finished());
        for epoch in 2..2 + CHANGES {
            processes.write(epoch, dice.u16(6000..10_000));
            let mut order: Vec<_> = processes.programs.iter().collect();
            dice.shuffle(&mut order);
            for (_, program) in order {
                // The clients may be somewhere else by now, or all wait for this one.
                let (start, goal) = (Instant::now(), rounds.load(SeqCst) + dice.u64(0..20));
                while rounds.load(SeqCst) < goal && start.elapsed() < Duration::from_millis(30) {
                    thread::yield_now();
                }
                program.signal(Signal::HUP);
            }
            for (name, _) in &processes.programs {
                let heard = format!("has epoch {epoch} ");
                processes.await_that(name, || !is_working() || processes.log(name).contains(&heard));
            }
        }
        is_over.store(true, SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut expected = BTreeSet::new();
    for client in &clients {
        assert!(client.rounds > 0);
        for tag in STAYS {
            let key = format!("{tag}:{}", client.number);
            expected.extend(["", ":count", ":m"].map(|end| format!("{key}{end}")));
        }
        expected.insert(format!("{}:{}:count-in-transactions", STAYS[1], client.number));
    }
    // The last may have been told a moment after it said so: what it says of itself is asked once all is quiet.
    let mut client = clients.into_iter().next().unwrap();
    let answers = client.ask_all(&["KEYS *".into(), "DBSIZE".into()]);
    let Answer::Array(keys) = &answers[0] else { panic!("{:?}", answers[0]) };
    let all: BTreeSet<_> = keys.iter().map(text).collect();
    assert_eq!(all.len(), keys.len(), "a key comes twice");
    assert_eq!(text(&answers[1]), format!(":{}", keys.len()));
    let moved: BTreeSet<_> = all.iter().filter(|key| key.starts_with(MOVES)).cloned().collect();
    assert_eq!(all.difference(&moved).cloned().collect::<BTreeSet<_>>(), expected);
}

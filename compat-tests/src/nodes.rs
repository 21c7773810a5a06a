//! Two nodes of a cluster: of redis-server, or gateways of Tidegate in front of the same three shard processes.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::form::PATIENT;
use crate::kept::Kept;
use crate::port::free_port;
use crate::server::tidegate_program;
use crate::wire::Wire;

/// How long it may take until both nodes know what they have to.
const START_WAIT: Duration = Duration::from_mins(1);
/// Another program may take a port between our looking and the server's binding.
const START_ATTEMPTS: usize = 3;

/// Two nodes: the first has the first and the third of three parts of the slots, the second the second. Dropped,
/// they end.
pub struct TwoNodes {
    /// All of them, and the shards.
    programs: Vec<Kept>,
    directory: PathBuf,
    addresses: [SocketAddr; 2],
}

/// What the nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The installed redis-server.
    Redis,
    /// Gateways as nodes of a cluster.
    Tidegate,
    /// Gateways that are no nodes of a cluster.
    TidegateAlone,
}

/// The three parts, as ranges of slots: the first and the last.
pub type Slots = [(u16, u16); 3];

/// All slots, as three shards have them.
pub const THIRDS: Slots = [(0, 5460), (5461, 10922), (10923, 16383)];

impl TwoNodes {
    /// Starts them and waits until each knows of the other.
    ///
    /// # Errors
    /// What went wrong, and what the programs have printed.
    pub fn start(kind: Kind, slots: &Slots) -> Result<Self, String> {
        let mut error = String::new();
        for _ in 0..START_ATTEMPTS {
            match Self::attempt(kind, slots) {
                Ok(nodes) => return Ok(nodes),
                Err(latest) => error = latest,
            }
        }
        Err(error)
    }

    fn attempt(kind: Kind, slots: &Slots) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("tidegate-nodes-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| format!("a folder for the nodes: {error}"))?;
        let addresses = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let mut nodes = Self { programs: Vec::new(), directory, addresses };
        let started = match kind {
            Kind::Redis => nodes.start_redis(slots),
            Kind::Tidegate => nodes.start_tidegate(slots, true),
            Kind::TidegateAlone => nodes.start_tidegate(slots, false),
        };
        started.map_err(|error| format!("{error}\n{}", nodes.log()))?;
        Ok(nodes)
    }

    /// Where each is reached.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// What they have printed.
    pub fn log(&self) -> String {
        let files = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let logs = files.filter(|file| file.file_name().to_string_lossy().ends_with(".log"));
        logs.map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    fn keep(&self, command: &[&str], name: &str) -> Result<Kept, String> {
        let directory = self.directory.join(name);
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let command: Vec<_> = command.iter().map(|&word| word.to_owned()).collect();
        Kept::start(&command, &directory, &self.directory.join(format!("{name}.log")))
    }

    fn start_redis(&mut self, [first, second, third]: &Slots) -> Result<(), String> {
        for (name, address) in ["one", "two"].into_iter().zip(self.addresses) {
            let [port, bus] = [address.port(), free_port()].map(|port| port.to_string());
            let node = self.keep(
                &[
                    "redis-server",
                    "--port",
                    &port,
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus,
                    "--cluster-announce-ip",
                    "127.0.0.1",
                    "--cluster-require-full-coverage",
                    "no",
                ],
                name,
            )?;
            await_port(&node, address)?;
            self.programs.push(node);
        }
        let [one, two] = self.addresses;
        let range = |&(first, last): &(u16, u16)| format!(" {first} {last}");
        tell(one, &format!("CLUSTER ADDSLOTSRANGE{}{}", range(first), range(third)))?;
        tell(two, &format!("CLUSTER ADDSLOTSRANGE{}", range(second)))?;
        let bus = ask(two, "CLUSTER NODES")?;
        let bus = bus.split(['@', ' ', ',']).nth(2).ok_or("no bus")?;
        tell(one, &format!("CLUSTER MEET 127.0.0.1 {} {bus}", two.port()))?;
        let assigned: u16 = [first, second, third].iter().map(|(first, last)| last - first + 1).sum();
        for address in self.addresses {
            let known = format!("cluster_slots_assigned:{assigned}\r\n");
            await_answer(
                address,
                "CLUSTER INFO",
                &["cluster_state:ok", "cluster_known_nodes:2\r\n", &known],
            )?;
        }
        Ok(())
    }

    fn start_tidegate(&mut self, slots: &Slots, in_cluster: bool) -> Result<(), String> {
        let program = tidegate_program()?;
        let mut topology = "epoch = 1\n".to_owned();
        for (name, address) in ["one", "two"].into_iter().zip(self.addresses) {
            // Writing into a String cannot fail.
            let _ = write!(
                topology,
                "[[gateways]]\nname = \"{name}\"\nip = \"127.0.0.1\"\nport = {}\n",
                address.port()
            );
        }
        for ((name, gateway), (first, last)) in
            [("a", "one"), ("b", "two"), ("c", "one")].into_iter().zip(slots)
        {
            let socket = self.directory.join(format!("{name}.sock"));
            let (listen, slots) = (format!("unix:{}", socket.display()), format!("{first}-{last}"));
            let shard = ["shard", "--threads", "1", "--id", name];
            let shard = [&[&*program][..], &shard, &["--slots", &slots, "--listen", &listen]].concat();
            self.programs.push(self.keep(&shard, name)?);
            await_socket(&socket)?;
            let _ = write!(
                topology,
                "[[shards]]\nname = \"{name}\"\nslots = \"{slots}\"\nlink = \"{listen}\"\ngateway = \"{gateway}\"\n"
            );
        }
        let file = self.directory.join("topology.toml");
        fs::write(&file, topology).map_err(|error| error.to_string())?;
        for (name, address) in ["one", "two"].into_iter().zip(self.addresses) {
            let port = address.port().to_string();
            let file = file.to_string_lossy();
            let gateway = ["gateway", "--topology", &file, "--name", name, "--redis-port", &port];
            let ports =
                ["--bind", "127.0.0.1", "--memcached-port", "0", "--admin-port", "0", "--threads", "2"];
            let mode = ["--cluster-enabled", if in_cluster { "yes" } else { "no" }, PATIENT];
            let node = self.keep(&[&[&*program][..], &gateway, &ports, &mode].concat(), name)?;
            await_port(&node, address)?;
            self.programs.push(node);
        }
        Ok(())
    }
}

impl Drop for TwoNodes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn await_port(program: &Kept, address: SocketAddr) -> Result<(), String> {
    let is_there = || program.process().listens_at(address.port()) && TcpStream::connect(address).is_ok();
    within(&address.to_string(), is_there)
}

fn await_socket(path: &Path) -> Result<(), String> {
    within(&path.display().to_string(), || UnixStream::connect(path).is_ok())
}

/// Waits until an answer has all of these parts.
fn await_answer(address: SocketAddr, request: &str, parts: &[&str]) -> Result<(), String> {
    let has_all = || ask(address, request).is_ok_and(|answer| parts.iter().all(|part| answer.contains(part)));
    within(&format!("{address}: {request}"), has_all)
}

fn within(what: &str, mut is_there: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while !is_there() {
        if start.elapsed() > START_WAIT {
            return Err(format!("{what}: not what was waited for"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A request that is answered with `+OK`.
fn tell(address: SocketAddr, request: &str) -> Result<(), String> {
    match ask(address, request)? {
        answer if answer == "OK" => Ok(()),
        answer => Err(format!("{request}: {answer}")),
    }
}

/// The text that answers one request, on a connection of its own.
fn ask(address: SocketAddr, request: &str) -> Result<String, String> {
    let mut wire = Wire::connect(address)?;
    wire.send(format!("{request}\r\n").as_bytes());
    wire.wait_at_most(START_WAIT);
    match Answer::read(&mut wire) {
        Ok(Answer::Simple(text)) => Ok(text),
        Ok(Answer::Bulk(text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        other => Err(format!("{request}: {other:?}")),
    }
}

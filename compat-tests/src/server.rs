//! Starts Tidegate, redis-server and memcached on free ports, waits until they answer, and ends them.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::answer::{Answer, request};
use crate::form::{Form, PATIENT};
use crate::install::is_root;
use crate::kept::Kept;
use crate::load::process::Process;
use crate::port::free_port;
use crate::shard::{Shard, ShardPlan};
use crate::transcript::script::Script;
use crate::transcript::{Family, Subject};
use crate::wire::Wire;

/// How long a server may take to accept connections.
const START_WAIT: Duration = Duration::from_mins(1);
/// Another program may take a port between our looking and the server's binding.
const START_ATTEMPTS: usize = 3;
/// Slots of three shards of which one has nearly all.
const ONE_OF_THREE: [&str; 3] = ["0-16381", "16382", "16383"];

/// A running server; dropped, it is ended and its folder removed.
pub struct Server {
    // In this order they end.
    program: Kept,
    shards: Vec<Shard>,
    /// Whom it passes requests on to.
    behind: Option<Box<Self>>,
    directory: Directory,
    /// Only to be removed at the end.
    shards_directory: Option<Directory>,
    redis: Option<SocketAddr>,
    memcached: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

/// What to start, on which of the ports it was given.
struct Plan {
    command: Vec<String>,
    redis: Option<u16>,
    memcached: Option<u16>,
    admin: Option<u16>,
}

impl Server {
    /// Tidegate with both protocols and the admin port, and further flags.
    pub fn tidegate(form: Form, flags: &[String]) -> Result<Self, String> {
        Self::tidegate_at(&tidegate_program()?, form, flags)
    }

    /// The same, of this program.
    pub fn tidegate_at(program: &str, form: Form, flags: &[String]) -> Result<Self, String> {
        let command = [&[program.to_owned()][..], &form.flags(), flags].concat();
        Self::start(|| tidegate_plan(command.clone()))
    }

    /// A gateway with both protocols and the admin port in front of shard processes of its own, `shard-1` and so on.
    pub fn gateway(shards: &[ShardPlan], flags: &[String]) -> Result<Self, String> {
        Self::gateway_at(&tidegate_program()?, shards, flags)
    }

    /// The same, of this program.
    pub fn gateway_at(program: &str, shards: &[ShardPlan], flags: &[String]) -> Result<Self, String> {
        let directory = Directory::fresh()?;
        let shards = shards
            .iter()
            .zip(1..)
            .map(|(plan, number)| Shard::start(program, &format!("shard-{number}"), plan, &directory.0))
            .collect::<Result<Vec<_>, _>>()?;
        let topology: String = shards.iter().map(Shard::in_topology).collect();
        let file = directory.0.join("topology.toml");
        fs::write(&file, format!("epoch = 1\n\n{topology}")).map_err(|error| error.to_string())?;
        let command = [program, "gateway", "--topology", &file.to_string_lossy()].map(str::to_owned);
        let command = [&command[..], flags].concat();
        let mut server = Self::start(|| tidegate_plan(command.clone()))?;
        (server.shards, server.shards_directory) = (shards, Some(directory));
        Ok(server)
    }

    /// Tidegate in memcached's place, with memcached's own flags. In front of shard processes it is not there for
    /// memcached's flags, and gets settings that mean the same.
    pub fn tidegate_as_memcached(form: Form, flags: &[String]) -> Result<Self, String> {
        if form != Form::InProcess {
            return Self::tidegate(form, &memcached_settings(flags)?);
        }
        let program = tidegate_program()?;
        Self::start(|| memcached_plan(vec![program.clone(), "memcached".to_owned()], flags))
    }

    /// The installed redis-server, without persistence.
    pub fn real_redis(flags: &[String]) -> Result<Self, String> {
        Self::redis_at("redis-server", flags)
    }

    /// The installed redis-server as the one node of a cluster, with all slots.
    pub fn real_cluster(flags: &[String]) -> Result<Self, String> {
        let bus = free_port().to_string();
        let node = ["--cluster-enabled", "yes", "--cluster-port", &bus].map(str::to_owned);
        let server = Self::real_redis(&[&node, flags].concat())?;
        server.take_all_slots()?;
        Ok(server)
    }

    /// Gives a node that has just started all slots, and waits until it says that it serves them.
    fn take_all_slots(&self) -> Result<(), String> {
        let mut wire = Wire::connect(self.redis())?;
        let mut ask = |words: &[&str]| {
            wire.send(&request(words));
            wire.wait_at_most(START_WAIT);
            Answer::read(&mut wire).map_err(|error| format!("{words:?}: {error:?}"))
        };
        match ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])? {
            Answer::Simple(ok) if ok == "OK" => {}
            other => return Err(format!("CLUSTER ADDSLOTSRANGE: {other:?}")),
        }
        let start = Instant::now();
        let is_whole = |answer| match answer {
            Answer::Bulk(text) => String::from_utf8_lossy(&text).contains("cluster_state:ok"),
            _ => false,
        };
        while !is_whole(ask(&["CLUSTER", "INFO"])?) {
            if start.elapsed() > START_WAIT {
                return Err("the cluster does not become whole".to_owned());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The same, of this program, which takes redis-server's flags.
    pub fn redis_at(program: &str, flags: &[String]) -> Result<Self, String> {
        Self::start(|| {
            let port = free_port();
            let fixed =
                ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--enable-debug-command", "yes"];
            let mut command = vec![program.to_owned(), "--port".to_owned(), port.to_string()];
            command.extend(fixed.iter().map(|flag| (*flag).to_owned()));
            command.extend_from_slice(flags);
            Plan { command, redis: Some(port), memcached: None, admin: None }
        })
    }

    /// A redis-server, of this program, behind twemproxy, of that; a Unix socket is between them.
    pub fn twemproxy_at(program: &str, redis: &str, flags: &[String]) -> Result<Self, String> {
        let directory = Directory::fresh()?;
        let socket = directory.0.join("redis.sock").display().to_string();
        let behind = Self::redis_at(redis, &[&["--unixsocket".to_owned(), socket.clone()], flags].concat())?;
        let file = directory.0.join("twemproxy.yml").display().to_string();
        let mut server = Self::start(|| {
            let [port, statistics] = [free_port(), free_port()];
            // A file that cannot be written is missed by the program.
            let _ = fs::write(&file, twemproxy_file(port, &socket));
            let fixed =
                ["--stats-addr", "127.0.0.1", "--pid-file", "pid", "--output", "output", "--verbose", "4"];
            let own =
                ["--conf-file".to_owned(), file.clone(), "--stats-port".to_owned(), statistics.to_string()];
            let mut command = vec![program.to_owned()];
            command.extend(fixed.map(str::to_owned).into_iter().chain(own));
            Plan { command, redis: Some(port), memcached: None, admin: None }
        })?;
        (server.behind, server.shards_directory) = (Some(Box::new(behind)), Some(directory));
        Ok(server)
    }

    /// The installed memcached.
    pub fn real_memcached(flags: &[String]) -> Result<Self, String> {
        Self::memcached_at("memcached", flags)
    }

    /// The same, of this program, which takes memcached's flags.
    pub fn memcached_at(program: &str, flags: &[String]) -> Result<Self, String> {
        Self::start(|| memcached_plan(vec![program.to_owned()], flags))
    }

    /// The server a script asks for, with further settings, of which the last that names one counts.
    pub fn for_script_with(script: &Script, subject: Subject, further: &[&str]) -> Result<Self, String> {
        let own = script.server.as_deref().unwrap_or_default().iter().cloned();
        let all: Vec<_> = own.chain(further.iter().map(|&word| word.to_owned())).collect();
        match subject {
            Subject::Real => {
                let flags = settings(&all, |name, value| vec![format!("--{name}"), value.to_owned()])?;
                let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
                if flags.iter().any(|flag| flag == "--cluster-enabled") {
                    return Self::real_cluster(&flags);
                }
                Self::redis_at(&program, &flags)
            }
            Subject::Tidegate(form) => {
                let set = |name: &str, value: &str| vec!["--set".to_owned(), format!("{name}={value}")];
                Self::tidegate_for(script, form, &settings(&all, set)?)
            }
        }
    }

    /// Ends it without a warning.
    pub fn kill(&self) {
        self.program.signal(Signal::KILL);
    }

    /// Where it runs, and what it keeps on disk.
    pub fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// The server a script asks for.
    pub fn for_script(script: &Script, subject: Subject) -> Result<Self, String> {
        let flags = script.server.as_deref().unwrap_or_default();
        match (script.family, subject) {
            (Family::Redis, Subject::Real) => {
                let flags = settings(flags, |name, value| vec![format!("--{name}"), value.to_owned()])?;
                if flags.iter().any(|flag| flag == "--cluster-enabled") {
                    Self::real_cluster(&flags)
                } else {
                    Self::real_redis(&flags)
                }
            }
            (Family::Redis, Subject::Tidegate(form)) => {
                let set = |name: &str, value: &str| vec!["--set".to_owned(), format!("{name}={value}")];
                Self::tidegate_for(script, form, &settings(flags, set)?)
            }
            (Family::Memcached, Subject::Real) => {
                // Its maintainer thread holds items that were just read for a moment, in which `incr` and `decr`
                // do not write in place: without it replies do not depend on the moment.
                let calm = ["-o", "no_lru_maintainer"].map(str::to_owned);
                Self::real_memcached(&[&calm[..], flags].concat())
            }
            (Family::Memcached, Subject::Tidegate(form)) if script.server.is_some() => {
                Self::tidegate_as_memcached(form, flags)
            }
            (Family::Memcached, Subject::Tidegate(form)) => Self::tidegate_for(script, form, &[]),
        }
    }

    /// Tidegate in this form; for a script whose keys have to be in one shard, they are.
    fn tidegate_for(script: &Script, form: Form, flags: &[String]) -> Result<Self, String> {
        if script.same_shard && form == Form::ThreeShards {
            Self::tidegate_with_keys_in_one_of_three_shards(flags)
        } else {
            Self::tidegate(form, flags)
        }
    }

    /// Tidegate in front of three shards, of which one has nearly all slots: for tests with a few keys that have to
    /// be in the same, where everything that asks every shard still has to be merged.
    pub fn tidegate_with_keys_in_one_of_three_shards(flags: &[String]) -> Result<Self, String> {
        Self::gateway(
            &ONE_OF_THREE.map(|slots| ShardPlan { slots: slots.into(), flags: flags.into() }),
            &[&[PATIENT.to_owned()], flags].concat(),
        )
    }

    /// Where Redis clients connect.
    pub fn redis(&self) -> SocketAddr {
        self.redis.expect("this server speaks Redis")
    }

    /// Where Memcached clients connect.
    pub fn memcached(&self) -> SocketAddr {
        self.memcached.expect("this server speaks Memcached")
    }

    /// Where metrics and health are served.
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("this server has an admin port")
    }

    /// The process clients reach.
    pub fn process(&self) -> Process {
        self.program.process()
    }

    /// Its shard processes, if they are the test's own.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The same, to start them again.
    pub fn shards_mut(&mut self) -> &mut [Shard] {
        &mut self.shards
    }

    /// All processes it consists of: the one clients reach, those it has started, shards of the test's own,
    /// and whom it passes requests on to.
    pub fn processes(&self) -> Vec<Process> {
        let own = self.process();
        let shards = self.shards.iter().map(Shard::process);
        let behind = self.behind.iter().flat_map(|server| server.processes());
        std::iter::once(own).chain(own.children()).chain(shards).chain(behind).collect()
    }

    /// Bytes of the memory of all its processes that are in RAM now.
    ///
    /// # Panics
    /// If one of them is gone.
    pub fn resident_bytes(&self) -> u64 {
        let bytes = |process: &Process| process.resident_bytes().expect("/proc tells the resident set");
        self.processes().iter().map(bytes).sum()
    }

    /// What the server has printed, and its shards.
    pub fn log(&self) -> String {
        let own = fs::read_to_string(self.directory.0.join("log")).unwrap_or_default();
        std::iter::once(own).chain(self.shards.iter().map(Shard::log)).collect()
    }

    fn start(plan: impl Fn() -> Plan) -> Result<Self, String> {
        let mut error = String::new();
        for _ in 0..START_ATTEMPTS {
            match Self::attempt(&plan()) {
                Ok(server) => return Ok(server),
                Err(latest) => error = latest,
            }
        }
        Err(error)
    }

    fn attempt(plan: &Plan) -> Result<Self, String> {
        let directory = Directory::fresh()?;
        let program = Kept::start(&plan.command, &directory.0, &directory.0.join("log"))?;
        let at = |port: Option<u16>| port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let server = Self {
            program,
            shards: Vec::new(),
            behind: None,
            directory,
            shards_directory: None,
            redis: at(plan.redis),
            memcached: at(plan.memcached),
            admin: at(plan.admin),
        };
        server
            .await_ready()
            .map_err(|error| format!("{}: {error}\n{}", plan.command.join(" "), server.log()))?;
        Ok(server)
    }

    fn await_ready(&self) -> Result<(), String> {
        let start = Instant::now();
        for address in [self.redis, self.memcached, self.admin].into_iter().flatten() {
            // That somebody answers does not say that it is our server, and not one that took the port before it.
            while !self.process().listens_at(address.port()) || TcpStream::connect(address).is_err() {
                if self.program.has_ended() {
                    return Err("it ended at once".to_owned());
                }
                if start.elapsed() > START_WAIT {
                    return Err(format!("it does not listen at {address}"));
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

/// A folder for what a server writes; dropped, it is removed.
struct Directory(PathBuf);

impl Directory {
    fn fresh() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tidegate-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("a folder for the server: {error}"))?;
        Ok(Self(path))
    }
}

/// A test that fails says what the server has printed.
impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the servers have printed:\n{}", self.log());
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `name=value` words as flags.
fn settings(words: &[String], flag: impl Fn(&str, &str) -> Vec<String>) -> Result<Vec<String>, String> {
    let mut flags = Vec::new();
    for word in words {
        let (name, value) =
            word.split_once('=').ok_or_else(|| format!("@server: `{word}` is not name=value"))?;
        flags.extend(flag(name, value));
    }
    Ok(flags)
}

/// The settings that mean what these flags of memcached mean.
fn memcached_settings(flags: &[String]) -> Result<Vec<String>, String> {
    let mut settings = Vec::new();
    for flag in flags {
        let setting = match flag.as_str() {
            "-F" => "memcached-flush-all=no",
            "-X" => "memcached-dump=no",
            // What Tidegate never does.
            "-W" | "-o" | "no_slab_reassign,no_lru_crawler" => continue,
            _ => return Err(format!("what `{flag}` means as a setting is not known here")),
        };
        settings.extend(["--set", setting].map(str::to_owned));
    }
    Ok(settings)
}

/// Tidegate's own ports.
fn tidegate_plan(mut command: Vec<String>) -> Plan {
    let [redis, memcached, admin] = [free_port(), free_port(), free_port()];
    let ports = [("--redis-port", redis), ("--memcached-port", memcached), ("--admin-port", admin)];
    command.extend(["--bind", "127.0.0.1"].map(str::to_owned));
    command.extend(ports.iter().flat_map(|(flag, port)| [(*flag).to_owned(), port.to_string()]));
    Plan { command, redis: Some(redis), memcached: Some(memcached), admin: Some(admin) }
}

/// What twemproxy is told: one pool of one Redis.
fn twemproxy_file(port: u16, socket: &str) -> String {
    format!(
        "peers:\n  listen: 127.0.0.1:{port}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  servers:\n   - {socket}:1\n"
    )
}

fn memcached_plan(mut command: Vec<String>, flags: &[String]) -> Plan {
    let port = free_port();
    command.extend(["-l", "127.0.0.1", "-U", "0", "-p", &port.to_string()].map(str::to_owned));
    if is_root() {
        // memcached refuses to run as root unless told.
        command.extend(["-u", "root"].map(str::to_owned));
    }
    command.extend_from_slice(flags);
    Plan { command, redis: None, memcached: Some(port), admin: None }
}

/// The path of the `tidegate` binary, built once per test run in the profile of the tests; `TIDEGATE_BIN` names
/// another.
pub fn tidegate_program() -> Result<String, String> {
    static PROGRAM: OnceLock<Result<String, String>> = OnceLock::new();
    PROGRAM.get_or_init(|| env::var("TIDEGATE_BIN").or_else(|_| build_tidegate())).clone()
}

fn build_tidegate() -> Result<String, String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--package",
        "tidegate",
        "--bin",
        "tidegate",
        "--message-format",
        "json",
    ]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.current_dir(workspace()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo build: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .ok_or_else(|| "cargo build --package tidegate made no binary".to_owned())
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("compat-tests lies in the workspace")
}

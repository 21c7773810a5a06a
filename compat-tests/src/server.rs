//! Starts Tidegate, redis-server and memcached on free ports, waits until they answer, and ends them.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::install::is_root;
use crate::transcript::script::Script;
use crate::transcript::{Family, Subject};

/// How long a server may take to accept connections.
const START_WAIT: Duration = Duration::from_secs(20);
/// Another program may take a port between our looking and the server's binding.
const START_ATTEMPTS: usize = 3;

/// Runs the program after its first argument, says its process id, and ends it when our end of the pipe closes:
/// so that it never outlives us, however we end.
const KEEPER: &str =
    r#"log=$1; shift; "$@" >"$log" 2>&1 </dev/null & echo $!; read _; kill -KILL $!; wait $!"#;

/// A running server; dropped, it is ended and its folder removed.
pub struct Server {
    keeper: Child,
    process: u32,
    directory: PathBuf,
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
    pub fn tidegate(flags: &[String]) -> Result<Self, String> {
        Self::tidegate_at(&tidegate_program()?, flags)
    }

    /// The same, of this program.
    pub fn tidegate_at(program: &str, flags: &[String]) -> Result<Self, String> {
        Self::start(|| {
            let [redis, memcached, admin] = [free_port(), free_port(), free_port()];
            let ports = [("--redis-port", redis), ("--memcached-port", memcached), ("--admin-port", admin)];
            let mut command = vec![program.to_owned(), "--bind".to_owned(), "127.0.0.1".to_owned()];
            command.extend(ports.iter().flat_map(|(flag, port)| [(*flag).to_owned(), port.to_string()]));
            command.extend_from_slice(flags);
            Plan { command, redis: Some(redis), memcached: Some(memcached), admin: Some(admin) }
        })
    }

    /// Tidegate in memcached's place, with memcached's own flags.
    pub fn tidegate_as_memcached(flags: &[String]) -> Result<Self, String> {
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
        let mut stream = TcpStream::connect(self.redis()).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(START_WAIT)).map_err(|error| error.to_string())?;
        let mut ask = |request: &str| {
            let mut buffer = [0; 1024];
            let sent = stream.write_all(request.as_bytes());
            let bytes = sent.and_then(|()| stream.read(&mut buffer)).map_err(|error| error.to_string())?;
            Ok::<_, String>(String::from_utf8_lossy(&buffer[..bytes]).into_owned())
        };
        let taken = ask("CLUSTER ADDSLOTSRANGE 0 16383\r\n")?;
        if taken != "+OK\r\n" {
            return Err(format!("CLUSTER ADDSLOTSRANGE: {taken}"));
        }
        let start = Instant::now();
        while !ask("CLUSTER INFO\r\n")?.contains("cluster_state:ok") {
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

    /// The installed memcached.
    pub fn real_memcached(flags: &[String]) -> Result<Self, String> {
        Self::memcached_at("memcached", flags)
    }

    /// The same, of this program, which takes memcached's flags.
    pub fn memcached_at(program: &str, flags: &[String]) -> Result<Self, String> {
        Self::start(|| memcached_plan(vec![program.to_owned()], flags))
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
            (Family::Redis, Subject::Tidegate) => Self::tidegate(&settings(flags, |name, value| {
                vec!["--set".to_owned(), format!("{name}={value}")]
            })?),
            (Family::Memcached, Subject::Real) => {
                // Its maintainer thread holds items that were just read for a moment, in which `incr` and `decr`
                // do not write in place: without it replies do not depend on the moment.
                let calm = ["-o", "no_lru_maintainer"].map(str::to_owned);
                Self::real_memcached(&[&calm[..], flags].concat())
            }
            (Family::Memcached, Subject::Tidegate) if script.server.is_some() => {
                Self::tidegate_as_memcached(flags)
            }
            (Family::Memcached, Subject::Tidegate) => Self::tidegate(&[]),
        }
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

    /// The server's process id.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Bytes of the server's memory that are in RAM now.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
        kibibytes.expect("/proc tells the resident set") * 1024
    }

    /// What the server has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
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
        let directory = fresh_directory().map_err(|error| format!("a folder for the server: {error}"))?;
        let name = plan.command[0].clone();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper", "log"])
            .args(&plan.command)
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let mut line = String::new();
        let output = keeper.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("{name}: {error}"))?;
        let process = line.trim().parse().map_err(|_| format!("{name}: no process id"))?;
        let at = |port: Option<u16>| port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let server = Self {
            keeper,
            process,
            directory,
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
            while TcpStream::connect(address).is_err() {
                if self.has_ended() {
                    return Err("it ended at once".to_owned());
                }
                if start.elapsed() > START_WAIT {
                    return Err(format!("nobody answers at {address}"));
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        // Somebody answers; that it is our server, and not one that took the port before it, shows in its living.
        if self.has_ended() { Err("it ended at once".to_owned()) } else { Ok(()) }
    }

    /// Whether the process is gone or waits to be collected.
    fn has_ended(&self) -> bool {
        if !Path::new("/proc/self/stat").exists() {
            return false;
        }
        let state = fs::read_to_string(format!("/proc/{}/stat", self.process));
        state.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.keeper.stdin.take() {
            // The line, and the end of the pipe, are the sign to end the server.
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.keeper.wait();
        let _ = fs::remove_dir_all(&self.directory);
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

/// A port nobody listens at now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("bound").port()
}

fn fresh_directory() -> std::io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = env::temp_dir().join(format!("tidegate-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&directory)?;
    File::create(directory.join("log"))?;
    Ok(directory)
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

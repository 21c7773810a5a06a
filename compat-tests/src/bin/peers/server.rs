//! A server of the contest: started on free ports and given processors, ended when dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_compat_tests::load::dialect::Dialect;
use tidegate_compat_tests::load::process::{self, Process};

/// How long a server may take until it accepts connections, and to end.
const START_MAX: Duration = Duration::from_secs(20);

/// Memory the peers may use; enough for every table of the contest.
const MEMORY_MIB: u64 = 8 * 1024;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Ours.
    Tidegate,
    /// Redis, or what takes its options.
    Redis,
    /// Memcached.
    Memcached,
}

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// What the tables call it.
    pub(crate) name: String,
    pub(crate) maker: Maker,
    pub(crate) program: PathBuf,
    pub(crate) threads: u16,
    /// The processors it may run on.
    pub(crate) processors: Vec<usize>,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    redis: Option<SocketAddr>,
    memcached: Option<SocketAddr>,
}

impl Contender {
    /// Whether it speaks what the server of `family` speaks.
    pub(crate) fn speaks(&self, family: Maker) -> bool {
        self.maker == Maker::Tidegate || self.maker == family
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) fn start(&self) -> io::Result<Server> {
        let redis = if self.maker == Maker::Memcached { None } else { Some(free_port()?) };
        let memcached = if self.maker == Maker::Redis { None } else { Some(free_port()?) };
        let port = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
        let arguments = self.arguments(port(redis), port(memcached));
        let mut command = Command::new(&self.program);
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let child = process::on(&self.processors, || command.spawn())?.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", self.program.display()))
        })?;
        let mut server = Server { child, redis, memcached };
        for address in [redis, memcached].into_iter().flatten() {
            server.await_port(address, &self.program)?;
        }
        Ok(server)
    }

    fn arguments(&self, redis: u16, memcached: u16) -> Vec<String> {
        let threads = self.threads;
        let line = match self.maker {
            Maker::Tidegate => format!(
                "--redis-port {redis} --memcached-port {memcached} --admin-port 0 --threads {threads}"
            ),
            Maker::Redis => {
                format!("--port {redis} --bind 127.0.0.1 --save --appendonly no --io-threads {threads}")
            }
            Maker::Memcached => format!(
                "-l 127.0.0.1 -p {memcached} -U 0 -m {MEMORY_MIB} -t {threads} -c 4096{}",
                if running_as_root() { " -u root" } else { "" }
            ),
        };
        let mut arguments: Vec<String> = line.split(' ').map(String::from).collect();
        if let Some(save) = arguments.iter().position(|argument| argument == "--save") {
            arguments.insert(save + 1, String::new());
        }
        arguments
    }
}

impl Server {
    /// Where it speaks `dialect`; only those that do are asked.
    pub(crate) fn address(&self, dialect: Dialect) -> SocketAddr {
        let address = if dialect == Dialect::Resp { self.redis } else { self.memcached };
        address.expect("only contenders of the family are asked")
    }

    pub(crate) fn process(&self) -> Process {
        Process { pid: self.child.id() }
    }

    fn await_port(&mut self, address: SocketAddr, program: &Path) -> io::Result<()> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended at once: {status}", program.display())));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{} does not listen on {address}", program.display())));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is to be saved: all contenders may be killed. Errors mean that it has ended already.
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on just now.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// memcached refuses to run as root unless told the user.
fn running_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Builds Tidegate for release and tells where it is: beside this program.
pub(crate) fn build_tidegate() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--release", "--package", "tidegate"]).status()?;
    if !status.success() {
        return Err(io::Error::other("building tidegate failed"));
    }
    let here = std::env::current_exe()?;
    let target =
        here.parent().and_then(Path::parent).ok_or_else(|| io::Error::other("no target directory"))?;
    Ok(target.join("release/tidegate"))
}

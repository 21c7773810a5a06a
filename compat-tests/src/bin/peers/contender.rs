//! A server of the contest: what to start, and with what of its own flags.

use tidegate_compat_tests::load::process;
use tidegate_compat_tests::server::Server;

/// Megabytes memcached may use; enough for every table of the contest.
const MEMCACHED_MIB: u32 = 8 * 1024;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Ours; it speaks what both others speak.
    Tidegate,
    /// Redis, or what takes its flags.
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
    pub(crate) program: String,
    pub(crate) threads: u16,
    /// The processors it may run on.
    pub(crate) processors: Vec<usize>,
}

impl Contender {
    /// Whether it speaks what the server of `family` speaks.
    pub(crate) fn speaks(&self, family: Maker) -> bool {
        self.maker == Maker::Tidegate || self.maker == family
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) fn start(&self) -> Result<Server, String> {
        let Self { program, threads, .. } = self;
        let flags = |line: String| line.split(' ').map(String::from).collect::<Vec<_>>();
        let start = || match self.maker {
            Maker::Tidegate => Server::tidegate_at(program, &flags(format!("--threads {threads}"))),
            Maker::Redis => Server::redis_at(program, &flags(format!("--io-threads {threads}"))),
            Maker::Memcached => {
                Server::memcached_at(program, &flags(format!("-t {threads} -m {MEMCACHED_MIB} -c 4096")))
            }
        };
        process::on(&self.processors, start).map_err(|error| error.to_string())?
    }
}

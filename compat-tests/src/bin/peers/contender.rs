//! A server of the contest: what to start, and with what of its own flags.

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::load::process;
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::shard::ShardPlan;

/// Megabytes memcached may use; enough for every table of the contest.
const MEMCACHED_MIB: u32 = 8 * 1024;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Ours; it speaks what both others speak.
    Tidegate,
    /// Ours as two processes, a gateway and a shard.
    Gateway,
    /// Redis, or what takes its flags.
    Redis,
    /// Redis behind twemproxy, which is the program.
    Twemproxy,
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
    /// The Redis behind it.
    pub(crate) redis_server: String,
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
            Maker::Tidegate => {
                Server::tidegate_at(program, Form::InProcess, &flags(format!("--threads {threads}")))
            }
            Maker::Gateway => {
                let flags = flags(format!("--threads {threads}"));
                let shard = ShardPlan { slots: "0-16383".into(), flags: flags.clone() };
                Server::gateway_at(program, &[shard], &flags)
            }
            Maker::Twemproxy => {
                Server::twemproxy_at(program, &self.redis_server, &flags(format!("--io-threads {threads}")))
            }
            Maker::Redis => Server::redis_at(program, &flags(format!("--io-threads {threads}"))),
            Maker::Memcached => {
                Server::memcached_at(program, &flags(format!("-t {threads} -m {MEMCACHED_MIB} -c 4096")))
            }
        };
        process::on(&self.processors, start).map_err(|error| error.to_string())?
    }
}

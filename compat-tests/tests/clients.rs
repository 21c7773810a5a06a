//! Unmodified client libraries and tools, each against the server it was made for and against Tidegate in each form.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::process::Command;

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{clients, needed, node, program, python};
use tidegate_compat_tests::server::Server;

/// Which server a client is run against.
#[derive(Clone, Copy)]
enum Peer {
    Redis,
    /// With keys that have to be in one shard, because it has commands on several.
    RedisTogether,
    /// As the one node of a cluster.
    Cluster,
    Memcached,
}

#[test]
fn redis_py_works() {
    python_works("redis_py.py", Peer::RedisTogether);
}

#[test]
fn redis_py_s_cluster_works() {
    python_works("redis_cluster.py", Peer::Cluster);
}

#[test]
fn pymemcache_works() {
    python_works("pymemcache_client.py", Peer::Memcached);
}

#[test]
fn python_binary_memcached_works() {
    python_works("binary_memcached.py", Peer::Memcached);
}

#[test]
fn pylibmc_works() {
    python_works("pylibmc_client.py", Peer::Memcached);
}

#[test]
fn ioredis_works() {
    node_works("ioredis.mjs", Peer::RedisTogether);
}

#[test]
fn node_redis_works() {
    node_works("node_redis.mjs", Peer::Redis);
}

#[test]
fn ioredis_s_cluster_works() {
    node_works("ioredis_cluster.mjs", Peer::Cluster);
}

#[test]
fn node_redis_s_cluster_works() {
    node_works("node_redis_cluster.mjs", Peer::Cluster);
}

#[test]
fn memjs_works() {
    node_works("memjs.mjs", Peer::Memcached);
}

#[test]
fn memcapable_passes_in_text() {
    memcapable_passes("-a");
}

#[test]
fn memcapable_passes_in_binary() {
    memcapable_passes("-b");
}

#[test]
fn redis_benchmark_runs() {
    let Some(program) = needed("redis-benchmark", program("redis-benchmark", "redis-tools")) else { return };
    against_each("redis-benchmark", Peer::Redis, |host, port| {
        let mut command = Command::new(&program);
        command.args(["-h", host, "-p", port, "-q", "--csv", "-n", "2000", "-P", "16", "-c", "10"]);
        command.args(["-t", "ping,set,get,incr,mset"]);
        command
    });
}

#[test]
fn redis_cli_works() {
    shell_works("redis_cli.sh", Peer::Redis);
}

#[test]
fn redis_cli_works_with_a_cluster() {
    shell_works("redis_cli_cluster.sh", Peer::Cluster);
}

fn shell_works(script: &str, peer: Peer) {
    let Some(_) = needed(script, program("redis-cli", "redis-tools")) else { return };
    against_each(script, peer, |host, port| {
        let mut command = Command::new("sh");
        command.arg(clients().join(script)).args([host, port]);
        command
    });
}

fn memcapable_passes(dialect: &str) {
    // Debian's package calls it memccapable, libmemcached memcapable.
    let found =
        program("memccapable", "libmemcached-tools").or_else(|_| program("memcapable", "libmemcached-tools"));
    let Some(program) = needed("memcapable", found) else { return };
    against_each("memcapable", Peer::Memcached, |host, port| {
        let mut command = Command::new(&program);
        command.args(["-h", host, "-p", port, dialect]);
        command
    });
}

fn python_works(script: &str, peer: Peer) {
    let Some(python) = needed(script, python()) else { return };
    against_each(script, peer, |host, port| {
        let mut command = Command::new(&python);
        command.arg(clients().join(script)).args([host, port]);
        command
    });
}

fn node_works(script: &str, peer: Peer) {
    let Some((node, packages)) = needed(script, node()) else { return };
    against_each(script, peer, |host, port| {
        let mut command = Command::new(&node);
        command.arg(clients().join(script)).args([host, port]).env("CLIENTS", &packages);
        command
    });
}

/// Runs a client against the real server first, so that a failure tells whose it is, and then against Tidegate in
/// each of its forms.
fn against_each(name: &str, peer: Peer, client: impl Fn(&str, &str) -> Command) {
    let package = match peer {
        Peer::Redis | Peer::RedisTogether | Peer::Cluster => "redis-server",
        Peer::Memcached => "memcached",
    };
    let Some(_) = needed(name, program(package, package)) else { return };
    works_with(name, "the real server", peer, &peer.real().unwrap(), &client);
    for form in Form::ALL {
        works_with(name, &format!("Tidegate, {form:?}"), peer, &peer.ours(form).unwrap(), &client);
    }
}

impl Peer {
    fn real(self) -> Result<Server, String> {
        match self {
            Self::Redis | Self::RedisTogether => Server::real_redis(&[]),
            // On its own a node does not know by what address it is reached, and some clients do not guess.
            Self::Cluster => Server::real_cluster(&["--cluster-announce-ip", "127.0.0.1"].map(str::to_owned)),
            Self::Memcached => Server::real_memcached(&[]),
        }
    }

    fn ours(self, form: Form) -> Result<Server, String> {
        match self {
            Self::RedisTogether if form == Form::ThreeShards => {
                Server::tidegate_with_keys_in_one_of_three_shards(&[])
            }
            Self::Redis | Self::RedisTogether | Self::Memcached => Server::tidegate(form, &[]),
            Self::Cluster => Server::tidegate(form, &["--cluster-enabled", "yes"].map(str::to_owned)),
        }
    }
}

fn works_with(
    name: &str,
    server_name: &str,
    peer: Peer,
    server: &Server,
    client: &impl Fn(&str, &str) -> Command,
) {
    let address = match peer {
        Peer::Redis | Peer::RedisTogether | Peer::Cluster => server.redis(),
        Peer::Memcached => server.memcached(),
    };
    let output = client(&address.ip().to_string(), &address.port().to_string()).output().unwrap();
    assert!(
        output.status.success(),
        "{name} against {server_name}: {}\n{}{}\nserver's log:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        server.log(),
    );
}

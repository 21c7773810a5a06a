//! Replays every script against Tidegate, in each of its forms, and against the real servers.
//!
//! `SCRIPT=redis/strings cargo test -p tidegate-compat-tests --test transcripts three_shards` plays only scripts whose
//! path contains the text.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fmt::Write;
use std::net::SocketAddr;

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::in_each_form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::transcript::replay::{Mismatch, replay};
use tidegate_compat_tests::transcript::script::Script;
use tidegate_compat_tests::transcript::{Family, Subject, scripts};

in_each_form!(redis_scripts_agree_with_tidegate, memcached_scripts_agree_with_tidegate);

fn redis_scripts_agree_with_tidegate(form: Form) {
    replay_all(Family::Redis, Subject::Tidegate(form));
}

#[test]
fn redis_scripts_agree_with_redis_server() {
    replay_all(Family::Redis, Subject::Real);
}

fn memcached_scripts_agree_with_tidegate(form: Form) {
    replay_all(Family::Memcached, Subject::Tidegate(form));
}

#[test]
fn memcached_scripts_agree_with_memcached() {
    replay_all(Family::Memcached, Subject::Real);
}

/// Plays each script on a server that has just started: what it finds is the same every time.
fn replay_all(family: Family, subject: Subject) {
    let real = match family {
        Family::Redis => "redis-server",
        Family::Memcached => "memcached",
    };
    if subject == Subject::Real && needed(real, program(real, real)).is_none() {
        return;
    }
    let wanted = std::env::var("SCRIPT").unwrap_or_default();
    let mut failures = String::new();
    let mut played = 0;
    for path in scripts(family).iter().filter(|path| path.to_string_lossy().contains(&wanted)) {
        played += 1;
        let script = Script::read(path).unwrap();
        for mismatch in play(&script, subject) {
            write!(failures, "{mismatch}").unwrap();
        }
    }
    println!("{played} scripts played");
    assert!(failures.is_empty(), "against {subject:?}:\n{failures}");
}

fn play(script: &Script, subject: Subject) -> Vec<Mismatch> {
    let server = Server::for_script(script, subject).unwrap();
    replay(script, subject, address(&server, script.family))
}

fn address(server: &Server, family: Family) -> SocketAddr {
    match family {
        Family::Redis => server.redis(),
        Family::Memcached => server.memcached(),
    }
}

//! Clients whose machine or network is gone without a word: nothing tells the server but its own probes and clocks.
//!
//! Two network namespaces with a link between them, which then swallows everything. It takes no root, but a kernel
//! and a sandbox that allow user namespaces; what the sockets are told is tested in the gateway in any case.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::tidegate_program;

#[test]
fn a_client_that_is_gone_without_a_word_is_closed_by_keepalive_and_by_timeout() {
    let name = "a_client_that_is_gone_without_a_word_is_closed_by_keepalive_and_by_timeout";
    let Some(_) = needed(name, program("ip", "iproute2")) else { return };
    let namespaces = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new("unshare").args(namespaces).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        // Nothing that can be installed, so no failure in CI either; not `eprintln!`, which a test that passes keeps.
        let line = "a kernel or sandbox that allows user namespaces";
        writeln!(io::stderr(), "skipped: {name}; to run it: {line}").expect("there is an error output");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/silent_peers/namespaces.sh");
    let program = tidegate_program().expect("the server is built");
    let output = Command::new("unshare").args(namespaces).args(["bash", script, &program]).output();
    let output = output.expect("bash runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "keepalive: gone\ntimeout: gone\nneither: there\n", "{output:?}");
}

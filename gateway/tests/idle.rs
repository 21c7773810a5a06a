//! What an idle connection costs. Alone in its process, because it looks at the process's memory.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use fake::Server;

/// Connections of the test; each takes two descriptors of this process.
const CONNECTIONS: usize = 10_000;

/// Bytes an idle connection may cost.
const BYTES_MAX: usize = 2 * 1024;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

fn descriptors_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX)
}

#[test]
fn ten_thousand_idle_connections_cost_at_most_two_kibibytes_each() {
    let connections = CONNECTIONS.min((descriptors_max() - 100) / 2);
    let server = Server::start_with(1, &[(tidegate_protocols::settings::Key::MaxClients, "20000")]);
    let mut used = Vec::with_capacity(connections);
    // What every process needs once is not the connections' cost.
    server.client().ask(b"PING\r\n", b"+PONG\r\n");
    let before = resident_bytes();
    for _ in 0..connections {
        let mut client = server.client();
        client.ask(b"PING\r\n", b"+PONG\r\n");
        used.push(client);
    }
    let each = resident_bytes().saturating_sub(before) / connections;
    assert!(each <= BYTES_MAX, "{each} bytes for each of {connections} connections");
    for client in &mut used {
        client.ask(b"PING\r\n", b"+PONG\r\n");
    }
    println!("{each} bytes for each of {connections} idle connections");
}

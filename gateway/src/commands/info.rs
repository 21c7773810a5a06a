//! INFO: the server's figures, section by section, under the names Redis has for them.
//!
//! What Redis tells of things that are not here (snapshots, a log, replicas, scripts) is told too, with the
//! value of a Redis that does not use them, so that what reads it goes on working.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tidegate_protocols::data::PersistenceFigures;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Reply, table};

use super::Scope;
use super::hello::{REDIS_VERSION, mode};
use super::memory::{Memory, ratio};
use crate::acl::Reason;
use crate::counters::{CommandTotals, Totals};
use crate::process;
use crate::pubsub::Kind;

/// A section: what `INFO` is asked for, its heading, whether it is shown unasked, and what writes it.
struct Section {
    name: &'static str,
    title: &'static str,
    by_default: bool,
    write: fn(&mut Figures<'_>),
}

const SECTIONS: &[Section] = &[
    Section { name: "server", title: "Server", by_default: true, write: server },
    Section { name: "clients", title: "Clients", by_default: true, write: clients },
    Section { name: "memory", title: "Memory", by_default: true, write: memory },
    Section { name: "persistence", title: "Persistence", by_default: true, write: persistence },
    Section { name: "stats", title: "Stats", by_default: true, write: stats },
    Section { name: "replication", title: "Replication", by_default: true, write: replication },
    Section { name: "cpu", title: "CPU", by_default: true, write: cpu },
    Section { name: "modules", title: "Modules", by_default: true, write: |_| {} },
    Section { name: "commandstats", title: "Commandstats", by_default: false, write: commandstats },
    Section { name: "errorstats", title: "Errorstats", by_default: true, write: errorstats },
    Section { name: "latencystats", title: "Latencystats", by_default: false, write: latencystats },
    Section { name: "cluster", title: "Cluster", by_default: true, write: cluster },
    Section { name: "keyspace", title: "Keyspace", by_default: true, write: keyspace },
];

/// Which sections an argument means.
fn is_meant(argument: &[u8], section: &Section) -> bool {
    match argument.to_ascii_lowercase().as_slice() {
        b"everything" => true,
        b"all" => section.name != "modules",
        b"default" => section.by_default,
        name => name == section.name.as_bytes(),
    }
}

/// `INFO [section …]`.
pub(super) fn info(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let asked = args.from(1);
    let mut figures = Figures { scope, totals: scope.shared.counters.since_reset(), text: String::new() };
    for section in SECTIONS {
        if asked.is_empty() && section.by_default || asked.iter().any(|name| is_meant(name, section)) {
            if !figures.text.is_empty() {
                figures.text += "\r\n";
            }
            figures.text += "# ";
            figures.text += section.title;
            figures.text += "\r\n";
            (section.write)(&mut figures);
        }
    }
    reply.verbatim(*b"txt", figures.text.as_bytes());
}

/// The text as far as it is written, and where figures come from.
struct Figures<'a> {
    scope: &'a Scope<'a>,
    totals: Totals,
    text: String,
}

impl Figures<'_> {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing into a String cannot fail.
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// Bytes, as a number and for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(&format!("{name}_human"), human(bytes));
    }

    fn setting(&self, key: Key) -> String {
        self.scope.shared.settings.show(key)
    }
}

/// Bytes in the largest unit below them. Source: Redis `server.c`, `bytesToHuman`.
fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let unit = (bytes.ilog2() / 10).min(5);
    format!(
        "{:.2}{}",
        bytes as f64 / (1_u64 << (unit * 10)) as f64,
        ["K", "M", "G", "T", "P"][unit as usize - 1]
    )
}

fn server(figures: &mut Figures<'_>) {
    let shared = figures.scope.shared;
    let now_ms = crate::shared::now_ms();
    let uptime_s = now_ms.saturating_sub(shared.started_ms) / 1000;
    figures.line("redis_version", REDIS_VERSION);
    figures.line("redis_git_sha1", "00000000");
    figures.line("redis_git_dirty", 0);
    figures.line("redis_build_id", "0");
    figures.line("tidegate_version", env!("CARGO_PKG_VERSION"));
    figures.line("redis_mode", mode(figures.scope));
    figures.line("os", process::system());
    figures.line("arch_bits", usize::BITS);
    figures.line("monotonic_clock", "POSIX clock_gettime");
    figures.line("multiplexing_api", "epoll");
    figures.line("process_id", std::process::id());
    figures.line("process_supervised", "no");
    figures.line("run_id", &shared.run_id);
    figures.line("tcp_port", shared.redis.first().map_or(0, SocketAddr::port));
    figures.line("memcached_port", shared.memcached.first().map_or(0, SocketAddr::port));
    figures.line("server_time_usec", now_ms * 1000);
    figures.line("uptime_in_seconds", uptime_s);
    figures.line("uptime_in_days", uptime_s / 86_400);
    figures.line("hz", figures.setting(Key::Hz));
    figures.line("configured_hz", figures.setting(Key::Hz));
    figures.line("lru_clock", (now_ms / 1000) & 0xff_ffff);
    figures.line("executable", std::env::current_exe().unwrap_or_default().display());
    figures.line(
        "config_file",
        shared.config_file.get().map_or_else(String::new, |file| file.path.display().to_string()),
    );
    if let Some(first) = shared.redis.first() {
        let addresses: Vec<_> = shared.redis.iter().map(|address| format!("bind={}", address.ip())).collect();
        figures.line("listener0", format_args!("name=tcp,{},port={}", addresses.join(","), first.port()));
    }
    if let Some(place) = &shared.redis_socket {
        // Redis counts a port that is off.
        figures.line("listener1", format_args!("name=unix,bind={}", place.path.display()));
    }
    figures.line("io_threads_active", u8::from(shared.workers > 1));
    figures.line("worker_threads", shared.workers);
}

fn clients(figures: &mut Figures<'_>) {
    let shared = figures.scope.shared;
    figures.line("connected_clients", shared.registry.len());
    figures.line("cluster_connections", 0);
    figures.line("maxclients", figures.setting(Key::MaxClients));
    figures.line("client_recent_max_input_buffer", 0);
    let output = shared.registry.list().iter().map(|client| client.pending_bytes()).max();
    figures.line("client_recent_max_output_buffer", output.unwrap_or(0));
    figures.line("blocked_clients", shared.registry.blocked());
    figures.line("tracking_clients", shared.trackers.count());
    figures.line("clients_in_timeout_table", 0);
    let store = shared.figures();
    figures.line("total_blocking_keys", store.waited_for);
    figures.line("total_blocking_keys_on_nokey", store.waited_for_removal);
}

fn memory(figures: &mut Figures<'_>) {
    let memory = Memory::now(figures.scope);
    let store = &memory.figures;
    let (allocated, active, resident) = (store.allocated_bytes, store.active_bytes, store.resident_bytes);
    let more = |one: u64, other: u64| one as i64 - other as i64;
    figures.bytes("used_memory", memory.used());
    figures.bytes("used_memory_rss", memory.resident);
    figures.bytes("used_memory_peak", memory.peak());
    figures
        .line("used_memory_peak_perc", format_args!("{:.2}%", 100.0 * ratio(memory.used(), memory.peak())));
    figures.line("used_memory_overhead", memory.overhead);
    figures.line("used_memory_startup", memory.startup);
    figures.line("used_memory_dataset", memory.dataset);
    figures.line("used_memory_dataset_perc", format_args!("{:.2}%", memory.dataset_percent()));
    figures.line("allocator_allocated", allocated);
    figures.line("allocator_active", active);
    figures.line("allocator_resident", resident);
    figures.bytes("total_system_memory", process::machine_bytes());
    let scripts = &store.scripts;
    figures.line("used_memory_vm_eval", scripts.engine_bytes);
    figures.bytes("used_memory_lua", scripts.engine_bytes);
    figures.line("used_memory_scripts_eval", scripts.script_bytes);
    figures.line("number_of_cached_scripts", scripts.scripts);
    figures.line("number_of_functions", scripts.functions);
    figures.line("number_of_libraries", scripts.libraries);
    // Counted with what runs scripts.
    figures.line("used_memory_vm_functions", 0);
    figures.bytes("used_memory_vm_total", scripts.engine_bytes);
    figures.line("used_memory_functions", scripts.function_bytes);
    figures.bytes("used_memory_scripts", scripts.script_bytes + scripts.function_bytes);
    figures.bytes("maxmemory", figures.scope.shared.settings.number(Key::MaxMemory) as u64);
    figures.line("maxmemory_policy", figures.setting(Key::MaxMemoryPolicy));
    figures.line("allocator_frag_ratio", format_args!("{:.2}", ratio(active, allocated)));
    figures.line("allocator_frag_bytes", more(active, allocated));
    figures.line("allocator_rss_ratio", format_args!("{:.2}", ratio(resident, active)));
    figures.line("allocator_rss_bytes", more(resident, active));
    figures.line("rss_overhead_ratio", format_args!("{:.2}", ratio(memory.resident, resident)));
    figures.line("rss_overhead_bytes", more(memory.resident, resident));
    figures.line("mem_fragmentation_ratio", format_args!("{:.2}", ratio(memory.resident, memory.used())));
    figures.line("mem_fragmentation_bytes", more(memory.resident, memory.used()));
    figures.line("mem_not_counted_for_evict", 0);
    figures.line("mem_replication_backlog", 0);
    figures.line("mem_total_replication_buffers", 0);
    figures.line("mem_clients_slaves", 0);
    figures.line("mem_clients_normal", memory.clients);
    figures.line("mem_cluster_links", 0);
    figures.line("mem_aof_buffer", store.aof.waiting_bytes);
    figures.line("mem_allocator", "jemalloc");
    figures.line("active_defrag_running", 0);
    figures.line("lazyfree_pending_objects", store.lazyfree_pending);
    figures.line("lazyfreed_objects", store.lazyfreed);
}

fn persistence(figures: &mut Figures<'_>) {
    let saved = figures.scope.shared.figures().persistence;
    let now_s = figures.scope.now_ms / 1000;
    let last_save_s = super::server::last_save_s(figures.scope).to_string();
    let aof = figures.scope.shared.figures().aof;
    let current = if saved.saving > 0 { now_s.saturating_sub(saved.saving_since_s) as i64 } else { -1 };
    let last = saved.last_save_seconds_and_one as i64 - 1;
    let number = |number: u64| number.to_string();
    for (name, value) in [
        ("loading", &*number(saved.loading)),
        ("async_loading", "0"),
        ("current_cow_peak", "0"),
        ("current_cow_size", "0"),
        ("current_cow_size_age", "0"),
        ("current_fork_perc", &*format!("{:.2}", percent(saved.saving_keys, saved.saving_keys_all))),
        ("current_save_keys_processed", &*number(saved.saving_keys)),
        ("current_save_keys_total", &*number(saved.saving_keys_all)),
        ("rdb_changes_since_last_save", &*number(saved.changes_unsaved)),
        ("rdb_bgsave_in_progress", &*number(saved.saving)),
        ("rdb_last_save_time", &last_save_s),
        ("rdb_last_bgsave_status", if saved.last_save_failed > 0 { "err" } else { "ok" }),
        ("rdb_last_bgsave_time_sec", &*last.to_string()),
        ("rdb_current_bgsave_time_sec", &*current.to_string()),
        ("rdb_saves", &*number(saved.saves)),
        ("rdb_last_cow_size", "0"),
        ("rdb_last_load_keys_expired", &*number(saved.loaded_expired)),
        ("rdb_last_load_keys_loaded", &*number(saved.loaded_keys)),
        ("aof_enabled", if aof.open > 0 { "1" } else { "0" }),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("aof_current_rewrite_time_sec", "-1"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_rewrites", "0"),
        ("aof_rewrites_consecutive_failures", "0"),
        ("aof_last_write_status", if aof.failing > 0 { "err" } else { "ok" }),
        ("aof_last_cow_size", "0"),
        ("module_fork_in_progress", "0"),
        ("module_fork_last_cow_size", "0"),
    ] {
        figures.line(name, value);
    }
    if aof.open > 0 {
        for (name, value) in [
            ("aof_current_size", aof.bytes),
            ("aof_base_size", aof.base_bytes),
            ("aof_pending_rewrite", 0),
            ("aof_buffer_length", aof.waiting_bytes),
            ("aof_pending_bio_fsync", 0),
            ("aof_delayed_fsync", 0),
        ] {
            figures.line(name, value);
        }
    }
    if saved.loading > 0 {
        loading(figures, &saved, now_s);
    }
}

/// How far the file has been loaded. Source: Redis `server.c`, `genRedisInfoString`.
fn loading(figures: &mut Figures<'_>, saved: &PersistenceFigures, now_s: u64) {
    let (loaded, all) = (saved.loaded_bytes, saved.loading_bytes);
    let elapsed_s = now_s.saturating_sub(saved.loading_since_s);
    let left_s = if elapsed_s == 0 { 1 } else { elapsed_s * all.saturating_sub(loaded) / (loaded + 1) };
    figures.line("loading_start_time", saved.loading_since_s);
    figures.line("loading_total_bytes", all);
    figures.line("loading_rdb_used_mem", saved.loading_used_bytes);
    figures.line("loading_loaded_bytes", loaded);
    figures.line("loading_loaded_perc", format_args!("{:.2}", percent(loaded, all)));
    figures.line("loading_eta_seconds", left_s);
}

fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
}

fn stats(figures: &mut Figures<'_>) {
    let (totals, store) = (figures.totals.clone(), figures.scope.shared.figures());
    let rate = figures.scope.shared.rates.now();
    let kib = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    let bytes_in: u64 = totals.protocols.iter().map(|protocol| protocol.bytes_in).sum();
    let bytes_out: u64 = totals.protocols.iter().map(|protocol| protocol.bytes_out).sum();
    figures.line("total_connections_received", totals.accepted);
    figures.line("total_commands_processed", totals.calls());
    figures.line("instantaneous_ops_per_sec", rate.commands);
    figures.line("total_net_input_bytes", bytes_in);
    figures.line("total_net_output_bytes", bytes_out);
    figures.line("total_net_repl_input_bytes", 0);
    figures.line("total_net_repl_output_bytes", 0);
    figures.line("instantaneous_input_kbps", kib(rate.bytes_in));
    figures.line("instantaneous_output_kbps", kib(rate.bytes_out));
    figures.line("instantaneous_input_repl_kbps", "0.00");
    figures.line("instantaneous_output_repl_kbps", "0.00");
    figures.line("rejected_connections", totals.refused);
    figures.line("sync_full", 0);
    figures.line("sync_partial_ok", 0);
    figures.line("sync_partial_err", 0);
    figures.line("expired_keys", store.expired);
    figures.line("expired_stale_perc", "0.00");
    figures.line("expired_time_cap_reached_count", 0);
    figures.line("evicted_keys", store.evicted);
    figures.line("evicted_scripts", store.scripts.evicted);
    figures.line("evicted_clients", totals.evicted_clients);
    figures.line("keyspace_hits", store.hits);
    figures.line("keyspace_misses", store.misses);
    figures.line("pubsub_channels", figures.scope.shared.pubsub.channel_count(Kind::Channel));
    figures.line("pubsub_patterns", figures.scope.shared.pubsub.pattern_count());
    figures.line("pubsubshard_channels", figures.scope.shared.pubsub.channel_count(Kind::Shard));
    figures.line("latest_fork_usec", 0);
    figures.line("total_forks", 0);
    figures.line("migrate_cached_sockets", 0);
    figures.line("slave_expires_tracked_keys", 0);
    figures.line("active_defrag_hits", 0);
    figures.line("active_defrag_misses", 0);
    figures.line("active_defrag_key_hits", 0);
    figures.line("active_defrag_key_misses", 0);
    figures.line("total_active_defrag_time", 0);
    figures.line("current_active_defrag_time", 0);
    figures.line("tracking_total_keys", store.tracked_keys);
    figures.line("tracking_total_items", store.tracked_items);
    figures.line("tracking_total_prefixes", figures.scope.shared.trackers.prefixes());
    figures.line("unexpected_error_replies", 0);
    figures.line("total_error_replies", totals.errors.values().sum::<u64>());
    figures.line("total_reads_processed", totals.reads);
    figures.line("total_writes_processed", totals.writes);
    figures.line("io_threaded_reads_processed", 0);
    figures.line("io_threaded_writes_processed", 0);
    figures.line("client_output_buffer_limit_disconnections", totals.output_limit_disconnections);
    for reason in [Reason::Auth, Reason::Command, Reason::Key, Reason::Channel] {
        let name = if reason == Reason::Command { "cmd" } else { reason.name() };
        figures.line(&format!("acl_access_denied_{name}"), figures.scope.shared.acl.log.refused(reason));
    }
}

fn replication(figures: &mut Figures<'_>) {
    let zeros = "0".repeat(40);
    figures.line("role", "master");
    figures.line("connected_slaves", 0);
    figures.line("master_failover_state", "no-failover");
    figures.line("master_replid", &figures.scope.shared.run_id);
    figures.line("master_replid2", zeros);
    figures.line("master_repl_offset", 0);
    figures.line("second_repl_offset", -1);
    figures.line("repl_backlog_active", 0);
    figures.line("repl_backlog_size", 0);
    figures.line("repl_backlog_first_byte_offset", 0);
    figures.line("repl_backlog_histlen", 0);
}

fn cpu(figures: &mut Figures<'_>) {
    let (all, main) = (process::cpu(), process::main_thread_cpu());
    for (name, seconds) in [
        ("used_cpu_sys", all.system),
        ("used_cpu_user", all.user),
        ("used_cpu_sys_children", all.children_system),
        ("used_cpu_user_children", all.children_user),
        ("used_cpu_sys_main_thread", main.system),
        ("used_cpu_user_main_thread", main.user),
    ] {
        figures.line(name, format_args!("{seconds:.6}"));
    }
}

/// The commands that anything happened to, with the names they have here; those of Memcached stand apart.
fn commands(totals: &Totals) -> impl Iterator<Item = (String, &CommandTotals)> {
    table::rows().zip(&totals.commands).filter_map(|(row, totals)| {
        let seen = totals.calls + totals.rejected + totals.failed > 0;
        let name = row.name.to_ascii_lowercase();
        let name = if row.is_redis() { name } else { format!("{}|{name}", row.family()) };
        seen.then_some((name, totals))
    })
}

fn commandstats(figures: &mut Figures<'_>) {
    for (name, CommandTotals { calls, nanos, rejected, failed, .. }) in commands(&figures.totals.clone()) {
        let (micros, each) = (nanos / 1000, ratio(*nanos, *calls) / 1000.0);
        figures.line(
            &format!("cmdstat_{name}"),
            format_args!(
                "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

fn errorstats(figures: &mut Figures<'_>) {
    for (code, count) in figures.totals.errors.clone() {
        figures.line(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latencystats(figures: &mut Figures<'_>) {
    let settings = &figures.scope.shared.settings;
    if !settings.is_on(Key::LatencyTracking) {
        return;
    }
    let text = settings.text(Key::LatencyTrackingInfoPercentiles);
    let percentiles: Vec<(&str, f64)> =
        text.split_whitespace().filter_map(|word| Some((word, word.parse().ok()?))).collect();
    for (name, totals) in commands(&figures.totals.clone()).filter(|(_, totals)| totals.calls > 0) {
        let shown: Vec<String> = percentiles
            .iter()
            .map(|(word, percent)| format!("p{word}={:.3}", percentile_ns(totals, *percent) / 1000.0))
            .collect();
        figures.line(&format!("latency_percentiles_usec_{name}"), shown.join(","));
    }
}

/// Nanoseconds that `percent` of the calls did not take longer than, as if calls were spread evenly within
/// their bucket.
fn percentile_ns(totals: &CommandTotals, percent: f64) -> f64 {
    let rank = totals.calls as f64 * percent / 100.0;
    let mut before = 0.0;
    for (bucket, &count) in totals.latency.iter().enumerate() {
        let count = count as f64;
        if count > 0.0 && before + count >= rank {
            let (low, high) = if bucket == 0 {
                (0.0, 1.0)
            } else {
                (2_f64.powi(bucket as i32 - 1), 2_f64.powi(bucket as i32))
            };
            return low + (high - low) * ((rank - before) / count);
        }
        before += count;
    }
    0.0
}

fn cluster(figures: &mut Figures<'_>) {
    figures.line("cluster_enabled", u8::from(figures.scope.shared.is_cluster()));
}

fn keyspace(figures: &mut Figures<'_>) {
    for (index, database) in figures.scope.shared.figures().databases.iter().enumerate() {
        if database.keys + database.expires > 0 {
            let (keys, expires, ttl) = (database.keys, database.expires, database.ttl_ms_mean);
            figures.line(&format!("db{index}"), format_args!("keys={keys},expires={expires},avg_ttl={ttl}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_largest_unit_below_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (2_002_560, "1.91M"),
            (25_276_502_016, "23.54G"),
            (1 << 40, "1.00T"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn words_mean_sections() {
        let meant = |word: &str| {
            let names = SECTIONS.iter().filter(|section| is_meant(word.as_bytes(), section));
            names.map(|section| section.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(meant("Server"), "server");
        assert_eq!(meant("foo"), "");
        assert!(!meant("default").contains("commandstats"));
        assert!(meant("all").contains("latencystats") && !meant("all").contains("modules"));
        assert!(meant("everything").contains("modules"));
    }

    #[test]
    fn percentiles_lie_within_the_bucket_they_fall_into() {
        let mut totals = CommandTotals { calls: 4, latency: vec![0; 40], ..CommandTotals::default() };
        totals.latency[11] = 3;
        totals.latency[14] = 1;
        assert!((1024.0..=2048.0).contains(&percentile_ns(&totals, 50.0)));
        assert!((8192.0..=16_384.0).contains(&percentile_ns(&totals, 99.0)));
        assert!(percentile_ns(&totals, 100.0) <= 16_384.0);
    }
}

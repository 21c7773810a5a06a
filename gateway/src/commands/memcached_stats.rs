//! `stats` of Memcached clients: the figures of memcached 1.6.18 that have a meaning here, under its names.

use std::fmt::{Display, Write as _};
use std::net::SocketAddr;

use tidegate_protocols::memcached::{Answer, Status, VERSION};
use tidegate_protocols::settings::{Key, Policy};
use tidegate_protocols::{Dialect, Request};

use super::Scope;
use crate::counters::{Protocol, Totals};
use crate::decoder::Family;
use crate::registry::Address;

/// `stats [settings | items | slabs | sizes | conns | reset | detail …]`.
pub(super) fn stats(request: &Request<'_>, scope: &Scope<'_>, answer: &mut Answer<'_, '_>) {
    // A binary client sends all words as one key.
    let mut words = request.args.from(1).iter().flat_map(|words| words.split(|byte| *byte == b' '));
    let mut list = List { scope, answer, value: String::new() };
    match words.next() {
        None => {
            list.general();
            list.memory();
        }
        Some(b"settings") => list.settings(),
        Some(b"items") => list.items(),
        Some(b"slabs") => list.slabs(),
        Some(b"sizes") => list.put("sizes_status", "disabled"),
        Some(b"conns") => list.connections(),
        Some(b"reset") => {
            scope.shared.reset_statistics();
            return ended(request, answer, Status::Reset);
        }
        Some(b"detail") => {
            return match words.next() {
                // Nothing is kept by prefix; who switches it on finds nothing.
                Some(b"on" | b"off") => ended(request, answer, Status::Ok),
                Some(b"dump") => answer.stats_end(),
                _ => answer.status(Status::DetailUsage, 0),
            };
        }
        Some(_) if request.dialect == Dialect::MemcachedBinary => return answer.status(Status::NotFound, 0),
        Some(_) => return answer.status(Status::Error, 0),
    }
    answer.stats_end();
}

/// What is done and has nothing to tell: a word in text, an empty list in binary.
fn ended(request: &Request<'_>, answer: &mut Answer<'_, '_>, status: Status) {
    if request.dialect == Dialect::MemcachedBinary {
        answer.stats_end();
    } else {
        answer.status(status, 0);
    }
}

/// The figures as they are written one after the other.
struct List<'l, 'r, 'o> {
    scope: &'l Scope<'l>,
    answer: &'l mut Answer<'r, 'o>,
    value: String,
}

impl List<'_, '_, '_> {
    fn put(&mut self, name: &str, value: impl Display) {
        self.value.clear();
        // Writing into a String cannot fail.
        let _ = write!(self.value, "{value}");
        self.answer.stat(name, &self.value);
    }

    fn yes(&mut self, name: &str, yes: bool) {
        self.put(name, if yes { "yes" } else { "no" });
    }

    /// The server and what its clients did.
    fn general(&mut self) {
        let shared = self.scope.shared;
        let totals = shared.counters.since_reset();
        self.put("pid", std::process::id());
        self.put("uptime", self.scope.now_ms.saturating_sub(shared.started_ms) / 1000);
        self.put("time", self.scope.now_ms / 1000);
        self.put("version", VERSION);
        self.put("tidegate_version", env!("CARGO_PKG_VERSION"));
        self.put("pointer_size", usize::BITS);
        let cpu = crate::process::cpu();
        self.put("rusage_user", format_args!("{:.6}", cpu.user));
        self.put("rusage_system", format_args!("{:.6}", cpu.system));
        self.put("max_connections", shared.settings.number(Key::MaxClients));
        self.put("curr_connections", shared.registry.len());
        self.put("total_connections", totals.accepted);
        self.put("rejected_connections", totals.refused);
        self.put("connection_structures", shared.registry.len());
        self.commands();
        let [bytes_in, bytes_out] = memcached_bytes(&totals);
        self.put("bytes_read", bytes_in);
        self.put("bytes_written", bytes_out);
        self.put("limit_maxbytes", shared.settings.number(Key::MaxMemory));
        self.put("accepting_conns", 1);
        self.put("listen_disabled_num", 0);
        self.put("time_in_listen_disabled_us", 0);
        self.put("threads", shared.workers);
        self.put("conn_yields", 0);
        self.put("hash_is_expanding", 0);
        self.put("malloc_fails", 0);
    }

    fn commands(&mut self) {
        let figures = self.scope.shared.figures().memcached;
        for (name, value) in [
            ("cmd_get", figures.cmd_get),
            ("cmd_set", figures.cmd_set),
            ("cmd_flush", figures.cmd_flush),
            ("cmd_touch", figures.cmd_touch),
            ("cmd_meta", figures.cmd_meta),
            ("get_hits", figures.get_hits),
            ("get_misses", figures.get_misses),
            ("get_expired", figures.get_expired),
            ("get_flushed", figures.get_flushed),
            ("delete_misses", figures.delete_misses),
            ("delete_hits", figures.delete_hits),
            ("incr_misses", figures.incr_misses),
            ("incr_hits", figures.incr_hits),
            ("decr_misses", figures.decr_misses),
            ("decr_hits", figures.decr_hits),
            ("cas_misses", figures.cas_misses),
            ("cas_hits", figures.cas_hits),
            ("cas_badval", figures.cas_badval),
            ("touch_hits", figures.touch_hits),
            ("touch_misses", figures.touch_misses),
            ("store_too_large", figures.store_too_large),
            ("store_no_memory", figures.store_no_memory),
        ] {
            self.put(name, value);
        }
    }

    /// The items and the memory they take.
    fn memory(&mut self) {
        let figures = self.scope.shared.figures();
        self.put("hash_bytes", figures.table_bytes);
        self.put("bytes", figures.allocated_bytes);
        self.put("curr_items", keys(&figures));
        self.put("total_items", figures.memcached.total_items);
        self.put("evictions", figures.evicted);
        self.put("reclaimed", figures.expired);
        self.put("lrutail_reflocked", 0);
    }

    fn settings(&mut self) {
        let shared = self.scope.shared;
        let settings = &shared.settings;
        let number = |key| settings.number(key);
        let authentication = shared.needs_login(Family::Memcached);
        self.put("maxbytes", number(Key::MaxMemory));
        self.put("maxconns", number(Key::MaxClients));
        self.put("tcpport", shared.memcached.first().map_or(0, SocketAddr::port));
        self.put("udpport", 0);
        self.put("inter", settings.text(Key::Bind));
        self.put("verbosity", 0);
        self.put("evictions", if settings.policy() == Policy::NoEviction { "off" } else { "on" });
        let socket = shared.memcached_socket.as_ref();
        self.put("domain_socket", socket.map_or("NULL".into(), |place| place.path.to_string_lossy()));
        self.yes("shutdown_command", false);
        self.put("num_threads", shared.workers);
        self.yes("detail_enabled", false);
        self.yes("cas_enabled", true);
        self.put("tcp_backlog", number(Key::TcpBacklog));
        self.put("binding_protocol", "auto-negotiate");
        self.yes("auth_enabled_sasl", authentication);
        self.yes("auth_enabled_ascii", authentication);
        self.put("item_size_max", number(Key::MemcachedItemSizeMax));
        self.yes("maxconns_fast", true);
        self.yes("slab_reassign", false);
        self.yes("lru_crawler", false);
        self.yes("flush_enabled", settings.is_on(Key::MemcachedFlush));
        self.yes("dump_enabled", settings.is_on(Key::MemcachedDump));
        self.put("hash_algorithm", "rapidhash");
        self.yes("lru_maintainer_thread", false);
        self.yes("lru_segmented", false);
        self.put("idle_timeout", number(Key::Timeout));
        self.yes("track_sizes", false);
    }

    /// All items are of one class.
    fn items(&mut self) {
        let figures = self.scope.shared.figures();
        if keys(&figures) > 0 {
            self.put("items:1:number", keys(&figures));
            self.put("items:1:evicted", figures.evicted);
            self.put("items:1:reclaimed", figures.expired);
        }
    }

    /// Memory is not kept in slabs: one class has all items, each of them a chunk.
    fn slabs(&mut self) {
        let figures = self.scope.shared.figures();
        let counts = &figures.memcached;
        if keys(&figures) > 0 {
            self.put("1:used_chunks", keys(&figures));
            for (name, count) in [
                ("1:get_hits", counts.get_hits),
                ("1:cmd_set", counts.cmd_set),
                ("1:delete_hits", counts.delete_hits),
                ("1:incr_hits", counts.incr_hits),
                ("1:decr_hits", counts.decr_hits),
                ("1:cas_hits", counts.cas_hits),
                ("1:cas_badval", counts.cas_badval),
                ("1:touch_hits", counts.touch_hits),
            ] {
                self.put(name, count);
            }
        }
        self.put("active_slabs", u8::from(keys(&figures) > 0));
        self.put("total_malloced", figures.allocated_bytes);
    }

    fn connections(&mut self) {
        for client in self.scope.shared.registry.list() {
            let number = client.descriptor;
            let idle_ms = self.scope.now_ms.saturating_sub(client.last_ms());
            let state = if client.id == self.scope.client().id { "conn_parse_cmd" } else { "conn_read" };
            self.put(&format!("{number}:addr"), told(&client.address));
            self.put(&format!("{number}:listen_addr"), told(&client.local_address));
            self.put(&format!("{number}:state"), state);
            self.put(&format!("{number}:secs_since_last_cmd"), idle_ms / 1000);
        }
    }
}

/// An address as memcached shows it.
fn told(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("tcp:{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Keys of all databases, expired ones that nobody asked for counted.
fn keys(figures: &tidegate_protocols::data::Figures) -> u64 {
    figures.databases.iter().map(|database| database.keys).sum()
}

/// Bytes read and written on Memcached's port.
fn memcached_bytes(totals: &Totals) -> [u64; 2] {
    let ours =
        [Protocol::MemcachedText, Protocol::MemcachedBinary].map(|own| &totals.protocols[own as usize]);
    ours.iter()
        .fold([0, 0], |[bytes_in, bytes_out], sums| [bytes_in + sums.bytes_in, bytes_out + sums.bytes_out])
}

//! MEMORY STATS, DOCTOR, PURGE and MALLOC-STATS.

use tidegate_protocols::Reply;
use tidegate_protocols::data::Figures;

use super::Scope;
use crate::process;

/// Below this there is nothing to say about fragmentation. Source: Redis `object.c`, `getMemoryDoctorReport`.
const DOCTOR_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// What memory is used for, in bytes, and the ratios Redis makes of it.
pub(super) struct Memory {
    pub(super) figures: Figures,
    /// Physical memory of the process, as the system counts it.
    pub(super) resident: u64,
    /// In use when the server had started.
    pub(super) startup: u64,
    /// Output that waits for clients.
    pub(super) clients: u64,
    /// Used for something else than keys and values.
    pub(super) overhead: u64,
    /// Used for keys and values.
    pub(super) dataset: u64,
}

/// `a / b`; 0 without `b`.
pub(super) fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

impl Memory {
    pub(super) fn now(scope: &Scope<'_>) -> Self {
        let figures = scope.shared.figures();
        let startup = scope.shared.startup_bytes.min(figures.allocated_bytes);
        let clients = scope.shared.registry.list().iter().map(|client| client.total_bytes()).sum();
        let overhead = startup + clients + figures.table_bytes;
        let dataset = figures.allocated_bytes.saturating_sub(overhead);
        Self { resident: process::resident_bytes(), startup, clients, overhead, dataset, figures }
    }

    pub(super) fn used(&self) -> u64 {
        self.figures.allocated_bytes
    }

    pub(super) fn peak(&self) -> u64 {
        self.figures.allocated_bytes_peak.max(self.used())
    }

    pub(super) fn keys(&self) -> u64 {
        self.figures.databases.iter().map(|database| database.keys).sum()
    }

    /// Of what is used beyond the start, the part that is data, in percent.
    pub(super) fn dataset_percent(&self) -> f64 {
        100.0 * ratio(self.dataset, self.used().saturating_sub(self.startup))
    }
}

/// One figure of `MEMORY STATS`.
enum Figure {
    Whole(i64),
    Ratio(f64),
}

/// `MEMORY STATS`: the fields of Redis. What is not there yet (replicas, scripts, a log) takes 0 bytes.
pub(super) fn stats(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let memory = Memory::now(scope);
    let figures = &memory.figures;
    let whole = |bytes: u64| Figure::Whole(bytes as i64);
    let between = |more: u64, less: u64| Figure::Whole(more as i64 - less as i64);
    let ratio = |a, b| Figure::Ratio(ratio(a, b));
    let keys_bytes = memory.used().saturating_sub(memory.startup);
    let fields = [
        ("peak.allocated", whole(memory.peak())),
        ("total.allocated", whole(memory.used())),
        ("startup.allocated", whole(memory.startup)),
        ("replication.backlog", whole(0)),
        ("clients.slaves", whole(0)),
        ("clients.normal", whole(memory.clients)),
        ("cluster.links", whole(0)),
        ("aof.buffer", whole(0)),
        ("lua.caches", whole(memory.figures.scripts.script_bytes)),
        ("functions.caches", whole(memory.figures.scripts.function_bytes)),
        ("overhead.total", whole(memory.overhead)),
        ("keys.count", whole(memory.keys())),
        ("keys.bytes-per-key", whole(keys_bytes.checked_div(memory.keys()).unwrap_or(0))),
        ("dataset.bytes", whole(memory.dataset)),
        ("dataset.percentage", Figure::Ratio(memory.dataset_percent())),
        ("peak.percentage", ratio(100 * memory.used(), memory.peak())),
        ("allocator.allocated", whole(figures.allocated_bytes)),
        ("allocator.active", whole(figures.active_bytes)),
        ("allocator.resident", whole(figures.resident_bytes)),
        ("allocator-fragmentation.ratio", ratio(figures.active_bytes, figures.allocated_bytes)),
        ("allocator-fragmentation.bytes", between(figures.active_bytes, figures.allocated_bytes)),
        ("allocator-rss.ratio", ratio(figures.resident_bytes, figures.active_bytes)),
        ("allocator-rss.bytes", between(figures.resident_bytes, figures.active_bytes)),
        ("rss-overhead.ratio", ratio(memory.resident, figures.resident_bytes)),
        ("rss-overhead.bytes", between(memory.resident, figures.resident_bytes)),
        ("fragmentation", ratio(memory.resident, memory.used())),
        ("fragmentation.bytes", between(memory.resident, memory.used())),
    ];
    reply.map(fields.len());
    for (name, figure) in fields {
        reply.bulk(name.as_bytes());
        match figure {
            Figure::Whole(number) => reply.integer(number),
            Figure::Ratio(ratio) => reply.double(ratio),
        }
    }
}

/// `MEMORY DOCTOR`: what is unusual, in words.
pub(super) fn doctor(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let memory = Memory::now(scope);
    let figures = &memory.figures;
    let mut findings = Vec::new();
    if ratio(memory.peak(), memory.used()) > 1.5 {
        findings.push(
            "At its peak more than half as much again was in use; pages of that time may still be held.",
        );
    }
    if ratio(figures.active_bytes, figures.allocated_bytes) > 1.1 {
        findings
            .push("Pages are filled badly: values of other sizes have been deleted between those that stay.");
    }
    if ratio(figures.resident_bytes, figures.active_bytes) > 1.1 {
        findings.push("The allocator holds pages it does not use; MEMORY PURGE gives them back.");
    }
    if ratio(memory.clients, memory.used()) > 0.1 {
        findings.push("Much output waits for slow clients; CLIENT LIST shows whose it is.");
    }
    let text = if memory.used() < DOCTOR_BYTES_MIN {
        "Too little memory is in use to say anything about it.\n".to_owned()
    } else if findings.is_empty() {
        "Nothing is unusual.\n".to_owned()
    } else {
        findings.join("\n") + "\n"
    };
    reply.verbatim(*b"txt", text.as_bytes());
}

/// `MEMORY PURGE`.
pub(super) fn purge(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    scope.shared.purge();
    reply.ok();
}

/// `MEMORY MALLOC-STATS`.
pub(super) fn malloc_stats(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    reply.verbatim(*b"txt", scope.shared.allocator_report().as_bytes());
}

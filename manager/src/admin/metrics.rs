//! The figures of the server in the form Prometheus reads, gathered when it asks and not before.
//!
//! Names begin with `tidegate_`, units are seconds and bytes, and no label takes its value from clients.

use std::fmt::Write as _;

use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tidegate_gateway::Shared;
use tidegate_gateway::counters::{Protocol, Totals};
use tidegate_protocols::data::Figures;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::rows;

use crate::log;

/// The shortest and the longest time, as powers of two of nanoseconds, that has a bucket of its own.
const BUCKETS: std::ops::RangeInclusive<usize> = 7..=33;

/// Writes the figures of a server.
pub(crate) struct Exporter {
    recorder: PrometheusRecorder,
}

impl Exporter {
    /// An exporter with every metric described.
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, describe);
        Self { recorder }
    }

    /// Everything that is counted, as of now.
    pub(crate) fn render(&self, shared: &Shared, uptime_s: f64) -> String {
        let totals = shared.counters.totals();
        with_local_recorder(&self.recorder, || {
            gauge!("tidegate_uptime_seconds").set(uptime_s);
            gauge!("tidegate_worker_threads").set(shared.workers as f64);
            gauge!("tidegate_memory_limit_bytes").set(shared.settings.number(Key::MaxMemory) as f64);
            gauge!("tidegate_connections_blocked").set(shared.registry.blocked() as f64);
            gauge!("tidegate_connections_limit").set(shared.settings.number(Key::MaxClients) as f64);
            counter!("tidegate_log_lines_lost_total").absolute(log::lost());
            publish_totals(&totals);
            publish_figures(&shared.figures());
        });
        let mut text = self.recorder.handle().render();
        write_durations(&totals, &mut text);
        text
    }
}

fn describe() {
    for (name, meaning) in [
        ("tidegate_commands_total", "Commands executed."),
        ("tidegate_commands_rejected_total", "Commands refused before they were executed."),
        ("tidegate_commands_failed_total", "Commands that answered an error."),
        ("tidegate_errors_total", "Error replies by their code."),
        ("tidegate_received_bytes_total", "Bytes read from clients."),
        ("tidegate_sent_bytes_total", "Bytes written to clients."),
        ("tidegate_connections_accepted_total", "Connections accepted."),
        ("tidegate_connections_refused_total", "Connections refused: too many, or by protected mode."),
        ("tidegate_connections_overrun_total", "Connections closed because too much output waited for them."),
        ("tidegate_log_lines_lost_total", "Lines of the log that were lost because it was not read."),
        ("tidegate_link_moved_total", "Requests of gateways for keys that are not here."),
        ("tidegate_reads_total", "Reads from sockets."),
        ("tidegate_writes_total", "Writes to sockets."),
        ("tidegate_ticks_total", "Rounds in which workers executed what had arrived."),
        ("tidegate_hits_total", "Keys found by reads."),
        ("tidegate_misses_total", "Keys not found by reads."),
        ("tidegate_expired_keys_total", "Keys removed because their time had come."),
        ("tidegate_evicted_keys_total", "Keys removed to make room."),
    ] {
        describe_counter!(name, meaning);
    }
    for (name, meaning) in [
        ("tidegate_uptime_seconds", "Time since the start."),
        ("tidegate_worker_threads", "Threads that serve clients."),
        ("tidegate_connections", "Connections open now."),
        ("tidegate_connections_blocked", "Clients that wait, for keys most likely (BLPOP and its like)."),
        ("tidegate_connections_limit", "Connections held at most (maxclients)."),
        ("tidegate_keys", "Keys by logical database."),
        ("tidegate_keys_with_expiry", "Keys that will expire, by logical database."),
        ("tidegate_memory_limit_bytes", "Memory to stay under (maxmemory); 0 is no limit."),
        ("tidegate_memory_allocated_bytes", "Memory the allocator has handed out."),
        ("tidegate_memory_allocated_peak_bytes", "The most memory ever handed out."),
        ("tidegate_memory_active_bytes", "Memory in pages that hold something."),
        ("tidegate_memory_resident_bytes", "Physical memory the allocator holds."),
        ("tidegate_memory_table_bytes", "Memory of the hash tables without their entries."),
    ] {
        describe_gauge!(name, meaning);
    }
}

fn publish_totals(totals: &Totals) {
    for (row, command) in
        rows().zip(&totals.commands).filter(|(_, command)| command.calls + command.rejected > 0)
    {
        let labels = [("protocol", row.family().to_owned()), ("command", row.name.to_ascii_lowercase())];
        counter!("tidegate_commands_total", &labels).absolute(command.calls);
        counter!("tidegate_commands_rejected_total", &labels).absolute(command.rejected);
        counter!("tidegate_commands_failed_total", &labels).absolute(command.failed);
    }
    for (protocol, sums) in Protocol::ALL.iter().zip(&totals.protocols) {
        let label = [("protocol", protocol.name())];
        counter!("tidegate_received_bytes_total", &label).absolute(sums.bytes_in);
        counter!("tidegate_sent_bytes_total", &label).absolute(sums.bytes_out);
        gauge!("tidegate_connections", &label).set(sums.connections as f64);
    }
    for (code, count) in &totals.errors {
        counter!("tidegate_errors_total", "code" => code.to_string()).absolute(*count);
    }
    counter!("tidegate_connections_accepted_total").absolute(totals.accepted);
    counter!("tidegate_connections_refused_total").absolute(totals.refused);
    counter!("tidegate_connections_overrun_total").absolute(totals.output_limit_disconnections);
    counter!("tidegate_link_moved_total").absolute(totals.moved);
    counter!("tidegate_reads_total").absolute(totals.reads);
    counter!("tidegate_writes_total").absolute(totals.writes);
    counter!("tidegate_ticks_total").absolute(totals.ticks);
}

fn publish_figures(figures: &Figures) {
    for (database, sums) in figures.databases.iter().enumerate() {
        let label = [("db", database.to_string())];
        gauge!("tidegate_keys", &label).set(sums.keys as f64);
        gauge!("tidegate_keys_with_expiry", &label).set(sums.expires as f64);
    }
    counter!("tidegate_hits_total").absolute(figures.hits);
    counter!("tidegate_misses_total").absolute(figures.misses);
    counter!("tidegate_expired_keys_total").absolute(figures.expired);
    counter!("tidegate_evicted_keys_total").absolute(figures.evicted);
    gauge!("tidegate_memory_allocated_bytes").set(figures.allocated_bytes as f64);
    gauge!("tidegate_memory_allocated_peak_bytes").set(figures.allocated_bytes_peak as f64);
    gauge!("tidegate_memory_active_bytes").set(figures.active_bytes as f64);
    gauge!("tidegate_memory_resident_bytes").set(figures.resident_bytes as f64);
    gauge!("tidegate_memory_table_bytes").set(figures.table_bytes as f64);
}

/// The histogram of durations. Workers count into buckets already, which the recorder cannot take over.
fn write_durations(totals: &Totals, text: &mut String) {
    const NAME: &str = "tidegate_command_duration_seconds";
    // Writing into a String cannot fail.
    let _ = writeln!(text, "# HELP {NAME} Time commands took to execute.\n# TYPE {NAME} histogram");
    for protocol in ["redis", "memcached"] {
        let commands = rows().zip(&totals.commands).filter(|(row, _)| row.family() == protocol);
        let (mut buckets, mut nanos, mut calls) = (Vec::new(), 0, 0);
        for (_, command) in commands {
            nanos += command.nanos;
            calls += command.calls;
            buckets.resize(buckets.len().max(command.latency.len()), 0);
            for (sum, count) in buckets.iter_mut().zip(&command.latency) {
                *sum += count;
            }
        }
        for power in BUCKETS {
            let below: u64 = buckets.iter().take(power + 1).sum();
            let seconds = (1u64 << power) as f64 / 1e9;
            let _ = writeln!(text, "{NAME}_bucket{{protocol=\"{protocol}\",le=\"{seconds}\"}} {below}");
        }
        let seconds = nanos as f64 / 1e9;
        let _ = writeln!(
            text,
            "{NAME}_bucket{{protocol=\"{protocol}\",le=\"+Inf\"}} {calls}\n\
             {NAME}_sum{{protocol=\"{protocol}\"}} {seconds}\n{NAME}_count{{protocol=\"{protocol}\"}} {calls}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_gateway::counters::CommandTotals;

    fn totals() -> Totals {
        let command =
            |calls, latency| CommandTotals { calls, nanos: 1500, latency, ..CommandTotals::default() };
        let mut latency = vec![0; 40];
        (latency[7], latency[8], latency[39]) = (2, 3, 1);
        let commands = rows().map(|row| match row.name {
            "GET" => command(6, latency.clone()),
            _ => CommandTotals::default(),
        });
        Totals { commands: commands.collect(), ..Totals::default() }
    }

    #[test]
    fn durations_are_counted_up_bucket_by_bucket() {
        let mut text = String::new();
        write_durations(&totals(), &mut text);
        for line in [
            "tidegate_command_duration_seconds_bucket{protocol=\"redis\",le=\"0.000000128\"} 2\n",
            "tidegate_command_duration_seconds_bucket{protocol=\"redis\",le=\"0.000000256\"} 5\n",
            "tidegate_command_duration_seconds_bucket{protocol=\"redis\",le=\"+Inf\"} 6\n",
            "tidegate_command_duration_seconds_sum{protocol=\"redis\"} 0.0000015\n",
            "tidegate_command_duration_seconds_count{protocol=\"redis\"} 6\n",
            "tidegate_command_duration_seconds_count{protocol=\"memcached\"} 0\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn no_two_commands_have_the_same_labels() {
        let mut seen = std::collections::HashSet::new();
        for row in rows() {
            assert!(seen.insert((row.family(), row.name.to_ascii_lowercase())), "{}", row.name);
        }
        assert!(["mn", "stats", "quit"].iter().all(|name| seen.contains(&("memcached", (*name).to_owned()))));
    }

    #[test]
    fn every_metric_has_a_description_and_is_published() {
        let exporter = Exporter::new();
        with_local_recorder(&exporter.recorder, || {
            publish_totals(&totals());
            publish_figures(&Figures::default());
        });
        let text = exporter.recorder.handle().render();
        assert!(text.contains("tidegate_commands_total{protocol=\"redis\",command=\"get\"} 6"), "{text}");
        assert!(text.contains("tidegate_keys{db=\"15\"} 0"), "{text}");
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no description");
        }
    }
}

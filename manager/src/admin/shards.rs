//! What the admin port tells of the shards behind a gateway: how each fares, and the figures of the links to it.

use std::fmt::{Display, Write as _};

use tidegate_gateway::ShardReport;

use crate::front::{Shards, is_reached};
use crate::supervisor::{State, Ward};

/// Figures of links that only grow: name, meaning, where it is in a report.
type Counter = (&'static str, &'static str, fn(&ShardReport) -> u64);

const COUNTERS: &[Counter] = &[
    ("requests_total", "Requests for the shard, also those that never were sent.", |report| report.requests),
    ("batches_total", "Writes to links: one for all requests of a tick.", |report| report.batches),
    ("sent_bytes_total", "Bytes sent to the shard.", |report| report.bytes_out),
    ("received_bytes_total", "Bytes received from the shard.", |report| report.bytes_in),
    (
        "held_total",
        "Requests that waited because the link was down or full, or the shard did not have the key.",
        |report| report.held,
    ),
    ("retried_total", "Requests sent a second time.", |report| report.retried),
    ("in_doubt_total", "Requests of which nobody knows whether they were executed.", |report| {
        report.in_doubt
    }),
    ("refused_total", "Requests whose time was over before they were sent.", |report| report.refused),
    ("connects_total", "Links made.", |report| report.connects),
];

/// Figures of links as of now.
const GAUGES: &[Counter] = &[
    ("connections", "Links that are up.", |report| report.links_up),
    ("connections_wanted", "Links there should be: one for each worker.", |report| report.links),
    ("waiting", "Requests that are not answered yet.", |report| report.waiting),
    ("waiting_bytes", "Bytes of requests that are not answered yet.", |report| report.waiting_bytes),
];

/// Powers of two of µs that have a bucket of their own, up to 17 s.
const BUCKETS: usize = 25;

/// The state of the shards for people, and whether every slot has one that answers.
pub(super) fn health(shards: &Shards) -> (bool, String) {
    let reports = shards.reports();
    let unanswered = shards.unanswered(&reports);
    let mut text = if unanswered.is_empty() {
        "ok\n".to_owned()
    } else {
        format!("no shard answers for the slots {unanswered}\n")
    };
    for report in &reports {
        let ward = shards.wards().iter().find(|ward| ward.name == report.name);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", line(report, ward.map(Ward::state).as_ref()));
    }
    (unanswered.is_empty(), text)
}

/// How one shard fares.
fn line(report: &ShardReport, state: Option<&State>) -> String {
    let ShardReport { name, links_up, links, reason, .. } = report;
    let mut line = match links_up {
        _ if is_reached(report) => format!("{name} up"),
        0 => format!("{name} down"),
        _ => format!("{name} down for some clients, {links_up} of {links} links are up"),
    };
    if !is_reached(report) && !reason.is_empty() {
        let _ = write!(line, " ({reason})");
    }
    match state {
        Some(State { restarts, lost: Some(lost), .. }) => {
            let times = if *restarts == 1 { "once" } else { &format!("{restarts} times") };
            let _ = write!(line, ", restarted {times}, what it had not saved was lost at {}", lost.text);
        }
        Some(_) => line.push_str(", restarted 0 times"),
        None => {}
    }
    line
}

/// Writes the figures of the shards in the form Prometheus reads. The shards are those of the topology of now, which is
/// why they are not with the recorder: that forgets nobody.
pub(super) fn write(shards: &Shards, text: &mut String) {
    write_links(&shards.reports(), text);
    let states: Vec<_> = shards.wards().iter().map(|ward| (&*ward.name, ward.state())).collect();
    if states.is_empty() {
        return;
    }
    let restarts = states.iter().map(|(name, state)| (*name, state.restarts));
    metric(text, "shard_restarts_total", "counter", "How often the shard was started again.", restarts);
    let lost = states.iter().filter_map(|(name, state)| Some((*name, state.lost.as_ref()?.unix_s)));
    metric(text, "shard_data_lost_timestamp_seconds", "gauge", "When the shard last lost its data.", lost);
}

fn write_links(reports: &[ShardReport], text: &mut String) {
    let values = |of: fn(&ShardReport) -> u64| reports.iter().map(move |report| (&*report.name, of(report)));
    let up = values(|report| u64::from(is_reached(report)));
    metric(text, "shard_up", "gauge", "Whether all links to the shard are up.", up);
    for (kind, figures) in [("counter", COUNTERS), ("gauge", GAUGES)] {
        for (name, meaning, of) in figures {
            metric(text, &format!("link_{name}"), kind, meaning, values(*of));
        }
    }
    const NAME: &str = "tidegate_link_duration_seconds";
    let meaning = "Time from the tick that sent a request to the one that had its answer.";
    let _ = writeln!(text, "# HELP {NAME} {meaning}\n# TYPE {NAME} histogram");
    for report in reports {
        write_durations(NAME, report, text);
    }
}

fn write_durations(name: &str, report: &ShardReport, text: &mut String) {
    let shard = escaped(&report.name);
    let mut below = 0;
    for (power, count) in report.latency.iter().enumerate().take(BUCKETS) {
        below += count;
        let seconds = (1u64 << power) as f64 / 1e6;
        let _ = writeln!(text, "{name}_bucket{{shard=\"{shard}\",le=\"{seconds}\"}} {below}");
    }
    let all: u64 = report.latency.iter().sum();
    let seconds = report.latency_us as f64 / 1e6;
    let _ = writeln!(
        text,
        "{name}_bucket{{shard=\"{shard}\",le=\"+Inf\"}} {all}\n\
         {name}_sum{{shard=\"{shard}\"}} {seconds}\n{name}_count{{shard=\"{shard}\"}} {all}"
    );
}

/// Writes one metric with its value for each shard.
fn metric<'a>(
    text: &mut String,
    name: &str,
    kind: &str,
    meaning: &str,
    values: impl Iterator<Item = (&'a str, impl Display)>,
) {
    let _ = writeln!(text, "# HELP tidegate_{name} {meaning}\n# TYPE tidegate_{name} {kind}");
    for (shard, value) in values {
        let _ = writeln!(text, "tidegate_{name}{{shard=\"{}\"}} {value}", escaped(shard));
    }
}

/// A name as the value of a label.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Lost;

    fn report() -> ShardReport {
        let mut report = ShardReport { name: "a\"b".into(), links_up: 2, links: 2, ..Default::default() };
        (report.requests, report.waiting, report.latency_us) = (7, 1, 1500);
        (report.latency[0], report.latency[3], report.latency[31]) = (4, 2, 1);
        report
    }

    #[test]
    fn the_figures_of_links_are_told_shard_by_shard_in_base_units() {
        let mut text = String::new();
        write_links(&[report()], &mut text);
        for line in [
            "# TYPE tidegate_shard_up gauge\ntidegate_shard_up{shard=\"a\\\"b\"} 1\n",
            "# TYPE tidegate_link_requests_total counter\ntidegate_link_requests_total{shard=\"a\\\"b\"} 7\n",
            "tidegate_link_waiting{shard=\"a\\\"b\"} 1\n",
            "tidegate_link_duration_seconds_bucket{shard=\"a\\\"b\",le=\"0.000001\"} 4\n",
            "tidegate_link_duration_seconds_bucket{shard=\"a\\\"b\",le=\"0.000008\"} 6\n",
            "tidegate_link_duration_seconds_bucket{shard=\"a\\\"b\",le=\"+Inf\"} 7\n",
            "tidegate_link_duration_seconds_sum{shard=\"a\\\"b\"} 0.0015\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_shard_s_line_says_whether_it_is_reached_and_what_it_has_been_through() {
        let up = ShardReport { name: "s".into(), links_up: 2, links: 2, ..Default::default() };
        let down = ShardReport { links_up: 0, reason: "refused".into(), ..up.clone() };
        let half = ShardReport { links_up: 1, ..down.clone() };
        assert_eq!(line(&half, None), "s down for some clients, 1 of 2 links are up (refused)");
        assert_eq!(line(&up, None), "s up");
        assert_eq!(line(&down, Some(&State::default())), "s down (refused), restarted 0 times");
        let lost = Some(Lost { unix_s: 1, text: "then".into() });
        let state = |restarts| State { process: None, restarts, lost: lost.clone() };
        assert_eq!(
            line(&up, Some(&state(1))),
            "s up, restarted once, what it had not saved was lost at then"
        );
        assert_eq!(
            line(&up, Some(&state(2))),
            "s up, restarted 2 times, what it had not saved was lost at then"
        );
    }
}

//! LATENCY: spikes of events, and how the times of commands are distributed.

use std::collections::{BTreeMap, HashSet};

use tidegate_protocols::reply::Collection;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Error, Reply, table};

use super::{Scope, sparkline};
use crate::counters::CommandTotals;
use crate::latency::History;

/// Buckets of up to this many ns are shown as one. Source: Redis `latency.c`, which shows powers of two
/// from 1024 ns.
const FIRST_BUCKET: usize = 10;

/// `LATENCY LATEST`: name, Unix seconds and ms of the latest spike, and ms of the worst, of every event.
pub(super) fn latest(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let events = scope.shared.latency.events();
    reply.array(events.len());
    for (event, history) in events {
        let (unix_s, ms) = history.spikes.back().copied().unwrap_or_default();
        reply.array(4);
        reply.bulk(event.as_bytes());
        reply.integer(unix_s as i64);
        reply.integer(ms as i64);
        reply.integer(history.longest_ms as i64);
    }
}

/// `LATENCY HISTORY event`: Unix seconds and ms of each spike.
pub(super) fn history(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let spikes = of_event(args.at(2), scope).map(|(_, history)| history.spikes).unwrap_or_default();
    reply.array(spikes.len());
    for (unix_s, ms) in spikes {
        reply.array(2);
        reply.integer(unix_s as i64);
        reply.integer(ms as i64);
    }
}

/// `LATENCY RESET [event …]`: how many events were forgotten.
pub(super) fn reset(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let all = args.len() == 2;
    let named = |event: &str| args.iter().skip(2).any(|name| name.eq_ignore_ascii_case(event.as_bytes()));
    reply.integer(scope.shared.latency.reset(|event| all || named(event)) as i64);
}

/// `LATENCY GRAPH event`.
pub(super) fn graph(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (event, history) = of_event(args.at(2), scope)
        .ok_or_else(|| Error::quoting("ERR No samples available for event '", args.at(2), "'"))?;
    let ms = || history.spikes.iter().map(|(_, ms)| *ms);
    let (low, high) = (ms().min().unwrap_or(0), ms().max().unwrap_or(0));
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {} ms)\n{:-<80}\n",
        history.longest_ms, ""
    );
    let now_s = scope.now_ms / 1000;
    let samples: Vec<_> =
        history.spikes.iter().map(|&(unix_s, ms)| (ms, age(now_s.saturating_sub(unix_s)))).collect();
    text += &sparkline::render(&samples);
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(())
}

/// Seconds in the largest unit that fits, as `3m`.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn of_event(name: &[u8], scope: &Scope<'_>) -> Option<(&'static str, History)> {
    let mut events = scope.shared.latency.events().into_iter();
    events.find(|(event, _)| event.as_bytes().eq_ignore_ascii_case(name))
}

/// `LATENCY DOCTOR`: the figures in words.
pub(super) fn doctor(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let events = scope.shared.latency.events();
    let text = if !events.is_empty() {
        report(&events)
    } else if scope.shared.settings.number(Key::LatencyMonitorThreshold) == 0 {
        "Nothing is watched: CONFIG SET latency-monitor-threshold <milliseconds> says from when on an event \
         counts as slow.\n"
            .to_owned()
    } else {
        "Nothing was slow since the watch began.\n".to_owned()
    };
    reply.verbatim(*b"txt", text.as_bytes());
}

fn report(events: &BTreeMap<&str, History>) -> String {
    let told = events.iter().map(|(event, History { spikes, longest_ms })| {
        let mean = spikes.iter().map(|(_, ms)| ms).sum::<u64>() / spikes.len().max(1) as u64;
        format!("{event}: {} spikes, {mean} ms in the mean, {longest_ms} ms at worst.", spikes.len())
    });
    let advice = "SLOWLOG GET names the slow commands; swapping and busy neighbours slow everything.\n";
    format!("{} kinds of events were slow:\n{}\n{advice}", events.len(), told.collect::<Vec<_>>().join("\n"))
}

/// `LATENCY HISTOGRAM [command …]`: calls, and for each power of two of microseconds in which there were
/// calls how many took at most that long.
pub(super) fn histogram(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let totals = scope.shared.counters.since_reset();
    let names = args.from(2);
    // Each is looked up once, however many there are.
    let asked: HashSet<&str> = names.iter().filter_map(table::lookup).map(|row| row.name).collect();
    let (map, mut found) = (reply.deferred(Collection::Map), 0);
    for (row, totals) in table::rows().zip(&totals.commands) {
        let container = row.name.split('|').next().unwrap_or_default();
        let is_asked = names.is_empty() || asked.contains(row.name) || asked.contains(container);
        if !row.is_redis() || totals.calls == 0 || !is_asked {
            continue;
        }
        reply.bulk(row.name.to_ascii_lowercase().as_bytes());
        distribution(totals, reply);
        found += 1;
    }
    reply.finish(map, found);
}

fn distribution(totals: &CommandTotals, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"calls");
    reply.integer(totals.calls as i64);
    reply.bulk(b"histogram_usec");
    let (map, mut shown) = (reply.deferred(Collection::Map), 0);
    let (mut sum, mut told) = (0, 0);
    for (bucket, count) in totals.latency.iter().enumerate() {
        sum += count;
        if bucket < FIRST_BUCKET || sum == told {
            continue;
        }
        told = sum;
        reply.integer(bucket_micros(bucket) as i64);
        reply.integer(sum as i64);
        shown += 1;
    }
    reply.finish(map, shown);
}

/// What Redis calls the bucket of up to 2^`bucket` ns: its histograms keep two digits, so their buckets end
/// a little later.
fn bucket_micros(bucket: usize) -> u64 {
    ((1 << bucket) + (1 << (bucket - 7)) - 1) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_called_as_redis_calls_them() {
        let names: Vec<u64> = (10..20).map(bucket_micros).collect();
        assert_eq!(names, [1, 2, 4, 8, 16, 33, 66, 132, 264, 528]);
    }

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits() {
        assert_eq!([0, 59, 60, 3599, 3600, 86_400].map(age), ["0s", "59s", "1m", "59m", "1h", "1d"]);
    }
}

//! How many files, and so clients, the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidegate_protocols::settings::{Key, Settings};

/// Open files that are not clients: listeners, event queues, logs. Source: Redis `CONFIG_MIN_RESERVED_FDS`.
const RESERVED: u64 = 32;

/// Those of a worker: its event queue and what wakes it. Source: counted in `/proc/PID/fd`.
const RESERVED_PER_WORKER: u64 = 4;

/// Those of a shard process besides its links: its pipes, and what watches over it, twice while it is started again.
/// Source: counted likewise.
const RESERVED_PER_SHARD: u64 = 8;

/// Links of a worker to a shard: one, and another while it is made anew.
const LINKS_PER_WORKER: u64 = 2;

/// Makes room for `maxclients` besides the links to so many shards, or lowers `maxclients` to the room there is. Returns
/// what to warn about.
pub fn make_room(settings: &Settings, shards: usize) -> Option<String> {
    let clients = settings.number(Key::MaxClients).unsigned_abs();
    let room = room_for(clients, settings, shards);
    if room >= clients {
        return None;
    }
    let reserved = reserved(settings, shards);
    let allowed = room + reserved;
    settings.set(Key::MaxClients, &room.to_string()).expect("at least one client and fewer than asked for");
    Some(format!(
        "maxclients is lowered from {clients} to {room}: the system allows {allowed} open files \
         (raise it with `ulimit -n {}` or LimitNOFILE= in systemd)",
        clients + reserved
    ))
}

/// Makes room for `clients` as far as the system lets us; returns for how many there is room then.
pub(crate) fn room_for(clients: u64, settings: &Settings, shards: usize) -> u64 {
    let reserved = reserved(settings, shards);
    raise(clients.saturating_add(reserved)).saturating_sub(reserved).max(1)
}

/// How many open files clients must not take: without them a shard that has died could not be started again, nor reached.
fn reserved(settings: &Settings, shards: usize) -> u64 {
    let [workers, children] =
        [Key::Threads, Key::ShardProcesses].map(|key| settings.number(key).unsigned_abs());
    let per_worker = RESERVED_PER_WORKER + shards as u64 * LINKS_PER_WORKER;
    RESERVED + workers * per_worker + children * RESERVED_PER_SHARD
}

/// Raises the limit to `wanted` as far as it can be; returns where it is then.
fn raise(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return current.unwrap_or(u64::MAX);
    }
    // Raising the hard limit needs privileges; without them its value is the best there is.
    let best = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    for (current, maximum) in [(wanted, maximum.map(|maximum| maximum.max(wanted))), (best, maximum)] {
        if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).is_ok() {
            return current;
        }
    }
    current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_cannot_be_had_are_warned_about() {
        let settings = Settings::default();
        settings.set(Key::MaxClients, "10").unwrap();
        assert_eq!(make_room(&settings, 0), None);
        assert_eq!(settings.number(Key::MaxClients), 10);
        settings.set(Key::MaxClients, &u32::MAX.to_string()).unwrap();
        let warning = make_room(&settings, 0).expect("the kernel's own limit, fs.nr_open, is lower");
        assert!(warning.starts_with("maxclients is lowered from 4294967295 to "), "{warning}");
        assert!(settings.number(Key::MaxClients) < i64::from(u32::MAX));
    }

    #[test]
    fn what_shard_processes_and_their_links_need_is_not_for_clients() {
        let settings = Settings::default();
        settings.set(Key::Threads, "2").unwrap();
        assert_eq!(reserved(&settings, 0), 32 + 8);
        assert_eq!(reserved(&settings, 3), 32 + 8 + 2 * 3 * 2, "those of a topology others start");
        settings.set(Key::ShardProcesses, "3").unwrap();
        assert_eq!(reserved(&settings, 3), 32 + 8 + 2 * 3 * 2 + 3 * 8);
    }
}

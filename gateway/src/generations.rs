//! Whose links a shard serves: of each gateway's process those of its latest generation, and no others.
//!
//! A process that gives up a link tells its client that what was sent over it is in doubt, and sends what the client
//! wants next over a link of the next generation. A shard that was stopped or busy may still have the former to
//! execute. So it serves a link only when all older ones of the same process are gone, with all that was read from
//! them: everything in doubt has been executed by then, or never is.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::LINK_PROCESSES_MAX;
use crate::registry::Client;

/// The links of a shard, by processes.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    processes: Mutex<Processes>,
    /// A link is gone.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Processes {
    known: HashMap<u64, Process>,
    /// How many links there were.
    entered: u64,
}

/// What is known of one process.
#[derive(Debug, Default)]
struct Process {
    /// The latest it has named.
    generation: u32,
    /// Its links that are not gone, each with its generation.
    links: Vec<(u32, Arc<Client>)>,
    /// How many links of all processes there were when its last began.
    heard_of: u64,
}

impl Generations {
    /// Takes note of a link. Returns the older ones of its process, which have to be closed; `None` if there was a
    /// newer one: then it has to be closed itself.
    pub(crate) fn enter(
        &self,
        process: u64,
        generation: u32,
        client: &Arc<Client>,
    ) -> Option<Vec<Arc<Client>>> {
        let processes = &mut *self.processes.lock();
        processes.entered += 1;
        if !processes.known.contains_key(&process) {
            processes.make_room();
        }
        let known = processes.known.entry(process).or_default();
        known.heard_of = processes.entered;
        if generation < known.generation {
            return None;
        }
        known.generation = generation;
        let older = known.links.iter().filter(|(of, _)| *of < generation);
        let older = older.map(|(_, client)| Arc::clone(client)).collect();
        known.links.push((generation, Arc::clone(client)));
        Some(older)
    }

    /// Waits until all links of the process that are older than `generation` are gone.
    pub(crate) async fn is_latest(&self, process: u64, generation: u32) {
        loop {
            let gone = self.gone.notified();
            let has_older = self
                .processes
                .lock()
                .known
                .get(&process)
                .is_some_and(|process| process.links.iter().any(|(of, _)| *of < generation));
            if !has_older {
                return;
            }
            gone.await;
        }
    }

    /// A link is gone, and nothing that was read from it can be executed any more.
    pub(crate) fn leave(&self, process: u64, id: u64) {
        if let Some(process) = self.processes.lock().known.get_mut(&process) {
            process.links.retain(|(_, client)| client.id != id);
        }
        self.gone.notify_waiters();
    }
}

impl Processes {
    /// Forgets the process that has had no links for longest, if there are too many. Nothing depends on who is
    /// forgotten: a process does not use links that it has asked for before it went on to the next generation.
    fn make_room(&mut self) {
        if self.known.len() < LINK_PROCESSES_MAX {
            return;
        }
        let without_links = self.known.iter().filter(|(_, process)| process.links.is_empty());
        if let Some(&process) =
            without_links.min_by_key(|(_, process)| process.heard_of).map(|(process, _)| process)
        {
            self.known.remove(&process);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tidegate_protocols::Dialect;

    use super::*;
    use crate::acl::nobody;
    use crate::registry::{Address, Registry};

    #[test]
    fn only_processes_without_links_are_forgotten_and_the_longest_gone_first() {
        let (registry, generations) = (Registry::new(Vec::new(), &nobody()), Generations::default());
        let enter = |process, generation| {
            let address = Address::Unix(Path::new("").into());
            let addresses = [address.clone(), address];
            let client = registry.add(registry.next_id(), [0, 0], addresses, Dialect::Resp2, 0);
            generations.enter(process, generation, &client).map(|older| (client.id, older.len()))
        };
        let (stays, _) = enter(0, 7).unwrap();
        for process in 1..=LINK_PROCESSES_MAX as u64 {
            let (id, _) = enter(process, 7).unwrap();
            generations.leave(process, id);
        }
        assert_eq!(generations.processes.lock().known.len(), LINK_PROCESSES_MAX);
        for process in [0, 2] {
            assert!(enter(process, 6).is_none(), "{process} is remembered");
        }
        assert!(enter(1, 6).is_some(), "it had been gone for longest");
        assert_eq!(enter(0, 8).unwrap().1, 1);
        generations.leave(0, stays);
        assert_eq!(enter(0, 9).unwrap().1, 1, "the one of generation 8");
    }
}

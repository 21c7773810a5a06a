//! A shard process that goes by a topology file: which slots it has, and where gateways reach it.

use std::path::Path;
use std::sync::Arc;

use tidegate_gateway::{Holding, LinkPlace, Membership};
use tidegate_protocols::Slots;
use tidegate_protocols::topology::{ShardNode, Topology};
use tokio::sync::watch;

use crate::topology_file::TopologyFile;

/// See the module.
#[derive(Debug)]
pub(crate) struct ShardFile {
    file: TopologyFile,
    name: String,
    /// Where the file has it listen; `None` if a flag says where.
    link: Option<LinkPlace>,
    holding: watch::Sender<Arc<Holding>>,
}

impl ShardFile {
    /// For the shard of this name in the file at `path`; it listens at `links`, or where the file says.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn read(path: &Path, name: &str, links: Vec<LinkPlace>) -> Result<(Self, Membership), String> {
        let file = TopologyFile::at(path);
        let topology = file.read(|topology| shard(topology, name).map(drop))?;
        let said = shard(&topology, name)?.link.clone();
        let (link, links) = if links.is_empty() { (Some(said.clone()), vec![said]) } else { (None, links) };
        let holding = watch::Sender::new(Arc::new(Holding::of(&topology, name)));
        let membership = Membership { name: name.to_owned(), holding: holding.subscribe(), links };
        Ok((Self { file, name: name.to_owned(), link, holding }, membership))
    }

    /// Reads the file again; a mistake in it changes nothing. A shard that is not in it any more has no slots.
    pub(crate) fn read_again(&self) {
        let before = Arc::clone(&self.holding.borrow());
        let Some(topology) = self.file.read_again(before.epoch, |_| Ok(())) else { return };
        let holding = Holding::of(&topology, &self.name);
        self.tell(&before.slots, &holding.slots, &topology);
        self.holding.send_replace(Arc::new(holding));
    }

    /// Says in the log what has changed.
    fn tell(&self, before: &Slots, now: &Slots, topology: &Topology) {
        let [lost, won] = [(before, now), (now, before)].map(|(from, other)| without(from, other));
        if !won.is_empty() {
            tracing::info!("the slots {won} are this shard's now");
        }
        if !lost.is_empty() {
            tracing::warn!(
                "the slots {lost} are not this shard's any more: keys in them stay, and nobody gets them"
            );
        }
        match (shard(topology, &self.name), &self.link) {
            (Err(reason), _) => tracing::warn!("{reason}"),
            (Ok(ShardNode { link, .. }), Some(here)) if link != here => {
                tracing::warn!(
                    "gateways look for this shard at {link}: it listens at {here} until it is started again"
                );
            }
            _ => {}
        }
    }
}

fn shard<'a>(topology: &'a Topology, name: &str) -> Result<&'a ShardNode, String> {
    let mut shards = topology.shards().iter();
    shards.find(|shard| shard.name == name).ok_or_else(|| {
        let names: Vec<_> = topology.shards().iter().map(|shard| &*shard.name).collect();
        format!("there is no shard '{name}' in it, but {} (--id)", names.join(", "))
    })
}

/// The slots that are in `from` and not in `other`.
fn without(from: &Slots, other: &Slots) -> Slots {
    let mut rest = Slots::none();
    let slots = from.ranges().flat_map(|(first, last)| first..=last);
    slots.filter(|&slot| !other.has(slot)).for_each(|slot| rest.insert(slot));
    rest
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    const TWO: &str = "epoch = 4\nshards = [{name = 'a', slots = '0-9', link = '127.0.0.1:1'}, \
                       {name = 'b', slots = '10-16383', link = '127.0.0.1:2'}]\n";

    #[test]
    fn a_shard_has_what_the_file_says_and_takes_over_what_grows_and_is_right() {
        let path = env::temp_dir().join(format!("tidegate-shard-{}.toml", process::id()));
        fs::write(&path, TWO).unwrap();
        let missing = ShardFile::read(&path, "c", Vec::new()).unwrap_err();
        assert!(missing.ends_with("there is no shard 'c' in it, but a, b (--id)"), "{missing}");
        let (file, membership) = ShardFile::read(&path, "a", Vec::new()).unwrap();
        let now = || {
            let holding = membership.holding.borrow();
            (holding.epoch, holding.slots.to_string())
        };
        assert_eq!(membership.links, ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(now(), (4, "0-9".into()));
        let moved = TWO.replace("0-9", "0-5").replace("10-", "6-");
        for text in [&moved, &moved.replace("epoch = 4", "epoch = 3"), &TWO.replace("epoch = 4", "epoch = x")]
        {
            fs::write(&path, text).unwrap();
            file.read_again();
            assert_eq!(now(), (4, "0-9".into()), "{text}");
        }
        fs::write(&path, moved.replace("epoch = 4", "epoch = 5")).unwrap();
        file.read_again();
        assert_eq!(now(), (5, "0-5".into()));
        fs::write(&path, TWO.replace("epoch = 4", "epoch = 6").replace("'a'", "'c'")).unwrap();
        file.read_again();
        assert_eq!(now(), (6, String::new()));
        let elsewhere: LinkPlace = "127.0.0.1:3".parse().unwrap();
        let (_, membership) = ShardFile::read(&path, "b", vec![elsewhere.clone()]).unwrap();
        assert_eq!(membership.links, [elsewhere]);
        fs::remove_file(&path).unwrap();
    }
}

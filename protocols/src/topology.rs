//! Who has which slots, where each shard is reached, and where clients reach the gateways.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::limits::LINK_NAME_BYTES_MAX;
use crate::route::{Owners, Shard};
use crate::slot::SLOTS;
use crate::slots::Slots;

/// One state of a database: its shards and its gateways. A change is another one, with a higher epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Grows with every change of who has what. Shards refuse requests by another.
    pub epoch: u32,
    gateways: Vec<GatewayNode>,
    shards: Vec<ShardNode>,
    owners: Owners,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardNode {
    /// Its name, as it greets.
    pub name: String,
    /// The slots it has.
    pub slots: Slots,
    /// Where gateways reach it.
    pub link: LinkPlace,
    /// The gateway beside it, to which clients of a cluster are sent for its slots: a place among
    /// [`Topology::gateways`].
    pub gateway: usize,
}

/// A gateway, as clients of a cluster see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayNode {
    /// Its name.
    pub name: String,
    /// Where clients reach it. Where it does not say, a gateway says of itself what it knows.
    pub place: ClientPlace,
}

/// Where clients reach a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientPlace {
    /// Empty if it is not known.
    pub ip: String,
    /// The port for Redis clients; 0 if it is not known.
    pub port: u16,
    /// Empty if it has none.
    pub hostname: String,
}

impl Topology {
    /// A topology of these.
    ///
    /// # Errors
    /// What contradicts itself: names that come twice or are no names, slots that two shards have, a shard beside a
    /// gateway that is not there, no shard or no gateway at all.
    pub fn new(epoch: u32, gateways: Vec<GatewayNode>, shards: Vec<ShardNode>) -> Result<Self, String> {
        if gateways.is_empty() || shards.is_empty() {
            return Err("there has to be a gateway and a shard".into());
        }
        distinct(gateways.iter().map(|gateway| &*gateway.name))?;
        distinct(shards.iter().map(|shard| &*shard.name))?;
        if let Some(lost) = shards.iter().find(|shard| shard.gateway >= gateways.len()) {
            return Err(format!("shard {} is beside a gateway that is not there", lost.name));
        }
        if let Some((first, second, slot)) = overlap(&shards) {
            return Err(format!("shards {first} and {second} both have slot {slot}"));
        }
        let owners = Owners::new(shards.iter().map(|shard| &shard.slots))?;
        Ok(Self { epoch, gateways, shards, owners })
    }

    /// The gateways, in the order they were given.
    pub fn gateways(&self) -> &[GatewayNode] {
        &self.gateways
    }

    /// The shards, in the order they were given.
    pub fn shards(&self) -> &[ShardNode] {
        &self.shards
    }

    /// The shard at this place.
    pub fn shard(&self, shard: Shard) -> &ShardNode {
        &self.shards[usize::from(shard)]
    }

    /// Who has each slot.
    #[inline]
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The place of the gateway of this name.
    pub fn gateway_named(&self, name: &str) -> Option<usize> {
        self.gateways.iter().position(|gateway| gateway.name == name)
    }

    /// Who has each slot, and who is asked where it is about all of them, as the gateway at this place has it as a
    /// node of a cluster: those beside it. One that has none beside it, which clients of a cluster never ask, speaks
    /// for all.
    pub fn owners_beside(&self, gateway: usize) -> Owners {
        let beside = self.shards.iter().zip(0..).filter(|(shard, _)| shard.gateway == gateway);
        let beside: Vec<Shard> = beside.map(|(_, place)| place).collect();
        let owners = self.owners.clone();
        if beside.is_empty() { owners } else { owners.asking(beside) }
    }

    /// The gateway beside the shard that has `slot`, if anybody has it.
    #[inline]
    pub fn gateway_of(&self, slot: u16) -> Option<usize> {
        self.owners.of(slot).map(|shard| self.shard(shard).gateway)
    }

    /// All slots that are reached beside the gateway at this place.
    pub fn slots_beside(&self, gateway: usize) -> Slots {
        let mut all = Slots::none();
        for shard in self.shards.iter().filter(|shard| shard.gateway == gateway) {
            shard.slots.ranges().flat_map(|(first, last)| first..=last).for_each(|slot| all.insert(slot));
        }
        all
    }
}

/// What clients of a cluster call the node that the gateway of this name is: forty hexadecimal digits, which every
/// gateway finds by itself. See [`forty_digits`].
pub fn node_id(gateway: &str) -> String {
    forty_digits("node", gateway)
}

/// What clients of a cluster call the shard of that node, all that is beside the gateway; see [`node_id`].
pub fn shard_id(gateway: &str) -> String {
    forty_digits("shard", gateway)
}

/// The first forty digits of three hashes of 64 bits: FNV-1a of the hash's number, `kind`, a zero byte and `name`,
/// mixed as `SplitMix64` mixes its state. Good enough to tell names apart that nobody has chosen to collide.
fn forty_digits(kind: &str, name: &str) -> String {
    let hash = |number: u8| {
        let bytes = [&[number][..], kind.as_bytes(), &[0], name.as_bytes()].concat();
        let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = (fnv ^ fnv >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let [one, two, three] = [0, 1, 2].map(hash);
    format!("{one:016x}{two:016x}{:08x}", three >> 32)
}

/// The first slot that two shards have, after their names.
fn overlap(shards: &[ShardNode]) -> Option<(&str, &str, u16)> {
    let mut names = vec![None; usize::from(SLOTS)];
    for ShardNode { name, slots, .. } in shards {
        for slot in slots.ranges().flat_map(|(first, last)| first..=last) {
            if let Some(before) = names[usize::from(slot)].replace(name.as_str()) {
                return Some((before, name, slot));
            }
        }
    }
    None
}

/// Refuses names that come twice or are none.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        check_name(name)?;
        if !seen.insert(name) {
            return Err(format!("two have the name {name}"));
        }
    }
    Ok(())
}

/// Refuses what is no name of a shard or a gateway.
///
/// # Errors
/// What is expected.
pub fn check_name(name: &str) -> Result<(), String> {
    match name.len() {
        1..=LINK_NAME_BYTES_MAX if !name.contains(char::is_whitespace) => Ok(()),
        _ => {
            Err(format!("'{name}' is no name: 1 to {LINK_NAME_BYTES_MAX} bytes without blanks are expected"))
        }
    }
}

/// Where a shard is reached: `unix:/path` or `ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPlace {
    /// By a file of this machine.
    Unix(PathBuf),
    /// By network; port 0 lets the system choose.
    Tcp(SocketAddr),
}

impl FromStr for LinkPlace {
    type Err = String;

    /// # Errors
    /// What is expected instead.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path is expected after unix:".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => {
                let address = text.parse().map(Self::Tcp);
                address.map_err(|_| format!("'{text}' is neither unix:/PATH nor ADDRESS:PORT"))
            }
        }
    }
}

impl fmt::Display for LinkPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Topology {
        let gateways = ["one", "two"].map(|name| GatewayNode { name: name.into(), ..GatewayNode::default() });
        let shards = [("a", "0-99", 0), ("b", "100-199", 1), ("c", "200-299", 0)];
        let shards = shards.map(|(name, slots, gateway)| ShardNode {
            name: name.into(),
            slots: slots.parse().unwrap(),
            link: "127.0.0.1:1".parse().unwrap(),
            gateway,
        });
        Topology::new(1, gateways.into(), shards.into()).unwrap()
    }

    #[test]
    fn a_gateway_has_the_slots_of_the_shards_beside_it() {
        let topology = two();
        assert_eq!(topology.slots_beside(0).to_string(), "0-99,200-299");
        assert_eq!(
            [50, 150, 250, 300].map(|slot| topology.gateway_of(slot)),
            [Some(0), Some(1), Some(0), None]
        );
        assert_eq!(topology.owners_beside(0).asked(), [0, 2]);
        assert_eq!(topology.owners_beside(1).asked(), [1]);
        assert_eq!(topology.owners().asked(), [0, 1, 2]);
    }

    #[test]
    fn ids_are_forty_digits_that_never_change() {
        assert_eq!(node_id("gateway-1"), "0d5f2b56c225c9b7d89f093f01850d31f91decaf");
        assert_eq!(shard_id("gateway-1"), "08d5a974c2c93d6fd2dca4f4cbce8a0a6fc7e605");
        let ids: HashSet<_> = (0..1000).map(|number| node_id(&format!("gateway-{number}"))).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["unix:/run/shard.sock", "127.0.0.1:7000", "[::1]:7000"] {
            assert_eq!(text.parse::<LinkPlace>().unwrap().to_string(), text);
        }
        for text in ["unix:", "7000", "localhost", "127.0.0.1"] {
            assert!(text.parse::<LinkPlace>().is_err(), "{text}");
        }
    }
}

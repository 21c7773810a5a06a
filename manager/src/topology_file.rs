//! The topology file: which shards there are, what each has, and where clients reach the gateways. TOML.
//!
//! ```toml
//! epoch = 1
//!
//! [[gateways]]            # optional: without any there is one, gateway-1
//! name = "gateway-1"
//! ip = "10.0.0.1"         # where clients reach it; optional, as are port and hostname
//! port = 6379
//!
//! [[shards]]
//! name = "shard-1"
//! slots = "0-16383"
//! link = "unix:/run/tidegate/shard-1.sock"
//! gateway = "gateway-1"   # the one beside it; the first unless it says so
//! ```

use std::fmt::Display;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::topology::{ClientPlace, GatewayNode, ShardNode, Topology};

/// Bytes of the largest topology file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The name of the gateway of a file that names none.
const ONLY_GATEWAY: &str = "gateway-1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    epoch: u32,
    #[serde(default)]
    gateways: Vec<Gateway>,
    #[serde(default)]
    shards: Vec<Shard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gateway {
    name: String,
    #[serde(default)]
    ip: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    hostname: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shard {
    name: String,
    slots: String,
    link: String,
    gateway: Option<String>,
}

/// A topology file that is read again when somebody says so.
#[derive(Debug)]
pub(crate) struct TopologyFile {
    path: PathBuf,
}

impl TopologyFile {
    /// The file at `path`.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// What it says, if `check` has nothing against it.
    ///
    /// # Errors
    /// What is wrong, after the name of the file.
    pub(crate) fn read(&self, check: impl Fn(&Topology) -> Result<(), String>) -> Result<Topology, String> {
        let topology = read(&self.path).and_then(|topology| check(&topology).map(|()| topology));
        topology.map_err(|reason| format!("topology file {}: {reason}", self.path.display()))
    }

    /// What it says by now, if that may take the place of the topology of this epoch. If not, the log says why.
    pub(crate) fn read_again(
        &self,
        epoch: u32,
        check: impl Fn(&Topology) -> Result<(), String>,
    ) -> Option<Topology> {
        let grows = |topology: &Topology| match topology.epoch {
            now if now <= epoch => Err(format!("epoch is {now}, it has to be more than {epoch}")),
            _ => check(topology),
        };
        let topology = self.read(grows);
        match &topology {
            Ok(topology) => tracing::info!(
                "the topology of {} has epoch {} and {} shards now",
                self.path.display(),
                topology.epoch,
                topology.shards().len()
            ),
            Err(reason) => tracing::warn!("the topology stays as it is: {reason}"),
        }
        topology.ok()
    }
}

/// The topology in the file at `path`.
///
/// # Errors
/// The reason alone, for people: with the line if the text is wrong, with the shard or the gateway if it is that.
fn read(path: &Path) -> Result<Topology, String> {
    let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("{bytes} bytes are too many, at most {FILE_BYTES_MAX} are read"));
    }
    parse(&fs::read_to_string(path).map_err(|error| error.to_string())?)
}

/// The topology that `text` describes.
///
/// # Errors
/// See [`read`].
pub(crate) fn parse(text: &str) -> Result<Topology, String> {
    let file: File = toml_edit::de::from_str(text).map_err(|error| mistake(text, &error))?;
    let mut gateways = file.gateways.into_iter().map(gateway).collect::<Result<Vec<_>, _>>()?;
    if gateways.is_empty() {
        gateways.push(GatewayNode { name: ONLY_GATEWAY.into(), place: ClientPlace::default() });
    }
    if file.shards.is_empty() {
        return Err("there is no [[shards]]".into());
    }
    let shards = file.shards.into_iter().map(|shard| self::shard(shard, &gateways));
    let shards = shards.collect::<Result<Vec<_>, _>>()?;
    Topology::new(file.epoch, gateways, shards)
}

/// What is wrong with the text and where, in one line.
fn mistake(text: &str, error: &toml_edit::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let what = error.message().replace('\n', ", ");
    match before {
        Some(before) => format!("line {}: {what}", before.matches('\n').count() + 1),
        None => what,
    }
}

fn gateway(said: Gateway) -> Result<GatewayNode, String> {
    let Gateway { name, ip, port, hostname } = said;
    let of = format!("gateway {name}");
    if !ip.is_empty() {
        value::<IpAddr>(&of, "ip", &ip)?;
    }
    let hostname_rule = Settings::default().parse(Key::ClusterAnnounceHostname, &hostname);
    hostname_rule.map_err(|reason| format!("{of}: hostname: {reason}"))?;
    Ok(GatewayNode { name, place: ClientPlace { ip, port, hostname } })
}

fn shard(said: Shard, gateways: &[GatewayNode]) -> Result<ShardNode, String> {
    let of = format!("shard {}", said.name);
    let gateway = said.gateway.map_or(Some(0), |name| gateways.iter().position(|one| one.name == name));
    Ok(ShardNode {
        slots: value::<Slots>(&of, "slots", &said.slots)?,
        link: value(&of, "link", &said.link)?,
        gateway: gateway.ok_or_else(|| format!("{of}: its gateway is not among [[gateways]]"))?,
        name: said.name,
    })
}

fn value<T: FromStr<Err: Display>>(of: &str, key: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|reason| format!("{of}: {key}: {reason}"))
}

/// The slots that no shard has; requests for them fail.
pub(crate) fn unserved(topology: &Topology) -> Slots {
    let mut unserved = Slots::none();
    let owners = topology.owners();
    (0..SLOTS).filter(|&slot| owners.of(slot).is_none()).for_each(|slot| unserved.insert(slot));
    unserved
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
        epoch = 7
        [[gateways]]
        name = 'east'
        ip = '10.0.0.1'
        port = 7001
        hostname = 'east.example'
        [[gateways]]
        name = 'west'
        [[shards]]
        name = 's1'
        slots = '0-8191'
        link = 'unix:/run/s1.sock'
        [[shards]]
        name = 's2'
        slots = '8192-16382'
        link = '10.0.0.2:7102'
        gateway = 'west'
    ";

    fn refusal(from: &str, to: &str) -> String {
        assert!(TWO.contains(from), "{from}");
        parse(&TWO.replacen(from, to, 1)).unwrap_err()
    }

    #[test]
    fn the_file_says_who_has_what_and_where_everybody_is() {
        let topology = parse(TWO).unwrap();
        assert_eq!(topology.epoch, 7);
        let [east, west] = topology.gateways() else { panic!("two gateways") };
        assert_eq!(
            (&*east.place.ip, east.place.port, &*east.place.hostname),
            ("10.0.0.1", 7001, "east.example")
        );
        assert_eq!((&*west.name, &west.place), ("west", &ClientPlace::default()));
        let shards: Vec<_> = topology
            .shards()
            .iter()
            .map(|shard| (&*shard.name, shard.slots.to_string(), shard.link.to_string(), shard.gateway))
            .collect();
        assert_eq!(
            shards,
            [
                ("s1", "0-8191".to_owned(), "unix:/run/s1.sock".to_owned(), 0),
                ("s2", "8192-16382".to_owned(), "10.0.0.2:7102".to_owned(), 1)
            ]
        );
        assert_eq!(unserved(&topology).to_string(), "16383");
    }

    #[test]
    fn without_gateways_there_is_one() {
        let topology = parse("epoch = 1\nshards = [{name = 's', slots = '0-16383', link = '127.0.0.1:1'}]");
        let topology = topology.unwrap();
        let names: Vec<_> = topology.gateways().iter().map(|gateway| &*gateway.name).collect();
        assert_eq!((names, topology.shards()[0].gateway), (vec!["gateway-1"], 0));
        assert!(unserved(&topology).is_empty());
    }

    #[test]
    fn what_is_wrong_in_the_text_is_named_with_its_line() {
        for (from, to, begin) in [
            ("epoch = 7", "epoch = -1", "line 2: invalid value: integer `-1`, expected u32"),
            ("epoch = 7", "epoch = 'seven'", "line 2: invalid type: string \"seven\", expected u32"),
            ("port = 7001", "prot = 7001", "line 6: unknown field `prot`, expected one of "),
            ("port = 7001", "port = 70010", "line 6: invalid value: integer `70010`, expected u16"),
            ("link = 'unix:/run/s1.sock'", "", "line 10: missing field `link`"),
            ("[[shards]]", "[[shard]]", "line 10: unknown field `shard`, expected one of "),
            ("slots = '0-8191'", "slots = '0-8191", "line 12: "),
        ] {
            let told = refusal(from, to);
            assert!(told.starts_with(begin) && !told.contains('\n'), "{to}: {told}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_named_with_whom_it_concerns() {
        for (from, to, expected) in [
            ("slots = '8192-16382'", "slots = '8191-16382'", "shards s1 and s2 both have slot 8191"),
            ("name = 's2'", "name = 's1'", "two have the name s1"),
            ("name = 'west'", "name = 'east'", "shard s2: its gateway is not among [[gateways]]"),
            ("name = 's2'", "name = 'a b'", "'a b' is no name: 1 to 255 bytes without blanks are expected"),
            (
                "'0-8191'",
                "'0-99999'",
                "shard s1: slots: '0-99999' is no slot (0 to 16383) and no range of slots",
            ),
            ("'10.0.0.2:7102'", "'there'", "shard s2: link: 'there' is neither unix:/PATH nor ADDRESS:PORT"),
            ("ip = '10.0.0.1'", "ip = 'x'", "gateway east: ip: invalid IP address syntax"),
            (
                "'east.example'",
                "'a b'",
                "gateway east: hostname: Hostnames may only contain alphanumeric characters, hyphens or dots",
            ),
        ] {
            assert_eq!(refusal(from, to), expected);
        }
        assert_eq!(parse("epoch = 1").unwrap_err(), "there is no [[shards]]");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_with_the_reason() {
        assert!(read(Path::new("/nowhere/topology.toml")).unwrap_err().contains("No such file"));
    }
}

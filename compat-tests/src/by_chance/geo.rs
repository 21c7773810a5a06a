//! Random requests on places.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 1_500;

const KEYS: [&str; 3] = ["a", "b", "c"];

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "geo", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, _: Real) -> String {
    let entries = [0, 20, 512][dice.usize(..3)];
    let mut text = format!("> CONFIG SET zset-max-listpack-entries {entries}\n");
    // Some rounds are about one town, others about the world.
    let spread = [0.01, 1.0, 40.0, 360.0][dice.usize(..4)];
    let centre = (coordinate(dice, 180.0), coordinate(dice, 85.0));
    // Then many members are at the same place.
    let is_coarse = dice.bool();
    for _ in 0..REQUESTS {
        writeln!(text, "> {}", request(dice, &Map { centre, spread, is_coarse })).expect("a string");
    }
    text
}

/// Where places are.
struct Map {
    centre: (f64, f64),
    spread: f64,
    is_coarse: bool,
}

impl Map {
    /// A longitude and a latitude, different ones every time.
    fn place(&self, dice: &mut fastrand::Rng) -> String {
        // Not beyond the edge, where many would be at the same place.
        let near =
            |at: f64, chance: f64, most: f64| at + (chance - 0.5) * self.spread.min(2.0 * (most - at.abs()));
        let longitude = near(self.centre.0, dice.f64(), 180.0);
        let latitude = near(self.centre.1, dice.f64(), 85.051);
        if self.is_coarse {
            let width = self.spread / 4.0;
            return format!("{} {}", (longitude / width).trunc() * width, (latitude / width).trunc() * width);
        }
        format!("{longitude} {latitude}")
    }

    /// Metres.
    fn distance(&self, dice: &mut fastrand::Rng) -> String {
        format!("{} m", (dice.f64() * self.spread * 100_000.0 * 1000.0).round() / 1000.0)
    }
}

fn coordinate(dice: &mut fastrand::Rng, most: f64) -> f64 {
    (dice.f64() - 0.5) * 2.0 * most
}

fn request(dice: &mut fastrand::Rng, map: &Map) -> String {
    let (key, other) = (one(dice, &KEYS), one(dice, &KEYS));
    let (member, options) = (member(dice), options(dice));
    let place = map.place(dice);
    let from = if dice.bool() { format!("FROMMEMBER {member}") } else { format!("FROMLONLAT {place}") };
    let distance = map.distance(dice);
    let (radius, unit) = distance.split_once(' ').expect("a unit");
    let by = match dice.u8(..3) {
        0 => format!("BYBOX {radius} {}", map.distance(dice)),
        _ => format!("BYRADIUS {distance}"),
    };
    match dice.u8(..16) {
        0..=4 => {
            let places: Vec<_> =
                (0..dice.usize(1..8)).map(|_| map.place(dice) + " " + &self::member(dice)).collect();
            format!("GEOADD {key}{} {}", one(dice, &["", "", " NX", " XX CH", " CH"]), places.join(" "))
        }
        5 => format!("GEODIST {key} {member} {} {}", self::member(dice), one(dice, &["m", "km", "ft", "mi"])),
        6 => format!("GEOPOS {key} {member}"),
        7 => format!("GEOHASH {key} {member}"),
        8..=10 => format!("GEOSEARCH {key} {from} {by}{options}"),
        11 => format!("GEORADIUS {key} {place} {distance}{options}"),
        12 => format!("GEORADIUSBYMEMBER {key} {member} {radius} {unit}{options}"),
        13 => format!(
            "GEOSEARCHSTORE {key} {other} {from} {by}{}",
            one(dice, &["", " COUNT 9", " COUNT 3 ANY"])
        ),
        14 if dice.u8(..3) == 0 => format!("ZREM {key} {member}"),
        14 => format!("GEORADIUS {key} {place} {distance} STORE {other} COUNT {}", dice.u8(1..20)),
        _ => format!("ZRANGE {key} 0 -1 WITHSCORES"),
    }
}

fn member(dice: &mut fastrand::Rng) -> String {
    dice.u8(..40).to_string()
}

fn options(dice: &mut fastrand::Rng) -> String {
    let mut options = String::new();
    for option in [" WITHCOORD", " WITHDIST", " WITHHASH"] {
        options += if dice.u8(..3) == 0 { option } else { "" };
    }
    options += one(dice, &["", " ASC", " DESC"]);
    match dice.u8(..4) {
        0 => write!(options, " COUNT {}", dice.u8(1..12)).expect("a string"),
        1 => write!(options, " COUNT {} ANY", dice.u8(1..12)).expect("a string"),
        _ => {}
    }
    options
}

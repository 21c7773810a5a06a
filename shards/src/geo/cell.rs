//! Where a place is as a number: the map halved again and again, by longitude and by latitude in turn, so that places
//! which are near to each other mostly have near numbers.
//!
//! A number of 26 halvings each way, 52 bits, is the score of a member. Fewer of them are a cell, of which it is one of
//! `4^steps`. Source: Redis `geohash.c`.

/// Halvings each way of what is the score of a member.
pub(super) const STEPS_MAX: u8 = 26;

/// The map: longitudes, and latitudes as far as they are in Mercator's projection (EPSG:3857).
pub(super) const LONGITUDES: (f64, f64) = (-180.0, 180.0);
pub(super) const LATITUDES: (f64, f64) = (-85.051_128_78, 85.051_128_78);

/// Degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Place {
    /// Whether it is on the map.
    pub(super) fn is_on_map(self) -> bool {
        (LONGITUDES.0..=LONGITUDES.1).contains(&self.longitude)
            && (LATITUDES.0..=LATITUDES.1).contains(&self.latitude)
    }

    /// The place that the score of a member is, whatever that is.
    pub(super) fn of_score(score: f64) -> Self {
        Cell { bits: truncated(score), steps: STEPS_MAX }.area().middle()
    }

    /// The score of a member that is there, which is on the map.
    pub(super) fn score(self) -> u64 {
        Cell::at(self, STEPS_MAX).bits
    }
}

/// A number as 64 bits, as C compiled for x86-64 makes them of one that does not fit, too.
fn truncated(value: f64) -> u64 {
    const MIDDLE: f64 = (1_u64 << 63) as f64;
    if value < MIDDLE { signed(value) as u64 } else { signed(value - MIDDLE) as u64 ^ 1 << 63 }
}

/// The same for a signed number.
pub(super) fn signed(value: f64) -> i64 {
    const MIDDLE: f64 = (1_u64 << 63) as f64;
    if (-MIDDLE..MIDDLE).contains(&value) { value as i64 } else { i64::MIN }
}

/// A part of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    bits: u64,
    steps: u8,
}

/// From west to east and from south to north, in degrees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) longitudes: (f64, f64),
    pub(super) latitudes: (f64, f64),
}

impl Area {
    fn middle(self) -> Place {
        let middle = |(from, to): (f64, f64), (least, most)| f64::midpoint(from, to).clamp(least, most);
        Place { longitude: middle(self.longitudes, LONGITUDES), latitude: middle(self.latitudes, LATITUDES) }
    }
}

impl Cell {
    /// The cell of a place on the map after so many steps. The last place of the map has a cell of its own, beyond all
    /// others.
    pub(super) fn at(place: Place, steps: u8) -> Self {
        Self::within(place, steps, LATITUDES)
    }

    /// The same on a map of other latitudes.
    fn within(place: Place, steps: u8, latitudes: (f64, f64)) -> Self {
        let part = |value: f64, (from, to): (f64, f64)| {
            ((value - from) / (to - from) * (1_u64 << steps) as f64) as u32
        };
        let (x, y) = (part(place.longitude, LONGITUDES), part(place.latitude, latitudes));
        Self { bits: spread(x) << 1 | spread(y), steps }
    }

    /// The part of the map that it is.
    pub(super) fn area(self) -> Area {
        let (x, y) = self.coordinates();
        let edges = |at: u32, (from, to): (f64, f64)| {
            let edge = |at: u32| from + (f64::from(at) / (1_u64 << self.steps) as f64) * (to - from);
            (edge(at), edge(at.wrapping_add(1)))
        };
        Area { longitudes: edges(x, LONGITUDES), latitudes: edges(y, LATITUDES) }
    }

    /// How many cells lie west and south of it.
    fn coordinates(self) -> (u32, u32) {
        (gathered(self.bits >> 1), gathered(self.bits))
    }

    /// The cell so many to the east and to the north, around the world.
    pub(super) fn beside(self, east: i32, north: i32) -> Self {
        let (x, y) = self.coordinates();
        let mask = ((1_u64 << self.steps) - 1) as u32;
        let moved = |at: u32, by: i32| if by == 0 { at } else { at.wrapping_add_signed(by) & mask };
        Self { bits: spread(moved(x, east)) << 1 | spread(moved(y, north)), steps: self.steps }
    }

    /// The scores of members in it: from the first, up to the second without it.
    pub(super) fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// The geohash of a place as others know it: of latitudes up to the poles, eleven letters, of which the last is always 0.
pub(super) fn geohash(place: Place) -> [u8; 11] {
    const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let cell = Cell::within(place, STEPS_MAX, (-90.0, 90.0));
    std::array::from_fn(|at| match at {
        10 => b'0',
        _ => LETTERS[(cell.bits >> (52 - 5 * (at + 1)) & 0x1f) as usize],
    })
}

/// The bits of a number with a zero above each.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Every second bit, from the lowest on.
fn gathered(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_are_spread_are_gathered_again() {
        for number in [0, 1, 2, 0x1234_5678, 0x8000_0001, u32::MAX] {
            assert_eq!(spread(number).count_ones(), number.count_ones());
            assert_eq!(gathered(spread(number)), number);
            assert_eq!(gathered(spread(number) << 1), 0);
        }
    }

    #[test]
    fn a_place_is_in_its_cell_and_its_neighbours_lie_around_it() {
        let place = Place { longitude: 13.361_389, latitude: 38.115_556 };
        for steps in 1..=STEPS_MAX {
            let cell = Cell::at(place, steps);
            let area = cell.area();
            assert!(area.longitudes.0 <= place.longitude && place.longitude < area.longitudes.1);
            assert!(area.latitudes.0 <= place.latitude && place.latitude < area.latitudes.1);
            let (from, to) = cell.scores();
            assert!((from..to).contains(&(place.score() as f64)));
            assert_eq!(cell.beside(1, -1).beside(-1, 1), cell);
            let world = 1 << steps;
            assert_eq!(cell.beside(world, 0), cell);
        }
        assert_eq!(place.score(), 3_479_099_956_230_698);
        assert_eq!(&geohash(Place::of_score(3_479_099_956_230_698.0)), b"sqc8b49rny0");
    }

    #[test]
    fn any_score_is_some_place() {
        for score in [0.0, -1.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, 4_503_599_627_370_496.0] {
            assert!(Place::of_score(score).is_on_map(), "{score}");
        }
    }
}

//! Circles and boxes on the earth: who is in them, and which cells they cover.
//!
//! The earth is a sphere. Which cells are looked at decides the order in which members are found, so this goes step by step as
//! Redis goes, in the order of its operations on numbers too. Source: Redis 7.2 `geohash_helper.c`.

use std::f64::consts::PI;

use super::cell::{Cell, Place, STEPS_MAX};

/// Metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// Half the equator in Mercator's projection, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

const DEGREE: f64 = PI / 180.0;

/// Metres between two latitudes on the same meridian.
fn distance_of_latitudes(one: f64, other: f64) -> f64 {
    EARTH_RADIUS * (other * DEGREE - one * DEGREE).abs()
}

/// Metres from one place to another, along a great circle.
pub(super) fn distance(one: Place, other: Place) -> f64 {
    let v = ((other.longitude * DEGREE - one.longitude * DEGREE) / 2.0).sin();
    if v == 0.0 {
        return distance_of_latitudes(one.latitude, other.latitude);
    }
    let (from, to) = (one.latitude * DEGREE, other.latitude * DEGREE);
    let u = ((to - from) / 2.0).sin();
    let a = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS * a.sqrt().asin()
}

/// What is searched.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Everything up to so far away.
    Circle {
        /// In `unit`.
        radius: f64,
    },
    /// Everything up to half of it away to the east and west, and to the north and south.
    Box {
        /// In `unit`.
        width: f64,
        /// In `unit`.
        height: f64,
    },
}

/// A shape around a place.
#[derive(Clone, Copy)]
pub(super) struct Search {
    pub(super) middle: Place,
    pub(super) shape: Shape,
    /// Metres of the unit of its lengths.
    pub(super) unit: f64,
}

impl Search {
    /// Metres to a place from the middle, if it is within the shape.
    pub(super) fn distance_within(&self, place: Place) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = distance(self.middle, place);
                let is_outside = distance > radius * self.unit;
                (!is_outside).then_some(distance)
            }
            Shape::Box { width, height } => {
                let beside = Place { latitude: place.latitude, ..self.middle };
                let is_outside = distance_of_latitudes(place.latitude, self.middle.latitude)
                    > height * self.unit / 2.0
                    || distance(place, beside) > width * self.unit / 2.0;
                (!is_outside).then(|| distance(self.middle, place))
            }
        }
    }

    /// Halvings after which a cell is about as large as the shape.
    fn steps(&self) -> u8 {
        let radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        let mut radius = radius * self.unit;
        if radius == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1;
        while radius < MERCATOR_MAX {
            radius *= 2.0;
            steps += 1;
        }
        // Towards the poles cells are narrower.
        let latitude = self.middle.latitude.abs();
        let steps = steps - 2 - i32::from(latitude > 66.0) - i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX.into()) as u8
    }

    /// The cells that cover the shape, in the order in which they are searched.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = self.steps();
        let mut cell = Cell::at(self.middle, steps);
        let is_too_small = cell.beside(0, 1).area().latitudes.1 < bounds.north
            || cell.beside(0, -1).area().latitudes.0 > bounds.south
            || cell.beside(1, 0).area().longitudes.1 < bounds.east
            || cell.beside(-1, 0).area().longitudes.0 > bounds.west;
        if steps > 1 && is_too_small {
            steps -= 1;
            cell = Cell::at(self.middle, steps);
        }
        let area = cell.area();
        let may_leave_out = steps >= 2;
        let is_needed = |east: i32, north: i32| {
            !may_leave_out
                || !(north < 0 && area.latitudes.0 < bounds.south
                    || north > 0 && area.latitudes.1 > bounds.north
                    || east < 0 && area.longitudes.0 < bounds.west
                    || east > 0 && area.longitudes.1 > bounds.east)
        };
        let around = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let around = around.into_iter().filter(|&(east, north)| is_needed(east, north));
        let mut cells: Vec<_> = around.map(|(east, north)| cell.beside(east, north)).collect();
        // On a map of few cells both neighbours are the same.
        cells.dedup();
        cells.insert(0, cell);
        cells
    }

    fn bounds(&self) -> Bounds {
        let Place { longitude, latitude } = self.middle;
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (self.unit * radius, self.unit * radius),
            Shape::Box { width, height } => (self.unit * (width / 2.0), self.unit * (height / 2.0)),
        };
        let high = height / EARTH_RADIUS / DEGREE;
        let wide_at = |latitude: f64| width / EARTH_RADIUS / (latitude * DEGREE).cos() / DEGREE;
        let wide = if latitude < 0.0 { wide_at(latitude - high) } else { wide_at(latitude + high) };
        Bounds {
            west: longitude - wide,
            south: latitude - high,
            east: longitude + wide,
            north: latitude + high,
        }
    }
}

/// The box around a shape, in degrees.
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

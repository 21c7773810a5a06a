//! Sets of slots, as topologies name them.

use std::fmt;
use std::str::FromStr;

use crate::slot::SLOTS;

/// A set of the [`SLOTS`]; written as `0-5460,7000`.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots(Box<[u64; SLOTS as usize / 64]>);

impl Slots {
    /// None of them.
    pub fn none() -> Self {
        Self(Box::new([0; SLOTS as usize / 64]))
    }

    /// All of them.
    pub fn all() -> Self {
        Self(Box::new([u64::MAX; SLOTS as usize / 64]))
    }

    /// Whether `slot` is one of them.
    #[inline]
    pub fn has(&self, slot: u16) -> bool {
        self.0[usize::from(slot) / 64] & 1 << (slot % 64) != 0
    }

    /// Adds one; `slot` is less than [`SLOTS`].
    pub fn insert(&mut self, slot: u16) {
        self.0[usize::from(slot) / 64] |= 1 << (slot % 64);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Neighbouring ones together, the first and the last of each range, in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = (next..SLOTS).find(|&slot| self.has(slot))?;
            let end = (first..SLOTS).find(|&slot| !self.has(slot)).unwrap_or(SLOTS);
            next = end;
            Some((first, end - 1))
        })
    }
}

impl FromStr for Slots {
    type Err = String;

    /// # Errors
    /// The first part that is no slot and no range of slots.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut slots = Self::none();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let slot = |text: &str| text.trim().parse().ok().filter(|&slot| slot < SLOTS);
            match (slot(first), slot(last)) {
                (Some(first), Some(last)) if first <= last => {
                    (first..=last).for_each(|slot| slots.insert(slot));
                }
                _ => return Err(format!("'{part}' is no slot (0 to {}) and no range of slots", SLOTS - 1)),
            }
        }
        Ok(slots)
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.ranges().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slots({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_as_it_is_read() {
        for text in ["0-5460", "0-16383", "7", "0,2,4-5,16383", "63-64,127-128"] {
            assert_eq!(text.parse::<Slots>().unwrap().to_string(), text);
        }
        let slots: Slots = "5,3-4,5".parse().unwrap();
        assert_eq!((slots.to_string().as_str(), slots.len()), ("3-5", 3));
        assert!(slots.has(4) && !slots.has(6));
        assert_eq!(Slots::all().to_string(), "0-16383");
        assert!(Slots::none().is_empty() && Slots::none().to_string().is_empty());
    }

    #[test]
    fn what_is_no_slot_is_named() {
        for part in ["", "16384", "5-4", "a", "1-", "-1", "0-16384", "1-2-3"] {
            let error = part.parse::<Slots>().unwrap_err();
            assert!(error.contains(&format!("'{part}'")), "{part}: {error}");
        }
    }
}

//! Sorted sets of members as they were written.

use std::cmp::Ordering;
use std::collections::HashSet;

use tidegate_protocols::number::bound;
use tidegate_protocols::settings::Settings;

use super::sorted_set::{Keep, Limits, built};
use crate::db::Encoding;
use crate::large::Built;
use crate::structures::listpack::{Element, Listpack};

/// The sorted set of these members in any order; `None` if one is there twice, or a score is no number.
pub(crate) fn restored(settings: &Settings, mut members: Vec<(f64, Vec<u8>)>) -> Option<Built> {
    let mut known = HashSet::new();
    if members.iter().any(|(score, name)| score.is_nan() || !known.insert(name.as_slice())) {
        return None;
    }
    drop(known);
    members.sort_by(order);
    (!members.is_empty()).then(|| built(&members, Keep::Packed(Limits::of(settings))))
}

/// The same of members and scores in turn that are packed already, and in order.
pub(crate) fn restored_pack(settings: &Settings, pack: Listpack<'_>) -> Option<Built> {
    let (mut elements, mut members) = (pack.iter(), Vec::new());
    while let Some(member) = elements.next() {
        let score = match elements.next()? {
            Element::Int(number) => number as f64,
            Element::Text(text) => bound(text)?,
        };
        members.push((score, member.text(&mut itoa::Buffer::new()).to_vec()));
    }
    if !members.is_sorted_by(|one, next| order(one, next) == Ordering::Less) {
        return None;
    }
    match restored(settings, members)? {
        // As it was written, not as it would be now.
        Built::Packed(..) => Some(Built::Packed(Encoding::PackedSortedSet, pack.bytes().to_vec())),
        large @ Built::Large(_) => Some(large),
    }
}

fn order((score, name): &(f64, Vec<u8>), (other, other_name): &(f64, Vec<u8>)) -> Ordering {
    score.partial_cmp(other).unwrap_or(Ordering::Equal).then_with(|| name.cmp(other_name))
}

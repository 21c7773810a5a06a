//! The first of many in order, when the rest may stay as it is.
//!
//! Who come first is the same however it is done, but not who of several equal ones: therefore it is the
//! quicksort that Redis has. Source: Bentley and others, "Engineering a Sort Function" (1993); Redis `pqsort.c`.

use std::cmp::Ordering;

/// As few as these are put in order one by one.
const FEW: usize = 7;
/// Of more than these the pivot is the middle one of nine.
const MANY: usize = 40;

/// Puts `wanted` items, one at least, in order at the beginning.
pub(super) fn sort_first<T>(mut items: &mut [T], mut wanted: usize, compare: &impl Fn(&T, &T) -> Ordering) {
    while items.len() >= FEW {
        let len = items.len();
        items.swap(0, pivot(items, compare));
        let (less, more) = partition(items, compare);
        sort_first(&mut items[..less], wanted, compare);
        let begin = len - more;
        if begin >= wanted {
            return;
        }
        items = &mut items[begin..];
        wanted -= begin;
    }
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && compare(&items[at - 1], &items[at]).is_gt() {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Which item the others are compared with.
fn pivot<T>(items: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let is_less = |a: usize, b: usize| compare(&items[a], &items[b]).is_lt();
    let middle_of = |a: usize, b: usize, c: usize| {
        if is_less(a, b) {
            if is_less(b, c) {
                b
            } else if is_less(a, c) {
                c
            } else {
                a
            }
        } else if is_less(c, b) {
            b
        } else if is_less(a, c) {
            a
        } else {
            c
        }
    };
    let (first, middle, last) = (0, items.len() / 2, items.len() - 1);
    if items.len() == FEW {
        return middle;
    }
    if items.len() <= MANY {
        return middle_of(first, middle, last);
    }
    let step = items.len() / 8;
    middle_of(
        middle_of(first, first + step, first + 2 * step),
        middle_of(middle - step, middle, middle + step),
        middle_of(last - 2 * step, last - step, last),
    )
}

/// Moves what is less than the first item before it and its equals, and what is more behind them. Returns how many are
/// less and how many more.
fn partition<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    // Equal ones gather at both ends first: before `equal` and after `same`. Those between `less` and `more` are still to
    // be looked at.
    let (mut equal, mut less, mut more, mut same) = (1, 1, len - 1, len - 1);
    loop {
        while less <= more {
            match compare(&items[less], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(equal, less);
                    equal += 1;
                }
                Ordering::Less => {}
            }
            less += 1;
        }
        while less <= more {
            match compare(&items[more], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    items.swap(more, same);
                    same -= 1;
                }
                Ordering::Greater => {}
            }
            more -= 1;
        }
        if less > more {
            break;
        }
        items.swap(less, more);
        less += 1;
        more -= 1;
    }
    let (are_less, are_more) = (less - equal, same - more);
    let moved = equal.min(are_less);
    let (ends, rest) = items.split_at_mut(less - moved);
    ends[..moved].swap_with_slice(&mut rest[..moved]);
    let moved = are_more.min(len - 1 - same);
    let (rest, ends) = items.split_at_mut(len - moved);
    rest[less..less + moved].swap_with_slice(ends);
    (are_less, are_more)
}

#[cfg(test)]
mod tests {
    use super::sort_first;

    #[test]
    fn the_first_come_in_order_and_nobody_is_lost() {
        let mut random = fastrand::Rng::with_seed(7);
        for len in 0..200 {
            let numbers: Vec<u8> = (0..len).map(|_| random.u8(..30)).collect();
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            for wanted in [1, 2, len / 2 + 1, len] {
                let mut items = numbers.clone();
                sort_first(&mut items, wanted, &u8::cmp);
                let wanted = wanted.min(len);
                assert_eq!(items[..wanted], sorted[..wanted], "{wanted} of {numbers:?}");
                items.sort_unstable();
                assert_eq!(items, sorted);
            }
        }
    }
}

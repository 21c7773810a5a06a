//! A piece of a table: up to 441 entries in 64-byte lines.
//!
//! The first line is a header, the others are buckets of seven tags and seven words. Most buckets are
//! *homes*: the hash says which. An entry lies in its home, or displaced in the bucket after it, or in one
//! of the last few buckets, the *stash*. A home knows how many of its entries are there, so looking for a
//! key reads one or two neighbouring lines, and the entry. The order of homes is the order of hashes,
//! which is what makes a scan's cursor simple.
//!
//! All of it is atomic words, because prefetching reads them without the lock; whoever holds the lock is
//! the only one to write, so relaxed order is enough.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::word::Word;

/// Words in one bucket.
pub(crate) const WAYS: usize = 7;

/// Bits of a hash that choose a home, below those that choose the segment.
const HOME_BITS: u32 = 32;

/// A cache line. In a bucket the first word is seven tags and, in its top byte, the number of entries in
/// the stash whose home it is; a tag of 0 is an empty place. In a header the first word is the number of
/// entries, the second a time before which nothing here expires.
#[repr(align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; 8]);

const STASHED_SHIFT: u32 = 56;
const TAGS: u64 = (1 << STASHED_SHIFT) - 1;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// How large a segment is: an index into these sizes, all of them size classes of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(pub(crate) u8);

const LINES: [u8; 9] = [2, 4, 8, 12, 16, 24, 32, 48, 64];
const HOMES: [u8; 9] = [1, 2, 6, 10, 13, 20, 28, 42, 56];

impl Class {
    /// The smallest.
    pub(crate) const MIN: Self = Self(0);
    /// The largest: one page.
    pub(crate) const MAX: Self = Self(8);

    /// Lines, the header included.
    #[inline]
    pub(crate) fn lines(self) -> usize {
        usize::from(LINES[usize::from(self.0)])
    }

    /// Homes among the buckets.
    #[inline]
    pub(crate) fn homes(self) -> usize {
        usize::from(HOMES[usize::from(self.0)])
    }

    /// Entries there is room for.
    pub(crate) fn room(self) -> usize {
        (self.lines() - 1) * WAYS
    }

    /// The smallest class that `count` entries fill to no more than four fifths.
    pub(crate) fn fit(count: usize) -> Self {
        let mut class = Self::MIN;
        while class < Self::MAX && class.room() * 4 < count * 5 {
            class.0 += 1;
        }
        class
    }

    /// The next larger one.
    pub(crate) fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }
}

/// The tag of a hash: never 0.
#[inline]
fn tag_of(hash: u64) -> u8 {
    let tag = hash as u8;
    if tag == 0 { 0xff } else { tag }
}

/// The home of a hash among `homes`, monotone in the hash below its first `depth` bits.
#[inline]
pub(crate) fn home_of(hash: u64, depth: u32, homes: usize) -> usize {
    ((((hash << depth) >> (64 - HOME_BITS)) * homes as u64) >> HOME_BITS) as usize
}

/// The high bit of each of the seven tag bytes that equals `tag`.
#[inline]
fn matching(tags: u64, tag: u8) -> u64 {
    let differences = tags ^ (LOW_BITS * u64::from(tag));
    let carried = (differences & !HIGH_BITS) + !HIGH_BITS;
    !(carried | differences) & HIGH_BITS & TAGS
}

/// The ways whose high bits are set in `mask`.
#[inline]
fn ways(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let way = (mask != 0).then(|| mask.trailing_zeros() as usize / 8);
        mask &= mask.wrapping_sub(1);
        way
    })
}

/// Where an entry lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    bucket: u8,
    way: u8,
}

impl Place {
    /// Which of its bucket's ways it is.
    pub(crate) fn way(self) -> usize {
        usize::from(self.way)
    }

    fn new(bucket: usize, way: usize) -> Self {
        Self { bucket: bucket as u8, way: way as u8 }
    }
}

/// The lines of one segment, with the number of leading hash bits all its keys share.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'a> {
    lines: &'a [Line],
    class: Class,
    depth: u32,
}

impl<'a> Segment<'a> {
    /// A segment of `class` whose keys share `depth` leading hash bits.
    #[inline]
    pub(crate) fn new(lines: &'a [Line], class: Class, depth: u32) -> Self {
        debug_assert_eq!(lines.len(), class.lines());
        Self { lines, class, depth }
    }

    /// Its size.
    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// Leading hash bits its keys share.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Entries in it.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.lines[0].0[0].load(Relaxed) as usize
    }

    /// A time, in Unix milliseconds, before which nothing in here expires.
    #[inline]
    pub(crate) fn min_expire(&self) -> u64 {
        !self.lines[0].0[1].load(Relaxed)
    }

    /// Sets [`Segment::min_expire`]. It is kept inverted, so that a zeroed header says "never".
    pub(crate) fn set_min_expire(&self, at: u64) {
        self.lines[0].0[1].store(!at, Relaxed);
    }

    /// Makes sure that [`Segment::min_expire`] is not after `at`.
    pub(crate) fn expires_by(&self, at: u64) {
        if at < self.min_expire() {
            self.set_min_expire(at);
        }
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        home_of(hash, self.depth, self.class.homes())
    }

    #[inline]
    fn after(&self, home: usize) -> usize {
        if home + 1 == self.class.homes() { 0 } else { home + 1 }
    }

    /// Buckets, homes and stash.
    fn buckets(&self) -> usize {
        self.lines.len() - 1
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> &'a [AtomicU64; 8] {
        &self.lines[bucket + 1].0
    }

    #[inline]
    fn tags(&self, bucket: usize) -> u64 {
        self.bucket(bucket)[0].load(Relaxed)
    }

    /// The word at a place.
    #[inline]
    pub(crate) fn word(&self, place: Place) -> Word {
        Word(self.bucket(usize::from(place.bucket))[usize::from(place.way) + 1].load(Relaxed))
    }

    /// Changes the word at a place; which entry it is, and where it lies, stays.
    #[inline]
    pub(crate) fn set_word(&self, place: Place, word: Word) {
        self.bucket(usize::from(place.bucket))[usize::from(place.way) + 1].store(word.0, Relaxed);
    }

    /// The entry with this hash that `is` the one looked for.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(Word) -> bool) -> Option<Place> {
        let (home, tag) = (self.home(hash), tag_of(hash));
        let tags = self.tags(home);
        if let Some(place) = self.find_in(home, tags, tag, &mut is) {
            return Some(place);
        }
        let after = self.after(home);
        if let Some(place) = self.find_in(after, self.tags(after), tag, &mut is) {
            return Some(place);
        }
        if tags >> STASHED_SHIFT == 0 {
            return None;
        }
        let stash = self.class.homes()..self.buckets();
        stash.into_iter().find_map(|bucket| self.find_in(bucket, self.tags(bucket), tag, &mut is))
    }

    #[inline]
    fn find_in(&self, bucket: usize, tags: u64, tag: u8, is: &mut impl FnMut(Word) -> bool) -> Option<Place> {
        ways(matching(tags, tag)).map(|way| Place::new(bucket, way)).find(|&place| is(self.word(place)))
    }

    /// Words that may be of this hash, without a look at their entries: what to prefetch. May be called
    /// without the lock. Most keys lie in their home; the bucket after it is read only if nothing there fits.
    #[inline]
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = Word> {
        let (home, tag) = (self.home(hash), tag_of(hash));
        let mut bucket = home;
        let mut found = matching(self.tags(bucket), tag);
        if found == 0 {
            bucket = self.after(home);
            found = matching(self.tags(bucket), tag);
        }
        ways(found).map(move |way| self.word(Place::new(bucket, way)))
    }

    /// The line where a hash is looked for first. May be called without the lock.
    #[inline]
    pub(crate) fn line_of(lines: *const Line, class: Class, depth: u32, hash: u64) -> *const Line {
        lines.wrapping_add(home_of(hash, depth, class.homes()) + 1)
    }

    /// Puts in an entry of a key that is not there. `None` is "no room"; `hash_of` gives the hash of an
    /// entry in the way.
    pub(crate) fn insert(&self, hash: u64, word: Word, hash_of: impl Fn(Word) -> u64) -> Option<Place> {
        let home = self.home(hash);
        let place = self
            .put(home, hash, word.with_displaced(false))
            .or_else(|| self.put(self.after(home), hash, word.with_displaced(true)))
            .or_else(|| self.make_room(home, hash, word, hash_of))
            .or_else(|| self.stash(home, hash, word.with_displaced(false)))?;
        self.count(1);
        Some(place)
    }

    /// Puts a word in a bucket that has an empty place.
    #[inline]
    fn put(&self, bucket: usize, hash: u64, word: Word) -> Option<Place> {
        let tags = self.tags(bucket);
        let empty = matching(tags, 0);
        if empty == 0 {
            return None;
        }
        let way = empty.trailing_zeros() as usize / 8;
        self.bucket(bucket)[way + 1].store(word.0, Relaxed);
        self.bucket(bucket)[0].store(tags | u64::from(tag_of(hash)) << (8 * way), Relaxed);
        Some(Place::new(bucket, way))
    }

    /// Moves an entry of one of the two full buckets of `home` to its other bucket, and takes its place.
    fn make_room(&self, home: usize, hash: u64, word: Word, hash_of: impl Fn(Word) -> u64) -> Option<Place> {
        let homes = self.class.homes();
        let before = if home == 0 { homes - 1 } else { home - 1 };
        let after = self.after(home);
        let moves = [(home, true, before, false), (after, false, self.after(after), true)];
        for (bucket, leaves, to, displaced) in moves {
            if matching(self.tags(to), 0) == 0 || to == bucket {
                continue;
            }
            for way in 0..WAYS {
                let place = Place::new(bucket, way);
                let other = self.word(place);
                if other.displaced() == leaves {
                    self.put(to, hash_of(other), other.with_displaced(displaced));
                    self.empty(place);
                    return self.put(bucket, hash, word.with_displaced(bucket != home));
                }
            }
        }
        None
    }

    fn stash(&self, home: usize, hash: u64, word: Word) -> Option<Place> {
        let place = (self.class.homes()..self.buckets()).find_map(|bucket| self.put(bucket, hash, word))?;
        let tags = &self.bucket(home)[0];
        tags.store(tags.load(Relaxed) + (1 << STASHED_SHIFT), Relaxed);
        Some(place)
    }

    /// Takes out the entry at `place`, whose hash is `hash`.
    pub(crate) fn remove(&self, place: Place, hash: u64) -> Word {
        let word = self.word(place);
        if usize::from(place.bucket) >= self.class.homes() {
            let tags = &self.bucket(self.home(hash))[0];
            tags.store(tags.load(Relaxed) - (1 << STASHED_SHIFT), Relaxed);
        }
        self.empty(place);
        self.count(-1);
        word
    }

    fn empty(&self, place: Place) {
        let bucket = self.bucket(usize::from(place.bucket));
        bucket[usize::from(place.way) + 1].store(0, Relaxed);
        bucket[0].store(bucket[0].load(Relaxed) & !(0xff << (8 * place.way)), Relaxed);
    }

    fn count(&self, by: i64) {
        let len = &self.lines[0].0[0];
        len.store(len.load(Relaxed).wrapping_add_signed(by), Relaxed);
    }

    /// Every entry, bucket by bucket.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Place, Word)> + use<'a> {
        (0..self.buckets()).flat_map(move |bucket| self.entries_of(bucket))
    }

    /// The entries that lie in `count` neighbouring buckets from a random one on.
    pub(crate) fn sample(self, random: usize, count: usize) -> impl Iterator<Item = (Place, Word)> + use<'a> {
        let buckets = self.buckets();
        (0..count.min(buckets)).flat_map(move |step| self.entries_of((random + step) % buckets))
    }

    fn entries_of(self, bucket: usize) -> impl Iterator<Item = (Place, Word)> + use<'a> {
        ways(!matching(self.tags(bucket), 0) & HIGH_BITS & TAGS).map(move |way| {
            let place = Place::new(bucket, way);
            (place, self.word(place))
        })
    }

    /// The entries that may have their home in `first..=last`: some in the stash may not.
    pub(crate) fn entries_at_homes(
        self,
        first: usize,
        last: usize,
    ) -> impl Iterator<Item = (Place, Word)> + use<'a> {
        let stashed = (first..=last).any(|home| self.tags(home) >> STASHED_SHIFT != 0);
        let stash = if stashed { self.class.homes()..self.buckets() } else { 0..0 };
        let homes = (first..=last).flat_map(move |home| {
            let here = self.entries_of(home).filter(|(_, word)| !word.displaced());
            let after = self.entries_of(self.after(home)).filter(|(_, word)| word.displaced());
            here.chain(after)
        });
        homes.chain(stash.flat_map(move |bucket| self.entries_of(bucket)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_itself_alone() {
        let tags = u64::from_le_bytes([1, 2, 0, 1, 0xff, 0x80, 1, 1]);
        let found = |tag| ways(matching(tags, tag)).collect::<Vec<_>>();
        assert_eq!(found(1), [0, 3, 6]);
        assert_eq!(found(2), [1]);
        assert_eq!(found(0), [2]);
        assert_eq!(found(0xff), [4]);
        assert_eq!(found(3), [] as [usize; 0]);
    }

    #[test]
    fn homes_are_in_the_order_of_hashes_and_all_used() {
        for class in 0..=Class::MAX.0 {
            let homes = Class(class).homes();
            for depth in [0, 1, 7, 20] {
                let hashes = (0..1024_u64).map(|n| (n << 54) >> depth);
                let found: Vec<_> = hashes.map(|hash| home_of(hash, depth, homes)).collect();
                assert!(found.is_sorted());
                assert_eq!((found[0], found[1023]), (0, homes - 1));
            }
        }
    }

    #[test]
    fn a_segment_fills_to_nine_tenths_and_finds_what_it_holds() {
        let mut random = fastrand::Rng::with_seed(7);
        for class in 0..=Class::MAX.0 {
            let class = Class(class);
            let lines: Vec<Line> = (0..class.lines()).map(|_| Line(Default::default())).collect();
            let segment = Segment::new(&lines, class, 3);
            let mut hashes = Vec::new();
            // The entry of the nth hash is said to lie at address 8 (n + 1).
            loop {
                let hash = random.u64(..) >> 3;
                let word = Word::new(8 * (hashes.len() as u64 + 1), false, 0);
                hashes.push(hash);
                if segment.insert(hash, word, |word| hashes[word.address() as usize / 8 - 1]).is_none() {
                    hashes.pop();
                    break;
                }
            }
            assert_eq!(segment.len(), hashes.len());
            assert_eq!(segment.entries().count(), hashes.len());
            assert!(class.0 < 5 || hashes.len() * 10 >= class.room() * 8, "{class:?}: {}", hashes.len());
            for (n, &hash) in hashes.iter().enumerate() {
                let address = 8 * (n as u64 + 1);
                let place = segment.find(hash, |word| word.address() == address).unwrap();
                let home = home_of(hash, 3, class.homes());
                assert!(segment.entries_at_homes(home, home).any(|(there, _)| there == place));
                assert_eq!(segment.remove(place, hash).address(), address);
                assert!(segment.find(hash, |word| word.address() == address).is_none());
            }
            assert!(lines.iter().skip(1).all(|line| line.0.iter().all(|word| word.load(Relaxed) == 0)));
        }
    }
}

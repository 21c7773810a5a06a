//! Where the keys of a request are, from the specifications in its row.

use super::row::{Access, Begin, Find, Flags, KeySpec, Row};
use crate::number;
use crate::request::Args;

/// One key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which argument it is; the name is 0.
    pub index: usize,
    /// What is done with it.
    pub access: Access,
}

/// The keys of a request, specification by specification; made by [`Row::keys_of`].
#[derive(Clone, Debug)]
pub struct Keys<'a> {
    args: Args<'a>,
    specs: std::slice::Iter<'static, KeySpec>,
    run: Run,
}

/// Keys at `next`, `next + step`, … up to `last`.
#[derive(Clone, Copy, Debug)]
struct Run {
    next: usize,
    last: usize,
    step: usize,
    access: Access,
}

impl Run {
    /// No key, or no more of them.
    const OVER: Self = Self { next: 1, last: 0, step: 1, access: Access::NONE };
}

impl Row {
    /// The argument that is the request's first key; 0 if it has none. The arity has been checked.
    #[inline(always)]
    pub fn first_key(&self, args: &Args<'_>) -> usize {
        match self.keys {
            [] => 0,
            [KeySpec { begin: Begin::Index(at), find: Find::Range { .. }, .. }, ..] => usize::from(*at),
            _ => self.keys_of(args).next().map_or(0, |key| key.index),
        }
    }

    /// The argument that is the key, for a command that always has exactly one.
    #[inline]
    pub fn only_key(&self) -> Option<usize> {
        match self.keys {
            [KeySpec { begin: Begin::Index(at), find: Find::Range { last: 0, .. }, .. }] => {
                Some(usize::from(*at))
            }
            _ => None,
        }
    }

    /// Whether a request looks at keys that its arguments do not name.
    #[inline]
    pub fn needs_all_keys(&self, args: &Args<'_>) -> bool {
        self.looks_anywhere.is_some_and(|looks| looks(args))
    }

    /// All keys of a request, in the order of the specifications; nothing is allocated. A specification that
    /// does not fit the arguments (`EVAL s 5 onlyone`) has no keys.
    #[inline]
    pub fn keys_of<'a>(&self, args: &Args<'a>) -> Keys<'a> {
        Keys { args: *args, specs: self.keys.iter(), run: Run::OVER }
    }

    /// What these arguments do with `key`, also where the specifications leave it open.
    pub fn access(&self, key: Key, args: &Args<'_>) -> Access {
        match self.variable_access {
            Some(decide) if key.access.has(Access::VARIABLE_FLAGS) => decide(args),
            _ => key.access,
        }
    }

    /// First key, last key (negative: from the end) and step as `COMMAND INFO` has told them since before
    /// there were specifications, and whether they leave keys out.
    ///
    /// Source: Redis `server.c`, `populateCommandLegacyRangeSpec`.
    pub fn key_range(&self) -> KeyRange {
        let mut range = KeyRange::NONE;
        for (index, spec) in self.keys.iter().enumerate() {
            let (Begin::Index(begin), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
                range.movable = true;
                continue;
            };
            let (begin, step) = (i32::from(begin), i32::from(step));
            let follows = index == 0 || range.last == begin - 1;
            if self.keys.len() > 1 && (step != 1 || !follows) {
                range.movable = true;
                continue;
            }
            range.movable |= spec.access.has(Access::INCOMPLETE);
            range.first = if range.first == 0 { begin } else { range.first };
            range.last = if last < 0 { i32::from(last) } else { begin + i32::from(last) };
            range.step = step;
        }
        range
    }

    /// The properties that are told of the row, with those that follow from its keys.
    pub fn all_flags(&self) -> Flags {
        // Redis keeps this one to itself.
        let told = Flags(self.flags.0 & !Flags::MAY_REPLICATE.0);
        if self.key_range().movable { told.and(Flags::MOVABLEKEYS) } else { told }
    }
}

/// See [`Row::key_range`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first argument that is a key; 0 if none is.
    pub first: i32,
    /// The last one; negative counts from the end.
    pub last: i32,
    /// Distance of two keys.
    pub step: i32,
    /// Whether there are, or may be, keys outside of the range.
    pub movable: bool,
}

impl KeyRange {
    const NONE: Self = Self { first: 0, last: 0, step: 0, movable: false };
}

impl Iterator for Keys<'_> {
    type Item = Key;

    #[inline]
    fn next(&mut self) -> Option<Key> {
        while self.run.next > self.run.last {
            self.run = self.specs.next()?.run(&self.args).unwrap_or(Run::OVER);
        }
        let key = Key { index: self.run.next, access: self.run.access };
        self.run.next += self.run.step;
        Some(key)
    }
}

impl KeySpec {
    /// Where its keys lie among `args`; `None` if they would not all be there.
    ///
    /// Source: Redis `db.c`, `getKeysUsingKeySpecs`.
    #[inline]
    fn run(&self, args: &Args<'_>) -> Option<Run> {
        let begin = match self.begin {
            Begin::Index(index) => usize::from(index),
            Begin::Keyword(word, from) => find_keyword(args, word, from)? + 1,
            Begin::Unknown(find) => find(args)?,
        };
        let end = args.len();
        let (next, last, step) = match self.find {
            Find::Range { last, step, .. } if last >= 0 => (begin, begin + last as usize, step),
            Find::Range { last, step, limit: 0 } => (begin, end.checked_add_signed(last.into())?, step),
            Find::Range { last, step, limit } => {
                let part = end.checked_sub(begin)? / usize::from(limit);
                (begin, (begin + part).checked_add_signed(last.into())?, step)
            }
            Find::Count { count, first, step } => {
                let keys = number::integer(args.get(begin + usize::from(count))?)?;
                let beyond_first = usize::try_from(keys).ok()?.checked_sub(1)?;
                let next = begin + usize::from(first);
                (next, next.checked_add(beyond_first.checked_mul(step.into())?)?, step)
            }
        };
        (next <= last && last < end).then_some(Run { next, last, step: step.into(), access: self.access })
    }
}

/// The argument that is `word` in any case, searched from argument `from` on, or backwards from there if
/// negative.
fn find_keyword(args: &Args<'_>, word: &str, from: i16) -> Option<usize> {
    let is_word = |&index: &usize| args.at(index).eq_ignore_ascii_case(word.as_bytes());
    match usize::try_from(from) {
        Ok(from) => (from..args.len()).find(is_word),
        Err(_) => (1..=args.len().checked_add_signed(from.into())?).rev().find(is_word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Span;
    use crate::table::lookup;

    fn keys(specs: &'static [KeySpec], words: &str) -> Vec<usize> {
        let mut spans = Vec::new();
        for word in words.split(' ') {
            let start = word.as_ptr() as usize - words.as_ptr() as usize;
            spans.push(Span::new(start, start + word.len()));
        }
        let args = Args::new(words.as_bytes(), &spans);
        Keys { args, specs: specs.iter(), run: Run::OVER }.map(|key| key.index).collect()
    }

    const fn spec(begin: Begin, find: Find) -> KeySpec {
        KeySpec { begin, find, access: Access::RO }
    }

    #[test]
    fn a_range_ends_where_it_says() {
        const ALL: &[KeySpec] = &[spec(Begin::Index(1), Find::Range { last: -1, step: 1, limit: 0 })];
        const PAIRS: &[KeySpec] = &[spec(Begin::Index(1), Find::Range { last: -1, step: 2, limit: 0 })];
        const BUT_LAST: &[KeySpec] = &[spec(Begin::Index(1), Find::Range { last: -2, step: 1, limit: 0 })];
        assert_eq!(keys(ALL, "DEL a b c"), [1, 2, 3]);
        assert_eq!(keys(PAIRS, "MSET a 1 b 2"), [1, 3]);
        assert_eq!(keys(PAIRS, "MSET a 1 b"), [1, 3]);
        assert_eq!(keys(BUT_LAST, "BLPOP a b 0"), [1, 2]);
        assert_eq!(keys(BUT_LAST, "BLPOP 0"), [0; 0]);
    }

    #[test]
    fn half_of_what_follows_a_keyword_can_be_keys() {
        const XREAD: &[KeySpec] =
            &[spec(Begin::Keyword("STREAMS", 1), Find::Range { last: -1, step: 1, limit: 2 })];
        assert_eq!(keys(XREAD, "XREAD COUNT 2 streams a b 0 0"), [4, 5]);
        assert_eq!(keys(XREAD, "XREAD COUNT 2"), [0; 0]);
        const MIGRATE: &[KeySpec] =
            &[spec(Begin::Keyword("KEYS", -2), Find::Range { last: -1, step: 1, limit: 0 })];
        assert_eq!(keys(MIGRATE, "MIGRATE h p KEYS 0 t KEYS a b"), [7, 8]);
    }

    #[test]
    fn a_count_that_does_not_fit_the_arguments_has_no_keys() {
        const EVAL: &[KeySpec] = &[spec(Begin::Index(2), Find::Count { count: 0, first: 1, step: 1 })];
        assert_eq!(keys(EVAL, "EVAL s 2 a b c"), [3, 4]);
        for words in ["EVAL s 0 a", "EVAL s 3 a b", "EVAL s -1 a", "EVAL s x a", "EVAL s 9223372036854775807"]
        {
            assert_eq!(keys(EVAL, words), [0; 0], "{words}");
        }
    }

    #[test]
    fn a_command_with_one_key_is_known_by_its_row() {
        let only = |name: &[u8]| lookup(name).unwrap().only_key();
        assert_eq!(only(b"get"), Some(1));
        assert_eq!(only(b"object|encoding"), Some(2));
        for name in [&b"mget"[..], b"lcs", b"rename", b"ping"] {
            assert_eq!(only(name), None);
        }
    }

    #[test]
    fn the_old_range_covers_neighbouring_specifications() {
        let range = |name: &[u8]| {
            let KeyRange { first, last, step, movable } = lookup(name).unwrap().key_range();
            (first, last, step, movable)
        };
        assert_eq!(range(b"get"), (1, 1, 1, false));
        assert_eq!(range(b"mset"), (1, -1, 2, false));
        assert_eq!(range(b"rename"), (1, 2, 1, false));
        assert_eq!(range(b"bitop"), (2, -1, 1, false));
        assert_eq!(range(b"ping"), (0, 0, 0, false));
    }
}

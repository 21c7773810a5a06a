//! What `SORT` is asked.

use std::ops::Range;

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error};

use super::Stores;
use super::pattern::Pattern;
use crate::db::Db;

pub(super) struct Options<'a> {
    /// Whether anything is sorted at all: not by a pattern without `*`.
    pub(super) is_sorted: bool,
    /// Whose values are the weights, unless it is the elements themselves.
    pub(super) by: Option<Pattern<'a>>,
    /// Whether weights are texts and not numbers.
    pub(super) alpha: bool,
    pub(super) descends: bool,
    /// What is got for each element, if not itself.
    pub(super) gets: Vec<Pattern<'a>>,
    pub(super) store: Option<&'a [u8]>,
    offset: i64,
    /// Below 0 is all.
    count: i64,
}

impl<'a> Options<'a> {
    pub(super) fn parse(args: Args<'a>, stores: Stores, db: &Db<'_>) -> Result<Self, Error> {
        let mut options = Self {
            is_sorted: true,
            by: None,
            alpha: false,
            descends: false,
            gets: Vec::new(),
            store: None,
            offset: 0,
            count: -1,
        };
        let in_cluster = db.context().in_cluster;
        // A shard that has not all slots has not all keys.
        let has_all = !in_cluster && db.local.own.is_none();
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
            at += match args.get(at + 1) {
                _ if is("asc") => options.order(false),
                _ if is("desc") => options.order(true),
                _ if is("alpha") => {
                    options.alpha = true;
                    1
                }
                Some(offset) if is("limit") && args.len() > at + 2 => {
                    options.offset = integer_argument(offset)?;
                    options.count = integer_argument(args.at(at + 2))?;
                    3
                }
                Some(key) if is("store") && stores == Stores::Possibly => {
                    options.store = Some(key);
                    2
                }
                Some(pattern) if is("by") => {
                    let pattern = Pattern::new(pattern);
                    if pattern.is_constant() {
                        options.is_sorted = false;
                    } else if !has_all {
                        return Err(Error::Text("ERR BY option of SORT denied in Cluster mode."));
                    }
                    options.by = Some(pattern);
                    2
                }
                Some(pattern) if is("get") => {
                    let pattern = Pattern::new(pattern);
                    if in_cluster || !has_all && !pattern.is_constant() {
                        return Err(Error::Text("ERR GET option of SORT denied in Cluster mode."));
                    }
                    options.gets.push(pattern);
                    2
                }
                _ => return Err(Error::Syntax),
            };
        }
        Ok(options)
    }

    /// Returns how many words that takes.
    fn order(&mut self, descends: bool) -> usize {
        self.descends = descends;
        1
    }

    /// Sorts although it was told not to.
    pub(super) fn sort_by_text(&mut self) {
        (self.is_sorted, self.alpha, self.by) = (true, true, None);
    }

    /// Which of `len` elements in order are asked for.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let count = usize::try_from(self.count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

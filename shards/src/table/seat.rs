//! Where a key sits in a table, or would: looked up once, then read, put in, replaced and taken out.

use super::{Found, Table};
use crate::entry::{Entry, EntryPtr};
use crate::large::Large;
use crate::word::Word;

/// The place of one key, and with it the whole table, so that nobody else changes either meanwhile.
pub(crate) struct Seat<'a> {
    table: Table<'a>,
    hash: u64,
    /// What of this table is found at the moment.
    found: Option<Found<'a>>,
}

impl<'a> Seat<'a> {
    /// Looks for a key.
    #[inline]
    pub(crate) fn new(table: Table<'a>, hash: u64, key: &[u8]) -> Self {
        let found = table.find(hash, key);
        Self { table, hash, found }
    }

    /// The entry that is there.
    #[inline]
    pub(crate) fn entry(&self) -> Option<EntryPtr<'_>> {
        self.found.as_ref().map(Found::entry)
    }

    /// What the table says of the entry that is there.
    #[inline]
    pub(crate) fn word(&self) -> Option<Word> {
        self.found.as_ref().map(|found| found.word)
    }

    /// Changes what the table says of the same entry.
    #[inline]
    pub(crate) fn set_word(&mut self, word: Word) {
        if let Some(found) = &mut self.found {
            found.set_word(word);
        }
    }

    /// The value of the entry that is there, to be changed in place.
    pub(crate) fn value_mut(&mut self) -> Option<&mut [u8]> {
        let address = self.found.as_ref()?.word.address();
        // SAFETY: the table owns the entry, and the only way to the table is borrowed alone.
        Some(unsafe { Entry::value_at(address) })
    }

    /// The large value of the entry that is there, if it has one, to be changed.
    pub(crate) fn large_mut(&mut self) -> Option<&mut Large> {
        let address = self.found.as_ref()?.word.address();
        // SAFETY: as above; the entry owns the value.
        unsafe { Entry::large_at(address) }
    }

    /// Makes sure that a sweep looks at the entry that is there once this time is past.
    pub(crate) fn expires_by(&self, at: u64) {
        if let Some(found) = &self.found {
            found.segment.expires_by(at);
        }
    }

    /// Puts in an entry with this key where none is.
    ///
    /// # Panics
    /// If there is one.
    pub(crate) fn insert(&mut self, entry: Entry, access: u64) {
        assert!(self.found.is_none(), "a key is in a table once");
        self.found = Some(self.table.insert(self.hash, entry, access));
    }

    /// Changes the entry that is there, and what the table says of it, into what `change` makes of them; its key
    /// stays the same.
    #[inline]
    pub(crate) fn replace(&mut self, change: impl FnOnce(Entry, Word) -> (Entry, Word)) {
        let Some(Found { segment, place, word }) = &mut self.found else { return };
        // SAFETY: the table owned the entry; the word below replaces the address taken.
        let (entry, changed) = change(unsafe { Entry::from_bits(word.address()) }, *word);
        let expire_at = entry.view().expire_at();
        *word = changed.with_entry(entry.into_bits(), expire_at.is_some());
        segment.set_word(*place, *word);
        if let Some(at) = expire_at {
            segment.expires_by(at);
        }
    }

    /// Takes out the entry that is there.
    pub(crate) fn take(&mut self) -> Option<Entry> {
        let found = self.found.take()?;
        Some(self.table.take(found.segment, found.place, self.hash))
    }
}

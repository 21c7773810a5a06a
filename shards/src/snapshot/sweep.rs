//! The sweep: all keys that nobody else has written, partition by partition, into a file.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_protocols::settings::Key;

use super::tracker::{At, SweepBuffer, free};
use super::{Cut, Tracker};
use crate::held::Held;
use crate::locked::Locked;
use crate::partition::DatabaseId;
use crate::rdb::Writer;
use crate::rdb::file::{FileWriter, write_database};

/// For how long a partition is locked at a time, but for a single large value.
const SLICE: Duration = Duration::from_micros(50);
/// Bytes after which it is given back in any case.
const SLICE_BYTES: usize = 64 << 10;
/// Places that are looked at before the clock is.
const STRIDE: usize = 16;

impl Cut {
    /// Writes the whole file: all keys as they were at the cut. `progress` is told how many there are so far, and may end
    /// it with an error. Partitions are locked meanwhile for a moment each, unless all of them are for longer.
    pub(crate) fn write<W: Write>(
        mut self,
        held: &mut Held,
        to: W,
        progress: impl FnMut(&mut FileWriter<W>, u64) -> io::Result<()>,
    ) -> io::Result<W> {
        let written = self.write_all(held, to, progress);
        self.untrack(held);
        written
    }

    fn write_all<W: Write>(
        &mut self,
        held: &mut Held,
        to: W,
        mut progress: impl FnMut(&mut FileWriter<W>, u64) -> io::Result<()>,
    ) -> io::Result<W> {
        let shared = Arc::clone(&self.shared);
        let (compresses, sums) =
            (shared.settings.is_on(Key::RdbCompression), shared.settings.is_on(Key::RdbChecksum));
        let mut file = FileWriter::new(to, sums);
        file.begin(&self.header, compresses)?;
        self.write_sizes(&mut file)?;
        let mut written = 0;
        while self.next < shared.keyspace.partitions() {
            let mut buffer = SweepBuffer::new(compresses);
            while !self.sweep_slice(held, &mut buffer, &mut written) {
                file.add(buffer.writer.bytes())?;
                buffer.clear();
                self.drain(&mut file)?;
                progress(&mut file, written)?;
            }
            held.lock_patiently(self.next);
            let tracker = held.locked(self.next).into_partition().snapshot.take();
            held.finish();
            self.next += 1;
            file.add(buffer.writer.bytes())?;
            if let Some(tracker) = tracker {
                self.write_left(*tracker, &mut file, &mut written)?;
            }
            self.drain(&mut file)?;
        }
        progress(&mut file, written)?;
        file.end()
    }

    /// How many keys each database has, for who reads them to make room.
    fn write_sizes(&self, file: &mut FileWriter<impl Write>) -> io::Result<()> {
        let mut sizes = Writer::new(false);
        for (number, (keys, expires)) in self.sizes.iter().enumerate().filter(|(_, (keys, _))| *keys > 0) {
            write_database(number as u8, Some((*keys, *expires)), &mut sizes);
        }
        file.add(sizes.bytes())
    }

    /// Hands to the file what others have written meanwhile.
    fn drain(&self, file: &mut FileWriter<impl Write>) -> io::Result<()> {
        while let Some(chunk) = self.queue.take() {
            file.add(&chunk)?;
        }
        Ok(())
    }

    /// Writes some keys of the next partition. `true` if that has no more.
    fn sweep_slice(&self, held: &mut Held, buffer: &mut SweepBuffer, written: &mut u64) -> bool {
        held.lock_patiently(self.next);
        let mut locked = held.locked(self.next);
        let Some(mut tracker) = locked.partition.snapshot.take() else { return true };
        let is_done = sweep(&mut locked, &mut tracker, buffer, written);
        locked.partition.snapshot = Some(tracker);
        held.let_others_in();
        held.finish();
        is_done
    }

    /// Writes what was flushed before it was written, and has it freed.
    fn write_left(
        &self,
        mut tracker: Tracker,
        file: &mut FileWriter<impl Write>,
        written: &mut u64,
    ) -> io::Result<()> {
        let lefts = tracker.finish();
        let mut buffer = SweepBuffer::new(tracker.compresses());
        let (hasher, mut result) = (self.shared.keyspace.hasher(), Ok(()));
        for left in lefts {
            let (database, place) = (left.at.database(), left.at.place());
            left.table.for_each(|entry, word| {
                let at = At::new(database, place, crate::table::prefix_of(hasher.hash(entry.key())));
                if !left.written.has(at) {
                    tracker.write_for_sweep(entry, word, database, &mut buffer);
                    *written += 1;
                }
                if buffer.writer.bytes().len() >= SLICE_BYTES && result.is_ok() {
                    result = file.add(buffer.writer.bytes());
                    buffer.clear();
                }
            });
            free(left, &self.shared.lazyfree);
        }
        result?;
        file.add(buffer.writer.bytes())
    }
}

/// Goes on from where the tracker says, for a moment. `true` at the end of the partition.
fn sweep(
    locked: &mut Locked<'_>,
    tracker: &mut Tracker,
    buffer: &mut SweepBuffer,
    written: &mut u64,
) -> bool {
    let (until, keyspace) = (Instant::now() + SLICE, locked.keyspace());
    let (partition, places) = (locked.partition.index(), keyspace.places_of_each());
    let first = keyspace.nth_place(partition, 0);
    let last = keyspace.nth_place(partition, places - 1);
    let mut cursor = tracker.written.cursor;
    for step in 1.. {
        let (database, place) = (cursor.database(), cursor.place());
        let has_keys = locked.partition.tally(database).keys > 0 && keyspace.roots(database).is_some();
        let mut next = None;
        if has_keys && let Some(table) = locked.again().into_table(database, place) {
            let prefix = table.scan_with_prefixes(cursor.prefix(), |prefix, found| {
                if !tracker.written.has(At::new(database, place, prefix)) {
                    tracker.write_for_sweep(found.entry(), found.word, database, buffer);
                    *written += 1;
                }
            });
            next = prefix.map(|prefix| At::new(database, place, prefix));
        }
        if next.is_none() && (place == last || !has_keys) {
            let following = DatabaseId(database.0 + 1);
            if DatabaseId::all().all(|database| database != following) {
                tracker.written.advance(At::new(database, last, 0).next_place());
                return true;
            }
            next = Some(At::new(following, first, 0));
        }
        cursor = next.unwrap_or_else(|| cursor.next_place());
        tracker.written.advance(cursor);
        let is_full = buffer.writer.bytes().len() >= SLICE_BYTES;
        if is_full || step % STRIDE == 0 && Instant::now() >= until {
            return false;
        }
    }
    unreachable!("it goes on until one of these")
}

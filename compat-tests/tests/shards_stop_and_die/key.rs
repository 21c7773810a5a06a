//! A key that one client alone uses: what it may hold, as far as that client can know.

use tidegate_protocols::slot::{SLOTS, slot_of};

use crate::world::{SHARDS, World};

/// Bytes of a long value; its answer takes several frames of a link.
const LONG_BYTES: usize = 100_000;

/// A key, or several of one shard that always hold the same.
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) shard: usize,
    /// Any of these values, by number; `None` is none at all.
    possible: Vec<Option<u64>>,
    /// When this was so.
    deaths: u64,
    /// What has been sent to be written, and not been answered.
    sent: Vec<Option<u64>>,
    /// Values that were read before they were written, because the read was sent a second time.
    early: Vec<u64>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// Nobody knows.
    InDoubt,
    /// It has not been executed.
    Nothing,
}

impl Key {
    /// The key of a client, in this shard.
    pub(crate) fn new(client: usize, number: usize, shard: usize) -> Self {
        let mut names = (0..).map(|attempt| format!("{{{client}:{number}:{attempt}}}"));
        let name = names.find(|name| shard_of(name.as_bytes()) == shard);
        let name = name.expect("the hash reaches every shard");
        Self { name, shard, possible: vec![None], deaths: 0, sent: Vec::new(), early: Vec::new() }
    }

    /// Requests on it are about to be sent.
    pub(crate) fn begin(&mut self, world: &World) {
        self.admit_death(world);
        self.deaths = world.shards[self.shard].deaths();
        self.admit_death(world);
    }

    /// Adds that nothing is left, if its shard may have died.
    fn admit_death(&mut self, world: &World) {
        if world.shards[self.shard].may_have_died_since(self.deaths) && !self.possible.contains(&None) {
            self.possible.push(None);
        }
    }

    /// Value `number` of this key: it says whose it is, and its length is different from that of others.
    pub(crate) fn value(&self, number: u64) -> Vec<u8> {
        let mut value = format!("{}={number};", self.name).into_bytes();
        let more = if number.is_multiple_of(61) { LONG_BYTES } else { number as usize % 200 };
        value.resize(value.len() + more, b'a' + (number % 26) as u8);
        value
    }

    /// The key holds this, says an answer; `ahead` is what was sent to be written after the request.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn saw(
        &mut self,
        value: Option<&[u8]>,
        ahead: &[Option<u64>],
        world: &World,
    ) -> Result<(), String> {
        self.admit_death(world);
        let number = value.map(|value| self.number_of(value)).transpose()?;
        if ahead.contains(&number) && !self.possible.contains(&number) {
            // A read whose link was lost has been sent again, after writes that may have been executed before that.
            self.early.extend(number);
            return Ok(());
        }
        self.could_see(number)?;
        self.possible = vec![number];
        Ok(())
    }

    /// The same of a read behind which more has been sent for this key: if its link was lost it has been sent again, and what
    /// came behind it may have been answered before that, and before a death.
    ///
    /// # Errors
    /// As [`Key::saw`].
    pub(crate) fn may_have_seen(
        &mut self,
        value: Option<&[u8]>,
        ahead: &[Option<u64>],
        world: &World,
    ) -> Result<(), String> {
        let before = self.possible.clone();
        self.saw(value, ahead, world)?;
        self.possible = before;
        self.admit_death(world);
        Ok(())
    }

    fn could_see(&self, number: Option<u64>) -> Result<(), String> {
        let Self { name, shard, possible, .. } = self;
        if possible.contains(&number) {
            return Ok(());
        }
        Err(format!("{name} of shard {shard} holds {number:?}, and may hold only {possible:?}"))
    }

    fn number_of(&self, value: &[u8]) -> Result<u64, String> {
        let shown = value[..value.len().min(60)].escape_ascii();
        let foreign = || format!("{} holds the value {shown}, which nobody has written there", self.name);
        let text = std::str::from_utf8(value).map_err(|_| foreign())?;
        let rest = text.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('='));
        let (number, _) = rest.and_then(|rest| rest.split_once(';')).ok_or_else(foreign)?;
        let number = number.parse().map_err(|_| foreign())?;
        if self.value(number) == value { Ok(number) } else { Err(foreign()) }
    }

    /// A value is sent to be written, or to be removed.
    pub(crate) fn writes(&mut self, number: Option<u64>) {
        self.sent.push(number);
    }

    /// Nobody will say what came of what has been sent.
    pub(crate) fn cut_off(&mut self) {
        self.possible.append(&mut self.sent);
        self.early.clear();
    }

    /// What came of the first write that has not been answered.
    ///
    /// # Errors
    /// It was not executed, though its value has been read.
    pub(crate) fn wrote(&mut self, fate: Fate) -> Result<(), String> {
        let number = self.sent.remove(0);
        let was_read = number.is_some_and(|number| self.early.contains(&number));
        match fate {
            Fate::Done if was_read => Err(format!("{} held {number:?} before that was sent", self.name)),
            Fate::Nothing if was_read => Err(format!("{} holds {number:?}, which was refused", self.name)),
            Fate::Done => {
                self.possible = vec![number];
                Ok(())
            }
            Fate::InDoubt => {
                if was_read {
                    self.early.clear();
                }
                if !self.possible.contains(&number) {
                    self.possible.push(number);
                }
                Ok(())
            }
            Fate::Nothing => Ok(()),
        }
    }

    /// Whether it holds something: surely, possibly.
    pub(crate) fn is_there(&mut self, world: &World) -> (bool, bool) {
        self.admit_death(world);
        (!self.possible.contains(&None), self.possible.iter().any(Option::is_some))
    }
}

/// A number that is counted up.
pub(crate) struct Counter {
    pub(crate) name: String,
    pub(crate) shard: usize,
    possible: Vec<i64>,
    deaths: u64,
    /// How often it has been asked to count, without an answer.
    sent: usize,
}

impl Counter {
    pub(crate) fn new(client: usize, shard: usize) -> Self {
        let Key { name, .. } = Key::new(client, usize::MAX, shard);
        Self { name, shard, possible: vec![0], deaths: 0, sent: 0 }
    }

    pub(crate) fn begin(&mut self, world: &World) {
        self.admit_death(world);
        self.deaths = world.shards[self.shard].deaths();
        self.admit_death(world);
    }

    fn admit_death(&mut self, world: &World) {
        if world.shards[self.shard].may_have_died_since(self.deaths) && !self.possible.contains(&0) {
            self.possible.push(0);
        }
    }

    /// It is asked to count.
    pub(crate) fn counts(&mut self) {
        self.sent += 1;
    }

    /// Nobody will say whether it has counted.
    pub(crate) fn cut_off(&mut self) {
        while self.sent > 0 {
            self.has_counted(Fate::InDoubt);
        }
    }

    /// It was counted up to this.
    ///
    /// # Errors
    /// It cannot be.
    pub(crate) fn counted(&mut self, to: i64, world: &World) -> Result<(), String> {
        self.admit_death(world);
        self.sent -= 1;
        if !self.possible.contains(&(to - 1)) {
            return Err(format!(
                "{} is counted up to {to}, and may have been only {:?}",
                self.name, self.possible
            ));
        }
        self.possible = vec![to];
        Ok(())
    }

    /// What came of counting, as far as that can be known without its answer.
    pub(crate) fn has_counted(&mut self, fate: Fate) {
        self.sent -= 1;
        if fate == Fate::Nothing {
            return;
        }
        let more: Vec<_> = self.possible.iter().map(|number| number + 1).collect();
        self.possible.extend(more);
        self.possible.sort_unstable();
        self.possible.dedup();
    }
}

/// The shard that has a key.
pub(crate) fn shard_of(key: &[u8]) -> usize {
    let slot = usize::from(slot_of(key));
    (0..SHARDS).find(|&shard| slot < first_slot(shard + 1)).expect("every slot is somebody's")
}

/// The first slot of a shard.
pub(crate) fn first_slot(shard: usize) -> usize {
    shard * usize::from(SLOTS) / SHARDS
}

//! Memcached clients.

use crate::key::{Fate, Key};
use crate::talk::{Program, Talk, Wrong};

/// Several stores in one go, and one request for several keys, which may be in several shards.
pub(crate) struct Items {
    keys: Vec<Key>,
}

impl Items {
    /// With keys in one shard, or without one in all.
    pub(crate) fn new(client: usize, shard: Option<usize>, shards: usize) -> Self {
        let key = |number| Key::new(client, number, shard.unwrap_or(number % shards));
        Self { keys: (0..6).map(key).collect() }
    }

    fn store(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        let count = talk.dice.usize(1..10);
        let mut sent = Vec::new();
        let mut bytes = Vec::new();
        for _ in 0..count {
            let (place, number) = (talk.dice.usize(..self.keys.len()), talk.fresh());
            let key = &mut self.keys[place];
            let value = key.value(number);
            key.writes(Some(number));
            bytes.extend(format!("set {} 0 0 {}\r\n", key.name, value.len()).into_bytes());
            bytes.extend(value);
            bytes.extend_from_slice(b"\r\n");
            sent.push(place);
        }
        talk.send(0, &bytes);
        for place in sent {
            let line = talk.line()?;
            let key = &mut self.keys[place];
            let fate = if line == "STORED" { Fate::Done } else { talk.fate(&line, &[key.shard])? };
            key.wrote(fate)?;
        }
        Ok(())
    }

    fn read(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        let names: Vec<_> = self.keys.iter().map(|key| key.name.as_str()).collect();
        talk.send(0, format!("get {}\r\n", names.join(" ")).as_bytes());
        let mut found: Vec<Option<Vec<u8>>> = vec![None; self.keys.len()];
        loop {
            let line = talk.line()?;
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["END"] => break,
                ["VALUE", name, "0", length] => {
                    let place = self.keys.iter().position(|key| key.name == name);
                    let place = place.ok_or_else(|| format!("{line:?} was not asked for"))?;
                    let length: usize = length.parse().map_err(|_| line.clone())?;
                    let mut value = talk.bytes(length + 2)?;
                    value.truncate(length);
                    if found[place].replace(value).is_some() {
                        return Err(format!("{name} comes twice").into());
                    }
                }
                _ => {
                    let mut shards: Vec<_> = self.keys.iter().map(|key| key.shard).collect();
                    shards.sort_unstable();
                    shards.dedup();
                    talk.fate(&line, &shards)?;
                    return talk.still_in_step();
                }
            }
        }
        let mut all = self.keys.iter_mut().zip(found);
        Ok(all.try_for_each(|(key, value)| key.saw(value.as_deref(), &[], talk.world))?)
    }
}

impl Program for Items {
    fn round(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.keys.iter_mut().for_each(|key| key.begin(talk.world));
        if talk.dice.bool() { self.store(talk) } else { self.read(talk) }
    }

    fn cut_off(&mut self) {
        self.keys.iter_mut().for_each(Key::cut_off);
    }

    fn look(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.keys.iter_mut().for_each(|key| key.begin(talk.world));
        self.read(talk)
    }
}

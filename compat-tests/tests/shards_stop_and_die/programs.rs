//! What the clients do: each has keys of its own and knows what may be in them.

use tidegate_compat_tests::answer::{Answer, request};

use crate::key::{Counter, Fate, Key};
use crate::talk::{Program, Talk, Wrong, value_of};
use crate::world::SHARDS;

/// Requests sent together, at the most.
const PIPELINE: usize = 50;

/// One key at a time, many requests before the first answer, all in one shard.
pub(crate) struct Pipelined {
    keys: Vec<Key>,
    counter: Counter,
    depth: usize,
}

enum Sent {
    Set { key: usize, number: u64 },
    Get { key: usize },
    Delete { key: usize },
    Count,
    Echo(String),
}

impl Pipelined {
    pub(crate) fn new(client: usize, shard: usize) -> Self {
        let keys = (0..4).map(|number| Key::new(client, number, shard)).collect();
        Self { keys, counter: Counter::new(client, shard), depth: 1 + client % PIPELINE }
    }

    fn choose(&mut self, talk: &mut Talk<'_>) -> Sent {
        let key = talk.dice.usize(..self.keys.len());
        match talk.dice.u8(..10) {
            0..=3 => {
                let number = talk.fresh();
                self.keys[key].writes(Some(number));
                Sent::Set { key, number }
            }
            4..=6 => Sent::Get { key },
            7 => {
                self.keys[key].writes(None);
                Sent::Delete { key }
            }
            8 => {
                self.counter.counts();
                Sent::Count
            }
            _ => Sent::Echo(format!("token {}", talk.fresh())),
        }
    }

    fn words(&self, sent: &Sent) -> Vec<Vec<u8>> {
        let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect();
        match sent {
            Sent::Set { key, number } => {
                let key = &self.keys[*key];
                words(&[b"SET", key.name.as_bytes(), &key.value(*number), b"GET"])
            }
            Sent::Get { key } => words(&[b"GET", self.keys[*key].name.as_bytes()]),
            Sent::Delete { key } => words(&[b"GETDEL", self.keys[*key].name.as_bytes()]),
            Sent::Count => words(&[b"INCR", self.counter.name.as_bytes()]),
            Sent::Echo(token) => words(&[b"ECHO", token.as_bytes()]),
        }
    }

    fn check(&mut self, batch: &[Sent], answer: Answer, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        let world = talk.world;
        match &batch[0] {
            Sent::Echo(token) if answer == Answer::Bulk(token.clone().into_bytes()) => Ok(()),
            Sent::Echo(token) => Err(format!("{answer:?} where {token:?} is awaited").into()),
            Sent::Count => match answer {
                Answer::Integer(number) => Ok(self.counter.counted(number, world)?),
                Answer::Error(error) => {
                    let fate = talk.fate(&error, &[self.counter.shard])?;
                    self.counter.has_counted(fate);
                    Ok(())
                }
                other => Err(format!("{other:?} where a number is awaited").into()),
            },
            Sent::Set { key, .. } | Sent::Get { key } | Sent::Delete { key } => {
                let place = *key;
                let key = &mut self.keys[place];
                let fate = match value_of(answer)? {
                    Ok(was) => {
                        let ahead = writes_ahead(batch, place);
                        if is_read_before_others(batch, place) {
                            key.may_have_seen(was.as_deref(), &ahead, world)?;
                        } else {
                            key.saw(was.as_deref(), &ahead, world)?;
                        }
                        Fate::Done
                    }
                    Err(error) => talk.fate(&error, &[key.shard])?,
                };
                if !matches!(batch[0], Sent::Get { .. }) {
                    key.wrote(fate)?;
                }
                Ok(())
            }
        }
    }
}

/// What was sent to be written to a key after the first request of `batch`; none if that is a write, which is never sent
/// twice.
fn writes_ahead(batch: &[Sent], place: usize) -> Vec<Option<u64>> {
    let Sent::Get { .. } = batch[0] else { return Vec::new() };
    let write = |sent: &Sent| match sent {
        Sent::Set { key, number } if *key == place => Some(Some(*number)),
        Sent::Delete { key } if *key == place => Some(None),
        _ => None,
    };
    batch[1..].iter().filter_map(write).collect()
}

/// Whether the first request of `batch` only reads, and others for the key come behind it.
fn is_read_before_others(batch: &[Sent], place: usize) -> bool {
    let is_for_it = |sent: &Sent| match sent {
        Sent::Set { key, .. } | Sent::Get { key } | Sent::Delete { key } => *key == place,
        Sent::Count | Sent::Echo(_) => false,
    };
    matches!(batch[0], Sent::Get { .. }) && batch[1..].iter().any(is_for_it)
}

impl Program for Pipelined {
    fn round(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.keys.iter_mut().for_each(|key| key.begin(talk.world));
        self.counter.begin(talk.world);
        let batch: Vec<_> = (0..talk.dice.usize(1..=self.depth)).map(|_| self.choose(talk)).collect();
        let bytes: Vec<u8> = batch.iter().flat_map(|sent| request(&self.words(sent))).collect();
        talk.send(0, &bytes);
        for first in 0..batch.len() {
            let answer = talk.answer(0)?;
            self.check(&batch[first..], answer, talk)?;
        }
        Ok(())
    }

    fn cut_off(&mut self) {
        self.keys.iter_mut().for_each(Key::cut_off);
        self.counter.cut_off();
    }

    fn look(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        look_at(&mut self.keys, talk)
    }
}

/// Reads each key.
fn look_at(keys: &mut [Key], talk: &mut Talk<'_>) -> Result<(), Wrong> {
    for key in keys {
        key.begin(talk.world);
        match value_of(talk.ask(0, &["GET", &key.name])?)? {
            Ok(value) => key.saw(value.as_deref(), &[], talk.world)?,
            Err(error) => return Err(format!("{error:?} though all shards are well").into()),
        }
    }
    Ok(())
}

/// Several keys at a time, in all shards.
pub(crate) struct Spread {
    keys: Vec<Key>,
}

impl Spread {
    pub(crate) fn new(client: usize) -> Self {
        Self { keys: (0..9).map(|number| Key::new(client, number, number % SHARDS)).collect() }
    }

    /// The places of some keys, each once, and the shards they are in.
    fn some(&self, talk: &mut Talk<'_>) -> (Vec<usize>, Vec<usize>) {
        let mut places: Vec<_> = (0..self.keys.len()).collect();
        talk.dice.shuffle(&mut places);
        places.truncate(talk.dice.usize(1..=self.keys.len()));
        let mut shards: Vec<_> = places.iter().map(|&place| self.keys[place].shard).collect();
        shards.sort_unstable();
        shards.dedup();
        (places, shards)
    }

    fn set(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        let (places, shards) = self.some(talk);
        let mut words = vec![b"MSET".to_vec()];
        for &place in &places {
            let (key, number) = (&mut self.keys[place], talk.fresh());
            words.extend([key.name.clone().into_bytes(), key.value(number)]);
            key.writes(Some(number));
        }
        let fate = match talk.ask(0, &words)? {
            Answer::Simple(ok) if ok == "OK" => Fate::Done,
            Answer::Error(error) => talk.fate(&error, &shards)?,
            other => return Err(format!("{other:?} to MSET").into()),
        };
        Ok(places.into_iter().try_for_each(|place| self.keys[place].wrote(fate))?)
    }

    fn get(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        let (places, shards) = self.some(talk);
        let names = places.iter().map(|&place| self.keys[place].name.as_str());
        let words: Vec<_> = std::iter::once("MGET").chain(names).collect();
        match talk.ask(0, &words)? {
            Answer::Array(values) if values.len() == places.len() => {
                for (place, value) in places.into_iter().zip(values) {
                    let value = value_of(value)??;
                    self.keys[place].saw(value.as_deref(), &[], talk.world)?;
                }
                Ok(())
            }
            Answer::Error(error) => Ok(talk.fate(&error, &shards).map(drop)?),
            other => Err(format!("{other:?} to MGET of {}", places.len()).into()),
        }
    }

    fn delete(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        let (places, shards) = self.some(talk);
        let names = places.iter().map(|&place| self.keys[place].name.as_str());
        let words: Vec<_> = std::iter::once("DEL").chain(names).map(str::to_owned).collect();
        for &place in &places {
            self.keys[place].writes(None);
        }
        let fate = match talk.ask(0, &words)? {
            Answer::Integer(count) => {
                let there = places.iter().map(|&place| self.keys[place].is_there(talk.world));
                let (surely, possibly) = there.fold((0, 0), |(surely, possibly), (is, may)| {
                    (surely + i64::from(is), possibly + i64::from(may))
                });
                if !(surely..=possibly).contains(&count) {
                    return Err(format!("DEL removed {count}, not {surely} to {possibly}").into());
                }
                Fate::Done
            }
            Answer::Error(error) => talk.fate(&error, &shards)?,
            other => return Err(format!("{other:?} to DEL").into()),
        };
        Ok(places.into_iter().try_for_each(|place| self.keys[place].wrote(fate))?)
    }
}

impl Program for Spread {
    fn round(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.keys.iter_mut().for_each(|key| key.begin(talk.world));
        match talk.dice.u8(..5) {
            0 | 1 => self.set(talk),
            2 | 3 => self.get(talk),
            _ => self.delete(talk),
        }
    }

    fn cut_off(&mut self) {
        self.keys.iter_mut().for_each(Key::cut_off);
    }

    fn look(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        look_at(&mut self.keys, talk)
    }
}

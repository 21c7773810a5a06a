//! Clients with transactions.

use tidegate_compat_tests::answer::{Answer, request};

use crate::key::{Fate, Key};
use crate::talk::{Program, Talk, Wrong, value_of};

/// Two keys that are only ever written together, and so always hold the same.
pub(crate) struct Pair {
    /// Both, but for the last letter of their names.
    key: Key,
}

impl Pair {
    pub(crate) fn new(client: usize, shard: usize) -> Self {
        Self { key: Key::new(client, 0, shard) }
    }

    fn names(&self) -> [String; 2] {
        ["a", "b"].map(|end| format!("{}{end}", self.key.name))
    }

    /// Both values an answer tells of must be the same.
    fn saw(&mut self, answers: Vec<Answer>, talk: &Talk<'_>) -> Result<(), String> {
        let [first, second] =
            <[Answer; 2]>::try_from(answers).map_err(|other| format!("{other:?} for two"))?;
        if first != second {
            return Err(format!("{first:?} and {second:?}, which were written together"));
        }
        self.key.saw(value_of(first)??.as_deref(), &[], talk.world)
    }
}

impl Program for Pair {
    fn round(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.key.begin(talk.world);
        let ([a, b], number) = (self.names(), talk.fresh());
        let value = self.key.value(number);
        self.key.writes(Some(number));
        let set = |name: &str| request(&[b"SET", name.as_bytes(), &value, b"GET"]);
        talk.send(0, &[request(&["MULTI"]), set(&a), set(&b), request(&["EXEC"])].concat());
        for awaited in ["OK", "QUEUED", "QUEUED"] {
            let answer = talk.answer(0)?;
            if answer != Answer::Simple(awaited.to_owned()) {
                return Err(format!("{answer:?} in a transaction, not {awaited}").into());
            }
        }
        match talk.answer(0)? {
            Answer::Array(were) => {
                self.saw(were, talk)?;
                Ok(self.key.wrote(Fate::Done)?)
            }
            Answer::Error(error) => {
                let fate = talk.fate(&error, &[self.key.shard])?;
                Ok(self.key.wrote(fate)?)
            }
            other => Err(format!("{other:?} to EXEC").into()),
        }
    }

    fn cut_off(&mut self) {
        self.key.cut_off();
    }

    fn look(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.key.begin(talk.world);
        let [a, b] = self.names();
        match talk.ask(0, &["MGET", &a, &b])? {
            Answer::Array(values) => Ok(self.saw(values, talk)?),
            other => Err(format!("{other:?} to MGET").into()),
        }
    }
}

/// A key that is watched, and written by a transaction; sometimes somebody else is faster.
pub(crate) struct Watched {
    key: Key,
}

impl Watched {
    pub(crate) fn new(client: usize, shard: usize) -> Self {
        Self { key: Key::new(client, 0, shard) }
    }

    /// Reads the key; whether that went well.
    fn read(&mut self, talk: &mut Talk<'_>) -> Result<bool, Wrong> {
        match value_of(talk.ask(0, &["GET", &self.key.name])?)? {
            Ok(value) => Ok(self.key.saw(value.as_deref(), &[], talk.world).map(|()| true)?),
            Err(error) => Ok(talk.fate(&error, &[self.key.shard]).map(|_| false)?),
        }
    }

    /// Writes the key by another connection; whether it is sure that it was written.
    fn interfere(&mut self, talk: &mut Talk<'_>) -> Result<bool, Wrong> {
        let number = talk.fresh();
        let value = self.key.value(number);
        self.key.writes(Some(number));
        let fate = match talk.ask(1, &[b"SET", self.key.name.as_bytes(), &value])? {
            Answer::Simple(ok) if ok == "OK" => Fate::Done,
            Answer::Error(error) => talk.fate(&error, &[self.key.shard])?,
            other => return Err(format!("{other:?} to SET").into()),
        };
        self.key.wrote(fate)?;
        Ok(fate == Fate::Done)
    }
}

impl Program for Watched {
    fn round(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.key.begin(talk.world);
        match talk.ask(0, &["WATCH", &self.key.name])? {
            Answer::Simple(ok) if ok == "OK" => {}
            Answer::Error(error) => return Ok(talk.fate(&error, &[self.key.shard]).map(drop)?),
            other => return Err(format!("{other:?} to WATCH").into()),
        }
        if !self.read(talk)? {
            return match talk.ask(0, &["UNWATCH"])? {
                Answer::Simple(ok) if ok == "OK" => Ok(()),
                other => Err(format!("{other:?} to UNWATCH").into()),
            };
        }
        let interferes = talk.dice.u8(..3) == 0;
        let has_changed = interferes && self.interfere(talk)?;
        let number = talk.fresh();
        let set = request(&[b"SET", self.key.name.as_bytes(), &self.key.value(number)]);
        self.key.writes(Some(number));
        talk.send(0, &[request(&["MULTI"]), set, request(&["EXEC"])].concat());
        for awaited in ["OK", "QUEUED"] {
            let answer = talk.answer(0)?;
            if answer != Answer::Simple(awaited.to_owned()) {
                return Err(format!("{answer:?} in a transaction, not {awaited}").into());
            }
        }
        match talk.answer(0)? {
            Answer::Array(_) if has_changed => {
                Err(format!("EXEC took place though {} had changed", self.key.name).into())
            }
            Answer::Array(done) if done == [Answer::Simple("OK".to_owned())] => {
                Ok(self.key.wrote(Fate::Done)?)
            }
            // Watches are lost with their link.
            Answer::Null if interferes || talk.was_troubled(self.key.shard) => {
                Ok(self.key.wrote(Fate::Nothing)?)
            }
            Answer::Error(error) => {
                let fate = talk.fate(&error, &[self.key.shard])?;
                Ok(self.key.wrote(fate)?)
            }
            other => Err(format!("{other:?} to EXEC").into()),
        }
    }

    fn cut_off(&mut self) {
        self.key.cut_off();
    }

    fn look(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong> {
        self.key.begin(talk.world);
        if self.read(talk)? { Ok(()) } else { Err("an error though all shards are well".to_owned().into()) }
    }
}

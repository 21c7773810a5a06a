//! A client's connection, and what errors it may be told when.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use tidegate_compat_tests::answer::{Answer, NoAnswer, request};
use tidegate_compat_tests::machine::stalled;
use tidegate_compat_tests::wire::{Silence, Wire};

use crate::key::Fate;
use crate::world::{SHARDS, ShardState, World};

/// Why a client does not go on as it wanted.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// The gateway has closed the connection, as it must where the rest of a long answer cannot come any more.
    Closed,
    /// This must not be.
    Because(String),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::Because(reason) => f.write_str(reason),
        }
    }
}

impl From<String> for Wrong {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

/// What a client does again and again.
pub(crate) trait Program {
    /// Sends a batch and checks every answer.
    ///
    /// # Errors
    /// What is wrong.
    fn round(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong>;

    /// Nobody will say any more what came of the rest of the batch.
    fn cut_off(&mut self);

    /// Reads everything it has ever written; all shards are well.
    ///
    /// # Errors
    /// What is wrong.
    fn look(&mut self, talk: &mut Talk<'_>) -> Result<(), Wrong>;
}

pub(crate) struct Talk<'w> {
    pub(crate) world: &'w World,
    pub(crate) dice: fastrand::Rng,
    client: usize,
    address: SocketAddr,
    wires: Vec<Wire>,
    next: u64,
    /// What trouble there had been when the batch began.
    troubles: [u64; SHARDS],
    began: Instant,
    /// For how long the machine had stood still.
    stalled: Duration,
    errors: u64,
}

impl<'w> Talk<'w> {
    /// Client number `client`, with so many connections to `address`.
    ///
    /// # Errors
    /// Nobody listens.
    pub(crate) fn connect(
        world: &'w World,
        client: usize,
        address: SocketAddr,
        wires: usize,
    ) -> Result<Self, String> {
        let wires = (0..wires).map(|_| Wire::connect(address)).collect::<Result<_, _>>()?;
        let dice = fastrand::Rng::with_seed(client as u64);
        let (troubles, began, stalled) = ([0; SHARDS], Instant::now(), stalled());
        Ok(Self { world, dice, client, address, wires, next: 0, troubles, began, stalled, errors: 0 })
    }

    /// Rounds until it is over, and then a last look.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn live(mut self, program: &mut impl Program) -> Result<(), String> {
        let progress = &self.world.clients[self.client];
        while !self.world.is_over() {
            self.begin();
            match program.round(&mut self) {
                Ok(()) => {}
                Err(Wrong::Closed) if (0..SHARDS).any(|shard| self.was_troubled(shard)) => {
                    program.cut_off();
                    let again = |_: &Wire| Wire::connect(self.address);
                    self.wires = self.wires.iter().map(again).collect::<Result<_, _>>()?;
                    self.errors += 1;
                }
                Err(wrong) => return Err(wrong.to_string()),
            }
            let took = self.began.elapsed().saturating_sub(stalled().saturating_sub(self.stalled)).as_micros()
                as u64;
            if self.errors == 0 {
                progress.slowest_us.fetch_max(took, SeqCst);
                progress.rounds.fetch_add(1, SeqCst);
                self.world.tell();
            } else {
                progress.errors.fetch_add(self.errors, SeqCst);
                self.world.tell();
                self.world.rest();
            }
        }
        self.begin();
        program.look(&mut self).map_err(|wrong| format!("at the end: {wrong}"))?;
        match self.errors {
            0 => self.nothing_more(),
            errors => Err(format!("{errors} errors though all shards are well")),
        }
    }

    fn begin(&mut self) {
        self.troubles = self.world.shards.each_ref().map(ShardState::troubles);
        self.errors = 0;
        self.began = Instant::now();
        self.stalled = stalled();
    }

    /// A number for a value that no other value has.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Sends bytes by a connection, whose answers may take a while from now.
    pub(crate) fn send(&mut self, wire: usize, bytes: &[u8]) {
        self.wires[wire].send(bytes);
        self.wires[wire].wait_at_most(self.world.patience);
    }

    /// Sends a request of these words.
    pub(crate) fn ask<W: AsRef<[u8]>>(&mut self, wire: usize, words: &[W]) -> Result<Answer, Wrong> {
        self.send(wire, &request(words));
        self.answer(wire)
    }

    /// The next answer.
    pub(crate) fn answer(&mut self, wire: usize) -> Result<Answer, Wrong> {
        Answer::read(&mut self.wires[wire]).map_err(|none| match none {
            NoAnswer::Silence(silence) => self.silent(wire, silence),
            NoAnswer::Malformed(error) => Wrong::Because(error),
        })
    }

    /// The next line, and bytes.
    pub(crate) fn line(&mut self) -> Result<String, Wrong> {
        let line = self.wires[0].line().map_err(|silence| self.silent(0, silence))?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Wrong> {
        self.wires[0].bytes(count).map_err(|silence| self.silent(0, silence))
    }

    /// After an error that ends a reply the gateway closes the connection, or goes on with the next request.
    pub(crate) fn still_in_step(&mut self) -> Result<(), Wrong> {
        self.send(0, b"mn\r\n");
        match self.line() {
            Ok(line) if line == "MN" => Ok(()),
            Err(Wrong::Closed) => {
                self.wires[0] = Wire::connect(self.address)?;
                Ok(())
            }
            Ok(line) => Err(format!("{line:?} after the error that ends a reply").into()),
            Err(wrong) => Err(wrong),
        }
    }

    fn silent(&self, wire: usize, silence: Silence) -> Wrong {
        if silence == Silence::Closed {
            return Wrong::Closed;
        }
        let unread = self.wires[wire].unread();
        let shown = unread[..unread.len().min(60)].escape_ascii();
        Wrong::Because(format!("no answer in {:?}; unread: {shown}", self.began.elapsed()))
    }

    /// What an error says of the fate of a request on keys of these shards.
    ///
    /// # Errors
    /// It is not one of those that are told when shards are in trouble, or none of these is.
    pub(crate) fn fate(&mut self, error: &str, shards: &[usize]) -> Result<Fate, String> {
        if !shards.iter().any(|&shard| self.was_troubled(shard)) {
            return Err(format!("{error:?} though shards {shards:?} are well"));
        }
        self.errors += 1;
        match error.strip_prefix("SERVER_ERROR ").unwrap_or(error).split(' ').next() {
            // Of several shards one may have done its part.
            Some("CLUSTERDOWN") if shards.len() == 1 => Ok(Fate::Nothing),
            Some("CLUSTERDOWN" | "INDOUBT") => Ok(Fate::InDoubt),
            _ => Err(format!("{error:?} is no error of a shard in trouble")),
        }
    }

    /// Whether something was in the way of this shard since the batch began: what has stood still with the machine may be
    /// taken for a shard that does not answer.
    pub(crate) fn was_troubled(&self, shard: usize) -> bool {
        stalled() > self.stalled || self.world.shards[shard].was_troubled_since(self.troubles[shard])
    }

    /// All connections are in step: nothing has come that was not asked for.
    fn nothing_more(&mut self) -> Result<(), String> {
        for wire in &self.wires {
            if !wire.unread().is_empty() {
                return Err(format!("{} bytes too many were received", wire.unread().len()));
            }
        }
        Ok(())
    }
}

/// An answer to a read: a value, or none; or the words of an error.
///
/// # Errors
/// It is something else.
pub(crate) fn value_of(answer: Answer) -> Result<Result<Option<Vec<u8>>, String>, String> {
    match answer {
        Answer::Bulk(value) => Ok(Ok(Some(value))),
        Answer::Null => Ok(Ok(None)),
        Answer::Error(error) => Ok(Err(error)),
        other => Err(format!("{other:?} where a value is awaited")),
    }
}

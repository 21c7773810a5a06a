//! A load generator: one thread, one event loop, closed loop.
//!
//! Each connection sends `pipeline` requests, awaits all their replies and sends the next, so a server is
//! never asked more than it answers. What is reported is what the generator saw (throughput and latency)
//! and what the server spent (processor time of all threads of all its processes). It judges replies only by their kind;
//! whether they are right is what the transcripts are for.

pub mod dialect;
pub mod hand_off;
pub mod histogram;
pub mod process;
pub mod words;

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use dialect::{Dialect, Operation, Requests, Verdict};
use histogram::Histogram;
use process::Process;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;

/// How long no server may stay silent while replies are awaited.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What to send, to whom, for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The language spoken to it.
    pub dialect: Dialect,
    /// What is asked.
    pub operation: Operation,
    /// Connections, all from this one thread.
    pub connections: usize,
    /// Requests a connection sends before it awaits their replies.
    pub pipeline: usize,
    /// Keys there are; each is 16 bytes long.
    pub keys: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Which keys, and when to stop.
    pub extent: Extent,
}

/// Which keys a [`Load`] asks for, and when it stops.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// Every key once, in order.
    EachKeyOnce,
    /// Keys at random for this long, after a warm-up whose requests are not counted.
    Random {
        /// Time before counting begins.
        warm: Duration,
        /// Time that is counted.
        counted: Duration,
    },
}

/// What came of a [`Load`].
#[derive(Clone, Debug)]
pub struct Figures {
    /// Replies counted.
    pub operations: u64,
    /// Of those, how many said that there is no such key.
    pub misses: u64,
    /// Seconds counted.
    pub seconds: f64,
    /// Processor time of the server per operation, in µs.
    pub cpu_us: f64,
    /// Time from sending a batch to having read a reply of it.
    pub latency: Histogram,
}

impl Figures {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }
}

/// Runs `load` against the server that consists of `processes`.
///
/// # Errors
/// A connection that fails or closes, a server that stays silent for 30 s or all the time that is counted,
/// or any reply that is an error.
pub fn run(load: &Load, processes: &[Process]) -> io::Result<Figures> {
    Generator::connect(load)?.run(processes)
}

struct Generator<'a> {
    load: &'a Load,
    poll: Poll,
    clients: Vec<Client>,
    requests: Requests,
    key_next: u64,
    operations: u64,
    misses: u64,
    latency: Histogram,
    began: Instant,
}

/// One connection and the batch it waits for.
struct Client {
    socket: TcpStream,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
    awaited: usize,
    sent_at: Instant,
}

impl<'a> Generator<'a> {
    fn connect(load: &'a Load) -> io::Result<Self> {
        let poll = Poll::new()?;
        let began = Instant::now();
        let mut clients = Vec::with_capacity(load.connections);
        for index in 0..load.connections {
            let mut client = Client::connect(load.address, began)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut client.socket, Token(index), interest)?;
            clients.push(client);
        }
        Ok(Self {
            load,
            poll,
            clients,
            requests: Requests::new(load.dialect, load.operation, load.value_bytes),
            key_next: 0,
            operations: 0,
            misses: 0,
            latency: Histogram::default(),
            began,
        })
    }

    fn run(mut self, processes: &[Process]) -> io::Result<Figures> {
        let (warm, counted) = match self.load.extent {
            Extent::EachKeyOnce => (Duration::ZERO, Duration::MAX),
            Extent::Random { warm, counted } => (warm, counted),
        };
        for index in 0..self.clients.len() {
            self.send(index, self.began)?;
        }
        self.until(self.began.checked_add(warm))?;
        (self.operations, self.misses, self.latency) = (0, 0, Histogram::default());
        let started = Instant::now();
        let cpu_before = process::cpu(processes)?;
        self.until(started.checked_add(counted))?;
        let spent = process::cpu(processes)?.saturating_sub(cpu_before);
        if self.operations == 0 {
            return Err(io::Error::new(ErrorKind::TimedOut, "no reply in the time that was to be measured"));
        }
        let seconds = started.elapsed().as_secs_f64();
        let cpu_us = spent.as_secs_f64() * 1e6 / self.operations as f64;
        Ok(Figures {
            operations: self.operations,
            misses: self.misses,
            seconds,
            cpu_us,
            latency: self.latency,
        })
    }

    /// Serves events until `end` (`None` is never) or until every key has been answered for.
    fn until(&mut self, end: Option<Instant>) -> io::Result<()> {
        let mut events = Events::with_capacity(self.clients.len());
        let mut heard_at = Instant::now();
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) || self.clients.iter().all(|client| client.awaited == 0) {
                return Ok(());
            }
            if now - heard_at > SILENCE_MAX {
                return Err(io::Error::new(ErrorKind::TimedOut, "the server has stopped answering"));
            }
            let patience = end.map_or(SILENCE_MAX, |end| end - now);
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                heard_at = now;
                let index = event.token().0;
                if event.is_writable() {
                    self.clients[index].flush()?;
                }
                if event.is_readable() {
                    self.receive(index)?;
                }
            }
        }
    }

    /// Reads what has arrived on a connection; sends its next batch when the last is answered.
    fn receive(&mut self, index: usize) -> io::Result<()> {
        let mut more = true;
        while more {
            let client = &mut self.clients[index];
            more = client.fill()?;
            let now = Instant::now();
            let (mut consumed, mut replies) = (0, 0);
            while client.awaited > 0 {
                let input = &client.input[consumed..client.filled];
                let Some((length, verdict)) = self.requests.reply(input) else { break };
                match verdict {
                    Verdict::Done => {}
                    Verdict::Miss => self.misses += 1,
                    Verdict::Error => return Err(refusal(&input[..length])),
                }
                consumed += length;
                client.awaited -= 1;
                replies += 1;
            }
            client.input.copy_within(consumed..client.filled, 0);
            client.filled -= consumed;
            self.operations += replies;
            self.latency.add(now - client.sent_at, replies);
            if replies > 0 && client.awaited == 0 {
                self.send(index, now)?;
            }
        }
        Ok(())
    }

    /// Sends the next batch of a connection, unless no keys are left.
    fn send(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let client = &mut self.clients[index];
        for _ in 0..self.load.pipeline {
            let key = match self.load.extent {
                Extent::Random { .. } => self.requests.random(self.load.keys),
                Extent::EachKeyOnce if self.key_next == self.load.keys => break,
                Extent::EachKeyOnce => {
                    self.key_next += 1;
                    self.key_next - 1
                }
            };
            self.requests.write(key, &mut client.output);
            client.awaited += 1;
        }
        client.sent_at = now;
        client.flush()
    }
}

impl Client {
    fn connect(address: SocketAddr, now: Instant) -> io::Result<Self> {
        let socket = std::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpStream::from_std(socket),
            output: Vec::new(),
            written: 0,
            input: vec![0; READ_BYTES],
            filled: 0,
            awaited: 0,
            sent_at: now,
        })
    }

    /// Reads once; whether there may be more to read.
    fn fill(&mut self) -> io::Result<bool> {
        if self.input.len() - self.filled < READ_BYTES / 4 {
            self.input.resize(self.input.len() * 2, 0);
        }
        let room = self.input.len() - self.filled;
        match self.socket.read(&mut self.input[self.filled..]) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
            Ok(count) => {
                self.filled += count;
                Ok(count == room)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Writes what the socket takes; the rest goes when the socket says that it is writable.
    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.socket.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}

fn refusal(reply: &[u8]) -> io::Error {
    let shown = &reply[..reply.len().min(120)];
    io::Error::other(format!("the server refused a request: {}", shown.escape_ascii()))
}

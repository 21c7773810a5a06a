//! How long an element takes from who pushes it to who waits for it.
//!
//! Two connections take turns: one pushes for the other and then waits itself, in the same write, so that whoever is
//! given something has been waiting for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use super::process::{self, Process};
use super::words::bulk;
use super::{Figures, SILENCE_MAX};

/// The list that each of the two waits for.
const KEYS: [&[u8]; 2] = [b"hand-off:0", b"hand-off:1"];

/// Hands elements of `value_bytes` over for `counted`, after `warm`, on the server that consists of `processes`.
///
/// # Errors
/// A connection that fails or closes, a server that stays silent for 30 s, or any other reply than the one that is right.
pub fn run(
    address: SocketAddr,
    value_bytes: usize,
    warm: Duration,
    counted: Duration,
    processes: &[Process],
) -> io::Result<Figures> {
    let value = vec![b'v'; value_bytes];
    let mut sides = [Side::connect(address, 0, &value)?, Side::connect(address, 1, &value)?];
    sides[1].wait()?;
    let began = Instant::now();
    let mut turn = 0;
    while began.elapsed() < warm {
        hand_over(&mut sides, &mut turn)?;
    }
    let (started, cpu_before) = (Instant::now(), process::cpu(processes)?);
    let (mut operations, mut latency) = (0, Histogram::default());
    while started.elapsed() < counted {
        latency.add(hand_over(&mut sides, &mut turn)?, 1);
        operations += 1;
    }
    let spent = process::cpu(processes)?.saturating_sub(cpu_before);
    let cpu_us = spent.as_secs_f64() * 1e6 / operations as f64;
    Ok(Figures { operations, misses: 0, seconds: started.elapsed().as_secs_f64(), cpu_us, latency })
}

/// One element from who has the turn to the other, who has it next; how long that took.
fn hand_over(sides: &mut [Side; 2], turn: &mut usize) -> io::Result<Duration> {
    let sent_at = Instant::now();
    sides[*turn].push_and_wait()?;
    *turn = 1 - *turn;
    sides[*turn].take()?;
    Ok(sent_at.elapsed())
}

/// One of the two connections.
struct Side {
    socket: TcpStream,
    push: Vec<u8>,
    wait: Vec<u8>,
    /// The reply to `push`, which is read together with the element that comes next.
    pushed: &'static [u8],
    element: Vec<u8>,
}

impl Side {
    fn connect(address: SocketAddr, index: usize, value: &[u8]) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        let words = |words: &[&[u8]]| {
            let mut out = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                bulk(word, &mut out);
            }
            out
        };
        let (own, other) = (KEYS[index], KEYS[1 - index]);
        Ok(Self {
            socket,
            push: words(&[b"LPUSH", other, value]),
            wait: words(&[b"BLPOP", own, b"0"]),
            pushed: b"",
            element: words(&[own, value]),
        })
    }

    fn wait(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.wait)
    }

    fn push_and_wait(&mut self) -> io::Result<()> {
        self.pushed = b":1\r\n";
        self.socket.write_all(&[&self.push[..], &self.wait].concat())
    }

    /// Reads what it waits for.
    fn take(&mut self) -> io::Result<()> {
        let wanted = [self.pushed, &self.element].concat();
        let mut input = vec![0; wanted.len()];
        let mut filled = 0;
        while filled < wanted.len() {
            match self.socket.read(&mut input[filled..])? {
                0 => return Err(io::Error::other("the server closed a connection")),
                count => filled += count,
            }
            if input[..filled] != wanted[..filled] {
                return Err(super::refusal(&input[..filled]));
            }
        }
        Ok(())
    }
}

//! Plays a script against a server and compares what comes back.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;

use super::script::{Mode, Script, Step, as_reply};
use super::text::{Names, Place, unescape, words};
use super::{Family, Subject, binary, memcached, resp};
use crate::wire::{REPLY_WAIT, Silence, Wire};

/// How long `until>` repeats its request.
const UNTIL_WAIT: Duration = Duration::from_mins(1);
/// The pause between two attempts of `until>`.
const UNTIL_PAUSE: Duration = Duration::from_millis(2);
/// How long the recorder listens for more than was asked for.
const RECORD_WAIT: Duration = Duration::from_millis(40);

/// A reply that is not the one in the script.
pub struct Mismatch {
    place: String,
    request: String,
    expected: Vec<String>,
    got: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.request)?;
        for line in &self.expected {
            writeln!(f, "    expected {line}")?;
        }
        for line in &self.got {
            writeln!(f, "    got      {line}")?;
        }
        Ok(())
    }
}

/// Replays `script` and returns every step that went otherwise.
pub fn replay(script: &Script, subject: Subject, address: SocketAddr) -> Vec<Mismatch> {
    let mut player = Player::new(script, address);
    let mut mismatches = Vec::new();
    for step in script.steps.iter().filter(|step| step.only.is_none_or(|only| only.holds(subject))) {
        let expected = script.expected(step, subject);
        let got = player.play(step, expected).unwrap_or_else(|error| vec![format!("({error})")]);
        if !matches(expected, &got, &mut player.names).unwrap_or(false) {
            mismatches.push(Mismatch {
                place: script.place(step.line),
                request: step.text.join(" | "),
                expected: expected.to_vec(),
                got,
            });
        }
    }
    mismatches.extend(player.leftovers());
    mismatches
}

/// What the real server answered, for the recorder.
pub(crate) struct Played {
    pub(crate) lines: Vec<String>,
    /// How many replies there were.
    pub(crate) replies: usize,
    /// Whether the script already says so.
    pub(crate) matches: bool,
}

/// Connections and memory of a run.
pub(crate) struct Player<'a> {
    script: &'a Script,
    address: SocketAddr,
    connections: HashMap<String, Connection>,
    pub(crate) names: Names,
}

struct Connection {
    wire: Wire,
    resp: u8,
    /// Sent with the next request.
    unsent: Vec<u8>,
    /// Replies to what was sent ahead.
    owed: usize,
}

impl<'a> Player<'a> {
    pub(crate) fn new(script: &'a Script, address: SocketAddr) -> Self {
        Self { script, address, connections: HashMap::new(), names: Names::default() }
    }

    /// Plays a step until its reply is read, or matches `expected` when it says `until`.
    fn play(&mut self, step: &Step, expected: &[String]) -> Result<Vec<String>, String> {
        let start = Instant::now();
        loop {
            let expects_close = expected.last().is_some_and(|line| line == "!closed");
            let got = self.once(step, expects_close)?;
            if !step.head.until || start.elapsed() > UNTIL_WAIT || matches(expected, &got, &mut self.names)? {
                return Ok(got);
            }
            thread::sleep(UNTIL_PAUSE);
        }
    }

    /// Plays a step and listens for more replies than it announces.
    pub(crate) fn record(&mut self, step: &Step, expected: &[String]) -> Result<Played, String> {
        if step.head.until {
            let lines = self.play(step, expected)?;
            let matches = matches(expected, &lines, &mut self.names)?;
            return Ok(Played { lines, replies: step.head.replies, matches });
        }
        self.send(step)?;
        if step.head.send {
            return Ok(Played { lines: Vec::new(), replies: step.head.replies, matches: true });
        }
        let connection = self.connections.get_mut(&step.head.connection).expect("just used");
        let owed = std::mem::take(&mut connection.owed) - step.head.replies;
        let (mut lines, mut replies) = (Vec::new(), 0);
        let closed = loop {
            // A server may take its time for a first reply (the announced ones), but not for more.
            let wait = if replies < step.head.replies + owed { RECORD_WAIT * 10 } else { RECORD_WAIT };
            match connection.wire.has_more(wait) {
                Ok(false) => break false,
                Err(_) => break true,
                Ok(true) => {}
            }
            connection.wire.wait_at_most(REPLY_WAIT);
            match read(&mut connection.wire, self.script.family, step, &mut self.names) {
                Ok(reply) => lines.extend(reply),
                Err(Silence::Closed) => break true,
                Err(Silence::Late) => return Err("a reply was begun and not ended".to_owned()),
            }
            replies += 1;
        };
        if closed {
            self.close(&step.head.connection, &mut lines);
        }
        let matches = matches(expected, &lines, &mut self.names)?;
        Ok(Played { lines, replies: replies.saturating_sub(owed), matches })
    }

    fn once(&mut self, step: &Step, expects_close: bool) -> Result<Vec<String>, String> {
        self.send(step)?;
        if step.head.send {
            return Ok(Vec::new());
        }
        let connection = self.connections.get_mut(&step.head.connection).expect("just used");
        let owed = std::mem::take(&mut connection.owed);
        let mut lines = Vec::new();
        connection.wire.wait_at_most(REPLY_WAIT);
        for _ in 0..owed {
            match read(&mut connection.wire, self.script.family, step, &mut self.names) {
                Ok(reply) => lines.extend(reply),
                Err(Silence::Late) => {
                    lines.push(format!(
                        "(no reply, but: {:?})",
                        String::from_utf8_lossy(connection.wire.unread())
                    ));
                    self.connections.remove(&step.head.connection);
                    return Ok(lines);
                }
                Err(Silence::Closed) => {
                    self.close(&step.head.connection, &mut lines);
                    return Ok(lines);
                }
            }
        }
        if expects_close {
            match connection.wire.has_more(REPLY_WAIT) {
                Err(_) => self.close(&step.head.connection, &mut lines),
                Ok(true) => lines.push("(more instead of the end)".to_owned()),
                Ok(false) => lines.push("(the connection stays open)".to_owned()),
            }
        }
        Ok(lines)
    }

    fn close(&mut self, connection: &str, lines: &mut Vec<String>) {
        if let Some(connection) = self.connections.remove(connection)
            && !connection.wire.unread().is_empty()
        {
            lines.push(format!("(cut short: {:?})", String::from_utf8_lossy(connection.wire.unread())));
        }
        lines.push("!closed".to_owned());
    }

    /// Sends a step's request, or keeps it for the next.
    fn send(&mut self, step: &Step) -> Result<(), String> {
        let bytes = request(step, self.script.family, &self.names)?;
        let connection = self.connection(step)?;
        connection.unsent.extend(bytes);
        connection.owed += step.head.replies;
        if !step.head.send {
            let bytes = std::mem::take(&mut connection.unsent);
            connection.wire.send(&bytes);
        }
        Ok(())
    }

    /// The step's connection, speaking the protocol version it wants.
    fn connection(&mut self, step: &Step) -> Result<&mut Connection, String> {
        let name = &step.head.connection;
        if !self.connections.contains_key(name) {
            let wire = Wire::connect(self.address)?;
            let connection = Connection { wire, resp: 2, unsent: Vec::new(), owed: 0 };
            self.connections.insert(name.clone(), connection);
        }
        let connection = self.connections.get_mut(name).expect("just inserted");
        if connection.resp != step.resp {
            connection.wire.send(&resp::request(&[b"HELLO".to_vec(), step.resp.to_string().into_bytes()]));
            connection.wire.wait_at_most(REPLY_WAIT);
            let reply =
                resp::read(&mut connection.wire, false).map_err(|error| format!("HELLO: {error:?}"))?;
            if reply.first().is_none_or(|line| line.starts_with('-')) {
                return Err(format!("HELLO: {reply:?}"));
            }
            connection.resp = step.resp;
        }
        Ok(connection)
    }

    /// Whatever came that no step expected: found on every open connection within a moment.
    fn leftovers(&mut self) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        for (name, mut connection) in self.connections.drain() {
            if connection.wire.unread().is_empty()
                && connection.wire.has_more(Duration::from_millis(1)) != Ok(true)
            {
                continue;
            }
            mismatches.push(Mismatch {
                place: format!("{}: at the end, connection `{name}`", self.script.path.display()),
                request: "nothing more".to_owned(),
                expected: Vec::new(),
                got: vec![String::from_utf8_lossy(connection.wire.unread()).into_owned()],
            });
        }
        mismatches
    }
}

/// The bytes of a request.
fn request(step: &Step, family: Family, names: &Names) -> Result<Vec<u8>, String> {
    let fill = |bytes: Vec<u8>| names.fill(&bytes, Place::Request);
    let filled_words = |line: &str| words(line)?.into_iter().map(fill).collect::<Result<Vec<_>, _>>();
    let mut bytes = Vec::new();
    for line in &step.text {
        match (step.head.mode, family) {
            (Mode::Command, Family::Redis) => bytes.extend(resp::request(&filled_words(line)?)),
            (Mode::Command, Family::Memcached) => {
                bytes.extend(fill(unescape(line)?)?);
                bytes.extend_from_slice(b"\r\n");
            }
            (Mode::Raw, _) => bytes.extend(filled_words(line)?.concat()),
            (Mode::Binary, _) => bytes.extend(binary::request(line, names)?),
            (Mode::Hex, _) => bytes.extend(super::text::hex(&fill(line.clone().into_bytes())?)?),
        }
    }
    Ok(bytes)
}

fn read(wire: &mut Wire, family: Family, step: &Step, names: &mut Names) -> Result<Vec<String>, Silence> {
    let lines = match family {
        _ if step.head.mode.is_binary() => binary::read(wire, names)?,
        Family::Redis => resp::read(wire, step.head.sorted)?,
        Family::Memcached => memcached::read(wire, names)?,
    };
    Ok(lines.into_iter().map(as_reply).collect())
}

/// Whether `got` is what `expected` describes; what named groups matched is kept.
fn matches(expected: &[String], got: &[String], names: &mut Names) -> Result<bool, String> {
    let got = &got[..got.len() - got.iter().rev().take_while(|line| line.is_empty()).count()];
    let (mut line, mut came) = (0, 0);
    // Behind the last `...`, and how many lines had come when it began to match one more.
    let mut again = None;
    loop {
        match (expected.get(line), got.get(came)) {
            (Some(gap), _) if gap == "..." => {
                line += 1;
                again = Some((line, came));
                continue;
            }
            (None, None) => return Ok(true),
            (Some(pattern), Some(text)) if line_matches(pattern, text, names)? => {
                (line, came) = (line + 1, came + 1);
                continue;
            }
            _ => {}
        }
        match &mut again {
            Some((behind, skipped)) if *skipped < got.len() => {
                *skipped += 1;
                (line, came) = (*behind, *skipped);
            }
            _ => return Ok(false),
        }
    }
}

fn line_matches(expected: &str, line: &str, names: &mut Names) -> Result<bool, String> {
    let filled = |place, text: &str| names.fill(text.as_bytes(), place);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| error.to_string());
    let Some(pattern) = expected.strip_prefix("~ ") else {
        return Ok(filled(Place::Reply, expected)? == line.as_bytes());
    };
    let pattern = text(filled(Place::Pattern, pattern)?)?;
    let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())?;
    let Some(captures) = regex.captures(line) else { return Ok(false) };
    for name in regex.capture_names().flatten() {
        if let Some(value) = captures.name(name) {
            names.keep(name, &unescape(value.as_str())?);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn replies_are_compared_line_by_line() {
        let mut names = Names::default();
        let mut check = |expected, got| matches(&lines(expected), &lines(got), &mut names).unwrap();
        assert!(check("$3\nfoo", "$3\nfoo"));
        assert!(!check("$3\nfoo", "$3\nfop"));
        assert!(!check("$3", "$3\nfoo"));
        assert!(!check("$3\nfoo", "$3"));
        assert!(check("$0", "$0\n\n"));
        assert!(check("~ :[0-9]+\n+OK", ":12\n+OK"));
        assert!(!check("~ :[0-9]", ":12"));
        assert!(check("*2\n...\n:2", "*2\n:1\n:2"));
        assert!(check("...", ""));
        assert!(!check("...\n:3", "*2\n:1\n:2"));
        assert!(check("~ \\$(?<length>\\d+)", "$12"));
        assert!(check(":${length}", ":12"));
        assert!(check("a${x*3}", "axxx"));
    }
}

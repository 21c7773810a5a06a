//! A message as it is sent, encoded once for all who get it.

use std::ops::Range;

use tidegate_protocols::link::{self, Said};
use tidegate_protocols::{Dialect, Reply};

use super::Kind;

/// See the module.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// As RESP2 has it; in RESP3 only the first byte differs.
    wire: Vec<u8>,
    /// Where the channel is, without its length.
    channel: Range<usize>,
    /// Where the channel begins, with its length: from here on it is the same for those who listen to patterns.
    tail: usize,
    payload: Range<usize>,
    /// Whether it is a line for those who watch all commands, as it is on the wire.
    pub(crate) is_for_monitors: bool,
    /// The number of the client it is for, where it is for one alone.
    pub(crate) to: Option<(u64, Push)>,
    /// The process of the gateway whose clients have been told already.
    pub(crate) from: Option<u64>,
}

/// What is told to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// All of it is there.
    Whole,
    /// Which keys are stale: as it reads it, and maybe for another client.
    Stale {
        /// Whether it is told for another client.
        is_redirected: bool,
    },
}

/// The first byte of a message in RESP3.
const PUSH: u8 = b'>';

impl Message {
    pub(crate) fn new(said: &Said<'_>, from: Option<u64>) -> Self {
        let &Said { kind, channel, payload } = said;
        let mut wire = Vec::with_capacity(channel.len() + payload.len() + 64);
        let mut reply = Reply::new(&mut wire, Dialect::Resp2);
        reply.push(3);
        reply.bulk(if kind == Kind::Shard { b"smessage" } else { b"message" });
        let tail = reply.mark();
        reply.bulk(channel);
        let end = reply.mark() - 2;
        reply.bulk(payload);
        let payload = reply.mark() - 2 - payload.len()..reply.mark() - 2;
        let (channel, is_for_monitors) = (end - channel.len()..end, false);
        Self { kind, wire, channel, tail, payload, is_for_monitors, to: None, from }
    }

    /// A line for those who watch all commands.
    pub(crate) fn for_monitors(line: Vec<u8>) -> Self {
        let kind = Kind::Channel;
        let none = 0..0;
        let (channel, payload, to, from) = (none.clone(), none, None, None);
        Self { kind, wire: line, channel, tail: 0, payload, is_for_monitors: true, to, from }
    }

    /// What is told to one client.
    pub(crate) fn for_one(client: u64, push: Push, wire: Vec<u8>) -> Self {
        Self { is_for_monitors: false, to: Some((client, push)), ..Self::for_monitors(wire) }
    }

    /// As it is on the wire, or what is in it.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    pub(crate) fn channel(&self) -> &[u8] {
        &self.wire[self.channel.clone()]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.wire.len()
    }

    /// Writes it for a gateway.
    pub(crate) fn write_for_gateway(&self, out: &mut Vec<u8>) {
        let payload = &self.wire[self.payload.clone()];
        link::say(out, &Said { kind: self.kind, channel: self.channel(), payload });
    }

    /// Writes it for who listens to the channel, or to a pattern that matches.
    pub(crate) fn write(&self, pattern: Option<&[u8]>, dialect: Dialect, out: &mut Vec<u8>) {
        let begin = out.len();
        if let Some(pattern) = pattern {
            let mut reply = Reply::new(out, dialect);
            reply.push(4);
            reply.bulk(b"pmessage");
            reply.bulk(pattern);
            out.extend_from_slice(&self.wire[self.tail..]);
        } else {
            out.extend_from_slice(&self.wire);
            if dialect == Dialect::Resp3 && !self.is_for_monitors {
                out[begin] = PUSH;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_its_listener_listens_to_in_the_listener_s_language() {
        let message = Message::new(&Said { kind: Kind::Channel, channel: b"ch", payload: b"hello" }, None);
        assert_eq!(message.channel(), b"ch");
        for (dialect, mark) in [(Dialect::Resp2, '*'), (Dialect::Resp3, '>')] {
            let mut out = b"x".to_vec();
            message.write(None, dialect, &mut out);
            let tail = "$2\r\nch\r\n$5\r\nhello\r\n";
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{mark}3\r\n$7\r\nmessage\r\n{tail}"));
            let mut out = Vec::new();
            message.write(Some(b"c*"), dialect, &mut out);
            let head = format!("{mark}4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n");
            assert_eq!(String::from_utf8(out).unwrap(), head + tail);
        }
        let mut out = Vec::new();
        Message::new(&Said { kind: Kind::Shard, channel: b"", payload: b"" }, None).write(
            None,
            Dialect::Resp2,
            &mut out,
        );
        assert_eq!(out, b"*3\r\n$8\r\nsmessage\r\n$0\r\n\r\n$0\r\n\r\n");
    }
}

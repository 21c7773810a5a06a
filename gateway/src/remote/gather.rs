//! Requests that several shards answer.

use tidegate_protocols::data::Figures;
use tidegate_protocols::route::{self, Leg, Part};
use tidegate_protocols::table::{Flags, Gather};
use tidegate_protocols::{Dialect, Reply, Request};

use super::unanswered::Owner;

/// What becomes of the answers.
#[derive(Debug)]
pub(super) enum How {
    /// Each shard was asked for its own keys.
    Split(Gather, Vec<Part>),
    /// All were asked the same.
    Every(Gather),
    /// One step of a scan.
    Scan(Leg),
    /// The figures of each of these, by name.
    Figures(Vec<String>),
    /// The libraries of functions of each.
    Libraries,
    /// Each part is a request, of one client, and all are answered in their order.
    Run,
}

/// A request whose answers are being gathered.
#[derive(Debug)]
pub(super) struct Gathering {
    how: How,
    dialect: Dialect,
    /// The request as the client sent it.
    pub(super) frame: Vec<u8>,
    /// What it is part of, if it was one request when it was sent first.
    pub(super) within: Option<Owner>,
    /// Whether it may change something.
    pub(super) is_write: bool,
    /// The answers, by part.
    answers: Vec<Vec<u8>>,
    missing: usize,
    has_failed: bool,
    /// How long the slowest of the shards took, if that was long.
    pub(super) slow_nanos: u64,
}

impl Gathering {
    pub(super) fn new(how: How, request: &Request<'_>, frame: Vec<u8>, parts: usize) -> Self {
        let (answers, is_write) = (vec![Vec::new(); parts], request.row.flags.has(Flags::WRITE));
        let within = None;
        Self {
            how,
            dialect: request.dialect,
            frame,
            within,
            is_write,
            answers,
            missing: parts,
            has_failed: false,
            slow_nanos: 0,
        }
    }

    /// Whether the parts are requests.
    pub(super) fn is_run(&self) -> bool {
        matches!(self.how, How::Run)
    }

    /// The same as what it is part of.
    pub(super) fn within(self, within: Option<Owner>) -> Self {
        Self { within, ..self }
    }

    /// A part of an answer.
    pub(super) fn add(&mut self, part: u32, bytes: &[u8]) {
        self.answers[part as usize].extend_from_slice(bytes);
    }

    /// There is no answer, whatever has come of it, but this error.
    pub(super) fn say_instead(&mut self, part: u32, bytes: &[u8]) {
        bytes.clone_into(&mut self.answers[part as usize]);
    }

    /// An answer is whole. Returns whether all are.
    pub(super) fn end(&mut self, has_failed: bool) -> bool {
        self.missing -= 1;
        self.has_failed |= has_failed;
        self.missing == 0
    }

    /// All answers as one, and whether that is an error.
    ///
    /// # Errors
    /// The part whose answer cannot be used.
    pub(super) fn merge(&self, chance: u64) -> Result<(Vec<u8>, bool), usize> {
        let mut merged = Vec::new();
        let mut reply = Reply::new(&mut merged, self.dialect);
        let answers: Vec<_> = self.answers.iter().map(Vec::as_slice).collect();
        match &self.how {
            How::Split(gather, parts) => route::merge_split(*gather, parts, &answers, &mut reply)?,
            How::Every(gather) => {
                // Who has left before it could answer has nothing.
                let answers: Vec<_> = answers.into_iter().filter(|answer| !answer.is_empty()).collect();
                // A client of Memcached may want no reply; then all are empty.
                if !answers.is_empty() || matches!(self.dialect, Dialect::Resp2 | Dialect::Resp3) {
                    route::merge(*gather, chance, &answers, &mut reply)?;
                }
                if *gather == Gather::AnyDone {
                    let has_failed = merged.first() == Some(&b'-');
                    return Ok((merged, has_failed));
                }
            }
            How::Scan(leg) => leg.answer(answers[0], &mut reply).ok_or(0_usize)?,
            How::Figures(_) | How::Libraries => {}
            How::Run => return Ok((answers.concat(), false)),
        }
        Ok((merged, self.has_failed))
    }

    /// What each shard says of itself, by name, where they were asked for that.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&str, Figures)> {
        let names = match &self.how {
            How::Figures(names) => names.as_slice(),
            How::Split(..) | How::Every(_) | How::Scan(_) | How::Libraries | How::Run => &[],
        };
        // Who has answered with an error keeps what is known of it.
        names
            .iter()
            .zip(&self.answers)
            .filter_map(|(name, answer)| Some((&**name, Figures::decode(answer).ok()?)))
    }

    /// What each shard says of its libraries, where they were asked for that.
    pub(super) fn libraries(&self) -> impl Iterator<Item = &[u8]> {
        let is_asked = matches!(self.how, How::Libraries) && !self.has_failed;
        self.answers.iter().filter(move |_| is_asked).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::Words;
    use tidegate_protocols::memcached::Item;
    use tidegate_protocols::table::memcached::Memcached;

    use super::*;

    #[test]
    fn a_client_that_wants_no_reply_of_all_shards_gets_none() {
        let words = Words::new(&[&b"flush_all"[..], b"noreply"]);
        let (row, dialect) = (Memcached::FlushAll.row(), Dialect::MemcachedText);
        let request = Request { row, dialect, args: words.args(), item: &Item::NONE };
        let mut gathering = Gathering::new(How::Every(row.gather), &request, Vec::new(), 2);
        assert!(!gathering.end(false) && gathering.end(false));
        assert_eq!(gathering.merge(0), Ok((Vec::new(), false)));
    }
}

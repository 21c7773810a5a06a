//! Messages of clients of other gateways: what is listened to here, and what is said.
//!
//! Every shard is told everything that clients of this worker listen to, so that whoever publishes may do it by any shard:
//! by the one that has the channel's slot or, if there is no link to it, by another. So nothing is missed while slots move.

use tidegate_protocols::data::{Hears, Outcome};
use tidegate_protocols::link::Said;
use tidegate_protocols::memcached::Item;
use tidegate_protocols::messages::Kind;
use tidegate_protocols::route::Shard;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::Gather;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::{Args, Dialect, Request, Words};

use super::gather::How;
use super::tickets::Asked;
use super::worker::RemoteWorker;
use crate::limits::NAMES_TOLD;

impl RemoteWorker {
    /// Asks all shards to tell what is published to these channels, or to those that match.
    pub(super) fn send_listen(&mut self, kind: Kind, names: &Args<'_>) -> Outcome {
        let kind_bytes = [kind as u8];
        let mut words = vec![Verbs::Listen.row().name.as_bytes(), &kind_bytes];
        words.extend(names.iter());
        self.listened.extend(names.iter().map(|name| (kind, name.into())));
        self.ask_all(Verbs::Listen.row(), &words, How::Every(Gather::Agree))
    }

    /// Nobody here listens to this any more.
    pub(super) fn send_unlisten(&mut self, kind: Kind, name: &[u8]) {
        if self.listened.remove(&(kind, name.into())) {
            for place in 0..self.links.len() {
                self.tell_names(Verbs::Unlisten, place, kind, &[name]);
            }
        }
    }

    /// Tells what is listened to over links that have just been made.
    #[inline]
    pub(super) fn tell_new_links(&mut self) {
        for place in 0..self.links.len() {
            if self.links[place].take_new() {
                self.links[place].forget_learned();
                self.libraries.ask = true;
                if !self.listened.is_empty() {
                    self.tell_all_names(place);
                }
                if !self.links[place].knows_followed(true) {
                    self.follow_again(place);
                }
            }
        }
    }

    #[cold]
    fn tell_all_names(&mut self, place: usize) {
        let listened = std::mem::take(&mut self.listened);
        for kind in Kind::ALL {
            let names: Vec<&[u8]> =
                listened.iter().filter(|(of, _)| *of == kind).map(|(_, name)| &**name).collect();
            for names in names.chunks(NAMES_TOLD) {
                self.tell_names(Verbs::Listen, place, kind, names);
            }
        }
        self.listened = listened;
    }

    fn tell_names(&mut self, verb: Verbs, place: usize, kind: Kind, names: &[&[u8]]) {
        let kind = [kind as u8];
        let mut words = vec![verb.row().name.as_bytes(), &kind];
        words.extend(names);
        self.tell_words(verb, place, &words);
    }

    pub(super) fn tell_words(&mut self, verb: Verbs, place: usize, words: &[&[u8]]) {
        let words = Words::new(words);
        let (row, item) = (verb.row(), &Item::NONE);
        self.tell(place as Shard, &Request { row, dialect: Dialect::Resp2, args: words.args(), item });
    }

    /// Has clients of other gateways hear a message. If there is no link at all, they do not.
    pub(super) fn send_said(&mut self, said: &Said<'_>, at_once: bool) -> Outcome {
        let owner = self.topology.owners().of(slot_of(said.channel)).map(usize::from);
        let all = owner.into_iter().chain(0..self.links.len());
        let Some(place) = all.into_iter().find(|&place| self.links[place].down_for(self.now).is_none())
        else {
            return Outcome::Done;
        };
        if !at_once && self.links[place].is_full() {
            return Outcome::Full(self.tickets.take_for(Asked::Way(place)));
        }
        let kind = [said.kind as u8];
        self.tell_words(
            Verbs::Say,
            place,
            &[Verbs::Say.row().name.as_bytes(), &kind, said.channel, said.payload],
        );
        Outcome::Done
    }

    /// Gives out what shards have said. Who says what is no message is not believed any more.
    pub(super) fn give_out_heard(&mut self, hears: &mut Hears<'_>) {
        for bytes in std::mem::take(&mut self.heard) {
            match Said::decode(&bytes) {
                Ok(said) => hears(&said),
                Err(malformed) => tracing::error!("a shard has told of what is no message: {malformed}"),
            }
        }
    }
}

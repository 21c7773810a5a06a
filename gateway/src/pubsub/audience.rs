//! Which clients of one worker listen to what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tidegate_protocols::glob::{self, Case};

use super::{Delivery, Kind, Message, Push};
use crate::connection::Connection;
use crate::decoder::Family;
use crate::intake::Intake;
use crate::limits::OUTPUT_FLUSH_BYTES;
use crate::seldom::{Seldom, warn_seldom};

/// What one client listens to, by kind. Most listen to nothing, and have no more than room for a pointer.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Option<Box<[Names; Kind::ALL.len()]>>);

/// Names of channels, or patterns.
type Names = BTreeSet<Rc<[u8]>>;

impl Subscriptions {
    /// What it listens to of this kind.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Rc<[u8]>> {
        self.0.iter().flat_map(move |all| &all[kind as usize])
    }

    pub(crate) fn has(&self, kind: Kind, name: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|all| all[kind as usize].contains(name))
    }

    pub(crate) fn insert(&mut self, kind: Kind, name: Rc<[u8]>) {
        self.0.get_or_insert_default()[kind as usize].insert(name);
    }

    /// Returns whether it was there.
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8]) -> bool {
        let was_there = self.0.as_mut().is_some_and(|all| all[kind as usize].remove(name));
        if was_there && self.is_empty() {
            self.0 = None;
        }
        was_there
    }

    pub(crate) fn is_empty(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.len(*kind) == 0)
    }

    pub(crate) fn len(&self, kind: Kind) -> usize {
        self.0.as_ref().map_or(0, |all| all[kind as usize].len())
    }

    /// The count that a client is told when what it listens to has changed: channels and patterns are one.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.len(Kind::Channel) + self.len(Kind::Pattern),
            Kind::Shard | Kind::Scripts => self.len(kind),
        }
    }
}

/// Clients by their numbers.
type Listeners = BTreeMap<u64, Listener>;

struct Listener {
    connection: Weak<Connection>,
    /// How many messages the worker had had before the first of this client.
    since: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Audience {
    channels: HashMap<Rc<[u8]>, Listeners>,
    patterns: BTreeMap<Rc<[u8]>, Listeners>,
    shard_channels: HashMap<Rc<[u8]>, Listeners>,
    scripts: HashMap<Rc<[u8]>, Listeners>,
    /// Who watches all commands.
    monitors: Listeners,
    /// Clients for which messages have been put together.
    touched: Vec<Rc<Connection>>,
    /// Bytes of these.
    bytes: usize,
    /// What nobody listens to any more, until somebody asks; not kept where nobody does.
    forsaken: Option<Vec<(Kind, Rc<[u8]>)>>,
}

impl Audience {
    pub(crate) fn add(&mut self, kind: Kind, name: &Rc<[u8]>, connection: &Rc<Connection>, since: u64) {
        let listeners = match kind {
            Kind::Channel => self.channels.entry(Rc::clone(name)).or_default(),
            Kind::Pattern => self.patterns.entry(Rc::clone(name)).or_default(),
            Kind::Shard => self.shard_channels.entry(Rc::clone(name)).or_default(),
            Kind::Scripts => self.scripts.entry(Rc::clone(name)).or_default(),
        };
        let listener = Listener { connection: Rc::downgrade(connection), since };
        listeners.insert(connection.session.client.id, listener);
    }

    /// A client watches all commands.
    pub(crate) fn add_monitor(&mut self, connection: &Rc<Connection>, since: u64) {
        let listener = Listener { connection: Rc::downgrade(connection), since };
        self.monitors.insert(connection.session.client.id, listener);
    }

    /// It does no more.
    pub(crate) fn remove_monitor(&mut self, client_id: u64) {
        self.monitors.remove(&client_id);
        if self.monitors.is_empty()
            && let Some(forsaken) = &mut self.forsaken
        {
            forsaken.push((Kind::Scripts, Rc::default()));
        }
    }

    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8], client_id: u64) {
        let listeners = match kind {
            Kind::Channel => self.channels.get_mut(name),
            Kind::Pattern => self.patterns.get_mut(name),
            Kind::Shard => self.shard_channels.get_mut(name),
            Kind::Scripts => self.scripts.get_mut(name),
        };
        let Some(listeners) = listeners else { return };
        listeners.remove(&client_id);
        if !listeners.is_empty() {
            return;
        }
        let removed = match kind {
            Kind::Channel => self.channels.remove_entry(name),
            Kind::Pattern => self.patterns.remove_entry(name),
            Kind::Shard => self.shard_channels.remove_entry(name),
            Kind::Scripts => self.scripts.remove_entry(name),
        };
        if let (Some(forsaken), Some((name, _))) = (&mut self.forsaken, removed) {
            forsaken.push((kind, name));
        }
    }

    /// Keeps what nobody listens to any more for [`Audience::take_forsaken`].
    pub(crate) fn keep_forsaken(&mut self) {
        self.forsaken.get_or_insert_default();
    }

    /// What somebody has listened to, and nobody does now.
    pub(crate) fn take_forsaken(&mut self) -> Vec<(Kind, Rc<[u8]>)> {
        let mut forsaken = self.forsaken.as_mut().map(std::mem::take).unwrap_or_default();
        forsaken.retain(|(kind, name)| !self.has(*kind, name));
        forsaken
    }

    fn has(&self, kind: Kind, name: &[u8]) -> bool {
        match kind {
            Kind::Channel => self.channels.contains_key(name),
            Kind::Pattern => self.patterns.contains_key(name),
            Kind::Shard => self.shard_channels.contains_key(name),
            Kind::Scripts => !self.monitors.is_empty(),
        }
    }

    /// Sends messages to all who listen, each client's in one write as far as they are not too many.
    pub(crate) fn deliver(&mut self, delivery: &Delivery, intake: &Intake) {
        for (number, message) in (delivery.before..).zip(&delivery.messages) {
            match message.to {
                Some((client, push)) => self.gather_for(intake.get(client), push, message),
                None => self.gather(number, message),
            }
            if self.bytes > OUTPUT_FLUSH_BYTES {
                self.send();
            }
        }
        self.send();
    }

    /// Puts what is told to one client to the end of what it is sent, if it is still there.
    #[cold]
    fn gather_for(&mut self, connection: Option<Rc<Connection>>, push: Push, message: &Message) {
        let Some(connection) = connection else { return };
        let mut messages = connection.messages.take();
        let before = messages.len();
        connection.write_push(push, message.wire(), &mut messages);
        let added = messages.len() - before;
        connection.messages.set(messages);
        self.bytes += added;
        if before == 0 && added > 0 {
            self.touched.push(connection);
        }
    }

    /// Puts a message to the end of what is sent to all who listen.
    fn gather(&mut self, number: u64, message: &Arc<Message>) {
        let Self { channels, patterns, shard_channels, scripts, monitors, touched, bytes, .. } = self;
        if message.is_for_monitors {
            for monitor in monitors.values() {
                monitor.take(number, touched, bytes, message, None);
            }
            return;
        }
        let of_channel = match message.kind {
            Kind::Channel | Kind::Pattern => channels,
            Kind::Shard => shard_channels,
            Kind::Scripts => scripts,
        };
        for listener in of_channel.get(message.channel()).into_iter().flat_map(BTreeMap::values) {
            listener.take(number, touched, bytes, message, None);
        }
        if message.kind != Kind::Channel {
            return;
        }
        for (pattern, listeners) in patterns {
            if !glob::matches(pattern, message.channel(), Case::Sensitive) {
                continue;
            }
            for listener in listeners.values() {
                listener.take(number, touched, bytes, message, Some(pattern));
            }
        }
    }

    fn send(&mut self) {
        for connection in self.touched.drain(..) {
            let messages = connection.messages.take();
            connection.tell(&messages);
        }
        self.bytes = 0;
    }
}

impl Listener {
    /// Puts a message to the end of what is sent to this client, who has asked for it by a pattern or by its channel.
    fn take(
        &self,
        number: u64,
        touched: &mut Vec<Rc<Connection>>,
        bytes: &mut usize,
        message: &Message,
        pattern: Option<&[u8]>,
    ) {
        if number < self.since {
            return;
        }
        let Some(connection) = self.connection.upgrade() else { return };
        let mut messages = connection.messages.take();
        let before = messages.len();
        if connection.family == Family::Link {
            if connection.is_to_hear(number, message, before) {
                message.write_for_gateway(&mut messages);
            }
        } else {
            message.write(pattern, connection.session.dialect(), &mut messages);
        }
        let added = messages.len() - before;
        connection.messages.set(messages);
        *bytes += added;
        if before == 0 && added > 0 {
            touched.push(connection);
        }
    }
}

impl Connection {
    /// Whether a message is for the gateway that has made this link: once, however often it matches what is listened to
    /// there, and not if it came from there. What a gateway does not take is lost for its clients.
    fn is_to_hear(&self, number: u64, message: &Message, waiting: usize) -> bool {
        static LOST: Seldom = Seldom::new();
        let link = self.session.of_link();
        if message.from.is_some() && message.from == link.process.get()
            || link.heard.replace(number + 1) > number
        {
            return false;
        }
        let [.., listening] = self.intake.shared.settings.output_limits();
        let hard_bytes = if listening.hard_bytes == 0 { u64::MAX } else { listening.hard_bytes };
        let is_slow = self.session.client.pending_bytes() + waiting as u64 > hard_bytes;
        if is_slow {
            warn_seldom!(LOST, "messages are lost: a gateway takes its output too slowly");
        }
        !is_slow
    }
}

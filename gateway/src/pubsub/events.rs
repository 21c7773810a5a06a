//! Events of keys: published to a channel of the key and to one of the event, as far as that is asked for.
//!
//! Source: Redis `notify.c`.

use tidegate_protocols::data::Worker;
use tidegate_protocols::link::Said;
use tidegate_protocols::messages::{Classes, KeyEvent, Kind};
use tidegate_protocols::settings::Key;

use crate::shared::Shared;

/// Publishes the events of keys that the store of the worker `by` has to tell, if there are any.
#[inline]
pub(crate) fn publish_events<W: Worker>(data: &mut W, shared: &Shared, by: usize) {
    if data.has_events() {
        publish(&data.take_events(), shared, by);
    }
}

#[cold]
pub(crate) fn publish(events: &[KeyEvent], shared: &Shared, by: usize) {
    let classes = shared.settings.classes(Key::NotifyKeyspaceEvents);
    let mut channel = Vec::new();
    for KeyEvent { name, database, key } in events {
        let mut say = |about: &str, what: &[u8], payload: &[u8]| {
            channel.clear();
            channel.extend_from_slice(format!("__{about}@{database}__:").as_bytes());
            channel.extend_from_slice(what);
            shared.pubsub.publish(&Said { kind: Kind::Channel, channel: &channel, payload }, by, None);
        };
        if classes.has(Classes::KEYSPACE) {
            say("keyspace", key, name.as_bytes());
        }
        if classes.has(Classes::KEYEVENT) {
            say("keyevent", name.as_bytes(), key);
        }
    }
}

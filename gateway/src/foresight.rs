//! What the gateway's own requests in a transaction change for those after them, where they are executed only when it is
//! known that it has taken place: elsewhere, or on another thread.

use tidegate_protocols::data::Context;
use tidegate_protocols::link::{self, Ask};
use tidegate_protocols::number::integer;
use tidegate_protocols::table::connection::Connection;
use tidegate_protocols::{Dialect, Request, Verb, limits};

use crate::acl::Acl;
use crate::commands::{dialect_after_hello, on_or_off};

/// How the next request of a transaction will be executed.
pub(crate) struct Foresight<'a> {
    pub(crate) users: Option<&'a Acl>,
    pub(crate) context: Context,
    pub(crate) dialect: Dialect,
}

impl Foresight<'_> {
    /// This request of the gateway's own comes before it.
    pub(crate) fn follow(&mut self, request: &Request<'_>) {
        let word = request.args.get(1).unwrap_or_default();
        match request.row.verb {
            Verb::Connection(Connection::Select) => {
                let databases = if self.context.in_cluster { 1 } else { limits::DATABASES as i64 };
                let index = integer(word).filter(|index| (0..databases).contains(index));
                self.context.database = index.map_or(self.context.database, |index| index as u8);
            }
            Verb::Connection(Connection::Hello) => {
                self.dialect = self
                    .users
                    .and_then(|users| dialect_after_hello(&request.args, users))
                    .unwrap_or(self.dialect);
            }
            Verb::Connection(Connection::ClientNoTouch) => {
                let word = request.args.get(2).unwrap_or_default();
                self.context.no_touch = on_or_off(word).unwrap_or(self.context.no_touch);
            }
            _ => {}
        }
    }

    /// What its frame says besides the request.
    pub(crate) fn ask(&self) -> Ask {
        let Context { database, no_touch, in_cluster, .. } = self.context;
        Ask { database, no_touch, in_cluster, ..Ask::default() }
    }

    /// Adds it as it will be executed. `false` if it fits in no frame.
    pub(crate) fn add(&self, request: &Request<'_>, ask: &Ask, frames: &mut Vec<u8>) -> bool {
        link::encode(frames, &Request { dialect: self.dialect, ..*request }, ask).is_ok()
    }
}

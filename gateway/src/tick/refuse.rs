//! Requests that are answered with an error instead of being executed.

use tidegate_protocols::data::Worker;
use tidegate_protocols::memcached::{Answer, Options};
use tidegate_protocols::table::Unresolved;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Dialect, Error, Reply, Request, Row, Verb};

use super::{EXEC, Tick, transactions};
use crate::batch::{Ask, Decoded};
use crate::connection::Connection;
use crate::session::Attention;

impl<W: Worker> Tick<W> {
    /// Answers a request with an error instead of executing it.
    pub(super) fn reject(&mut self, connection: &Connection, row: &'static Row, error: &Error) {
        let mark = self.output.len();
        Reply::new(&mut self.output, connection.session.dialect()).refuse(error);
        match error {
            // Of a transaction as a whole: told as it is, and the end of it.
            Error::CrossSlot | Error::Moved(..) | Error::Unserved if row.verb == EXEC => {
                transactions::discard(&connection.session, &mut self.data);
            }
            _ => self.refuse_in_transaction(&connection.session, Some(row), mark),
        }
        self.intake.counters().command(row.verb).rejected.add(1);
        self.intake.counters().error(&self.output[mark..]);
    }

    /// Answers a request of a Memcached client with an error instead of executing it.
    pub(super) fn reject_memcached(
        &mut self,
        connection: &Connection,
        row: &'static Row,
        decoded: &Decoded,
        error: &Error,
    ) {
        let dialect = connection.dialect_of(decoded.dialect);
        let request = self.batch.request(decoded, row, dialect);
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, dialect);
        Answer::new(&request, &mut reply).error(error);
        if is_within_line(&request) {
            // What follows would be taken for the next reply.
            connection.session.put(Attention::Closing, true);
        }
        self.intake.counters().command(row.verb).rejected.add(1);
        self.intake.counters().error(&self.output[mark..]);
    }

    /// Answers what cannot be executed.
    pub(super) fn refuse(&mut self, connection: &Connection, decoded: &Decoded) {
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, connection.session.dialect());
        let args = self.batch.args(decoded);
        match decoded.ask {
            Ask::Unresolved(unresolved) => {
                unresolved.answer(&args, &mut reply);
                let row = match unresolved {
                    Unresolved::Arity(row) => Some(row),
                    Unresolved::Command | Unresolved::Subcommand(_) => None,
                };
                if let Some(row) = row {
                    self.intake.counters().command(row.verb).rejected.add(1);
                }
                self.refuse_in_transaction(&connection.session, row, mark);
            }
            Ask::Fault(fault) => {
                reply.fault(fault);
                tracing::debug!(client = connection.session.client.id, %fault, "closed");
                connection.session.put(Attention::Closing, true);
            }
            Ask::Row(_) | Ask::Astray(..) | Ask::Close | Ask::Words => {
                connection.session.put(Attention::Closing, true);
            }
        }
        if self.output.len() > mark {
            self.intake.counters().error(&self.output[mark..]);
        }
    }
}

/// Whether a request is one key, and not the last, of a line of keys that a Memcached client asks for.
pub(super) fn is_within_line(request: &Request<'_>) -> bool {
    matches!(request.row.verb, Verb::Memcached(Memcached::Get | Memcached::Gat))
        && request.dialect == Dialect::MemcachedText
        && !request.item.has(Options::LAST)
}

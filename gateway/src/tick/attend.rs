//! Requests of which it is not clear that they may be executed: they are executed, queued, refused, parked or dropped.

use std::rc::Rc;

use tidegate_protocols::acl::Rules;
use tidegate_protocols::data::{Prepared, Worker};
use tidegate_protocols::table::{Flags, Unresolved};
use tidegate_protocols::{Error, Row, Verb};

use super::{EXEC, Pace, Tick};
use crate::acl::{self, Checked};
use crate::batch::{Ask, Decoded};
use crate::commands;
use crate::connection::Connection;
use crate::decoder::Family;
use crate::session::{Attention, Session};
use crate::shared::PauseKind;

/// What is to be done with a request of a client that needs attention.
pub(super) enum Verdict {
    Execute(&'static Row),
    /// It is executed later, with all others of its transaction.
    Queue(&'static Row),
    /// It is answered with this error.
    Reject(&'static Row, Error),
    /// It is none, and answered with an error.
    Refuse,
    /// It waits, with all that follow it.
    Park,
    /// The client is being closed.
    Drop,
}

impl<W: Worker> Tick<W> {
    /// Executes, refuses, parks or drops a request of which it is not clear that it may be executed.
    #[cold]
    pub(super) fn attend(&mut self, decoded: &Decoded, prepared: Prepared) -> Pace {
        let connection = Rc::clone(self.connection());
        self.deliver_before(&connection.session);
        let session = &connection.session;
        let mark = self.output.len();
        let verdict = self.verdict(&connection, decoded);
        let is_answered = !matches!(verdict, Verdict::Park | Verdict::Drop);
        if is_answered && session.has(Attention::SkipNext) {
            session.put(Attention::SkipNext, false);
            session.put(Attention::Skip, true);
        }
        match verdict {
            Verdict::Execute(row) => {
                if let Some(pace) = self.serve_attended(session, row, decoded, prepared) {
                    return pace;
                }
            }
            Verdict::Queue(row) => {
                self.queue(&connection, row, decoded);
                self.at.request += 1;
            }
            Verdict::Reject(row, error) => {
                if connection.family == Family::Memcached {
                    self.reject_memcached(&connection, row, decoded, &error);
                } else {
                    self.reject(&connection, row, &error);
                }
                session.forget_choice(Some(row));
                self.at.request += 1;
            }
            Verdict::Refuse => {
                self.refuse(&connection, decoded);
                session.forget_choice(None);
                self.at.request += 1;
            }
            Verdict::Park => {
                self.park_rest();
                return Pace::GoesOn;
            }
            Verdict::Drop => {
                self.at.request += 1;
                return Pace::GoesOn;
            }
        }
        if (session.has(Attention::Silent) || session.has(Attention::Skip)) && !is_told_anyway(decoded) {
            self.output.truncate(mark);
        }
        session.put(Attention::Skip, false);
        Pace::GoesOn
    }

    /// Sends a client what was published before its request: that goes before the reply.
    fn deliver_before(&mut self, session: &Session) {
        let is_told = session.has(Attention::Listens) || session.has(Attention::Tracks);
        if is_told && self.has_messages() {
            self.data.finish();
            self.flush();
            self.deliver();
            self.data.begin(self.now_ms);
        }
    }

    /// Executes a request that may be executed. `None` if it is still to be seen whether the client gets its reply.
    fn serve_attended(
        &mut self,
        session: &Session,
        row: &'static Row,
        decoded: &Decoded,
        prepared: Prepared,
    ) -> Option<Pace> {
        let is_transaction = row.verb == EXEC && session.with_queue(|queue| !queue.is_spoiled) == Some(true);
        session.look_at_tracking(row);
        if W::ANSWERS_LATER && session.has(Attention::Restricted) {
            self.say_rules(session, row);
        }
        if self.serve(row, decoded, prepared) == Pace::Waits {
            // The next try finds it as this one did.
            session.put(Attention::SkipNext, session.has(Attention::Skip));
            return Some(Pace::Waits);
        }
        if !session.has(Attention::Waits) {
            session.forget_choice(Some(row));
        }
        if is_transaction {
            // Each of its replies was written or not, as things stood then.
            session.put(Attention::Skip, false);
            return Some(Pace::GoesOn);
        }
        None
    }

    /// What is to be done with a request.
    fn verdict(&mut self, connection: &Connection, decoded: &Decoded) -> Verdict {
        let session = &connection.session;
        if session.has(Attention::Closing) {
            return Verdict::Drop;
        }
        if session.has(Attention::Held) || session.has(Attention::Parked) || session.has(Attention::Waits) {
            return Verdict::Park;
        }
        let row = match decoded.ask {
            Ask::Row(row) => Some(row),
            Ask::Astray(..) | Ask::Unresolved(_) | Ask::Words | Ask::Fault(_) | Ask::Close => None,
        };
        match self.pause {
            Some(PauseKind::All) => return Verdict::Park,
            Some(PauseKind::Writes) if row.is_some_and(|row| self.writes(connection, row, decoded)) => {
                return Verdict::Park;
            }
            _ => {}
        }
        match row {
            None => match decoded.ask {
                Ask::Astray(row, _) if self.lacks_password(connection) => Verdict::Reject(row, Error::NoAuth),
                Ask::Astray(row, astray) => {
                    let error = self.refusal(connection, row, decoded);
                    Verdict::Reject(row, error.unwrap_or_else(|| self.intake.error(astray)))
                }
                // In Redis what follows DEBUG are arguments, which are looked at last.
                Ask::Unresolved(Unresolved::Subcommand(row)) if row.name == "DEBUG" => self
                    .refusal(connection, row, decoded)
                    .map_or(Verdict::Refuse, |error| Verdict::Reject(row, error)),
                _ => Verdict::Refuse,
            },
            Some(row) if let Some(error) = self.reason_against(connection, row, decoded) => {
                Verdict::Reject(row, error)
            }
            Some(row) if session.has(Attention::Queueing) => self.verdict_queueing(session, row),
            Some(row) => Verdict::Execute(row),
        }
    }

    /// Why a request is not executed or queued, if there is a reason. They are looked for in Redis's order.
    ///
    /// Source: Redis `server.c`, `processCommand`.
    fn reason_against(&self, connection: &Connection, row: &'static Row, decoded: &Decoded) -> Option<Error> {
        let session = &connection.session;
        if let Some(error) = commands::refusal_of_modules(row) {
            return Some(error);
        }
        if self.lacks_password(connection) && !row.flags.has(Flags::NO_AUTH) {
            return Some(Error::NoAuth);
        }
        if let Some(error) = self.refusal(connection, row, decoded) {
            return Some(error);
        }
        if session.is_monitor.get() && is_about_keys(row) {
            return Some(Error::Text("ERR Replica can't interact with the keyspace"));
        }
        if commands::is_listening_only(session) && !commands::is_allowed_while_listening(row) {
            return Some(commands::listening(row));
        }
        if let Some(error) = &self.disk_error
            && (is_write(session, row) || row.name == "PING")
        {
            return Some(error.clone());
        }
        if self.lacks_replicas && is_write(session, row) {
            return Some(Error::NoReplicas);
        }
        if self.overdue == Some(Error::LOADING) {
            return Some(Error::LOADING).filter(|_| !row.flags.has(Flags::LOADING));
        }
        // Who waits for a reply waits for the script itself, maybe: what it asks for behind that is not refused.
        let waits = W::ANSWERS_LATER && connection.has_replies_before();
        let may_be_busy = connection.family == Family::Redis && !row.flags.has(Flags::ALLOW_BUSY) && !waits;
        self.overdue.clone().filter(|_| may_be_busy)
    }

    /// Whether a request may change data, or say what others have to hear.
    fn writes(&self, connection: &Connection, row: &'static Row, decoded: &Decoded) -> bool {
        let session = &connection.session;
        if row.verb == EXEC {
            return session.with_queue(|queue| queue.writes) == Some(true);
        }
        row.may_write() && self.data.writes(&self.batch.request(decoded, row, session.dialect()))
    }

    /// Whether a Redis client has to log in first. The decoder sees to Memcached clients.
    fn lacks_password(&self, connection: &Connection) -> bool {
        connection.family == Family::Redis
            && connection.session.has(Attention::Anonymous)
            && !self.intake.shared.acl.is_open()
    }

    /// Why the client's user may not make a request, if it may not.
    fn refusal(&self, connection: &Connection, row: &'static Row, decoded: &Decoded) -> Option<Error> {
        let session = &connection.session;
        let is_queueing = session.has(Attention::Queueing);
        if !session.has(Attention::Restricted) || is_queueing && row.flags.has(Flags::NO_MULTI) {
            return None;
        }
        let when = if is_queueing { Checked::Queueing } else { Checked::Now };
        acl::refusal(
            row,
            &self.batch.args(decoded),
            &session.client,
            &self.intake.shared,
            (self.now_ms, when),
        )
    }

    /// Says what the client's user may do where scripts run, if the request that is executed next runs any.
    fn say_rules(&mut self, session: &Session, row: &Row) {
        if row.runs_scripts() || row.verb == EXEC {
            let user = session.client.user();
            let rules = user.with_rules(Rules::describe);
            self.data.act_under(session.client.id, user.name(), &rules);
        }
    }
}

/// Whether a request changes data, itself or by what was queued before.
fn is_write(session: &Session, row: &Row) -> bool {
    row.flags.has(Flags::WRITE)
        || row.verb == EXEC && session.with_queue(|queue| queue.flags.has(Flags::WRITE)) == Some(true)
}

/// Whether a command reads or changes keys, or what replicas have to hear of. Source: Redis `server.c`, `processCommand`.
fn is_about_keys(row: &Row) -> bool {
    row.flags.0 & (Flags::WRITE.and(Flags::READONLY).and(Flags::MAY_REPLICATE)).0 != 0
}

/// Whether the answer is messages, which are sent to whoever does not want replies, too.
fn is_told_anyway(decoded: &Decoded) -> bool {
    matches!(decoded.ask, Ask::Row(row)
        if matches!(row.verb, Verb::Pubsub(verb) if verb.changes_subscriptions()))
}

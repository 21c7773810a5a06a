//! `SAVE`, `BGSAVE` and `DEBUG RELOAD`.

use std::fs::File;
use std::sync::Arc;
use std::thread;

use tidegate_protocols::data::{Context, Outcome};
use tidegate_protocols::table::keyspace::Keyspace;
use tidegate_protocols::{Args, Dialect, Error, Reply, Request, Verb};

use super::load::Taken;
use super::path;
use super::save::{NotBegun, save};
use crate::execute::refuse;
use crate::held::Held;
use crate::partition_set::PartitionSet;
use crate::waiting::{Delivery, End};
use crate::walk::{self, Free};
use crate::worker::StoreWorker;

/// What Redis says when it cannot, and nothing else.
const ERROR: Error = Error::Text("ERR");
const UNDER_WAY: Error = Error::Text("ERR Background save already in progress");
const OTHER_UNDER_WAY: Error = Error::Text(
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
     BGSAVE whenever possible.",
);

/// What becomes of a request that is not simply answered.
enum Answer {
    Done,
    Outcome(Outcome),
}

impl StoreWorker {
    /// Executes one of these commands; `None` if it is another.
    #[cold]
    pub(crate) fn execute_saving(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Option<Outcome> {
        let Verb::Keyspace(verb) = request.row.verb else { return None };
        let answered = match verb {
            Keyspace::Save => self.save(request.dialect, context, reply),
            Keyspace::Bgsave => self.save_apart(&request.args, reply),
            Keyspace::DebugReload => self.reload(&request.args, reply),
            _ => return None,
        };
        Some(match answered {
            Ok(Answer::Done) => Outcome::Done,
            Ok(Answer::Outcome(outcome)) => outcome,
            Err(error) => refuse(request, &error, reply),
        })
    }

    /// `SAVE`: the client waits, and nobody else.
    fn save(&mut self, dialect: Dialect, context: &Context, reply: &mut Reply<'_>) -> Result<Answer, Error> {
        let cut = match self.begin_to_save() {
            Ok(cut) => cut,
            Err(NotBegun::Saving) => return Err(UNDER_WAY),
            Err(NotBegun::Other) => return Ok(Answer::Outcome(Outcome::Busy)),
        };
        let shared = Arc::clone(&self.local.shared);
        if !context.may_wait {
            save(&shared, cut, &mut self.held).map_err(|_| ERROR)?;
            reply.ok();
            return Ok(Answer::Done);
        }
        let (worker, ticket) = (self.local.index, self.waiting.ticket_of_other());
        let begun = thread::Builder::new().name("save".into()).spawn(move || {
            let mut held = Held::new(Arc::clone(&shared.keyspace), usize::MAX);
            let saved = save(&shared, cut, &mut held);
            let mut bytes = Vec::new();
            let mut reply = Reply::new(&mut bytes, dialect);
            let end = if saved.is_ok() {
                reply.ok();
                End::Answered
            } else {
                reply.refuse(&ERROR);
                End::Failed
            };
            shared.waiting.inbox(worker).put(Delivery::new(ticket, bytes, end));
        });
        if begun.is_err() {
            self.waiting.end(ticket);
            return Err(ERROR);
        }
        Ok(Answer::Outcome(Outcome::Later(ticket)))
    }

    /// `BGSAVE [SCHEDULE]`. Within a transaction it is saved when that has ended.
    fn save_apart(&mut self, args: &Args<'_>, reply: &mut Reply<'_>) -> Result<Answer, Error> {
        let schedules = match args.get(1) {
            None => false,
            Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
            Some(_) => return Err(Error::Syntax),
        };
        let saving = &self.local.shared.saving;
        if saving.state.lock().background.is_some() {
            return Err(UNDER_WAY);
        }
        let begun = if self.held.is_entered() { Err(NotBegun::Other) } else { self.save_in_background() };
        match begun {
            Ok(()) => reply.simple("Background saving started"),
            Err(NotBegun::Other) if schedules || self.held.is_entered() => {
                self.local.shared.saving.schedule();
                reply.simple("Background saving scheduled");
            }
            Err(NotBegun::Other) => return Err(OTHER_UNDER_WAY),
            Err(NotBegun::Saving) => return Err(UNDER_WAY),
        }
        Ok(Answer::Done)
    }

    /// `DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]`: nobody comes in between.
    fn reload(&mut self, args: &Args<'_>, reply: &mut Reply<'_>) -> Result<Answer, Error> {
        let (mut saves, mut flushes, mut taken) = (true, true, Taken::Refused);
        for word in args.from(2).iter() {
            match word.to_ascii_lowercase().as_slice() {
                b"nosave" => saves = false,
                b"noflush" => flushes = false,
                b"merge" => taken = Taken::Replaced,
                _ => {
                    return Err(Error::Text(
                        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                    ));
                }
            }
        }
        let was_entered = self.held.is_entered();
        if saves && !was_entered && self.local.shared.snapshots.is_under_way() {
            return Ok(Answer::Outcome(Outcome::Busy));
        }
        let all = PartitionSet::first(self.held.keyspace().partitions());
        if !was_entered && self.held.enter(&all).is_err() {
            return Ok(Answer::Outcome(Outcome::Busy));
        }
        let reloaded = self.reload_alone(saves, flushes, taken);
        if !was_entered {
            self.held.leave();
        }
        reloaded?;
        reply.ok();
        Ok(Answer::Done)
    }

    /// The same with everything locked.
    fn reload_alone(&mut self, saves: bool, flushes: bool, taken: Taken) -> Result<(), Error> {
        const NOT_LOADED: Error = Error::Text("ERR Error trying to load the RDB dump, check server logs.");
        let shared = Arc::clone(&self.local.shared);
        if saves {
            let cut = self.begin_to_save().map_err(|_| ERROR)?;
            save(&shared, cut, &mut self.held).map_err(|_| ERROR)?;
        }
        if flushes {
            walk::flush(&mut self.held, &self.local, None, Free::Now);
        }
        let path = path(&shared.settings);
        let loaded = File::open(&path)
            .map_err(|error| error.to_string())
            .and_then(|file| self.load_file(&file, taken, None));
        loaded.map_err(|reason| {
            tracing::warn!("cannot load {}: {reason}", path.display());
            NOT_LOADED
        })
    }
}

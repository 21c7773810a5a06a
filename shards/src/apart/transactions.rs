//! Transactions executed apart: request by request, as they are elsewhere between `enter` and `leave`. What a request is to
//! the gateway besides (counted, shown to those who watch) it is told here, where it happens.

use std::time::Instant;

use tidegate_protocols::data::{Context, Worker as _};
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::transaction::{Entered, Transaction};
use tidegate_protocols::{Error, Reply, Request};

use super::Work;
use crate::waiting::End;
use crate::worker::StoreWorker;

impl StoreWorker {
    /// Has a transaction executed on another thread. `None` if nothing can be, or if its client may not be kept waiting.
    pub(crate) fn enter_apart(&mut self, transaction: &Transaction<'_>) -> Option<Entered> {
        let Transaction { requests, watches, context, dialect } = transaction;
        if !context.may_wait {
            return None;
        }
        let work = || Work::Transaction(requests.to_vec(), (*watches).clone(), *dialect);
        self.hand_over(work, context).map(|handed| match handed {
            Ok(ticket) => Entered::Later(ticket),
            Err(ticket) => Entered::Full(ticket),
        })
    }

    /// Executes a transaction, if nobody else holds what it needs.
    pub(super) fn transact(&mut self, transaction: &Transaction<'_>, bytes: &mut Vec<u8>) -> Option<End> {
        if !self.has_all_keys_of(transaction) {
            // They have gone to another shard since it was asked.
            self.unwatch(transaction.context.client_id, transaction.watches);
            return Some(End::Moved);
        }
        let mut reply = Reply::new(bytes, transaction.dialect);
        match self.enter(transaction) {
            Entered::Yes => {
                let end = self.execute_steps(transaction, &mut reply);
                self.leave();
                Some(end)
            }
            Entered::Stale => {
                reply.null_array();
                Some(End::Answered)
            }
            Entered::Refused(refusal) => {
                reply.out().extend(refusal);
                Some(End::Failed)
            }
            Entered::Busy => None,
            Entered::Later(_) | Entered::Full(_) | Entered::Apart | Entered::Unserved => {
                unreachable!("what is executed apart is nobody's to be kept waiting, and has its data here")
            }
        }
    }

    fn has_all_keys_of(&self, transaction: &Transaction<'_>) -> bool {
        let Some(own) = &self.local.own else { return true };
        let mut are_here = transaction.watches.iter().all(|(watched, _)| own.has(slot_of(&watched.key)));
        let mut requests = transaction.requests();
        while let Some(Request { row, args, .. }) = requests.next_request() {
            are_here &= row.keys_of(&args).all(|key| own.has(slot_of(args.at(key.index))));
        }
        are_here
    }

    /// Executes all requests of a transaction, each in its own language, whatever becomes of their replies.
    fn execute_steps(&mut self, transaction: &Transaction<'_>, reply: &mut Reply<'_>) -> End {
        let (begin, mut is_long) = (reply.mark(), false);
        self.beside(|aside| aside.transaction_begins(&transaction.context));
        reply.array(transaction.count());
        let mut requests = transaction.requests();
        while let Some((request, ask)) = requests.next_with_ask() {
            self.step(&request, &transaction.context_of(&ask), reply.out());
            is_long |= reply.mark() - begin > REPLY_BYTES_MAX;
            if is_long {
                reply.rewind(begin);
            }
        }
        if is_long {
            reply.refuse(&Error::ReplyTooLong);
            return End::Failed;
        }
        End::Answered
    }

    /// Executes one request of a transaction.
    fn step(&mut self, request: &Request<'_>, context: &Context, output: &mut Vec<u8>) {
        let (row, mark) = (request.row, output.len());
        self.beside(|aside| aside.step_begins(request, context));
        let began = Instant::now();
        let mut reply = Reply::new(output, request.dialect);
        let outcome = if row.route == Route::Gateway {
            if !row.flags.has(Flags::FAST) {
                self.publish();
            }
            self.beside(|aside| aside.execute_step(request, context, &mut reply))
        } else {
            let prepared = self.prepare(row, &request.args, context.database, None);
            Some(self.execute(request, prepared, context, &mut reply))
        };
        self.tell_aside();
        self.beside(|aside| aside.step_ends(request, context, outcome, began, &output[mark..]));
    }
}

//! Requests that users may not make, and what their clients are told.

use tidegate_protocols::acl::{Denied, Rules, command_of, like};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::keyspace::Keyspace;
use tidegate_protocols::table::lookup;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Args, Error, Request, Row, Verb, Words};

use super::{Reason, User};
use crate::commands::describe_client;
use crate::queue::Queue;
use crate::registry::Client;
use crate::session::{Attention, Session};
use crate::shared::Shared;

/// When a request is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Before it is executed at once.
    Now,
    /// Before it is queued.
    Queueing,
    /// Before it is executed as part of a transaction.
    Executing,
}

/// Why a client of a user with rules may not make a request, if it may not. It is noted.
#[cold]
pub(crate) fn refusal(
    row: &'static Row,
    args: &Args<'_>,
    client: &Client,
    shared: &Shared,
    (now_ms, when): (u64, Checked),
) -> Option<Error> {
    let user = client.user();
    if when != Checked::Executing {
        client.heard_of(now_ms, row);
    }
    let Err(denied) = user.check(row, args) else {
        return sorts_by_others(row, args, &user).filter(|_| when != Checked::Queueing);
    };
    let context = if when == Checked::Now { "toplevel" } else { "multi" };
    note_denied((denied, context), row, args, (client, &user), shared, now_ms);
    if when == Checked::Executing {
        return Some(Error::Text(match denied {
            Denied::Command => NO_COMMAND,
            Denied::Key(_) => NO_KEY,
            Denied::Channel(_) => NO_CHANNEL,
        }));
    }
    Some(match denied {
        Denied::Command => {
            Error::Composed([b"NOPERM ", &denied_text(denied, &user, row, args)[..]].concat().into())
        }
        Denied::Key(_) => Error::Text("NOPERM No permissions to access a key"),
        Denied::Channel(_) => Error::Text("NOPERM No permissions to access a channel"),
    })
}

/// The same for what a script asks for that runs for this client, or for one of another gateway, which notes nothing.
///
/// Source: Redis `script.c`, `scriptVerifyACL`.
pub(crate) fn refusal_in_script(
    row: &'static Row,
    args: &Args<'_>,
    (client, user): (Option<&Client>, &User),
    shared: &Shared,
    now_ms: u64,
) -> Option<Error> {
    let Err(denied) = user.check(row, args) else { return sorts_by_others(row, args, user) };
    if let Some(client) = client {
        note_denied((denied, "lua"), row, args, (client, user), shared, now_ms);
    }
    let reason = match denied {
        Denied::Command => denied_text(denied, user, row, args),
        Denied::Key(_) => b"No permissions to access a key".into(),
        Denied::Channel(_) => b"No permissions to access a channel".into(),
    };
    Some(Error::Composed([b"ERR ACL failure in script: ", reason.as_slice()].concat().into()))
}

fn note_denied(
    (denied, context): (Denied, &'static str),
    row: &'static Row,
    args: &Args<'_>,
    (client, user): (&Client, &User),
    shared: &Shared,
    now_ms: u64,
) {
    let command = name_of(row);
    let (reason, object) = match denied {
        Denied::Command => (Reason::Command, command.as_bytes()),
        Denied::Key(at) => (Reason::Key, args.at(at)),
        Denied::Channel(at) => (Reason::Channel, args.at(at)),
    };
    note((reason, context), object, user.name(), client, shared, now_ms);
}

const NO_COMMAND: &str = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
    This command is no longer allowed for the following reason: no permission to execute the command or subcommand";
const NO_KEY: &str = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
    This command is no longer allowed for the following reason: no permission to touch the specified keys";
const NO_CHANNEL: &str = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
    This command is no longer allowed for the following reason: no permission to access one of the channels used as arguments";

/// Notes that something was refused.
pub(super) fn note(
    why: (Reason, &'static str),
    object: &[u8],
    user: &[u8],
    client: &Client,
    shared: &Shared,
    now_ms: u64,
) {
    let client = describe_client(client, now_ms);
    let entries_max = shared.settings.number(Key::AclLogMaxLen) as usize;
    shared.acl.log.record(why, object, user, client, (now_ms, entries_max));
}

/// Notes that somebody said a wrong password. `word` is the command.
pub(crate) fn note_wrong_password(word: &[u8], user: &[u8], session: &Session, shared: &Shared, now_ms: u64) {
    let context = if session.has(Attention::Queueing) { "multi" } else { "toplevel" };
    note((Reason::Auth, context), word, user, &session.client, shared, now_ms);
}

/// The whole reason, as `ACL DRYRUN` gives it.
pub(crate) fn denied_text(denied: Denied, user: &User, row: &'static Row, args: &Args<'_>) -> Vec<u8> {
    let (before, what, after) = match denied {
        Denied::Command => (&b"run the '"[..], name_of(row).into_bytes(), &b"' command"[..]),
        Denied::Key(at) => (&b"access the '"[..], args.at(at).to_vec(), &b"' key"[..]),
        Denied::Channel(at) => (&b"access the '"[..], args.at(at).to_vec(), &b"' channel"[..]),
    };
    [b"User ", user.name(), b" has no permissions to ", before, &what, after].concat()
}

/// What rules call the command of a request.
fn name_of(row: &'static Row) -> String {
    command_of(like(row).unwrap_or(row)).name.to_ascii_lowercase()
}

/// `SORT` by, or for, values of keys that only other values name: for those who may read every key. Source: Redis
/// `sort.c`, `sortCommandGeneric`.
fn sorts_by_others(row: &'static Row, args: &Args<'_>, user: &User) -> Option<Error> {
    if !matches!(row.verb, Verb::Keyspace(Keyspace::Sort | Keyspace::SortRo))
        || user.with_rules(|rules: &Rules| rules.allows_every_key(row, args, true, false))
    {
        return None;
    }
    let mut at = 2;
    while at < args.len() {
        let is = |word: &str| args.at(at).eq_ignore_ascii_case(word.as_bytes());
        let left = args.len() - at - 1;
        if is("BY") && left >= 1 {
            if args.at(at + 1).contains(&b'*') {
                return Some(Error::Text(
                    "ERR BY option of SORT denied due to insufficient ACL permissions.",
                ));
            }
            at += 1;
        } else if is("GET") && left >= 1 {
            return Some(Error::Text("ERR GET option of SORT denied due to insufficient ACL permissions."));
        } else if is("LIMIT") && left >= 2 {
            at += 2;
        } else if is("STORE") && left >= 1 {
            at += 1;
        }
        at += 1;
    }
    None
}

/// What of a transaction its user may not do any more has become a request that says so, in the place of what it was.
pub(crate) fn refuse_queued(queue: &mut Queue, session: &Session, shared: &Shared, now_ms: u64) {
    if queue.is_checked {
        return;
    }
    queue.is_checked = true;
    let (mut requests, mut errors) = (Requests::new(&queue.frames), Vec::new());
    while let Some(request) = requests.next_request() {
        errors.push(refusal(
            request.row,
            &request.args,
            &session.client,
            shared,
            (now_ms, Checked::Executing),
        ));
    }
    if errors.iter().all(Option::is_none) {
        return;
    }
    let mut checked = Queue { is_checked: true, ..Queue::default() };
    let mut requests = Requests::new(&queue.frames);
    for error in errors {
        let Some(request) = requests.next_request() else { break };
        let Some(error) = error else {
            checked.add(&request, usize::MAX);
            continue;
        };
        let words = Words::new(&[&b"DEBUG"[..], b"ERROR", error.to_string().as_bytes()]);
        let row = lookup(b"debug|error").unwrap_or(request.row);
        checked.add(&Request { row, args: words.args(), ..request }, usize::MAX);
    }
    *queue = checked;
}

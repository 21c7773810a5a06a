//! CLIENT and its subcommands.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_protocols::data::Unblock;
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::number::{integer, integer_argument};
use tidegate_protocols::{Args, Dialect, Error, Reply};

use super::Scope;
use crate::acl::{Acl, User};
use crate::registry::{Address, Client};
use crate::session::Attention;
use crate::shared::PauseKind;

pub(super) fn getname(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    match scope.client().texts().name.as_bytes() {
        b"" => reply.null(),
        name => reply.bulk(name),
    }
}

pub(super) fn setname(text: &[u8], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    name(text, scope)?;
    reply.ok();
    Ok(())
}

/// Names the client, if `text` can be a name.
pub(super) fn name(text: &[u8], scope: &Scope<'_>) -> Result<(), Error> {
    let name = checked_name(text)?;
    scope.client().edit_texts(|texts| texts.name = String::from_utf8_lossy(name).into());
    Ok(())
}

/// `text`, if it can be a name.
pub(super) fn checked_name(text: &[u8]) -> Result<&[u8], Error> {
    let refused = Error::Text("ERR Client names cannot contain spaces, newlines or special characters.");
    if text.iter().all(u8::is_ascii_graphic) { Ok(text) } else { Err(refused) }
}

/// Text without blanks and control characters, fit for a field of `CLIENT LIST`.
pub(super) fn graphic(text: &[u8]) -> Option<&str> {
    text.iter().all(u8::is_ascii_graphic).then(|| std::str::from_utf8(text).ok()).flatten()
}

pub(super) fn setinfo(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let option = args.at(2).to_ascii_lowercase();
    if option != b"lib-name" && option != b"lib-ver" {
        return Err(Error::quoting("ERR Unrecognized option '", args.at(2), "'"));
    }
    let value = graphic(args.at(3)).ok_or_else(|| {
        Error::quoting("ERR ", args.at(2), " cannot contain spaces, newlines or special characters.")
    })?;
    scope.client().edit_texts(|texts| match &option[..] {
        b"lib-name" => texts.library = value.into(),
        _ => texts.library_version = value.into(),
    });
    reply.ok();
    Ok(())
}

pub(super) fn no_evict(word: &[u8], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    scope.client().set_no_evict(on_or_off(word)?);
    reply.ok();
    Ok(())
}

pub(super) fn no_touch(word: &[u8], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    scope.session.set_no_touch(on_or_off(word)?);
    reply.ok();
    Ok(())
}

pub(crate) fn on_or_off(word: &[u8]) -> Result<bool, Error> {
    if word.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(Error::Syntax)
    }
}

pub(super) fn reply(word: &[u8], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let session = scope.session;
    if word.eq_ignore_ascii_case(b"on") {
        session.put(Attention::Silent, false);
        session.put(Attention::Skip, false);
        reply.ok();
    } else if word.eq_ignore_ascii_case(b"off") {
        session.put(Attention::Silent, true);
    } else if word.eq_ignore_ascii_case(b"skip") {
        session.put(Attention::SkipNext, !session.has(Attention::Silent));
    } else {
        return Err(Error::Syntax);
    }
    Ok(())
}

pub(super) fn pause(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let kind = match args.get(3) {
        _ if args.len() > 4 => return Err(Error::wrong_subcommand("CLIENT", args.at(1))),
        None => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"all") => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"write") => PauseKind::Writes,
        Some(_) => return Err(Error::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let ms = integer(args.at(2)).ok_or(Error::Text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Error::Text("ERR timeout is negative"))?;
    // A time past what 64 bits hold is one in the past, as in Redis.
    let until_ms = (scope.now_ms as i64).checked_add_unsigned(ms).unwrap_or(0) as u64;
    scope.shared.hold_back(kind, until_ms, scope.now_ms);
    reply.ok();
    Ok(())
}

/// `CLIENT UNBLOCK` in a transaction that shards have executed: they hear of it when it is over. Elsewhere the tick asks who
/// keeps what is waited for.
pub(super) fn unblock(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (id, answer) = whom_to_unblock(args)?;
    let registry = &scope.shared.registry;
    let did_wait = registry.unblock(id, answer) || registry.get(id).is_some_and(|client| client.is_blocked());
    reply.integer(did_wait.into());
    Ok(())
}

/// Which client `CLIENT UNBLOCK` means, and what that is to be told; numbers nobody can have are those of nobody.
pub(crate) fn whom_to_unblock(args: &Args<'_>) -> Result<(u64, Unblock), Error> {
    let answer = match args.get(3) {
        _ if args.len() > 4 => return Err(Error::wrong_subcommand("CLIENT", args.at(1))),
        None => Unblock::Timeout,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => Unblock::Timeout,
        Some(word) if word.eq_ignore_ascii_case(b"error") => Unblock::Error,
        Some(_) => return Err(Error::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = integer_argument(args.at(2))?;
    Ok((u64::try_from(id).unwrap_or(0), answer))
}

pub(super) fn info(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let mut text = String::new();
    describe(scope.client(), scope.now_ms, wire_bytes(args), &mut text);
    reply.verbatim(*b"txt", text.as_bytes());
}

/// Bytes that a request was on the wire: all that Redis still keeps of it while it answers.
fn wire_bytes(args: &Args<'_>) -> usize {
    let header = |number: usize| "*\r\n".len() + number.checked_ilog10().unwrap_or(0) as usize + 1;
    header(args.len())
        + args.lengths().map(|length| header(length as usize) + length as usize + 2).sum::<usize>()
}

pub(super) fn list(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let registry = &scope.shared.registry;
    let clients = match args.get(2) {
        None => registry.list(),
        Some(word) if word.eq_ignore_ascii_case(b"type") && args.len() == 4 => {
            let kind = kind(args.at(3))?;
            registry.list().into_iter().filter(|client| kind.fits(client)).collect()
        }
        Some(word) if word.eq_ignore_ascii_case(b"id") && args.len() > 3 => {
            let ids: Option<Vec<_>> = args.from(3).iter().map(integer).collect();
            let ids = ids.ok_or(Error::Text("ERR Invalid client ID"))?;
            ids.into_iter()
                .filter_map(|id| registry.get(u64::try_from(id).ok()?))
                .filter(|client| !client.is_doomed())
                .collect()
        }
        Some(_) => return Err(Error::Syntax),
    };
    reply.verbatim(
        *b"txt",
        lines(&clients, scope.now_ms, (scope.client().id, wire_bytes(args)), REPLY_BYTES_MAX)?.as_bytes(),
    );
    Ok(())
}

/// A line for each client, the one who asks with a request of so many bytes among them. One may have been asked for a
/// million times.
fn lines(
    clients: &[Arc<Client>],
    now_ms: u64,
    (who_asks, asked_bytes): (u64, usize),
    bytes_max: usize,
) -> Result<String, Error> {
    let mut text = String::new();
    for client in clients {
        let asked = if client.id == who_asks { asked_bytes } else { 0 };
        describe(client, now_ms, asked, &mut text);
        if text.len() > bytes_max {
            return Err(Error::ReplyTooLong);
        }
    }
    Ok(text)
}

/// The kinds of clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    /// It listens to something.
    Pubsub,
    /// None of ours is.
    Other,
}

impl Kind {
    fn fits(self, client: &Client) -> bool {
        let listens = client.subscriptions() != [0; 3];
        self == if listens { Self::Pubsub } else { Self::Normal }
    }
}

fn kind(word: &[u8]) -> Result<Kind, Error> {
    match &word.to_ascii_lowercase()[..] {
        b"normal" => Ok(Kind::Normal),
        b"pubsub" => Ok(Kind::Pubsub),
        b"master" | b"slave" | b"replica" => Ok(Kind::Other),
        _ => Err(Error::quoting("ERR Unknown client type '", word, "'")),
    }
}

/// The line of `CLIENT LIST` of a client, without its end.
pub(crate) fn describe_client(client: &Client, now_ms: u64) -> String {
    let mut text = String::new();
    describe(client, now_ms, 0, &mut text);
    text.truncate(text.trim_end().len());
    text
}

/// The line of `CLIENT LIST`, with the fields Redis 7.2 has, in its order, of a client that asks with a request of so
/// many bytes. What does not exist here is 0.
fn describe(client: &Client, now_ms: u64, asked: usize, text: &mut String) {
    let unread = client.unread_bytes() + asked as u64;
    let seconds_since = |ms: u64| now_ms.saturating_sub(ms) / 1000;
    let texts = client.texts();
    let [channels, patterns, shard_channels] = client.subscriptions();
    let tracks = client.tracks();
    let redirect = if tracks.is_on { tracks.redirect as i64 } else { -1 };
    let marks = [
        ('O', client.is_monitor()),
        ('P', client.subscriptions() != [0; 3]),
        ('x', client.queued().is_some()),
        ('b', client.is_blocked()),
        ('t', tracks.is_on),
        ('R', tracks.is_broken),
        ('B', tracks.follows),
        ('U', matches!(client.address, Address::Unix(_))),
        ('e', client.no_evict()),
        ('T', client.no_touch()),
    ];
    let flags: String = marks.into_iter().filter(|(_, is)| *is).map(|(mark, _)| mark).collect();
    let flags = if flags.is_empty() { "N" } else { &flags };
    let resp = match client.dialect() {
        Dialect::Resp2 => 2,
        Dialect::Resp3 => 3,
        Dialect::MemcachedText | Dialect::MemcachedMeta | Dialect::MemcachedBinary => 0,
    };
    let command = client.command().map_or("NULL".into(), |row| row.name.to_ascii_lowercase());
    let (pending, multi) = (client.pending_bytes(), client.queued_bytes());
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={channels} psub={patterns} \
         ssub={shard_channels} multi={} qbuf={unread} qbuf-free=0 argv-mem=0 multi-mem={multi} rbs=0 rbp=0 obl=0 oll={} omem={pending} tot-mem={} \
         events=r cmd={command} user={} redir={redirect} resp={resp} lib-name={} lib-ver={}",
        client.id,
        client.address,
        client.local_address,
        client.descriptor,
        texts.name,
        seconds_since(client.created_ms),
        seconds_since(client.last_ms()),
        client.database(),
        client.queued().map_or(-1, i64::from),
        u8::from(pending > 0),
        client.total_bytes(),
        String::from_utf8_lossy(client.user().name()),
        texts.library,
        texts.library_version,
    );
}

/// What the clients to kill have in common.
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<Kind>,
    user: Option<Arc<User>>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    spare_self: bool,
}

pub(super) fn kill(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let old_form = args.len() == 3;
    let filter = if old_form {
        let address = Some(args.at(2));
        Filter { id: None, kind: None, user: None, address, local_address: None, spare_self: false }
    } else {
        Filter::of(&args.from(2), &scope.shared.acl)?
    };
    let found: Vec<Arc<Client>> =
        scope.shared.registry.list().into_iter().filter(|client| filter.fits(client, scope)).collect();
    for client in &found {
        if client.id == scope.client().id {
            scope.close();
        } else {
            scope.shared.registry.kill(client);
        }
    }
    match (old_form, found.len()) {
        (true, 0) => return Err(Error::Text("ERR No such client")),
        (true, _) => reply.ok(),
        (false, count) => reply.integer(count as i64),
    }
    Ok(())
}

impl<'a> Filter<'a> {
    fn of(options: &Args<'a>, users: &Acl) -> Result<Self, Error> {
        let mut filter =
            Self { id: None, kind: None, user: None, address: None, local_address: None, spare_self: true };
        let mut at = 0;
        while at < options.len() {
            let (option, value) = (options.at(at), options.get(at + 1).ok_or(Error::Syntax)?);
            match &option.to_ascii_lowercase()[..] {
                b"id" => {
                    let id = integer(value).filter(|&id| id > 0);
                    let id = id.ok_or(Error::Text("ERR client-id should be greater than 0"))?;
                    filter.id = Some(id as u64);
                }
                b"type" => filter.kind = Some(kind(value)?),
                b"addr" => filter.address = Some(value),
                b"laddr" => filter.local_address = Some(value),
                b"user" => {
                    let user = users.get(value);
                    let none = || Error::quoting("ERR No such user '", value, "'");
                    filter.user = Some(user.ok_or_else(none)?);
                }
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.spare_self = true,
                b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.spare_self = false,
                _ => return Err(Error::Syntax),
            }
            at += 2;
        }
        Ok(filter)
    }

    fn fits(&self, client: &Client, scope: &Scope<'_>) -> bool {
        let is = |wanted: Option<&[u8]>, address: &Address| {
            wanted.is_none_or(|wanted| address.to_string().as_bytes() == wanted)
        };
        self.id.is_none_or(|id| client.id == id)
            && self.kind.is_none_or(|kind| kind.fits(client))
            && self.user.as_ref().is_none_or(|user| Arc::ptr_eq(user, &client.user()))
            && is(self.address, &client.address)
            && is(self.local_address, &client.local_address)
            && !(self.spare_self && client.id == scope.client().id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::nobody;
    use crate::registry::Registry;

    #[test]
    fn a_client_listed_a_thousand_times_is_not_listed_beyond_what_a_reply_may_be() {
        let addresses = [1, 2].map(|port| Address::Tcp(([127, 0, 0, 1], port).into()));
        let client = Registry::new(Vec::new(), &nobody()).add(1, [0, 7], addresses, Dialect::Resp2, 0);
        assert!(
            lines(&[Arc::clone(&client)], 0, (1, 26), 10_000).unwrap().starts_with("id=1 addr=127.0.0.1:1")
        );
        assert_eq!(lines(&vec![client; 1000], 0, (1, 26), 10_000), Err(Error::ReplyTooLong));
    }
}

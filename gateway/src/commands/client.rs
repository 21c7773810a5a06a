//! CLIENT and its subcommands.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::number::integer;
use tidegate_protocols::{Args, Dialect, Error, Reply};

use super::Scope;
use crate::registry::{Address, Client};
use crate::session::Attention;
use crate::shared::PauseKind;

/// Why `CLIENT CACHING` is refused: nobody tracks. Source: Redis `clientCommand`.
pub(super) const NOT_TRACKING: Error = Error::Text(
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
);

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
    let name = graphic(text)
        .ok_or(Error::Text("ERR Client names cannot contain spaces, newlines or special characters."))?;
    scope.client().edit_texts(|texts| texts.name = name.into());
    Ok(())
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
        Error::quoting("ERR ", &option, " cannot contain spaces, newlines or special characters.")
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
        _ if args.len() > 4 => return Err(wrong_arguments(args.at(1))),
        None => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"all") => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"write") => PauseKind::Writes,
        Some(_) => return Err(Error::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let ms = integer(args.at(2)).ok_or(Error::Text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Error::Text("ERR timeout is negative"))?;
    // A time past what 64 bits hold is one in the past, as in Redis.
    let until_ms = (scope.now_ms as i64).checked_add_unsigned(ms).unwrap_or(0) as u64;
    scope.shared.pause.begin(kind, until_ms, scope.now_ms);
    reply.ok();
    Ok(())
}

fn wrong_arguments(subcommand: &[u8]) -> Error {
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    Error::quoting(before, subcommand, "'. Try CLIENT HELP.")
}

pub(super) fn unblock(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match args.get(3) {
        _ if args.len() > 4 => return Err(wrong_arguments(args.at(1))),
        Some(word) if !word.eq_ignore_ascii_case(b"timeout") && !word.eq_ignore_ascii_case(b"error") => {
            return Err(Error::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
        _ => {}
    }
    integer(args.at(2)).ok_or(Error::NotInteger)?;
    // No command blocks.
    reply.integer(0);
    Ok(())
}

pub(super) fn tracking(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut options = args.from(3).iter();
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"redirect" => {
                let id = integer(options.next().ok_or(Error::Syntax)?).ok_or(Error::NotInteger)?;
                if u64::try_from(id).ok().and_then(|id| scope.shared.registry.get(id)).is_none() {
                    return Err(Error::Text("ERR The client ID you want redirect to does not exist"));
                }
            }
            b"prefix" => drop(options.next().ok_or(Error::Syntax)?),
            b"bcast" | b"optin" | b"optout" | b"noloop" => {}
            _ => return Err(Error::Syntax),
        }
    }
    if on_or_off(args.at(2))? {
        return Err(Error::Text("ERR Client tracking is not available"));
    }
    reply.ok();
    Ok(())
}

pub(super) fn trackinginfo(reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.bulk(b"off");
    reply.bulk(b"redirect");
    reply.integer(-1);
    reply.bulk(b"prefixes");
    reply.array(0);
}

pub(super) fn info(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let mut text = String::new();
    describe(scope.client(), scope.now_ms, &mut text);
    reply.verbatim(*b"txt", text.as_bytes());
}

pub(super) fn list(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let registry = &scope.shared.registry;
    let clients = match args.get(2) {
        None => registry.list(),
        Some(word) if word.eq_ignore_ascii_case(b"type") && args.len() == 4 => {
            if kind(args.at(3))? == Kind::Normal { registry.list() } else { Vec::new() }
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
    reply.verbatim(*b"txt", lines(&clients, scope.now_ms, REPLY_BYTES_MAX)?.as_bytes());
    Ok(())
}

/// A line for each client. One may have been asked for a million times.
fn lines(clients: &[Arc<Client>], now_ms: u64, bytes_max: usize) -> Result<String, Error> {
    let mut text = String::new();
    for client in clients {
        describe(client, now_ms, &mut text);
        if text.len() > bytes_max {
            return Err(Error::ReplyTooLong);
        }
    }
    Ok(text)
}

/// The kinds of clients; all of ours are normal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Other,
}

fn kind(word: &[u8]) -> Result<Kind, Error> {
    match &word.to_ascii_lowercase()[..] {
        b"normal" => Ok(Kind::Normal),
        b"master" | b"slave" | b"replica" | b"pubsub" => Ok(Kind::Other),
        _ => Err(Error::quoting("ERR Unknown client type '", word, "'")),
    }
}

/// The line of `CLIENT LIST`, with the fields Redis 7.2 has, in its order. What does not exist here is 0.
fn describe(client: &Client, now_ms: u64, text: &mut String) {
    let seconds_since = |ms: u64| now_ms.saturating_sub(ms) / 1000;
    let texts = client.texts();
    let marks = [('x', client.queued().is_some()), ('e', client.no_evict()), ('T', client.no_touch())];
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
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub=0 psub=0 ssub=0 \
         multi={} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem={multi} rbs=0 rbp=0 obl=0 oll={} omem={pending} tot-mem={} \
         events=r cmd={command} user=default redir=-1 resp={resp} lib-name={} lib-ver={}",
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
        texts.library,
        texts.library_version,
    );
}

/// What the clients to kill have in common.
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<Kind>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    spare_self: bool,
}

pub(super) fn kill(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let old_form = args.len() == 3;
    let filter = if old_form {
        let address = Some(args.at(2));
        Filter { id: None, kind: None, address, local_address: None, spare_self: false }
    } else {
        Filter::of(&args.from(2))?
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
    fn of(options: &Args<'a>) -> Result<Self, Error> {
        let mut filter = Self { id: None, kind: None, address: None, local_address: None, spare_self: true };
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
                b"user" if value == b"default" => {}
                b"user" => return Err(Error::quoting("ERR No such user '", value, "'")),
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
            && self.kind.is_none_or(|kind| kind == Kind::Normal)
            && is(self.address, &client.address)
            && is(self.local_address, &client.local_address)
            && !(self.spare_self && client.id == scope.client().id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_client_listed_a_thousand_times_is_not_listed_beyond_what_a_reply_may_be() {
        let addresses = [1, 2].map(|port| Address::Tcp(([127, 0, 0, 1], port).into()));
        let client = Registry::new(Vec::new()).add(1, [0, 7], addresses, Dialect::Resp2, 0);
        assert!(lines(&[Arc::clone(&client)], 0, 10_000).unwrap().starts_with("id=1 addr=127.0.0.1:1"));
        assert_eq!(lines(&vec![client; 1000], 0, 10_000), Err(Error::ReplyTooLong));
    }
}

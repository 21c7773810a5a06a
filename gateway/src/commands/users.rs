//! ACL and its subcommands.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use tidegate_protocols::acl::{DEFAULT_USER, Rules, Selector, categories, commands_of};
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::table::users::Users;
use tidegate_protocols::table::{Unresolved, help, resolve};
use tidegate_protocols::{Args, Error, Reply, Request};

use super::Scope;
use crate::acl::{self, Acl, User, denied_text};

/// Entries of the log that are told unless it is said how many.
const LOGGED: i64 = 10;

/// Bits of a password unless it is said how many, and at the most. Source: Redis `acl.c`, `GENPASS_MAX_BITS`.
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

const NO_FILE: Error = Error::Text(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
     command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
     users in the Redis configuration.",
);

pub(super) fn execute(
    verb: Users,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (args, users) = (&request.args, &scope.shared.acl);
    match verb {
        Users::Container => unreachable!("a container resolves to one of its subcommands"),
        Users::Help => help(request.row, reply),
        Users::Cat => cat(args, reply)?,
        Users::Whoami => reply.bulk(scope.client().user().name()),
        Users::Genpass => genpass(args, reply)?,
        Users::Setuser => {
            users.set(args.at(2), args.from(3).iter(), &scope.shared.settings)?;
            scope.shared.users_changed();
            reply.ok();
        }
        Users::Deluser => deluser(args, scope, reply)?,
        Users::Getuser => match users.get(args.at(2)) {
            Some(user) => user.with_rules(|rules| tell(rules, reply)),
            None => reply.null(),
        },
        Users::List => list(&users.lines(), reply)?,
        Users::Users => list(&users.all().iter().map(|user| user.name()).collect::<Vec<_>>(), reply)?,
        Users::Load => load(users, scope, reply)?,
        Users::Save => save(users, scope, reply)?,
        Users::Log => log(args, scope, reply)?,
        Users::Dryrun => dryrun(args, users, reply)?,
    }
    Ok(())
}

fn list(lines: &[impl AsRef<[u8]>], reply: &mut Reply<'_>) -> Result<(), Error> {
    let begin = reply.mark();
    reply.array(lines.len());
    for line in lines {
        reply.bulk(line.as_ref());
        reply.check_since(begin, REPLY_BYTES_MAX)?;
    }
    Ok(())
}

fn cat(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::wrong_subcommand("ACL", args.at(1)));
    }
    let names: Vec<String> = match args.get(2) {
        None => categories().map(str::to_owned).collect(),
        Some(category) => commands_of(category)
            .ok_or_else(|| {
                Error::quoting("ERR Unknown category '", &category[..category.len().min(128)], "'")
            })?
            .map(|row| row.name.to_ascii_lowercase())
            .collect(),
    };
    list(&names, reply)
}

fn genpass(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::wrong_subcommand("ACL", args.at(1)));
    }
    let bits = args.get(2).map_or(Ok(PASSWORD_BITS), integer_argument)?;
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(Error::Text(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    let read = File::open("/dev/urandom").and_then(|mut chance| chance.read_exact(&mut bytes));
    read.map_err(|error| {
        Error::quoting("ERR the system gives no random bytes: ", error.to_string().as_bytes(), "")
    })?;
    let digit = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
    let text: Vec<u8> = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    reply.bulk(&text[..digits]);
    Ok(())
}

fn deluser(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let names = args.from(2);
    if names.iter().any(|name| name == DEFAULT_USER) {
        return Err(Error::Text("ERR The 'default' user cannot be removed"));
    }
    let removed = scope.shared.acl.remove(names.iter());
    close_all_of(&removed, scope);
    reply.integer(removed.len() as i64);
    Ok(())
}

/// Closes the connections of users that are gone.
fn close_all_of(gone: &[Arc<User>], scope: &Scope<'_>) {
    if gone.is_empty() {
        return;
    }
    for client in scope.shared.registry.list() {
        let user = client.user();
        if gone.iter().any(|one| Arc::ptr_eq(one, &user)) {
            if client.id == scope.client().id {
                scope.close();
            } else {
                scope.shared.registry.kill(&client);
            }
        }
    }
}

/// `ACL GETUSER`
fn tell(rules: &Rules, reply: &mut Reply<'_>) {
    reply.map(6);
    reply.bulk(b"flags");
    let marks = reply.deferred(Collection::Set);
    let count = rules.marks().map(|mark| reply.bulk(mark.as_bytes())).count();
    reply.finish(marks, count);
    reply.bulk(b"passwords");
    reply.array(rules.passwords().len());
    rules.passwords().for_each(|digest| reply.bulk(digest));
    tell_selector(rules.root(), reply);
    reply.bulk(b"selectors");
    reply.array(rules.selectors().len());
    for selector in rules.selectors() {
        reply.map(3);
        tell_selector(selector, reply);
    }
}

fn tell_selector(selector: &Selector, reply: &mut Reply<'_>) {
    let texts = [
        ("commands", selector.commands_text()),
        ("keys", selector.keys_text()),
        ("channels", selector.channels_text()),
    ];
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(&text);
    }
}

fn load(users: &Acl, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let path = acl::path(&scope.shared.settings).ok_or(NO_FILE)?;
    let gone = users.load(&path, &scope.shared.settings);
    let gone = gone.map_err(|reason| Error::Composed(format!("ERR {reason}").into_bytes().into()))?;
    scope.shared.users_changed();
    close_all_of(&gone, scope);
    reply.ok();
    Ok(())
}

fn save(users: &Acl, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let path = acl::path(&scope.shared.settings).ok_or(NO_FILE)?;
    users.save(&path).map_err(|error| {
        tracing::warn!(%error, "cannot write the users to {}", path.display());
        Error::Text(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    reply.ok();
    Ok(())
}

fn log(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::wrong_subcommand("ACL", args.at(1)));
    }
    let log = &scope.shared.acl.log;
    if args.get(2).is_some_and(|word| word.eq_ignore_ascii_case(b"reset")) {
        log.reset();
        reply.ok();
        return Ok(());
    }
    let count = args.get(2).map_or(Ok(LOGGED), integer_argument)?;
    let entries = log.newest(usize::try_from(count).unwrap_or(0));
    let begin = reply.mark();
    reply.array(entries.len());
    for entry in &entries {
        reply.map(10);
        reply.bulk(b"count");
        reply.integer(entry.count as i64);
        let texts = [
            ("reason", entry.reason.name().as_bytes()),
            ("context", entry.context.as_bytes()),
            ("object", &entry.object),
            ("username", &entry.user),
        ];
        for (name, text) in texts {
            reply.bulk(name.as_bytes());
            reply.bulk(text);
        }
        reply.bulk(b"age-seconds");
        reply.double((scope.now_ms as i64 - entry.changed_ms as i64) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(entry.client.as_bytes());
        let numbers = [
            ("entry-id", entry.id),
            ("timestamp-created", entry.made_ms),
            ("timestamp-last-updated", entry.changed_ms),
        ];
        for (name, number) in numbers {
            reply.bulk(name.as_bytes());
            reply.integer(number as i64);
        }
        reply.check_since(begin, REPLY_BYTES_MAX)?;
    }
    Ok(())
}

fn dryrun(args: &Args<'_>, users: &Acl, reply: &mut Reply<'_>) -> Result<(), Error> {
    let user =
        users.get(args.at(2)).ok_or_else(|| Error::quoting("ERR User '", args.at(2), "' not found"))?;
    let request = args.from(3);
    let row = resolve(&request).map_err(|unresolved| match unresolved {
        Unresolved::Command | Unresolved::Subcommand(_) => {
            Error::quoting("ERR Command '", args.at(3), "' not found")
        }
        Unresolved::Arity(row) => {
            let after = "' command";
            Error::quoting(
                "ERR wrong number of arguments for '",
                row.name.to_ascii_lowercase().as_bytes(),
                after,
            )
        }
    })?;
    match user.check(row, &request) {
        Ok(()) => reply.ok(),
        Err(denied) => reply.bulk(&denied_text(denied, &user, row, &request)),
    }
    Ok(())
}

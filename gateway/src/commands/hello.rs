//! Who the client is and which version of RESP it speaks: AUTH and HELLO.

use tidegate_protocols::number::integer;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::{Args, Dialect, Error, Reply};

use super::{Scope, client};
use crate::session::Attention;
use crate::users::same;

/// The version of Redis whose behaviour clients may expect.
pub(crate) const REDIS_VERSION: &str = "7.2.4";

const WRONG_PASSWORD: Error = Error::Text("WRONGPASS invalid username-password pair or user is disabled.");

/// Whether clients begin without rights.
pub(super) fn needs_password(scope: &Scope<'_>) -> bool {
    !scope.shared.settings.text(Key::RequirePass).is_empty()
}

/// `AUTH [username] password`
pub(super) fn auth(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match args.len() {
        2 if !needs_password(scope) => {
            return Err(Error::Text(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => log_in(b"default", args.at(1), scope)?,
        3 => log_in(args.at(1), args.at(2), scope)?,
        _ => return Err(Error::Syntax),
    }
    reply.ok();
    Ok(())
}

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`
pub(super) fn hello(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let dialect = version(args)?;
    for wish in wishes(args) {
        match wish? {
            Wish::LogIn(user, password) => log_in(user, password, scope)?,
            Wish::SetName(name) => client::name(name, scope)?,
        }
    }
    if scope.session.has(Attention::Anonymous) && needs_password(scope) {
        return Err(Error::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        ));
    }
    if let Some(dialect) = dialect {
        scope.session.set_dialect(dialect);
    }
    introduce(scope, &mut Reply::new(reply.out(), scope.session.dialect()));
    Ok(())
}

/// The dialect that `HELLO` by a client that is logged in is going to set; `None` if it leaves it as it is or is
/// refused.
pub(crate) fn foreseen(args: &Args<'_>, settings: &Settings) -> Option<Dialect> {
    let is_granted = |wish| match wish {
        Ok(Wish::LogIn(user, password)) => is_known(user, password, settings),
        Ok(Wish::SetName(name)) => client::graphic(name).is_some(),
        Err(_) => false,
    };
    version(args).ok().flatten().filter(|_| wishes(args).all(is_granted))
}

/// What else `HELLO` is to do.
enum Wish<'a> {
    LogIn(&'a [u8], &'a [u8]),
    SetName(&'a [u8]),
}

/// The language that is asked for, if any is.
fn version(args: &Args<'_>) -> Result<Option<Dialect>, Error> {
    match args.get(1).map(integer) {
        None => Ok(None),
        Some(None) => Err(Error::Text("ERR Protocol version is not an integer or out of range")),
        Some(Some(2)) => Ok(Some(Dialect::Resp2)),
        Some(Some(3)) => Ok(Some(Dialect::Resp3)),
        Some(Some(_)) => Err(Error::Text("NOPROTO unsupported protocol version")),
    }
}

/// What else it is to do, in this order; what was done before an error stays. Source: Redis `networking.c`,
/// `helloCommand`.
fn wishes<'a>(args: &Args<'a>) -> impl Iterator<Item = Result<Wish<'a>, Error>> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let option = args.get(at)?;
        let left = args.len() - at - 1;
        let (wish, words) = if option.eq_ignore_ascii_case(b"AUTH") && left >= 2 {
            (Ok(Wish::LogIn(args.at(at + 1), args.at(at + 2))), 3)
        } else if option.eq_ignore_ascii_case(b"SETNAME") && left >= 1 {
            (Ok(Wish::SetName(args.at(at + 1))), 2)
        } else {
            (Err(Error::quoting("ERR Syntax error in HELLO option '", option, "'")), left + 1)
        };
        at += words;
        Some(wish)
    })
}

/// What a client learns of the server at the first handshake.
fn introduce(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(if scope.session.dialect() == Dialect::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(scope.client().id as i64);
    reply.bulk(b"mode");
    reply.bulk(mode(scope).as_bytes());
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}

/// What clients see: one server, or a cluster.
pub(super) fn mode(scope: &Scope<'_>) -> &'static str {
    if scope.shared.is_cluster() { "cluster" } else { "standalone" }
}

pub(super) fn log_in(user: &[u8], password: &[u8], scope: &Scope<'_>) -> Result<(), Error> {
    if !is_known(user, password, &scope.shared.settings) {
        return Err(WRONG_PASSWORD);
    }
    scope.session.put(Attention::Anonymous, false);
    Ok(())
}

fn is_known(user: &[u8], password: &[u8], settings: &Settings) -> bool {
    let expected = settings.text(Key::RequirePass);
    user == b"default" && (expected.is_empty() || same(expected.as_bytes(), password))
}

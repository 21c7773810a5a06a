//! Who the client is and which version of RESP it speaks: AUTH and HELLO.

use tidegate_protocols::acl::{DEFAULT_USER, Rules};
use tidegate_protocols::number::integer;
use tidegate_protocols::{Args, Dialect, Error, Reply};

use super::{Scope, client};
use crate::acl::{Acl, note_wrong_password};
use crate::session::Attention;

/// The version of Redis whose behaviour clients may expect.
pub const REDIS_VERSION: &str = "7.2.4";

const WRONG_PASSWORD: Error = Error::Text("WRONGPASS invalid username-password pair or user is disabled.");

/// Whether clients begin without rights.
pub(super) fn needs_password(scope: &Scope<'_>) -> bool {
    !scope.shared.acl.is_open()
}

/// `AUTH [username] password`
pub(super) fn auth(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match args.len() {
        2 if scope.shared.acl.default_user().with_rules(Rules::has_no_password) => {
            return Err(Error::Text(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => log_in(args, DEFAULT_USER, args.at(1), scope)?,
        3 => log_in(args, args.at(1), args.at(2), scope)?,
        _ => return Err(Error::Syntax),
    }
    reply.ok();
    Ok(())
}

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`
pub(super) fn hello(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (dialect, wishes) = (version(args)?, Wishes::of(args)?);
    if let Some((user, password)) = wishes.log_in {
        log_in(args, user, password, scope)?;
    }
    if scope.session.has(Attention::Anonymous) && needs_password(scope) {
        return Err(Error::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        ));
    }
    if let Some(name) = wishes.name {
        client::name(name, scope)?;
    }
    if let Some(dialect) = dialect {
        scope.session.set_dialect(dialect);
    }
    introduce(scope, &mut Reply::new(reply.out(), scope.session.dialect()));
    Ok(())
}

/// The dialect that `HELLO` by a client that is logged in is going to set; `None` if it leaves it as it is or is
/// refused.
pub(crate) fn foreseen(args: &Args<'_>, users: &Acl) -> Option<Dialect> {
    let wishes = Wishes::of(args).ok()?;
    let is_granted = wishes.log_in.is_none_or(|(user, password)| users.admits(user, password));
    version(args).ok().flatten().filter(|_| is_granted)
}

/// What else `HELLO` is to do; of several words that say the same, the last counts. Source: Redis 7.2 `networking.c`,
/// `helloCommand`, where 7.0 does one after the other.
#[derive(Default)]
struct Wishes<'a> {
    log_in: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Wishes<'a> {
    fn of(args: &Args<'a>) -> Result<Self, Error> {
        let (mut wishes, mut at) = (Self::default(), 2);
        while let Some(option) = args.get(at) {
            let left = args.len() - at - 1;
            at += if option.eq_ignore_ascii_case(b"AUTH") && left >= 2 {
                wishes.log_in = Some((args.at(at + 1), args.at(at + 2)));
                3
            } else if option.eq_ignore_ascii_case(b"SETNAME") && left >= 1 {
                wishes.name = Some(client::checked_name(args.at(at + 1))?);
                2
            } else {
                return Err(Error::quoting("ERR Syntax error in HELLO option '", option, "'"));
            };
        }
        Ok(wishes)
    }
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

/// The client is this user from now on, if the password is right. `args` are the request that says so.
pub(super) fn log_in(args: &Args<'_>, name: &[u8], password: &[u8], scope: &Scope<'_>) -> Result<(), Error> {
    let Scope { session, shared, now_ms, .. } = *scope;
    let Some(user) = shared.acl.log_in(name, password, &session.client) else {
        note_wrong_password(args.at(0), name, session, shared, now_ms);
        return Err(WRONG_PASSWORD);
    };
    session.become_user(&user);
    Ok(())
}

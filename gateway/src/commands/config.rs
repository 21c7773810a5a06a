//! CONFIG GET, SET and REWRITE.

use std::borrow::Cow;

use tidegate_protocols::glob::{Case, matches};
use tidegate_protocols::reply::Collection;
use tidegate_protocols::settings::{Change, Key, Kind, Settings, Value};
use tidegate_protocols::{Args, Error, Reply};

use super::Scope;
use crate::open_files;

/// `CONFIG GET pattern …`: each setting once whose name matches one of the patterns. One that is asked for
/// by its name is called as the client calls it.
pub(super) fn get(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let (map, mut shown) = (reply.deferred(Collection::Map), Vec::new());
    let mut show = |(name, key): (&'static str, Key), called: &[u8]| {
        if !shown.contains(&name) {
            reply.bulk(called);
            reply.bulk(scope.shared.settings.show(key).as_bytes());
            shown.push(name);
        }
    };
    for pattern in args.iter().skip(2) {
        let is_name = !pattern.iter().any(|byte| b"[*?".contains(byte));
        for setting in Key::names() {
            let name = setting.0.as_bytes();
            if is_name && name.eq_ignore_ascii_case(pattern) {
                show(setting, pattern);
            } else if !is_name && matches(pattern, name, Case::Ignored) {
                show(setting, name);
            }
        }
    }
    reply.finish(map, shown.len());
}

/// `CONFIG SET name value …`: all of them, or none and the reason.
pub(super) fn set(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let shards = scope.shared.seat.as_ref().map_or(0, |seat| seat.topology.borrow().shards().len());
    for (key, value) in changes(&args.from(2), &scope.shared.settings, shards)? {
        scope.shared.settings.store(key, value);
        if key == Key::RequirePass {
            scope.shared.acl.set_default_password(&scope.shared.settings.text(key));
            scope.shared.users_changed();
        }
    }
    reply.ok();
    Ok(())
}

/// What Redis cannot change while it runs either: it refuses even the value that is there. Whoever sets all that `CONFIG GET *`
/// tells knows of these.
const IMMUTABLE: [Key; 4] = [Key::TcpBacklog, Key::Databases, Key::ClusterEnabled, Key::AclFile];

/// The values that pairs of names and texts give. As in Redis, names are looked at before values, and the
/// first mistake is the one that is told. There are links to so many shards.
fn changes(pairs: &Args<'_>, settings: &Settings, shards: usize) -> Result<Vec<(Key, Value)>, Error> {
    if !pairs.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    let mut keys = Vec::with_capacity(pairs.len() / 2);
    for index in (0..pairs.len()).step_by(2) {
        let name = pairs.at(index);
        let key = Key::named(name).ok_or_else(|| unknown(name))?;
        if IMMUTABLE.contains(&key) {
            return Err(refused(name, "can't set immutable config"));
        }
        if keys.contains(&key) {
            return Err(refused(name, "duplicate parameter"));
        }
        keys.push(key);
    }
    let value = |(place, key): (usize, Key)| {
        // As it was given, be it an older one.
        let name = &pairs.at(2 * place).to_ascii_lowercase()[..];
        let text = String::from_utf8_lossy(pairs.at(2 * place + 1));
        if matches!(key.row().kind, Kind::Text) && matches!(text, Cow::Owned(_)) {
            return Err(refused(name, "argument must be UTF-8 text"));
        }
        let value = settings.parse(key, &text).map_err(|reason| match key.row().change {
            Change::Fixed | Change::Start | Change::State => refused(name, "can't set immutable config"),
            Change::Live => refused(name, &reason),
        })?;
        if key.row().change == Change::Start && !settings.holds(key, &value) {
            return Err(refused(name, "can't set immutable config"));
        }
        check(key, &value, settings, shards).map_err(|reason| refused(name, &reason))?;
        Ok((key, value))
    };
    keys.into_iter().enumerate().map(value).collect()
}

/// What only the system knows.
fn check(key: Key, value: &Value, settings: &Settings, shards: usize) -> Result<(), String> {
    let (Key::MaxClients, Value::Number(clients)) = (key, value) else { return Ok(()) };
    let room = open_files::room_for(clients.unsigned_abs(), settings, shards);
    if room >= clients.unsigned_abs() {
        return Ok(());
    }
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {room}"
    ))
}

fn unknown(name: &[u8]) -> Error {
    Error::quoting("ERR Unknown option or number of arguments for CONFIG SET - '", name, "'")
}

fn refused(name: &[u8], reason: &str) -> Error {
    let reason = format!("') - {reason}");
    Error::quoting("ERR CONFIG SET failed (possibly related to argument '", name, &reason)
}

/// `CONFIG REWRITE`.
pub(super) fn rewrite(scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let file = scope.shared.config_file.get();
    let file = file.ok_or(Error::Text("ERR The server is running without a config file"))?;
    let settings = &scope.shared.settings;
    settings.store(Key::User, Value::Text(scope.shared.acl.as_setting(settings)));
    (file.rewrite)(&scope.shared.settings)
        .map_err(|reason| Error::quoting("ERR Rewriting config file: ", reason.as_bytes(), ""))?;
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_protocols::Words;

    fn outcome(settings: &Settings, words: &[&str]) -> Result<Vec<Key>, String> {
        let changes = changes(&Words::new(words).args(), settings, 0).map_err(|error| error.to_string())?;
        Ok(changes.into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn several_settings_change_together_or_not_at_all() {
        let settings = Settings::default();
        assert_eq!(
            outcome(&settings, &["maxmemory", "1mb", "TIMEOUT", "5"]),
            Ok(vec![Key::MaxMemory, Key::Timeout])
        );
        for (words, error) in [
            (&["maxmemory", "1", "foo"][..], "ERR syntax error"),
            (
                &["maxmemory", "1", "foo", "bar"],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'",
            ),
            (
                &["maxmemory", "x", "foo", "bar"],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'",
            ),
            (
                &["maxmemory", "1", "MaxMemory", "2"],
                "ERR CONFIG SET failed (possibly related to argument 'MaxMemory') - duplicate parameter",
            ),
            (
                &["Databases", "16"],
                "ERR CONFIG SET failed (possibly related to argument 'Databases') - can't set immutable config",
            ),
            (
                &["port", "6380"],
                "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config",
            ),
            (
                &["timeout", "5", "MAXMEMORY-samples", "0"],
                "ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - argument must be between 1 and 2147483647 inclusive",
            ),
            (
                &["appendonly", "yes"],
                "ERR CONFIG SET failed (possibly related to argument 'appendonly') - can't set immutable config",
            ),
        ] {
            assert_eq!(outcome(&settings, words), Err(error.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn what_cannot_change_may_be_set_to_what_it_is() {
        assert_eq!(
            outcome(&Settings::default(), &["save", "", "appendonly", "no"]),
            Ok(vec![Key::Save, Key::AppendOnly])
        );
        assert_eq!(
            outcome(&Settings::default(), &["bind", "127.0.0.1", "port", "6379"]),
            Ok(vec![Key::Bind, Key::Port])
        );
    }
}

//! `DEBUG`: what serves tests of clients. What looks at values is answered by the store.

use std::time::Duration;

use tidegate_protocols::number::integer;
use tidegate_protocols::settings::{Key, Value, bytes_of};
use tidegate_protocols::{Args, Dialect, Error, Reply};

use super::Scope;

/// The largest threshold that Redis takes, in bytes. Source: Redis `quicklist.c`, `quicklistisSetPackedThreshold`.
const THRESHOLD_MAX: i64 = (1 << 32) - (1 << 20);

/// `DEBUG SLEEP seconds`: holds back this client alone, where Redis stops for everybody. What is no number
/// is 0, as C's `strtod` has it.
pub(super) fn sleep(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let seconds = std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    scope.hold(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    reply.ok();
}

/// `DEBUG SET-ACTIVE-EXPIRE 0|1`; what is no number is 0, as C's `atoi` has it.
pub(super) fn set_active_expire(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let on = integer(args.at(2)).is_some_and(|number| number != 0);
    scope.shared.settings.store(Key::ActiveExpire, Value::Number(on.into()));
    reply.ok();
}

/// `DEBUG SET-DISABLE-DENY-SCRIPTS 0|1`
pub(super) fn set_disable_deny_scripts(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let disabled = integer(args.at(2)).is_some_and(|number| number != 0);
    scope.shared.settings.store(Key::DenyInScripts, Value::Number((!disabled).into()));
    reply.ok();
}

/// `DEBUG LOG message`
pub(super) fn log(args: &Args<'_>, reply: &mut Reply<'_>) {
    tracing::warn!(message = %args.at(2).escape_ascii(), "DEBUG LOG");
    reply.ok();
}

/// `DEBUG QUICKLIST-PACKED-THRESHOLD size`
pub(super) fn packed_threshold(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match std::str::from_utf8(args.at(2)).ok().and_then(bytes_of) {
        Some(size) if (0..=THRESHOLD_MAX).contains(&size) => {
            reply.ok();
            Ok(())
        }
        _ => Err(Error::Text("ERR argument must be a memory value bigger than 1 and smaller than 4gb")),
    }
}

/// `DEBUG PROTOCOL type`: the values are those of Redis. Source: Redis `debug.c`, `debugCommand`.
pub(super) fn protocol(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let is_resp3 = reply.dialect() == Dialect::Resp3;
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if is_resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !is_resp3 => return Err(Error::Text("ERR RESP2 is not supported by this command")),
        b"push" => {
            // Since 7.2 what is pushed while a command is executed comes after its reply.
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
        }
        b"verbatim" => reply.verbatim(*b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(Error::Text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

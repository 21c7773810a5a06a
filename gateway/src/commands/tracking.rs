//! CLIENT TRACKING and what belongs to it.
//!
//! Source: Redis `networking.c`, `clientCommand`; `tracking.c`.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error, Reply};

use super::{Scope, on_or_off};
use crate::registry::Tracks;
use crate::tracking::Choice;

/// What `CLIENT TRACKING` asks for.
#[derive(Default)]
struct Options<'a> {
    redirect: i64,
    follows: bool,
    opts_in: bool,
    opts_out: bool,
    spares_own: bool,
    prefixes: Vec<&'a [u8]>,
}

pub(super) fn tracking(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let options = Options::of(&args.from(3), scope)?;
    if on_or_off(args.at(2))? {
        begin(&options, scope)?;
    } else {
        scope.intake.untrack(scope.session);
    }
    reply.ok();
    Ok(())
}

impl<'a> Options<'a> {
    fn of(args: &Args<'a>, scope: &Scope<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut at = 0;
        while let Some(option) = args.get(at) {
            match (&option.to_ascii_lowercase()[..], args.get(at + 1)) {
                (b"redirect", Some(_)) if options.redirect != 0 => {
                    return Err(Error::Text("ERR A client can only redirect to a single other client"));
                }
                (b"redirect", Some(id)) => {
                    options.redirect = integer_argument(id)?;
                    let id = u64::try_from(options.redirect).ok();
                    if id.and_then(|id| scope.shared.registry.get(id)).is_none() {
                        return Err(Error::Text("ERR The client ID you want redirect to does not exist"));
                    }
                    at += 1;
                }
                (b"prefix", Some(prefix)) => {
                    options.prefixes.push(prefix);
                    at += 1;
                }
                (b"bcast", _) => options.follows = true,
                (b"optin", _) => options.opts_in = true,
                (b"optout", _) => options.opts_out = true,
                (b"noloop", _) => options.spares_own = true,
                _ => return Err(Error::Syntax),
            }
            at += 1;
        }
        Ok(options)
    }
}

fn begin(options: &Options<'_>, scope: &Scope<'_>) -> Result<(), Error> {
    let &Options { redirect, follows, opts_in, opts_out, spares_own, ref prefixes } = options;
    let refused = |text| Err(Error::Text(text));
    if !follows && !prefixes.is_empty() {
        return refused("ERR PREFIX option requires BCAST mode to be enabled");
    }
    let before = scope.client().tracks();
    if before.is_on && before.follows != follows {
        return refused(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        );
    }
    if follows && (opts_in || opts_out) {
        return refused("ERR OPTIN and OPTOUT are not compatible with BCAST");
    }
    if opts_in && opts_out {
        return refused("ERR You can't specify both OPTIN mode and OPTOUT mode");
    }
    let chosen = scope.session.tracking.borrow().as_ref().map(|tracking| tracking.choice);
    if opts_in && chosen == Some(Choice::OptOut) || opts_out && chosen == Some(Choice::OptIn) {
        return refused(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        );
    }
    look_for_overlap(prefixes, scope)?;
    let choice = match (opts_in, opts_out) {
        (true, _) => Choice::OptIn,
        (_, true) => Choice::OptOut,
        _ => Choice::All,
    };
    let redirect = redirect as u64;
    let tracks = Tracks { is_on: true, follows, spares_own, redirect, ..Tracks::default() };
    scope.intake.track(scope.session, tracks, choice, prefixes);
    Ok(())
}

/// No key may begin with two of them: its client would be told of it twice.
fn look_for_overlap(prefixes: &[&[u8]], scope: &Scope<'_>) -> Result<(), Error> {
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let refused = |prefix: &[u8], with: &str, other: &[u8]| {
        let mut text = b"ERR Prefix '".to_vec();
        text.extend_from_slice(prefix);
        text.extend_from_slice(with.as_bytes());
        text.extend_from_slice(other);
        text.extend_from_slice(b"'. Prefixes for a single client must not overlap.");
        Err(Error::Composed(text.into()))
    };
    let tracking = scope.session.tracking.borrow();
    for (at, prefix) in prefixes.iter().enumerate() {
        let before = tracking.iter().flat_map(|tracking| &tracking.prefixes);
        if let Some(other) = before.into_iter().find(|other| overlap(prefix, other)) {
            return refused(prefix, "' overlaps with an existing prefix '", other);
        }
        if let Some(other) = prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return refused(prefix, "' overlaps with another provided prefix '", other);
        }
    }
    Ok(())
}

pub(super) fn caching(word: &[u8], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if !scope.client().tracks().is_on {
        return Err(Error::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    }
    let mut tracking = scope.session.tracking.borrow_mut();
    let tracking = tracking.get_or_insert_default();
    if word.eq_ignore_ascii_case(b"yes") {
        if tracking.choice != Choice::OptIn {
            return Err(Error::Text(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if word.eq_ignore_ascii_case(b"no") {
        if tracking.choice != Choice::OptOut {
            return Err(Error::Text(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(Error::Syntax);
    }
    tracking.is_choosing = true;
    reply.ok();
    Ok(())
}

/// Who is told instead of the client: 0 is nobody else, -1 nobody at all.
pub(super) fn redirect(scope: &Scope<'_>) -> i64 {
    let tracks = scope.client().tracks();
    if tracks.is_on { tracks.redirect as i64 } else { -1 }
}

pub(super) fn info(scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let tracks = scope.client().tracks();
    let tracking = scope.session.tracking.borrow();
    let (choice, is_choosing) =
        tracking.as_ref().map_or((Choice::All, false), |tracking| (tracking.choice, tracking.is_choosing));
    let flags = [
        ("on", tracks.is_on),
        ("off", !tracks.is_on),
        ("bcast", tracks.follows),
        ("optin", choice == Choice::OptIn),
        ("caching-yes", choice == Choice::OptIn && is_choosing),
        ("optout", choice == Choice::OptOut),
        ("caching-no", choice == Choice::OptOut && is_choosing),
        ("noloop", tracks.spares_own),
        ("broken_redirect", tracks.is_broken),
    ];
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.iter().filter(|(_, is)| *is).count());
    flags.iter().filter(|(_, is)| *is).for_each(|(name, _)| reply.bulk(name.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirect(scope));
    reply.bulk(b"prefixes");
    let prefixes = || tracking.iter().flat_map(|tracking| &tracking.prefixes);
    reply.array(prefixes().count());
    prefixes().for_each(|prefix| reply.bulk(prefix));
}

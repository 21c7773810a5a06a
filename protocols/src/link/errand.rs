//! What gateways ask of shards for themselves, read from the arguments of a request.

use super::{Decoded, Malformed, decode};
use crate::data::Unblock;
use crate::memcached::Item;
use crate::messages::Kind;
use crate::request::{Args, Span};
use crate::table::link::Link;

/// A request of [`crate::table::link`].
#[derive(Clone, Copy, Debug)]
pub enum Errand<'a> {
    /// Executes requests as one, unless a watched key has changed.
    Transact {
        /// Whose transaction it is.
        client: u64,
        /// How many keys the client watches here.
        watched: u32,
        /// The requests, each a whole frame.
        frames: &'a [u8],
    },
    /// Watches keys.
    Watch {
        /// For whom.
        client: u64,
        /// The keys.
        keys: Args<'a>,
    },
    /// Watches nothing more.
    Unwatch {
        /// For whom.
        client: u64,
    },
    /// Answers a request that waits before its keys are there.
    Unblock {
        /// Whose request.
        client: u64,
        /// With what.
        answer: Unblock,
    },
    /// Tells the figures of the store.
    Figures,
    /// Sets figures that count events back to zero.
    ResetFigures,
    /// Gives memory back.
    Purge,
    /// Tells of what is published.
    Listen {
        /// What the names are.
        kind: Kind,
        /// Names of channels, or patterns.
        names: Args<'a>,
    },
    /// Tells of it no more.
    Unlisten {
        /// What the names are.
        kind: Kind,
        /// Names of channels, or patterns.
        names: Args<'a>,
    },
    /// Publishes.
    Say {
        /// What kind of channel it is.
        kind: Kind,
        /// Where to.
        channel: &'a [u8],
        /// What.
        payload: &'a [u8],
    },
    /// Tells of all keys that begin so when they change.
    Follow {
        /// Whether it has been asked for over an earlier link: then everything may have changed since.
        again: bool,
        /// The beginnings.
        prefixes: Args<'a>,
    },
    /// Tells of them no more.
    Unfollow {
        /// The beginnings.
        prefixes: Args<'a>,
    },
    /// Makes a script known.
    Learn {
        /// Its text.
        script: &'a [u8],
    },
    /// Says what scripts may do that run for a client.
    Rules {
        /// Whom they run for.
        client: u64,
        /// Its user's name.
        user: &'a [u8],
        /// Its user's rules.
        rules: &'a [u8],
    },
    /// Makes the libraries of functions those that have changed most often, and tells of them.
    Libraries {
        /// How often those given have changed.
        changes: u64,
        /// What they are, as `FUNCTION DUMP` tells it; nothing if they are not given.
        payload: &'a [u8],
    },
    /// Changes settings.
    Configure {
        /// Names and values in turn.
        pairs: Args<'a>,
    },
}

impl<'a> Errand<'a> {
    /// Reads the arguments; the row has taken as many. The requests of a transaction are not looked at.
    ///
    /// # Errors
    /// [`Malformed::Arguments`] if they are not what the row says.
    pub fn of(verb: Link, args: &Args<'a>) -> Result<Self, Malformed> {
        let malformed = Malformed::Arguments(verb.row().name);
        let client = || args.at(1).try_into().map(u64::from_le_bytes).map_err(|_| malformed);
        let kind = || match args.at(1) {
            [kind] => Kind::ALL.get(usize::from(*kind)).copied().ok_or(malformed),
            _ => Err(malformed),
        };
        Ok(match verb {
            Link::Transact => Self::Transact {
                client: client()?,
                watched: args.at(2).try_into().map(u32::from_le_bytes).map_err(|_| malformed)?,
                frames: args.at(3),
            },
            Link::Watch => Self::Watch { client: client()?, keys: args.from(2) },
            Link::Unwatch => Self::Unwatch { client: client()? },
            Link::Unblock => Self::Unblock {
                client: client()?,
                answer: match args.at(2) {
                    [0] => Unblock::Timeout,
                    [1] => Unblock::Error,
                    _ => return Err(malformed),
                },
            },
            Link::Figures => Self::Figures,
            Link::ResetFigures => Self::ResetFigures,
            Link::Purge => Self::Purge,
            Link::Listen => Self::Listen { kind: kind()?, names: args.from(2) },
            Link::Unlisten => Self::Unlisten { kind: kind()?, names: args.from(2) },
            Link::Say => match kind()? {
                Kind::Pattern | Kind::Scripts => return Err(malformed),
                kind => Self::Say { kind, channel: args.at(2), payload: args.at(3) },
            },
            Link::Follow => Self::Follow {
                again: match args.at(1) {
                    [0] => false,
                    [1] => true,
                    _ => return Err(malformed),
                },
                prefixes: args.from(2),
            },
            Link::Unfollow => Self::Unfollow { prefixes: args.from(1) },
            Link::Learn => Self::Learn { script: args.at(1) },
            Link::Rules => Self::Rules { client: client()?, user: args.at(2), rules: args.at(3) },
            Link::Libraries => Self::Libraries { changes: client()?, payload: args.at(2) },
            Link::Configure if args.len().is_multiple_of(2) => return Err(malformed),
            Link::Configure => Self::Configure { pairs: args.from(1) },
        })
    }

    /// Looks at all there is, the requests of a transaction too: those that follow each other may be gone through
    /// then with [`crate::transaction::Requests`], and a shard answers all of them.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn check(verb: Link, args: &Args<'a>) -> Result<(), Malformed> {
        match Self::of(verb, args)? {
            Self::Transact { frames, .. } => check_frames(frames),
            _ => Ok(()),
        }
    }
}

fn check_frames(mut frames: &[u8]) -> Result<(), Malformed> {
    let (mut spans, mut item): (Vec<Span>, _) = (Vec::new(), Item::NONE);
    while !frames.is_empty() {
        spans.clear();
        let Decoded::Request(outline) = decode(frames, frames.len() as u64, &mut spans, &mut item)? else {
            return Err(Malformed::TooShort(frames.len() as u32));
        };
        outline.check_for_transaction()?;
        if outline.ask.left > 0 {
            return Err(Malformed::Unknown(
                u32::from(outline.ask.left),
                "number of requests in a frame of a transaction",
            ));
        }
        frames = &frames[outline.bytes..];
    }
    Ok(())
}

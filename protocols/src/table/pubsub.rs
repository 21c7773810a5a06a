//! Messages that clients send to whoever listens.

use super::family;
use super::row::{Access, Begin, Find, Flags, KeySpec};

const ASK: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE);
const LISTEN: Flags = ASK.and(Flags::NOSCRIPT);
const SAY: Flags = ASK.and(Flags::FAST).and(Flags::MAY_REPLICATE);

/// Channels that belong to a slot, as a key does.
const fn channels(last: i16) -> KeySpec {
    KeySpec { begin: Begin::Index(1), find: Find::Range { last, step: 1, limit: 0 }, access: Access::NOT_KEY }
}

family! {
    /// Messages that clients send to whoever listens.
    Pubsub "pubsub"

    Psubscribe = "PSUBSCRIBE" "pattern [pattern ...]"
        .summary("Listens to all channels whose names match.")
        .cost("O(N), N the number of patterns.")
        .since("2.0.0").flags(LISTEN);

    Publish = "PUBLISH" "channel message"
        .summary("Sends a message to who listens to a channel.")
        .cost("O(N+M), N the number of clients that listen to the channel, M that of all patterns.")
        .since("2.0.0").flags(SAY);

    Container = "PUBSUB" ""
        .summary("Holds the commands that tell who listens.")
        .cost("Depends on the subcommand.").container().since("2.8.0");

    Channels = "PUBSUB|CHANNELS" "[pattern]"
        .summary("Names the channels that somebody listens to.")
        .cost("O(N), N the number of channels.")
        .since("2.8.0").flags(ASK);

    Help = "PUBSUB|HELP" ""
        .summary("Lists the subcommands with a line on each.")
        .since("6.2.0").flags(Flags::LOADING.and(Flags::STALE));

    Numpat = "PUBSUB|NUMPAT" ""
        .summary("Counts the patterns that somebody listens to.")
        .since("2.8.0").flags(ASK);

    Numsub = "PUBSUB|NUMSUB" "[channel [channel ...]]"
        .summary("Counts the clients that listen to channels.")
        .cost("O(N), N the number of channels named.")
        .since("2.8.0").flags(ASK);

    Shardchannels = "PUBSUB|SHARDCHANNELS" "[pattern]"
        .summary("Names the sharded channels that somebody listens to.")
        .cost("O(N), N the number of sharded channels.")
        .since("7.0.0").flags(ASK);

    Shardnumsub = "PUBSUB|SHARDNUMSUB" "[shardchannel [shardchannel ...]]"
        .summary("Counts the clients that listen to sharded channels.")
        .cost("O(N), N the number of sharded channels named.")
        .since("7.0.0").flags(ASK);

    Punsubscribe = "PUNSUBSCRIBE" "[pattern [pattern ...]]"
        .summary("Stops listening to channels whose names match, or to all patterns.")
        .cost("O(N), N the number of patterns.")
        .since("2.0.0").flags(LISTEN);

    Spublish = "SPUBLISH" "shardchannel message"
        .summary("Sends a message to who listens to a sharded channel.")
        .cost("O(N), N the number of clients that listen to it.")
        .since("7.0.0").keys(&[channels(0)]).gateway().flags(SAY);

    Ssubscribe = "SSUBSCRIBE" "shardchannel [shardchannel ...]"
        .summary("Listens to sharded channels.")
        .cost("O(N), N the number of channels.")
        .since("7.0.0").keys(&[channels(-1)]).gateway().flags(LISTEN);

    Subscribe = "SUBSCRIBE" "channel [channel ...]"
        .summary("Listens to channels.")
        .cost("O(N), N the number of channels.")
        .since("2.0.0").flags(LISTEN);

    Sunsubscribe = "SUNSUBSCRIBE" "[shardchannel [shardchannel ...]]"
        .summary("Stops listening to sharded channels, or to all of them.")
        .cost("O(N), N the number of channels.")
        .since("7.0.0").keys(&[channels(-1)]).gateway().flags(LISTEN);

    Unsubscribe = "UNSUBSCRIBE" "[channel [channel ...]]"
        .summary("Stops listening to channels, or to all of them.")
        .cost("O(N), N the number of channels.")
        .since("2.0.0").flags(LISTEN);
}

impl Pubsub {
    /// Whether a client says with it what it listens to: such a command is answered by messages.
    pub fn changes_subscriptions(self) -> bool {
        match self {
            Self::Psubscribe
            | Self::Punsubscribe
            | Self::Ssubscribe
            | Self::Subscribe
            | Self::Sunsubscribe
            | Self::Unsubscribe => true,
            Self::Publish
            | Self::Spublish
            | Self::Container
            | Self::Channels
            | Self::Help
            | Self::Numpat
            | Self::Numsub
            | Self::Shardchannels
            | Self::Shardnumsub => false,
        }
    }
}

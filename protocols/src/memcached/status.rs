//! Every fixed answer of memcached 1.6.18: its line, its meta code and its binary status.

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $line:literal, $code:literal, $binary:literal $message:literal;)*) => {
        /// A fixed answer. The line ends are not part of the texts.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each answer is its own text")]
        pub enum Status { $($(#[$doc])* $name),* }

        impl Status {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The line a classic text client gets.
            pub fn line(self) -> &'static str {
                match self { $(Self::$name => $line),* }
            }

            /// The two letters a meta client gets, or the whole line where there is no code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => if $code.is_empty() { $line } else { $code }),* }
            }

            /// Whether a meta client gets two letters and the flags it wants repeated, not a whole line.
            pub fn has_code(self) -> bool {
                match self { $(Self::$name => !$code.is_empty()),* }
            }

            /// The status word and the text in the body that a binary client gets.
            pub fn binary(self) -> (u16, &'static str) {
                match self { $(Self::$name => ($binary, $message)),* }
            }
        }
    };
}

statuses! {
    #[default]
    Ok = "OK", "HD", 0 "";
    Stored = "STORED", "HD", 0 "";
    Deleted = "DELETED", "HD", 0 "";
    Touched = "TOUCHED", "HD", 0 "";
    Reset = "RESET", "", 0 "";
    End = "END", "EN", 0x01 "Not found";
    NotStored = "NOT_STORED", "NS", 0x05 "Not stored.";
    Exists = "EXISTS", "EX", 0x02 "Data exists for key.";
    NotFound = "NOT_FOUND", "NF", 0x01 "Not found";
    Error = "ERROR", "", 0x81 "Unknown command";
    BadFormat = "CLIENT_ERROR bad command line format", "", 0x04 "Invalid arguments";
    BadLine = "CLIENT_ERROR bad command line", "", 0x04 "Invalid arguments";
    BadDataChunk = "CLIENT_ERROR bad data chunk", "", 0x04 "Invalid arguments";
    BadExptime = "CLIENT_ERROR invalid exptime argument", "", 0x04 "Invalid arguments";
    BadDelta = "CLIENT_ERROR invalid numeric delta argument", "", 0x04 "Invalid arguments";
    BadDelete = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]", "", 0x04 "Invalid arguments";
    NonNumeric = "CLIENT_ERROR cannot increment or decrement non-numeric value", "",
        0x06 "Non-numeric server-side value for incr or decr";
    TooLarge = "SERVER_ERROR object too large for cache", "", 0x03 "Too large.";
    OutOfMemoryStoring = "SERVER_ERROR out of memory storing object", "", 0x82 "Out of memory allocating item";
    OutOfMemory = "SERVER_ERROR out of memory", "", 0x82 "Out of memory incrementing value";
    WrongType = "SERVER_ERROR the key holds a value that is not a string", "",
        0x84 "The key holds a value that is not a string";
    Internal = "SERVER_ERROR internal error", "", 0x84 "Internal error.";
    TemporaryFailure = "SERVER_ERROR temporary failure", "", 0x86 "Temporary failure.";
    // Meta commands.
    MetaNoop = "MN", "MN", 0 "";
    FlagDuplicate = "CLIENT_ERROR duplicate flag", "", 0x04 "Invalid arguments";
    FlagInvalid = "CLIENT_ERROR invalid flag", "", 0x04 "Invalid arguments";
    FlagInvalidOrDuplicate = "CLIENT_ERROR invalid or duplicate flag", "", 0x04 "Invalid arguments";
    FlagsAreTooLong = "CLIENT_ERROR options flags are too long", "", 0x04 "Invalid arguments";
    FlagsTooLong = "CLIENT_ERROR options flags too long", "", 0x04 "Invalid arguments";
    KeyUndecodable = "CLIENT_ERROR error decoding key", "", 0x04 "Invalid arguments";
    TokenBad = "CLIENT_ERROR bad token in command line format", "", 0x04 "Invalid arguments";
    ModeLength = "CLIENT_ERROR incorrect length for M token", "", 0x04 "Invalid arguments";
    InitialInvalid = "CLIENT_ERROR invalid numeric initial value", "", 0x04 "Invalid arguments";
    DeltaInvalid = "CLIENT_ERROR invalid numeric delta value", "", 0x04 "Invalid arguments";
    OpaqueTooLong = "CLIENT_ERROR opaque token too long", "", 0x04 "Invalid arguments";
    SetModeInvalid = "CLIENT_ERROR invalid mode for ms M token", "", 0x04 "Invalid arguments";
    ArithmeticModeInvalid = "CLIENT_ERROR invalid mode for ma M token", "", 0x04 "Invalid arguments";
    // Administration.
    ShutdownDisabled = "ERROR: shutdown not enabled", "", 0x81 "Unknown command";
    MemlimitTooSmall = "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m", "", 0x04 "Invalid arguments";
    MemlimitNotBytes = "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes", "", 0x04 "Invalid arguments";
    WatchDisabled = "CLIENT_ERROR watch commands not allowed", "", 0x81 "Unknown command";
    CrawlerDisabled = "CLIENT_ERROR lru crawler disabled", "", 0x81 "Unknown command";
    CrawlerFailed = "ERROR failed to start lru crawler thread", "", 0x81 "Unknown command";
    ReassignDisabled = "CLIENT_ERROR slab reassignment disabled", "", 0x81 "Unknown command";
    FlushDisabled = "CLIENT_ERROR flush_all not allowed", "", 0x20 "Auth failure.";
    CachedumpDisabled = "CLIENT_ERROR stats cachedump not allowed", "", 0x81 "Unknown command";
    ClassIllegal = "CLIENT_ERROR Illegal slab id", "", 0x04 "Invalid arguments";
    DetailUsage = "CLIENT_ERROR usage: stats detail on|off|dump", "", 0x01 "Not found";
    // Authentication.
    Unauthenticated = "CLIENT_ERROR unauthenticated", "", 0x20 "Auth failure.";
    AuthenticationFailure = "CLIENT_ERROR authentication failure", "", 0x20 "Auth failure.";
    AuthenticationTermination = "CLIENT_ERROR bad command line termination", "", 0x20 "Auth failure.";
    AuthenticationFormat = "CLIENT_ERROR bad authentication token format", "", 0x20 "Auth failure.";
}

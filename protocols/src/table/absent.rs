//! Commands of Redis 7.2 that are not here. They are answered with Redis's own `unknown command` error, as clients find out
//! that way what a server can do. `COMMANDS.md` lists them.

/// Names, separated by blanks, and the reason that they have in common. A container stands for its subcommands.
pub(super) const ABSENT: &[(&str, &str)] = &[
    ("BGREWRITEAOF", "The append-only file is not rewritten yet: it grows."),
    ("PSYNC REPLCONF SYNC", "Nobody copies this server yet."),
    ("MIGRATE", "The server connects to no other; a client moves a key with DUMP and RESTORE."),
];

#[cfg(test)]
mod tests {
    use super::ABSENT;
    use crate::table::lookup;
    use crate::table::redis_commands::REDIS_COMMANDS;

    #[test]
    fn every_command_of_redis_is_here_or_named_with_its_reason() {
        let names = || REDIS_COMMANDS.iter().flat_map(|(_, names)| names.split(' '));
        let absent = || ABSENT.iter().flat_map(|(names, _)| names.split(' '));
        let is_here = |name: &str| lookup(name.as_bytes()).is_some();
        let is_named = |name: &str| {
            absent().any(|absent| {
                name.strip_prefix(absent).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
            })
        };
        let neither: Vec<_> = names().filter(|name| !is_here(name) && !is_named(name)).collect();
        assert!(neither.is_empty(), "neither here nor named: {neither:?}");
        let both: Vec<_> = names().filter(|name| is_here(name) && is_named(name)).collect();
        assert!(both.is_empty(), "here, but named as absent: {both:?}");
        let unknown: Vec<_> = absent().filter(|absent| !names().any(|name| name == *absent)).collect();
        assert!(unknown.is_empty(), "no commands of Redis: {unknown:?}");
    }
}

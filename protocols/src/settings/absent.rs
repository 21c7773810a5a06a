//! Settings of Redis 7.2 that mean nothing here: `CONFIG` knows them as little as any name. `COMMANDS.md` lists them.

/// Names, separated by blanks, and the reason that they have in common.
pub(crate) const ABSENT: &[(&str, &str)] = &[
    ("rdb-del-sync-files", "There are no replicas yet, whose files these would be."),
    (
        "masterauth masteruser propagation-error-behavior repl-backlog-size repl-backlog-ttl \
         repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync repl-diskless-sync-delay \
         repl-diskless-sync-max-replicas repl-ping-replica-period repl-ping-slave-period \
         repl-timeout replica-announce-ip replica-announce-port replica-announced \
         replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush \
         replica-priority replica-read-only replica-serve-stale-data slave-announce-ip \
         slave-announce-port slave-ignore-maxmemory slave-lazy-flush slave-priority \
         slave-read-only slave-serve-stale-data",
        "There are no replicas yet, and no primary to copy.",
    ),
    (
        "tls-auth-clients tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers \
         tls-ciphersuites tls-client-cert-file tls-client-key-file tls-client-key-file-pass \
         tls-cluster tls-dh-params-file tls-key-file tls-key-file-pass tls-prefer-server-ciphers \
         tls-protocols tls-replication tls-session-cache-size tls-session-cache-timeout \
         tls-session-caching",
        "There is no TLS.",
    ),
    (
        "cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-human-nodename \
         cluster-announce-tls-port cluster-config-file cluster-link-sendbuf-limit \
         cluster-migration-barrier cluster-node-timeout cluster-port cluster-replica-no-failover \
         cluster-replica-validity-factor cluster-slave-no-failover cluster-slave-validity-factor",
        "A cluster is made of gateways and shards by a topology file: no bus, no votes, and \
         `link-timeout-ms` for what does not answer.",
    ),
    (
        "active-defrag-cycle-max active-defrag-cycle-min active-defrag-ignore-bytes \
         active-defrag-max-scan-fields active-defrag-threshold-lower active-defrag-threshold-upper \
         activedefrag",
        "The table keeps no free memory in the middle of its pages that moving would win back.",
    ),
    (
        "active-expire-effort activerehashing dynamic-hz maxmemory-eviction-tenacity",
        "What expires, tables that grow and eviction are worked on in slices whose length follows \
         from the load.",
    ),
    ("io-threads io-threads-do-reads", "Workers are chosen by `threads`."),
    (
        "aof_rewrite_cpulist bgsave_cpulist bio_cpulist jemalloc-bg-thread server_cpulist",
        "There are no background processes or threads to place.",
    ),
    (
        "crash-log-enabled crash-memcheck-enabled disable-thp oom-score-adj oom-score-adj-values \
         proc-title-template set-proc-title shutdown-on-sigint shutdown-on-sigterm \
         shutdown-timeout supervised syslog-enabled syslog-facility syslog-ident",
        "Whoever starts the server sees to it: as a service manager does.",
    ),
    ("bind-source-addr socket-mark-id", "It connects to nobody as a Redis server does."),
    (
        "always-show-logo ignore-warnings locale-collate",
        "It says something about Redis's own start or texts.",
    ),
];

/// Why a setting of Redis means nothing here, if it is one that does not.
pub fn absent(name: &str) -> Option<&'static str> {
    let is_named = |names: &str| names.split_ascii_whitespace().any(|other| other == name);
    ABSENT.iter().find(|(names, _)| is_named(names)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ABSENT;
    use crate::settings::Key;

    /// What `CONFIG GET *` of redis-server 7.2.4 names.
    const SETTINGS_OF_REDIS: &str = "acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min \
        active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower \
        active-defrag-threshold-upper active-expire-effort activedefrag activerehashing \
        always-show-logo aof-load-truncated aof-rewrite-incremental-fsync aof-timestamp-enabled \
        aof-use-rdb-preamble aof_rewrite_cpulist appenddirname appendfilename appendfsync \
        appendonly auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave_cpulist bind \
        bind-source-addr bio_cpulist busy-reply-threshold client-output-buffer-limit \
        client-query-buffer-limit cluster-allow-pubsubshard-when-down \
        cluster-allow-reads-when-down cluster-allow-replica-migration cluster-announce-bus-port \
        cluster-announce-hostname cluster-announce-human-nodename cluster-announce-ip \
        cluster-announce-port cluster-announce-tls-port cluster-config-file cluster-enabled \
        cluster-link-sendbuf-limit cluster-migration-barrier cluster-node-timeout cluster-port \
        cluster-preferred-endpoint-type cluster-replica-no-failover \
        cluster-replica-validity-factor cluster-require-full-coverage cluster-slave-no-failover \
        cluster-slave-validity-factor crash-log-enabled crash-memcheck-enabled daemonize databases \
        dbfilename dir disable-thp dynamic-hz enable-debug-command enable-module-command \
        enable-protected-configs hash-max-listpack-entries hash-max-listpack-value \
        hash-max-ziplist-entries hash-max-ziplist-value hll-sparse-max-bytes hz ignore-warnings \
        io-threads io-threads-do-reads jemalloc-bg-thread latency-monitor-threshold \
        latency-tracking latency-tracking-info-percentiles lazyfree-lazy-eviction \
        lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del \
        lazyfree-lazy-user-flush lfu-decay-time lfu-log-factor list-compress-depth \
        list-max-listpack-size list-max-ziplist-size locale-collate logfile loglevel \
        lua-time-limit masterauth masteruser maxclients maxmemory maxmemory-clients \
        maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples min-replicas-max-lag \
        min-replicas-to-write min-slaves-max-lag min-slaves-to-write no-appendfsync-on-rewrite \
        notify-keyspace-events oom-score-adj oom-score-adj-values pidfile port proc-title-template \
        propagation-error-behavior protected-mode proto-max-bulk-len rdb-del-sync-files \
        rdb-save-incremental-fsync rdbchecksum rdbcompression repl-backlog-size repl-backlog-ttl \
        repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync repl-diskless-sync-delay \
        repl-diskless-sync-max-replicas repl-ping-replica-period repl-ping-slave-period \
        repl-timeout replica-announce-ip replica-announce-port replica-announced \
        replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush \
        replica-priority replica-read-only replica-serve-stale-data replicaof requirepass \
        sanitize-dump-payload save server_cpulist set-max-intset-entries set-max-listpack-entries \
        set-max-listpack-value set-proc-title shutdown-on-sigint shutdown-on-sigterm \
        shutdown-timeout slave-announce-ip slave-announce-port slave-ignore-maxmemory \
        slave-lazy-flush slave-priority slave-read-only slave-serve-stale-data slaveof \
        slowlog-log-slower-than slowlog-max-len socket-mark-id stop-writes-on-bgsave-error \
        stream-node-max-bytes stream-node-max-entries supervised syslog-enabled syslog-facility \
        syslog-ident tcp-backlog tcp-keepalive timeout tls-auth-clients tls-ca-cert-dir \
        tls-ca-cert-file tls-cert-file tls-ciphers tls-ciphersuites tls-client-cert-file \
        tls-client-key-file tls-client-key-file-pass tls-cluster tls-dh-params-file tls-key-file \
        tls-key-file-pass tls-port tls-prefer-server-ciphers tls-protocols tls-replication \
        tls-session-cache-size tls-session-cache-timeout tls-session-caching \
        tracking-table-max-keys unixsocket unixsocketperm zset-max-listpack-entries \
        zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value";

    #[test]
    fn every_setting_of_redis_is_here_or_named_with_its_reason() {
        let absent = || ABSENT.iter().flat_map(|(names, _)| names.split(' '));
        let here = |name: &str| Key::named(name.as_bytes()).is_some();
        let both: Vec<_> = absent().filter(|name| here(name)).collect();
        assert!(both.is_empty(), "here, but named as absent: {both:?}");
        let named: BTreeSet<_> = absent().collect();
        assert_eq!(named.len(), absent().count(), "a name stands twice");
        let redis: BTreeSet<_> = SETTINGS_OF_REDIS.split(' ').collect();
        let neither: Vec<_> = redis.iter().filter(|name| !here(name) && !named.contains(*name)).collect();
        assert!(neither.is_empty(), "neither here nor named: {neither:?}");
        let unknown: Vec<_> = named.difference(&redis).collect();
        assert!(unknown.is_empty(), "no settings of Redis: {unknown:?}");
    }
}

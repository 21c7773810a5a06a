//! Glob patterns as Redis matches them (KEYS, SCAN MATCH, CONFIG GET, ACL).

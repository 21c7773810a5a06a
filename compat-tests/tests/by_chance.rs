//! Random requests of every family: the real server and Tidegate, in each of its forms, must give the same replies.
//!
//! `SEED=7 ROUNDS=50` tries others; `cargo run -p tidegate-compat-tests --bin differ` goes on for as long as one likes.

use tidegate_compat_tests::by_chance::agree;
use tidegate_compat_tests::by_chance::{
    geo, hashes, hyperloglogs, lists, scripts, sets, sorted_sets, splits, streams, strings, table, users,
};

#[test]
fn random_requests_on_strings_are_answered_as_redis_answers_them() {
    agree(strings::GENERATOR);
}

#[test]
fn random_requests_on_hashes_are_answered_as_redis_answers_them() {
    agree(hashes::GENERATOR);
}

#[test]
fn random_requests_on_lists_are_answered_as_redis_answers_them() {
    agree(lists::GENERATOR);
}

#[test]
fn random_requests_on_sets_are_answered_as_redis_answers_them() {
    agree(sets::GENERATOR);
}

#[test]
fn random_requests_on_sorted_sets_are_answered_as_redis_answers_them() {
    agree(sorted_sets::GENERATOR);
}

#[test]
fn random_requests_on_places_are_answered_as_redis_answers_them() {
    agree(geo::GENERATOR);
}

#[test]
fn random_requests_on_streams_are_answered_as_redis_answers_them() {
    agree(streams::GENERATOR);
}

#[test]
fn random_requests_on_hyperloglogs_are_answered_as_redis_answers_them() {
    agree(hyperloglogs::GENERATOR);
}

#[test]
fn random_scripts_are_answered_as_redis_answers_them() {
    agree(scripts::GENERATOR);
}

#[test]
fn what_is_split_over_shards_is_answered_as_redis_answers_it() {
    agree(splits::SPLITS);
}

#[test]
fn what_is_split_over_shards_is_answered_as_memcached_answers_it() {
    agree(splits::MEMCACHED_SPLITS);
}

#[test]
fn random_rules_of_users_mean_what_they_mean_to_redis() {
    agree(users::GENERATOR);
}

#[test]
fn what_nearly_is_a_request_is_refused_as_redis_refuses_it() {
    agree(table::GENERATOR);
}

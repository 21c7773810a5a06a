//! Random transactions of three clients at once: redis-server and Tidegate, with any number of threads, must give the same
//! replies.

use tidegate_compat_tests::by_chance::transactions::{TRANSACTIONS, TRANSACTIONS_ON_ALL_KEYS};
use tidegate_compat_tests::by_chance::{Generator, agree_with};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::server::Server;

#[test]
fn random_transactions_of_three_clients_are_answered_as_redis_answers_them() {
    let threads = |threads: &str| ["--threads".to_owned(), threads.to_owned()];
    compare(TRANSACTIONS_ON_ALL_KEYS, || {
        vec![
            (Form::InProcess, Server::tidegate(Form::InProcess, &threads("1")).unwrap()),
            (Form::InProcess, Server::tidegate(Form::InProcess, &threads("4")).unwrap()),
            (Form::OneShard, Server::tidegate(Form::OneShard, &threads("4")).unwrap()),
        ]
    });
}

#[test]
fn random_transactions_on_keys_of_one_of_three_shards_are_answered_as_redis_answers_them() {
    compare(TRANSACTIONS, || {
        vec![(Form::ThreeShards, Server::tidegate_with_keys_in_one_of_three_shards(&[]).unwrap())]
    });
}

fn compare(generator: Generator, ours: impl FnOnce() -> Vec<(Form, Server)>) {
    agree_with(generator, ours);
}

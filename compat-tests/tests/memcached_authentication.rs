//! Memcached clients on a server with a password: text clients as with memcached's `-Y`, binary ones by SASL PLAIN.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::net::SocketAddr;
use std::path::PathBuf;

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::in_each_form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::wire::Wire;

const PASSWORD: &str = "secret";

fn tidegate(form: Form) -> Server {
    Server::tidegate(form, &["--requirepass".to_owned(), PASSWORD.to_owned()]).unwrap()
}

in_each_form!(
    text_clients_authenticate_as_with_memcached,
    what_a_text_client_sends_after_its_login_is_answered_as_its,
    binary_clients_authenticate_by_sasl,
    a_binary_client_that_does_not_authenticate_is_sent_away,
);

/// A binary request without extras: opcode, key and value.
fn binary(opcode: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut request =
        vec![0x80, opcode, 0, key.len() as u8, 0, 0, 0, 0, 0, 0, 0, (key.len() + value.len()) as u8];
    request.extend_from_slice(&[0; 12]);
    [&request, key, value].concat()
}

/// Its answer: opcode, status and body.
fn answer(opcode: u8, status: u8, body: &[u8]) -> Vec<u8> {
    let mut answer = vec![0x81, opcode, 0, 0, 0, 0, 0, status, 0, 0, 0, body.len() as u8];
    answer.extend_from_slice(&[0; 12]);
    [&answer, body].concat()
}

/// What a text client may do before and after it says who it is.
fn text_clients_authenticate_with_their_first_set(address: SocketAddr) {
    let mut wire = Wire::connect(address).unwrap();
    wire.ask(b"get a\r\n", b"CLIENT_ERROR unauthenticated\r\n");
    wire.ask(b"version\r\n", b"CLIENT_ERROR unauthenticated\r\n");
    wire.ask(b"set a 0 0 x\r\n", b"CLIENT_ERROR unauthenticated\r\n");
    wire.ask(b"set a 0 0 3\r\nabc\r\n", b"CLIENT_ERROR bad authentication token format\r\n");
    wire.ask(b"set a 0 0 3\r\nabcde", b"CLIENT_ERROR bad command line termination\r\n");
    wire.ask(b"set a 0 0 13\r\ndefault wrong\r\n", b"CLIENT_ERROR authentication failure\r\n");
    wire.ask(b"set a 0 0 14\r\ndefault secret\r\n", b"STORED\r\n");
    wire.ask(b"get a\r\n", b"END\r\n");
    wire.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n");
    wire.ask(b"get a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n");
}

fn text_clients_authenticate_as_with_memcached(form: Form) {
    text_clients_authenticate_with_their_first_set(tidegate(form).memcached());
    let users = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("memcached-users-{form:?}"));
    std::fs::write(&users, format!("default:{PASSWORD}\n")).unwrap();
    let name = "text_clients_authenticate_as_with_memcached";
    let Some(_) = needed(name, program("memcached", "memcached")) else { return };
    let real = Server::real_memcached(&["-Y".to_owned(), users.display().to_string()]).unwrap();
    text_clients_authenticate_with_their_first_set(real.memcached());
    who_has_not_said_who_it_is_cannot_go_on_for_ever(real.memcached());
    who_has_not_said_who_it_is_cannot_go_on_for_ever(tidegate(form).memcached());
}

/// A line without an end is cut off early, also one that would be a long list of keys.
fn who_has_not_said_who_it_is_cannot_go_on_for_ever(address: SocketAddr) {
    let mut wire = Wire::connect(address).unwrap();
    // The other end may have had enough before all of it is sent.
    let _ = wire.try_send(&b"get ".repeat(1000));
    wire.expect_close();
}

fn what_a_text_client_sends_after_its_login_is_answered_as_its(form: Form) {
    let server = tidegate(form);
    let mut wire = Wire::connect(server.memcached()).unwrap();
    wire.ask(b"set a 0 0 14\r\ndefault secret\r\nset a 0 0 1\r\nx\r\nmn\r\n", b"STORED\r\nSTORED\r\nMN\r\n");
}

fn binary_clients_authenticate_by_sasl(form: Form) {
    let server = tidegate(form);
    let mut wire = Wire::connect(server.memcached()).unwrap();
    wire.ask(&binary(0x20, b"", b""), &answer(0x20, 0, b"PLAIN"));
    wire.ask(&binary(0x0b, b"", b""), &answer(0x0b, 0, b"1.6.18"));
    wire.ask(&binary(0x21, b"CRAM-MD5", b""), &answer(0x21, 0x20, b"Auth failure."));
    wire.ask(&binary(0x21, b"PLAIN", b"\0default\0wrong"), &answer(0x21, 0x20, b"Auth failure."));
    wire.ask(&binary(0x21, b"PLAIN", b"\0nobody\0secret"), &answer(0x21, 0x20, b"Auth failure."));
    wire.ask(&binary(0x22, b"PLAIN", b"x"), &answer(0x22, 0x20, b"Auth failure."));
    wire.ask(&binary(0x21, b"PLAIN", b"\0default\0secret"), &answer(0x21, 0, b"Authenticated"));
    wire.ask(&binary(0x00, b"a", b""), &answer(0x00, 1, b"Not found"));
}

fn a_binary_client_that_does_not_authenticate_is_sent_away(form: Form) {
    let server = tidegate(form);
    let mut wire = Wire::connect(server.memcached()).unwrap();
    wire.ask(&binary(0x00, b"a", b""), &answer(0x00, 0x20, b"Auth failure."));
    wire.expect_close();
}

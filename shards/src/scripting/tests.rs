use std::sync::Arc;

use tidegate_protocols::data::{Data as _, Worker as _};

use super::Silent;
use crate::testing::Client;

#[test]
fn libraries_that_have_been_deleted_take_no_memory() {
    let mut client = Client::new();
    client.worker.run_scripts_beside(Arc::new(|_| Box::new(Silent)));
    let mut bytes_at_first = 0;
    for number in 0..200 {
        let (name, function) = (format!("lib{number}"), format!("f{number}"));
        let text = "0,".repeat(10_000);
        let code = format!(
            "#!lua name={name}\nlocal words = {{{text}}}
             redis.register_function('{function}', function() return #words end)"
        );
        client.send(&[b"FUNCTION", b"LOAD", code.as_bytes()]);
        assert_eq!(client.run(&format!("FCALL {function} 0")), r":10000\r\n");
        if number == 0 {
            bytes_at_first = client.store.figures().scripts.engine_bytes;
        }
        assert_eq!(client.run(&format!("FUNCTION DELETE {name}")), r"+OK\r\n");
    }
    let bytes = client.store.figures().scripts.engine_bytes;
    assert!(bytes < 10 * bytes_at_first, "{bytes_at_first} bytes have become {bytes}");
}

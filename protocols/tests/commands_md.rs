//! `COMMANDS.md` says what the command table says.

use std::path::Path;

use tidegate_protocols::table;

#[test]
fn commands_md_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../COMMANDS.md");
    let page = table::commands_md();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).expect("COMMANDS.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "COMMANDS.md is out of date: UPDATE=1 cargo test -p tidegate-protocols --test commands_md"
    );
}

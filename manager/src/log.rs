//! Log lines on standard error, for people or for machines.

use std::io;

use tidegate_protocols::settings::{Key, Settings};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Begins to log as the settings say.
pub(crate) fn init(settings: &Settings) {
    let level = match settings.show(Key::LogLevel).as_str() {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "notice" => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_target(false);
    // A second call in one process, as in tests, leaves the first in place.
    let _ = match settings.show(Key::LogFormat).as_str() {
        "json" => lines.json().flatten_event(true).try_init(),
        _ => lines.with_ansi(false).try_init(),
    };
}

/// The time, as log lines tell it.
pub(crate) fn time() -> String {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text)).expect("a text takes whatever is written to it");
    text
}

//! The one binary of Tidegate.
#![forbid(unsafe_code)]

mod admin;
mod banner;
mod file;
mod listen;
mod log;
mod memcached;
mod open_files;
mod options;

fn main() {
    match options::Start::parse(std::env::args_os()) {
        Ok(start) => println!("{start:?}"),
        Err(error) => error.exit(),
    }
}

//! The one binary of Tidegate.
#![forbid(unsafe_code)]

mod file;
mod memcached;
mod options;

fn main() {
    match options::Start::parse(std::env::args_os()) {
        Ok(start) => println!("{start:?}"),
        Err(error) => error.exit(),
    }
}

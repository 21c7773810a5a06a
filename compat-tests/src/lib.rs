//! Everything that looks at Tidegate from outside.
#![forbid(unsafe_code)]

pub mod load;

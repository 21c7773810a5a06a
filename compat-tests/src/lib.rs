//! Everything that looks at Tidegate from outside.

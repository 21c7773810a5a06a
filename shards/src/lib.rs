//! Who holds the data: the partitioned in-memory store of Tidegate.

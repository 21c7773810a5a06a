//! Who listens to clients: connections, the worker's tick and the connection commands of Tidegate.

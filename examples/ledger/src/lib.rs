//! an HTTP ledger with its own SQLite database: the product that the demo upgrades.

//! the server's durable truth: SQLite and PostgreSQL.

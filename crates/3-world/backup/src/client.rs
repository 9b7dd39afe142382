//! How the own client of a database is called: never with the password among its arguments.

use crate::{error::BackupError, mariadb, postgres};

/// A client's program with what it is called with.
#[derive(Clone)]
pub struct ClientCall {
    /// The program.
    pub program: &'static str,
    /// Where the database is.
    pub arguments: Vec<String>,
    /// The password.
    pub environment: Vec<(String, String)>,
}

/// The call for a connection string: `postgresql://…`, `mariadb://…` or `mysql://…`.
///
/// # Errors
/// [`BackupError::Login`] for any other.
pub fn client_call(name: &str, url: &str) -> Result<ClientCall, BackupError> {
    if url.starts_with("postgresql://") || url.starts_with("postgres://") {
        let (bare, password) = postgres::split_password(url);
        let environment = password.map(|password| ("PGPASSWORD".to_owned(), password));
        return Ok(ClientCall {
            program: "psql",
            arguments: vec![format!("--dbname={bare}")],
            environment: environment.into_iter().collect(),
        });
    }
    let login = mariadb::login(name, url)?;
    let mut arguments = login.options;
    arguments.push(login.database);
    let environment = login.password.map(|password| ("MYSQL_PWD".to_owned(), password));
    Ok(ClientCall { program: "mariadb", arguments, environment: environment.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_travel_in_the_environment() {
        for url in ["postgresql://u:s3cret@h/db", "mariadb://u:s3cret@h:3307/db"] {
            let call = client_call("db", url).unwrap();
            assert!(!call.arguments.join(" ").contains("s3cret"), "{:?}", call.arguments);
            assert_eq!(call.environment[0].1, "s3cret");
        }
        assert!(client_call("db", "oracle://h/db").is_err());
    }
}

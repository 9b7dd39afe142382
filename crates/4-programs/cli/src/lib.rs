//! the program refit: commands, printing, exit codes.

//! The real program: started, asked, stopped and killed.

mod command_line;
mod kill;
mod program;
mod two_servers;

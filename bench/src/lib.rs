//! The site's own parts in this process, without sockets: for what counts instructions and for what measures one path.

#![forbid(unsafe_code)]

pub mod in_process;

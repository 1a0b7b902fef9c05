//! What a server does besides answering: it sends the mails that wait, and removes what is over. Every server of an
//! installation does both; the database sees to it that none does the work of another.

pub(crate) mod cleaning;
pub(crate) mod mail;

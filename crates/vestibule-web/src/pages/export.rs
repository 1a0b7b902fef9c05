//! `GET /account/export`: the same file as the API's, for a link of a page, whose session may have to be refreshed first.

pub use crate::api::export::export;

//! Who knows of leaked passwords: a file that the owner of the site makes once, and a service that is asked. Both are
//! off unless they are set.

mod filter;
mod list;
mod range_api;

use std::sync::Arc;

use vestibule::ports::{BreachedPasswords, SystemClock};

pub use filter::{Filter, FilterBuilder, FilterError};
pub use list::{BuildError, Built, build};
pub use range_api::{RangeApi, RangeApiUrl, RangeApiUrlError};

use crate::failure::{Failure, with_causes};
use crate::settings::Settings;

/// Those that the settings name.
#[derive(Default)]
pub(crate) struct Sources {
    pub filter: Option<Arc<Filter>>,
    pub api: Option<Arc<RangeApi>>,
}

impl Sources {
    /// Reads the file and prepares to ask the service. A file that is wrong stops the start: whoever set it would take
    /// for checked what is not. That a service does not answer stops nothing.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let filter = settings.breached_passwords.as_deref().map(Filter::read).transpose();
        let filter = filter.map_err(|error| settings.error("BREACHED_PASSWORDS", &with_causes(&error)))?;
        let api = settings.breached_passwords_api.as_ref().map(|url| {
            RangeApi::new(url, Arc::new(SystemClock)).map_err(|problem| {
                Failure::with_way_out(
                    format!("{url} cannot be asked: {problem}"),
                    "Install the system's certificates (ca-certificates), or set VESTIBULE_BREACHED_PASSWORDS_API to off.",
                )
            })
        });
        Ok(Self { filter: filter.map(Arc::new), api: api.transpose()?.map(Arc::new) })
    }

    /// As accounts ask them: first the file, which costs nothing.
    pub(crate) fn ports(&self) -> Vec<Arc<dyn BreachedPasswords>> {
        let filter = self.filter.clone().map(|filter| filter as Arc<dyn BreachedPasswords>);
        let api = self.api.clone().map(|api| api as Arc<dyn BreachedPasswords>);
        filter.into_iter().chain(api).collect()
    }
}

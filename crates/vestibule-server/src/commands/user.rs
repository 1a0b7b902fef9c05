use std::process::ExitCode;

use vestibule::services::LinkPurpose;

use super::office::Office;
use super::{add_user, change_role, delete_user, disable_user, find_users, hand_out_link};
use crate::app::App;
use crate::command_line::UserAction;
use crate::failure::Failure;
use crate::settings::Settings;

/// Does something with users.
pub(crate) async fn run(
    app: &App,
    settings: &Settings,
    action: UserAction,
    json: bool,
) -> Result<ExitCode, Failure> {
    if let UserAction::Link { email, confirm, reset: _ } = action {
        let purpose = if confirm { LinkPurpose::Confirm } else { LinkPurpose::Reset };
        return hand_out_link::hand_out_link(app, settings, &email, purpose, json).await;
    }
    let office = match action {
        UserAction::Add { .. } => Office::open_for_passwords(app, settings).await?,
        _ => Office::open(app, settings).await?,
    };
    let done = match action {
        UserAction::Add { email, name, role, confirmed } => {
            add_user::add_user(&office, &email, &name, &role, confirmed, json).await
        }
        UserAction::List { words, role, limit } => {
            find_users::list(&office, words.as_deref(), role.as_deref(), limit, json).await
        }
        UserAction::Show { email } => find_users::show(&office, &email, json).await,
        UserAction::SetRole { email, role } => change_role::change_role(&office, &email, &role, json).await,
        UserAction::Disable { email } => disable_user::disable(&office, &email, json).await,
        UserAction::Enable { email } => disable_user::enable(&office, &email, json).await,
        UserAction::Delete { email, yes } => delete_user::delete_user(&office, &email, yes, json).await,
        UserAction::Link { .. } => unreachable!("answered above"),
    };
    office.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

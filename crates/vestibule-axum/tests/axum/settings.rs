//! With the feature `server`, an application takes what the settings say.

use vestibule_axum::Vestibule;
use vestibule_axum::models::{Role, SignUpMode};
use vestibule_axum::server::settings::Settings;

#[tokio::test]
async fn what_the_settings_say_is_taken_and_what_the_builder_is_told_after_goes_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.toml");
    let database_url = format!("sqlite://{}", folder.path().join("data/app.db").display());
    let text = format!(
        "database_url = \"{database_url}\"\npublic_url = \"http://localhost:4000\"\nroles = \"editor\"\nsign_up = \"closed\"\n\
         access_ttl = \"2m\"\nmail_url = \"smtp://localhost\"\nrate_limit = \"off\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let settings = Settings::load(Some(&file), "Orchard").unwrap();
    let vestibule =
        Vestibule::builder().settings(&settings).unwrap().sign_up(SignUpMode::Invite).open().await.unwrap();
    let policy = vestibule.accounts().policy();
    assert_eq!(
        (policy.site_name.as_str(), policy.public_url.to_string().as_str()),
        ("Orchard", "http://localhost:4000")
    );
    assert_eq!(policy.roles, ["editor".parse::<Role>().unwrap()]);
    assert_eq!((policy.sign_up, policy.access_ttl.whole_minutes()), (SignUpMode::Invite, 2));
    assert!(policy.rate_limits.is_none() && policy.sends_mail);
    assert!(folder.path().join("data/secret.key").exists());
    vestibule.start_workers().stop().await;
}

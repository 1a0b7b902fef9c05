use rstest::rstest;
use time::Duration;
use vestibule::models::{MailKind, OutgoingMail, OutgoingMailId};
use vestibule::repository::OutgoingMails;
use vestibule_testkit::DatabaseKind;

use crate::fixtures::{NOON, house, random};

#[rstest]
#[tokio::test]
async fn mails_wait_in_the_order_in_which_they_were_written(
    #[values(DatabaseKind::Sqlite, DatabaseKind::Postgres)] kind: DatabaseKind,
) {
    let (_test, database, ann, ours) = house(kind).await;
    let mut written = Vec::new();
    for (number, kind) in MailKind::ALL.into_iter().cycle().take(5).enumerate() {
        let at = NOON + Duration::seconds(i64::try_from(number).unwrap());
        let mail = OutgoingMail {
            id: OutgoingMailId::new(at, random()),
            kind,
            user_id: Some(ann.id),
            recipient: ann.email.clone(),
            created_at: at,
            client: ours.client.clone(),
        };
        database.alone().insert_outgoing_mail(&mail).await.unwrap();
        written.push(mail);
    }
    assert_eq!(database.alone().list_outgoing_mails(100).await.unwrap(), written);
    assert_eq!(database.alone().list_outgoing_mails(2).await.unwrap(), written[..2]);
}

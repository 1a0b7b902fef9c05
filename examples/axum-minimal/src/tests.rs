use std::net::SocketAddr;

use tokio::net::TcpListener;
use vestibule_testkit::Browser;

use super::*;

#[tokio::test]
async fn a_stranger_is_led_to_the_log_in_page_and_who_signs_up_sees_the_members_page() {
    let folder = tempfile::tempdir().expect("the system gives a temporary folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the system gives a port");
    let address: SocketAddr = listener.local_addr().expect("a listener has an address");
    let database_url = format!("sqlite://{}/accounts.db", folder.path().display());
    let public_url = format!("http://localhost:{}", address.port());
    let vestibule = Vestibule::builder().database_url(database_url).public_url(public_url).open();
    let vestibule = vestibule.await.expect("a fresh database can be opened");
    let router = app(&vestibule);
    tokio::spawn(async move { vestibule.serve_until(listener, router, std::future::pending()).await });

    let mut ann = Browser::at(address);
    assert_eq!(ann.get("/members").await.location(), "/log-in?next=%2Fmembers");
    assert!(ann.get("/").await.text.contains("Log in"));
    ann.sign_up("ann").await;
    assert!(ann.get("/members").await.text.contains("You are ann@example.com."));
    assert!(ann.get("/").await.text.contains("Log out"));
    assert!(ann.get("/nowhere").await.text.contains("There is nothing at this address."));
}

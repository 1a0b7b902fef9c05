//! Other spellings of a path must not reach a route beside its guard or its limits. Sent by hand: client libraries
//! tidy paths up.

use rstest::rstest;
use vestibule_testkit::DatabaseKind::{self, Postgres, Sqlite};
use vestibule_testkit::TestServer;

use crate::{cookie_header, signed_up};

#[rstest]
#[tokio::test]
async fn other_spellings_of_a_path_are_not_found(#[values(Sqlite, Postgres)] kind: DatabaseKind) {
    let server = TestServer::start(kind).await;
    let browser = signed_up(&server, "ann").await;
    let cookies = cookie_header(&browser);
    for path in [
        "//log-in",
        "/log-in/",
        "/%6cog-in",
        "/LOG-IN",
        "/./log-in",
        "/x/../log-in",
        "/log-in;a=b",
        "/log-in%2f",
        "/log-in%00",
        "/log-in%20",
        "/log%2Din",
        "/\\log-in",
        "//dashboard",
        "/dashboard/",
        "/%64ashboard",
        "/DASHBOARD",
        "/./dashboard",
        "/x/..;/dashboard",
        "/api/auth//log-in",
        "/api//admin",
        "/API/admin",
        "/api/admin/",
        "/api/./admin",
        "/api/%61dmin",
        "/api/auth/session/",
        "/assets/../dashboard",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/..%2fCargo.toml",
        "/assets//etc/passwd",
    ] {
        let head = format!("HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n");
        let answer = server.anonymous().send_raw(format!("GET {path} {head}").as_bytes()).await;
        assert_eq!(answer.status, 404, "GET {path}: {answer:?}");
        let post = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        let answer = server.anonymous().send_raw(post.as_bytes()).await;
        assert!([404, 405].contains(&answer.status.as_u16()), "POST {path}: {answer:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_whole_address_in_the_request_line_has_the_same_guards(
    #[values(Sqlite, Postgres)] kind: DatabaseKind,
) {
    let server = TestServer::start(kind).await;
    let request = "GET http://evil.test/dashboard HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    let answer = server.anonymous().send_raw(request.as_bytes()).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/log-in?next=%2Fdashboard"));
}

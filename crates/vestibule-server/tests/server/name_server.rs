//! A name server that says what a test tells it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CAA, TXT};
use hickory_proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;

/// The server. It ends with the test.
pub struct NameServer {
    pub address: SocketAddr,
    records: Arc<Mutex<Vec<(String, RData)>>>,
}

impl NameServer {
    /// Starts on a port of its own, and knows no name.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let records = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(socket, Arc::clone(&records)));
        Self { address, records }
    }

    /// From now on it knows another address.
    pub fn add_address(&self, name: &str, address: [u8; 4]) -> &Self {
        let [a, b, c, d] = address;
        self.add(name, RData::A(A::new(a, b, c, d)))
    }

    /// The same of a text.
    pub fn add_text(&self, name: &str, text: &str) -> &Self {
        // A string of DNS has 255 bytes at most; longer texts are several.
        let parts = text.as_bytes().chunks(255).map(|part| String::from_utf8(part.to_vec()).unwrap());
        self.add(name, RData::TXT(TXT::new(parts.collect())))
    }

    /// The same of the certificate authority that may issue.
    pub fn add_authority(&self, name: &str, authority: &str) -> &Self {
        let authority = Name::from_ascii(authority).unwrap();
        self.add(name, RData::CAA(CAA::new_issue(false, Some(authority), Vec::new())))
    }

    /// It forgets all of a name.
    pub fn forget(&self, name: &str) -> &Self {
        self.records.lock().unwrap().retain(|(known, _)| known != name);
        self
    }

    fn add(&self, name: &str, data: RData) -> &Self {
        self.records.lock().unwrap().push((name.to_owned(), data));
        self
    }
}

async fn serve(socket: UdpSocket, records: Arc<Mutex<Vec<(String, RData)>>>) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Ok(asked) = Message::from_vec(&buffer[..length]) else { continue };
        let query = asked.queries[0].clone();
        let mut answer = Message::response(asked.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let known = records.lock().unwrap().clone();
        let mut is_known = false;
        for (_, data) in known.into_iter().filter(|(known, _)| *known == name) {
            is_known = true;
            if data.record_type() == query.query_type() {
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
        }
        if !is_known {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }
}

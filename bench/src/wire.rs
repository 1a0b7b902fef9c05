use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// One connection, by hand: a client that costs next to nothing of the cores that the program needs.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What was answered.
pub struct Answer {
    pub status: u16,
    /// The `Set-Cookie` lines.
    pub cookies: Vec<String>,
    pub body: String,
}

impl Wire {
    pub fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and waits for its answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.read.clear();
        let head = loop {
            if let Some(head) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break head;
            }
            self.more()?;
        };
        let text = String::from_utf8_lossy(&self.read[..head]).into_owned();
        let of = |name: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.split_once(": "));
            let named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.to_owned()).collect()
        };
        let length =
            of("content-length").first().and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
        while self.read.len() < head + 4 + length {
            self.more()?;
        }
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = String::from_utf8_lossy(&self.read[head + 4..]).into_owned();
        Ok(Answer { status: status.context("an answer without a status")?, cookies: of("set-cookie"), body })
    }

    fn more(&mut self) -> Result<()> {
        let mut part = [0; 8192];
        let read = self.stream.read(&mut part)?;
        if read == 0 {
            bail!("an answer breaks off");
        }
        self.read.extend_from_slice(&part[..read]);
        Ok(())
    }
}

/// A whole request. `headers` are lines, each with its end.
pub fn request(first_line: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    format!("{first_line} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n{body}").into_bytes()
}

/// A browser: its cookies, and where it comes from.
#[derive(Clone, Default)]
pub struct Browser {
    pub access: String,
    pub refresh: String,
    pub csrf: String,
    pub device: String,
    pub from: String,
}

impl Browser {
    /// Takes what an answer sets.
    pub fn take(&mut self, answer: &Answer) {
        for cookie in &answer.cookies {
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            let place = match name {
                "vestibule_access" => &mut self.access,
                "vestibule_refresh" => &mut self.refresh,
                "vestibule_csrf" => &mut self.csrf,
                "vestibule_device" => &mut self.device,
                _ => continue,
            };
            value.clone_into(place);
        }
    }

    /// The lines that it sends with every request.
    pub fn headers(&self) -> String {
        let cookies = [
            ("vestibule_access", &self.access),
            ("vestibule_refresh", &self.refresh),
            ("vestibule_csrf", &self.csrf),
            ("vestibule_device", &self.device),
        ];
        let pairs: Vec<String> = cookies
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies =
            if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) };
        format!("X-Forwarded-For: {}\r\n{cookies}", self.from)
    }

    /// A request that only reads.
    pub fn get(&self, path: &str) -> Vec<u8> {
        request(&format!("GET {path}"), &self.headers(), "")
    }

    /// A request of the API that changes something.
    pub fn send(&self, method: &str, path: &str, json: &str) -> Vec<u8> {
        let headers =
            format!("{}X-CSRF-Token: {}\r\nContent-Type: application/json\r\n", self.headers(), self.csrf);
        request(&format!("{method} {path}"), &headers, json)
    }

    /// A form of a page.
    pub fn submit(&self, path: &str, fields: &str) -> Vec<u8> {
        let headers = format!("{}Content-Type: application/x-www-form-urlencoded\r\n", self.headers());
        request(&format!("POST {path}"), &headers, &format!("csrf_token={}&{fields}", self.csrf))
    }
}

//! The origin: answers every request with the same 1 KiB, from one thread that costs as little as it can.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

const LISTENER: Token = Token(usize::MAX);
const BODY_BYTES: usize = 1024;

/// Starts it on a free port, which is the answer. It lives as long as the process.
pub fn start() -> io::Result<u16> {
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let port = listener.local_addr()?.port();
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    thread::Builder::new().name("origin".to_owned()).spawn(move || serve(&mut poll, &listener))?;
    Ok(port)
}

struct Connection {
    stream: TcpStream,
    /// The end of what came, as far as a header's end may begin in it.
    tail: Vec<u8>,
}

fn serve(poll: &mut Poll, listener: &TcpListener) {
    let answer = answer();
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut events = Events::with_capacity(256);
    let mut next = 0;
    loop {
        if poll.poll(&mut events, None).is_err() {
            continue; // interrupted
        }
        for event in &events {
            if event.token() != LISTENER {
                let is_over = connections.get_mut(&event.token()).is_some_and(|it| !it.answers(&answer));
                if is_over {
                    connections.remove(&event.token());
                }
                continue;
            }
            while let Ok((mut stream, _)) = listener.accept() {
                let token = Token(next);
                next += 1;
                let _ = stream.set_nodelay(true);
                if poll.registry().register(&mut stream, token, Interest::READABLE).is_ok() {
                    connections.insert(token, Connection { stream, tail: Vec::new() });
                }
            }
        }
    }
}

impl Connection {
    /// Reads what there is and answers what is complete; `false` where the connection is over.
    fn answers(&mut self, answer: &[u8]) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            self.tail.extend_from_slice(&buffer[..length]);
            while let Some(end) = self.tail.windows(4).position(|four| four == b"\r\n\r\n") {
                self.tail.drain(..end + 4);
                // Small against the socket's buffer, so it goes out whole.
                if self.stream.write_all(answer).is_err() {
                    return false;
                }
            }
        }
    }
}

fn answer() -> Vec<u8> {
    let body = "o".repeat(BODY_BYTES);
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY_BYTES}\r\n\r\n{body}").into_bytes()
}

use std::sync::mpsc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection, Stream};

use super::*;
use crate::clock::SystemClock;
use crate::source::Egress;

/// Of `camera.example`, signed by itself, for a hundred years; the key protects nothing.
const CERTIFICATE: &[u8] = include_bytes!("../../../fixtures/tls/camera.pem");
const KEY: &[u8] = include_bytes!("../../../fixtures/tls/camera.key.pem");

fn control(patience: Duration) -> (Arc<Control>, Interrupt) {
    let interrupt = Interrupt::new();
    let control = Control::new(
        Egress::default(),
        interrupt.clone(),
        SystemClock::shared(),
        patience,
        patience,
    );
    (control, interrupt)
}

/// A server for one connection, which `act` has; and a connection to it as the relay gets it.
fn server<T: Send + 'static>(
    act: impl FnOnce(&mut Stream<'_, ServerConnection, TcpStream>) -> T + Send + 'static,
) -> (TcpStream, mpsc::Receiver<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (told, said) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
                PrivateKeyDer::from_pem_slice(KEY).unwrap(),
            )
            .unwrap();
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        let _ = told.send(act(&mut Stream::new(&mut session, &mut socket)));
    });
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    (stream, said)
}

#[test]
fn bytes_go_both_ways_and_the_server_hears_the_name() {
    const LENGTH: usize = 3 << 20;
    let (stream, said) = server(|tls| {
        let mut hello = [0; 5];
        tls.read_exact(&mut hello).unwrap();
        let bytes: Vec<u8> = (0..LENGTH).map(|at| at as u8).collect();
        tls.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        let _ = tls.read_to_end(&mut rest);
        (hello, rest.len(), tls.conn.server_name().map(str::to_owned))
    });
    let (control, _) = control(Duration::from_secs(5));
    let relay = Relay::start(stream, "camera.example", Trust::Any, &control).unwrap();
    let mut near = TcpStream::connect(relay.address()).unwrap();
    near.write_all(b"hello").unwrap();
    let mut bytes = vec![0; LENGTH];
    near.read_exact(&mut bytes).unwrap();
    assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    near.write_all(&[7; 100_000]).unwrap();
    drop(near);
    let (hello, rest, name) = said.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (&hello, rest, name.as_deref()),
        (b"hello", 100_000, Some("camera.example"))
    );
    drop(relay);
}

#[test]
fn what_nobody_signed_is_refused_where_it_counts() {
    let (stream, _said) = server(|tls| {
        let _ = tls.read(&mut [0]);
    });
    let (control, _) = control(Duration::from_secs(5));
    let error = Relay::start(stream, "camera.example", Trust::Public, &control)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{}", error.report());
    assert!(error.report().contains("camera.example"), "{}", error.report());
}

#[test]
fn who_is_silent_or_speaks_something_else_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connect = || {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        stream
    };
    let (control, interrupt) = control(Duration::from_millis(500));
    let began = Instant::now();
    let error = Relay::start(connect(), "a.example", Trust::Any, &control)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{}", error.report());
    assert!(began.elapsed() < Duration::from_secs(3));
    let stream = connect();
    let (first, _) = listener.accept().unwrap();
    let (mut second, _) = listener.accept().unwrap();
    second.write_all(b"RTSP/1.0 200 OK\r\n\r\n").unwrap();
    let error = Relay::start(stream, "a.example", Trust::Any, &control)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{}", error.report());
    interrupt.cancel();
    let error = Relay::start(connect(), "a.example", Trust::Any, &control)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{}", error.report());
    drop(first);
}

#[test]
fn a_server_that_ends_ends_libavs_connection() {
    let (stream, _said) = server(|tls| {
        tls.write_all(b"last words").unwrap();
        tls.conn.send_close_notify();
        let _ = tls.flush();
    });
    let (control, _) = control(Duration::from_secs(5));
    let relay = Relay::start(stream, "camera.example", Trust::Any, &control).unwrap();
    let mut near = TcpStream::connect(relay.address()).unwrap();
    let mut said = String::new();
    near.read_to_string(&mut said).unwrap();
    assert_eq!(said, "last words");
}

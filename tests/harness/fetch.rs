//! Downloads, from a small server on this machine that behaves well or badly.

use crate::common;
use crate::documents;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use anode::data::{Download, FetchError, Fetched, data_folder, fetch};
use common::Workplace;

/// Answers every connection by a function of the request.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(vec![]));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let (mut request, mut byte) = (vec![], [0]);
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).to_lowercase();
                kept.lock().unwrap().push(request.clone());
                answer(&request, &mut stream);
            }
        });
        Self { address, requests }
    }

    /// The `Range` headers that were sent, `-` for none.
    fn ranges(&self) -> Vec<String> {
        let range = |request: &String| {
            let line = request.lines().find_map(|line| line.strip_prefix("range: "));
            line.unwrap_or("-").to_owned()
        };
        self.requests.lock().unwrap().iter().map(range).collect()
    }
}

/// Where a request wants to begin.
fn start(request: &str) -> usize {
    let line = request.lines().find_map(|line| line.strip_prefix("range: bytes="));
    line.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
}

/// Headers and `body`, of which only `sent` bytes come before the connection ends.
fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8], sent: usize) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body[..sent]);
}

/// The part from `start`, as a server should send it, of which `sent` bytes come at most.
fn send_part(stream: &mut TcpStream, body: &[u8], start: usize, sent: usize) {
    let rest = &body[start..];
    let range = format!("Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
    send(stream, "206 Partial Content", &range, rest, rest.len().min(sent));
}

fn content() -> Vec<u8> {
    (0..300_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 8).to_le_bytes()).collect()
}

/// MD5 of [`content`], by another program.
const MD5: &str = "f7f2c29eb3f39b316ad16bda880d24b7";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("deep/file.gz")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("deep/file.gz.part")
    }

    fn new_part(&self) -> PathBuf {
        self.folder.path().join("deep/file.gz.new")
    }

    fn fetch(&self, server: &Server) -> Result<Fetched, FetchError> {
        let url = format!("{}/file.gz", server.address);
        let (mut last, mut total) = (0, None);
        let limit = 2_000_000;
        let fetched = fetch(&Download { url: &url, to: &self.file(), md5: MD5, limit }, &mut |there, all| {
            (last, total) = (there, all);
        });
        if matches!(fetched, Ok(Fetched::Downloaded { .. })) {
            assert_eq!(last, 1_200_000, "the progress ends with the file");
            assert_eq!(std::fs::read(self.file()).unwrap(), content());
            assert!(!self.part().exists() && !self.new_part().exists());
        }
        fetched
    }

    fn keep(&self, bytes: &[u8]) {
        std::fs::create_dir_all(self.part().parent().unwrap()).unwrap();
        std::fs::write(self.part(), bytes).unwrap();
    }
}

#[test]
fn a_file_comes_whole_and_is_not_fetched_twice() {
    let server = Server::new(|_, stream| send(stream, "200 OK", "", &content(), content().len()));
    let place = Place::new();
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
    assert_eq!(place.fetch(&server).unwrap(), Fetched::AlreadyThere);
    assert_eq!(server.ranges(), ["-"]);
    // A file that is there but wrong is replaced.
    std::fs::write(place.file(), "something else").unwrap();
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
}

#[test]
fn a_body_without_a_length_comes_whole() {
    let server = Server::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&content());
    });
    assert_eq!(Place::new().fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
}

#[test]
fn a_connection_that_breaks_is_taken_up_by_range_in_the_same_call() {
    let server = Server::new(|request, stream| match start(request) {
        0 => send(stream, "200 OK", "", &content(), 500_000),
        start => send_part(stream, &content(), start, 400_000),
    });
    let place = Place::new();
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
    assert_eq!(server.ranges(), ["-", "bytes=500000-", "bytes=900000-"]);
}

#[test]
fn what_an_earlier_call_left_is_taken_up() {
    let place = Place::new();
    // The server is gone after a part of the file.
    let dying = Server::new(|request, stream| {
        if start(request) == 0 {
            send(stream, "200 OK", "", &content(), 700_000);
        }
    });
    let error = place.fetch(&dying).unwrap_err();
    assert!(matches!(&error, FetchError::Broken { kept: 700_000, .. }), "{error}");
    assert!(error.to_string().contains("700000 bytes are kept, the same call goes on"), "{error}");
    assert!(!place.file().exists());
    let server = Server::new(|request, stream| send_part(stream, &content(), start(request), usize::MAX));
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 700_000 });
    assert_eq!(server.ranges(), ["bytes=700000-"]);
}

#[test]
fn a_server_that_knows_no_ranges_is_asked_for_all() {
    let server = Server::new(|_, stream| send(stream, "200 OK", "", &content(), content().len()));
    let place = Place::new();
    place.keep(&[7; 100_000]);
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
    assert_eq!(server.ranges(), ["bytes=100000-"]);
}

#[test]
fn a_part_that_is_the_whole_file_or_too_long_is_settled_by_its_checksum() {
    let refuse = |request: &str, stream: &mut TcpStream| match start(request) {
        0 => send(stream, "200 OK", "", &content(), content().len()),
        _ => send(stream, "416 Range Not Satisfiable", "Content-Range: bytes */1200000\r\n", b"", 0),
    };
    let (place, server) = (Place::new(), Server::new(refuse));
    place.keep(&content());
    place.fetch_unseen(&server);
    assert_eq!(server.ranges(), ["bytes=1200000-"]);
    let (place, server) = (Place::new(), Server::new(refuse));
    place.keep(&[content(), vec![0]].concat());
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
    assert_eq!(server.ranges(), ["bytes=1200001-", "-"]);
}

impl Place {
    /// As [`Place::fetch`] where nothing is left to transfer.
    fn fetch_unseen(&self, server: &Server) {
        let url = format!("{}/file.gz", server.address);
        let download = Download { url: &url, to: &self.file(), md5: MD5, limit: 2_000_000 };
        assert_eq!(fetch(&download, &mut |_, _| {}).unwrap(), Fetched::Downloaded { before: 1_200_000 });
        assert_eq!(std::fs::read(self.file()).unwrap(), content());
    }
}

#[test]
fn a_server_that_sends_another_part_than_was_asked_for_is_not_believed() {
    // Once: the whole is asked for then.
    let server = Server::new(|request, stream| match start(request) {
        0 => send(stream, "200 OK", "", &content(), content().len()),
        _ => send_part(stream, &content(), 5, usize::MAX),
    });
    let place = Place::new();
    place.keep(&content()[..1000]);
    assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 0 });
    // Always: given up.
    let server = Server::new(|_, stream| send_part(stream, &content(), 5, usize::MAX));
    let error = Place::new().fetch(&server).unwrap_err().to_string();
    assert!(error.contains("parts that were not asked for"), "{error}");
}

#[test]
fn a_part_is_kept_until_something_better_has_arrived() {
    let part = &content()[..1000];
    type Answer = fn(&str, &mut TcpStream);
    let answers: [(&str, Answer); 7] = [
        ("another file", |_, stream| send(stream, "200 OK", "", b"sorry", 5)),
        ("less of the file", |_, stream| send(stream, "200 OK", "", &content(), 900)),
        ("no such part, then less of the file", |request, stream| match start(request) {
            0 => send(stream, "200 OK", "", &content(), 900),
            _ => send(stream, "416 Range Not Satisfiable", "", b"", 0),
        }),
        ("no such part ever", |_, stream| send(stream, "416 Range Not Satisfiable", "", b"", 0)),
        ("another part", |_, stream| send_part(stream, &content(), 5, usize::MAX)),
        ("too much", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[0; 1 << 16]).is_ok() {}
        }),
        ("too much announced", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000001\r\n\r\n");
        }),
    ];
    for (what, answer) in answers {
        let place = Place::new();
        place.keep(part);
        assert!(place.fetch(&Server::new(answer)).is_err(), "{what}");
        assert!(std::fs::read(place.part()).unwrap() == part, "{what}: the part was changed");
        assert!(!place.new_part().exists(), "{what}: something else was left");
        // The next call continues where the part ends.
        let server = Server::new(|request, stream| send_part(stream, &content(), start(request), usize::MAX));
        assert_eq!(place.fetch(&server).unwrap(), Fetched::Downloaded { before: 1000 }, "{what}");
    }
    // More of the file than the part takes its place, whatever the part was.
    let place = Place::new();
    place.keep(&[7; 1000]);
    let server = Server::new(|request, stream| match start(request) {
        0 | 1000 => send(stream, "200 OK", "", &content(), 1500),
        _ => send(stream, "503 Service Unavailable", "", b"", 0),
    });
    assert!(place.fetch(&server).is_err());
    assert!(std::fs::read(place.part()).unwrap() == content()[..1500]);
    assert_eq!(server.ranges(), ["bytes=1000-", "bytes=1500-"]);
}

#[cfg(unix)]
#[test]
fn an_unfinished_file_that_is_a_link_or_a_fifo_is_refused() {
    let server = Server::new(|_, stream| send(stream, "200 OK", "", &content(), content().len()));
    let place = Place::new();
    place.keep(b"");
    let victim = place.folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::fs::remove_file(place.part()).unwrap();
    std::os::unix::fs::symlink(&victim, place.part()).unwrap();
    let error = place.fetch(&server).unwrap_err().to_string();
    assert!(error.contains("file.gz.part: a symbolic link"), "{error}");
    std::fs::remove_file(place.part()).unwrap();
    assert!(Command::new("mkfifo").arg(place.part()).status().unwrap().success());
    assert!(place.fetch(&server).unwrap_err().to_string().contains("a FIFO"));
    std::fs::remove_file(place.part()).unwrap();
    // The same for the file beside it.
    place.keep(&[7; 10]);
    std::os::unix::fs::symlink(&victim, place.new_part()).unwrap();
    let error = place.fetch(&server).unwrap_err().to_string();
    assert!(error.contains("file.gz.new: a symbolic link"), "{error}");
    assert_eq!(
        (std::fs::read(&victim).unwrap(), std::fs::read(place.part()).unwrap()),
        (b"precious".to_vec(), vec![7; 10])
    );
}

#[test]
fn another_file_is_removed_and_refused() {
    let place = Place::new();
    let server = Server::new(|_, stream| send(stream, "200 OK", "", b"<html>log in first</html>", 25));
    let error = place.fetch(&server).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }));
    assert!(error.to_string().contains(&format!("the published one is {MD5}; it was removed")), "{error}");
    assert!(!place.file().exists() && !place.part().exists());
}

#[test]
fn errors_of_the_server_are_told_and_leave_nothing_behind() {
    for status in ["404 Not Found", "403 Forbidden", "500 Internal Server Error"] {
        let place = Place::new();
        let server = Server::new(move |_, stream| send(stream, status, "", b"sorry", 5));
        let error = place.fetch(&server).unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. }));
        assert!(error.to_string().contains(&format!("the server answered {status}")), "{error}");
        assert!(!place.part().exists());
    }
    // What came earlier stays, however.
    let place = Place::new();
    place.keep(&[1, 2, 3]);
    let server = Server::new(|_, stream| send(stream, "503 Service Unavailable", "", b"", 0));
    assert!(place.fetch(&server).is_err());
    assert_eq!(std::fs::read(place.part()).unwrap(), [1, 2, 3]);
}

#[test]
fn a_file_without_end_is_refused_by_its_header_and_by_its_bytes() {
    let by_header = Server::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000001\r\n\r\n");
    });
    let by_bytes = Server::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[0; 1 << 16]).is_ok() {}
    });
    for server in [by_header, by_bytes] {
        let place = Place::new();
        let error = place.fetch(&server).unwrap_err().to_string();
        assert!(error.contains("more than 2000000 bytes; this is not the file"), "{error}");
        assert!(!place.file().exists() && !place.part().exists());
    }
}

#[test]
fn a_second_download_of_the_same_file_waits_its_turn() {
    let place = Place::new();
    place.keep(b"");
    let held = std::fs::File::open(place.part()).unwrap();
    held.lock().unwrap();
    let server = Server::new(|_, stream| send(stream, "200 OK", "", &content(), content().len()));
    let error = place.fetch(&server).unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }) && server.ranges().is_empty(), "{error}");
}

#[test]
fn nobody_at_the_other_end_is_an_error_with_a_cure() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { address: format!("http://{address}"), requests: Arc::default() };
    let error = Place::new().fetch(&server).unwrap_err().to_string();
    assert!(error.contains("--url names another server"), "{error}");
}

/// The program without the proxies of this machine.
fn program(place: &Workplace, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    for proxy in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// Exit code and all that was said.
fn said(place: &Workplace, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(place, arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code(), text)
}

#[test]
fn the_program_fetches_verifies_and_lists() {
    let place = Workplace::new();
    let (code, text) = said(&place, &["data", "verify"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("cifar10: not here") && text.contains("mnist-test: not here"), "{text}");
    let (code, text) = said(&place, &["data", "verify", "cifar10"]);
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = said(&place, &["data", "list"]);
    assert!(code == Some(0) && text.contains("not here: anode data fetch cifar100"), "{text}");
    let (code, text) = said(&place, &["data", "fetch", "cifar10-jpeg"]);
    assert!(code == Some(2) && text.contains("[possible values: cifar10, cifar100, mnist-test]"), "{text}");

    let (_, text) = said(&place, &["man"]);
    assert!(text.contains("OPTIONS OF ANODE DATA FETCH") && text.contains("OPTIONS OF ANODE RUN"), "{text}");

    let wrong = Server::new(|_, stream| send(stream, "200 OK", "", b"nothing", 7));
    let (code, text) = said(&place, &["data", "fetch", "cifar10", "--url", &wrong.address]);
    assert!(code == Some(1) && text.contains("the published one is c32a1d4ab5d03f1284b67883e8d87530"), "{text}");
    let missing = Server::new(|_, stream| send(stream, "404 Not Found", "", b"", 0));
    let (code, text) = said(&place, &["data", "fetch", "cifar100", "--url", &format!("{}/", missing.address)]);
    assert!(code == Some(1) && text.contains("/cifar-100-binary.tar.gz: the server answered 404"), "{text}");

    // A damaged set is told by `verify`.
    place.write("data/cifar-10-binary.tar.gz", b"damaged");
    let (code, text) = said(&place, &["data", "verify"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("cifar10: wrong") && text.contains("missing or wrong: cifar10"), "{text}");
}

#[test]
fn the_program_fetches_mnist_from_a_mirror() {
    let Some(mnist) = data_folder(None).map(|data| data.join("mnist")).filter(|mnist| mnist.is_dir()) else {
        println!("skipped: no mnist in the data folder (ANODE_DATA, data or ../shared/data)");
        return;
    };
    let place = Workplace::new();
    let mirror = Server::new(move |request, stream| {
        let name = request.split_whitespace().nth(1).unwrap().trim_start_matches("/mirror/").to_owned();
        let bytes = std::fs::read(mnist.join(Path::new(&name).file_name().unwrap())).unwrap();
        send(stream, "200 OK", "", &bytes, bytes.len());
    });
    let url = format!("{}/mirror/", mirror.address);
    let (code, text) = said(&place, &["data", "fetch", "mnist-test", "--url", &url]);
    assert!(code == Some(0) && text.matches("downloaded, with the published MD5").count() == 2, "{text}");
    let (code, text) = said(&place, &["data", "verify", "mnist-test"]);
    assert!(code == Some(0) && text.contains("mnist-test: right: 10000 images and 10000 labels"), "{text}");
    let (code, text) = said(&place, &["data", "fetch", "mnist-test", "--url", &url, "--json"]);
    assert_eq!(documents::data(text.as_bytes(), "data-fetch").as_array().map(Vec::len), Some(2));
    assert!(code == Some(0) && text.contains("9fb629c4189551a2d022fa330f9573f3"), "{text}");
    assert_eq!(mirror.requests.lock().unwrap().len(), 2);
    // One wrong byte.
    let path = place.path("data/mnist/t10k-labels-idx1-ubyte.gz");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (code, text) = said(&place, &["--json", "data", "verify"]);
    assert!(code == Some(1) && text.contains("\"wrong\""), "{text}");
}

//! `ui`, as browsers and others talk to it: requests as bytes over a socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use velaria_workspace::{ArtifactIndex, Home, NewRun, Object, Outcome, Run, RunStatus, file_uri};

use crate::support::{ENDLESS, PATIENCE, wait_for};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A home with one run in it, and its pages.
struct Pages {
    folder: TempDir,
    server: Option<Child>,
    address: String,
    token: String,
    cookie: String,
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

impl Pages {
    fn new(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows: String = (1..=250).map(|n| format!("{n},name {n}\n")).collect();
        fs::write(folder.path().join("s.csv"), format!("n,name\n{rows}")).unwrap();
        let mut pages =
            Self { folder, server: None, address: String::new(), token: String::new(), cookie: String::new() };
        pages.start(options);
        pages
    }

    fn start(&mut self, options: &[&str]) {
        let mut server = self
            .command(&[&["ui"][..], options].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let document = first_document(&mut server);
        self.server = Some(server);
        let url = document["url"].as_str().unwrap().to_owned();
        let (address, token) = url.strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
        (self.address, self.token) = (address.to_owned(), token.to_owned());
        let welcome = self.ask("GET", &format!("/?token={token}"), "", "");
        assert_eq!(welcome.status, 200);
        self.cookie = welcome.header("set-cookie").split(';').next().unwrap().to_owned();
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
        command.args(args).env("VELARIA_HOME", self.home()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// A run of `query` that has ended: its id, and that of its result.
    fn run(&self, query: &str) -> (String, String) {
        let args = ["run", "start", "--run-name", "a name", "--", "csv-sql", "--csv", "s.csv", "--query", query];
        let document = document(&self.command(&args).output().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&document["run_id"]), text(&document["artifacts"][0]["artifact_id"]))
    }

    /// The answer to a request with these lines, without a cookie.
    fn ask(&self, method: &str, target: &str, lines: &str, body: &str) -> Answer {
        let host = format!("Host: {}\r\n", self.address);
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(
            format!("{method} {target} HTTP/1.1\r\n{host}{length}{lines}Connection: close\r\n\r\n{body}").as_bytes(),
        )
    }

    fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that has said no may close before it has read everything.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::parse(&String::from_utf8_lossy(&bytes))
    }

    /// The answer to what ends before it is a request.
    fn send_all(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::parse(&String::from_utf8_lossy(&bytes))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn lines(&self) -> String {
        format!("Cookie: {}\r\n", self.cookie)
    }

    fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &self.lines(), "")
    }

    fn post(&self, target: &str, body: &str) -> Answer {
        let lines = format!("{}Origin: http://{}\r\n{FORM}", self.lines(), self.address);
        self.ask("POST", target, &lines, body)
    }

    fn sql(&self, query: &str) -> Answer {
        self.post("/sql", &format!("sql={}", escaped(query)))
    }
}

/// A status, header lines and what follows.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key == &name);
        line.map(|(_, value)| value).unwrap_or_default()
    }
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the server prints before it serves.
fn first_document(server: &mut Child) -> Value {
    let mut lines = BufReader::new(server.stdout.as_mut().unwrap()).lines();
    let mut text = String::new();
    loop {
        let line = lines.next().unwrap().unwrap();
        text += &line;
        if line == "}" {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_run_can_be_looked_at_from_the_list_to_its_rows() {
    let pages = Pages::new(&[]);
    let (run, artifact) = pages.run("SELECT n, name FROM input_table WHERE name <> '<script>' ORDER BY n");
    let list = pages.get("/");
    assert!(list.status == 200 && list.body.contains(&format!("href=\"/run/{run}\"")), "{}", list.body);
    assert!(list.body.contains("a name") && pages.get("/?status=failed").body.contains("There are no such runs"));
    let page = pages.get(&format!("/run/{run}"));
    assert!(page.body.contains(&format!("href=\"/artifact/{artifact}\"")), "{}", page.body);
    assert!(page.body.contains("&lt;script&gt;") && !page.body.contains("<script>"), "{}", page.body);
    let report = pages.get(&format!("/run/{run}/report.html"));
    assert!(report.header("content-disposition").contains(&run) && report.body.contains("default-src 'none'"));

    let first = pages.get(&format!("/artifact/{artifact}"));
    assert!(first.body.contains("rows 1 to 100 of 250") && first.body.contains("name 100<"), "{}", first.body);
    assert!(!first.body.contains("name 101<") && first.body.contains(&format!("/artifact/{artifact}?offset=200")));
    let last = pages.get(&format!("/artifact/{artifact}?offset=200"));
    assert!(last.body.contains("rows 201 to 250 of 250") && !last.body.contains("rel=\"next\""), "{}", last.body);
    let small = pages.get(&format!("/artifact/{artifact}?offset=7&limit=2"));
    assert!(small.body.contains("rows 8 to 9 of 250") && !small.body.contains("name 7<"), "{}", small.body);
    for odd in ["offset=99999999999999999999", "offset=-1", "offset=18446744073709551615&limit=0", "offset=x&limit=%ff"]
    {
        assert_eq!(pages.get(&format!("/artifact/{artifact}?{odd}")).status, 200, "{odd}");
    }
    assert!(pages.get("/artifacts?tag=result").body.contains(&artifact));
    assert_eq!((pages.get("/ui.js").status, pages.get("/ui.css").status), (200, 200));
}

#[test]
fn a_query_reads_artifacts_and_nothing_else() {
    let pages = Pages::new(&["--max-rows", "5"]);
    let (run, artifact) = pages.run("SELECT n, name FROM input_table");
    let by_id = pages.sql(&format!("SELECT SUM(n) AS total FROM {artifact}"));
    assert!(by_id.status == 200 && by_id.body.contains("31375"), "{}", by_id.body);
    let by_name = pages.post("/sql", &format!("run={run}&sql={}", escaped("SELECT COUNT(*) + 4000 AS n FROM result")));
    assert!(by_name.body.contains("4250"), "{}", by_name.body);
    assert!(pages.sql(&format!("SELECT * FROM {artifact}")).body.contains("The first 5 rows"));
    assert!(pages.get(&format!("/sql?run={run}")).body.contains("FROM result"));

    let place = pages.folder.path().display().to_string();
    let result = pages.home().join("runs").join(&run).join("artifacts/result.parquet").display().to_string();
    for query in [
        "SELECT * FROM '/etc/passwd'".to_owned(),
        format!("SELECT * FROM '{place}/s.csv'"),
        format!("SELECT * FROM '{place}/home/runs/{run}/run.json'"),
        format!("SELECT * FROM '{result}/../../run.json'"),
        format!("COPY (SELECT 1) TO '{place}/out.csv'"),
        format!("COPY (SELECT * FROM {artifact}) TO '{result}'"),
        format!("INSERT INTO {artifact} VALUES (1, 'x')"),
        format!("DROP VIEW {artifact}"),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        format!("CREATE SINK TABLE t (a INT) USING csv OPTIONS (path '{place}/out.csv')"),
        "SELECT".to_owned(),
        " ".to_owned(),
    ] {
        let answer = pages.sql(&query);
        assert!((400..500).contains(&answer.status), "{query}: {} {}", answer.status, answer.body);
        assert!(answer.body.contains("role=\"alert\"") && !answer.body.contains("root:"), "{query}: {}", answer.body);
    }
    assert!(!Path::new(&place).join("out.csv").exists());
    assert!(pages.sql(&format!("SELECT SUM(n) AS total FROM {artifact}")).body.contains("31375"));
}

#[test]
fn only_named_files_are_open_beside_artifacts() {
    let pages = Pages::new(&["--allow-path", "s.csv"]);
    let answer = pages.sql("SELECT COUNT(*) + 4000 AS n FROM 's.csv'");
    assert!(answer.body.contains("4250"), "{}", answer.body);
    assert_eq!(pages.sql("SELECT * FROM '/etc/passwd'").status, 403);
    let closed = Pages::new(&["--no-sql"]);
    assert_eq!((closed.get("/sql").status, closed.sql("SELECT 1").status), (403, 403));
    assert!(!closed.get("/").body.contains("/sql"));
}

#[test]
fn strangers_are_sent_away() {
    let pages = Pages::new(&[]);
    let own = format!("Host: {}\r\nConnection: close\r\n", pages.address);
    let cookie = pages.lines();
    let origin = format!("Origin: http://{}\r\n", pages.address);
    let port = pages.address.rsplit(':').next().unwrap().to_owned();
    let post = |lines: &str| format!("POST /sql HTTP/1.1\r\n{own}{lines}Content-Length: 12\r\n{FORM}\r\nsql=SELECT+1");
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
    let (close, token) = ("Connection: close\r\n", format!("/?token={}", pages.token));
    for (request, status) in [
        // Without the token, or with another one.
        (get("/", &own), 401),
        (get("/ui.js", &own), 401),
        (get("/?token=", &own), 401),
        (get(&format!("/?token={}", "0".repeat(64)), &own), 401),
        (get(&token[..token.len() - 1], &own), 401),
        (get("/", &format!("{own}Cookie: velaria_{port}={}\r\n", pages.token)), 401),
        (get("/run/20261121T073807Z_41f61f86", &own), 401),
        // A name that leads to this machine.
        (get("/", &format!("Host: evil.example:{port}\r\n{close}{cookie}")), 421),
        (get(&token, &format!("Host: evil.example:{port}\r\n{close}")), 421),
        (get(&token, &format!("Host: 127.0.0.1\r\n{close}")), 421),
        (get(&format!("http://evil.example{token}"), &own), 421),
        (get(&token, &format!("{own}{own}")), 421),
        // Pages of others.
        (get("/", &format!("{own}{cookie}Origin: http://evil.example\r\n")), 403),
        (get("/", &format!("{own}{cookie}Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n")), 403),
        (post(&cookie), 403),
        (post(&format!("{cookie}Origin: null\r\n")), 403),
        (post(&format!("{cookie}Origin: http://evil.example\r\n")), 403),
        (post(&format!("{cookie}Origin: http://127.0.0.1:1\r\n")), 403),
        (post(&origin), 401),
    ] {
        let answer = pages.send(request.as_bytes());
        assert_eq!(answer.status, status, "{request}");
        assert!(!answer.head.contains("set-cookie") && answer.header("content-security-policy").contains("'none'"));
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    let welcome = pages.send(get(&token, &own).as_bytes());
    let cookie = welcome.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(&pages.token),
        "{cookie}"
    );
    assert!(!welcome.body.contains(&pages.token) && welcome.body.contains("\"0;url=/\""), "{}", welcome.body);
    let elsewhere = pages.send(get(&format!("{token}&next=//evil.example/"), &own).as_bytes());
    assert!(elsewhere.body.contains("\"0;url=/\""), "{}", elsewhere.body);
    assert_eq!(pages.get("/").status, 200);
}

#[test]
fn odd_paths_and_ids_lead_nowhere() {
    let pages = Pages::new(&[]);
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/run/../../../etc/passwd",
        "/run/%2e%2e%2f%2e%2e",
        "/run/20261121T073807Z_41f61f86",
        "/run/20261121T073807Z_41f61f86/live",
        "/run/20261121T073807Z_41f61f86%00",
        "/run/'%20OR%201=1",
        "/artifact/..%2F..%2Fetc%2Fpasswd",
        "/artifact/%2Fetc%2Fpasswd",
        "/artifact/x'%20OR%20'1'='1",
        "/artifact/%ff",
        "/artifact/file:%2F%2F%2Fetc%2Fpasswd",
        "/sql?run=../../x",
        "/favicon.ico",
        "//",
    ] {
        let answer = pages.get(path);
        let live = path.ends_with("/live") && answer.body.contains("\"ended\":true");
        assert!(live || answer.status == 404, "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("root:"), "{path}");
    }
    for (method, path) in
        [("PUT", "/"), ("DELETE", "/run/20261121T073807Z_41f61f86"), ("POST", "/"), ("OPTIONS", "/sql")]
    {
        let lines = format!("{}Origin: http://{}\r\n", pages.lines(), pages.address);
        assert_eq!(pages.ask(method, path, &lines, "").status, 405, "{method} {path}");
    }
}

#[test]
fn an_index_that_was_changed_opens_no_other_file() {
    let pages = Pages::new(&[]);
    let (run, _) = pages.run("SELECT 1 AS one");
    let home = Home::at(pages.home()).unwrap();
    let index = ArtifactIndex::open(&home).unwrap();
    let dir = home.runs_dir().join(&run).join("artifacts");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", dir.join("link.csv")).unwrap();
    fs::write(pages.folder.path().join("secret.csv"), "a\nplanted\n").unwrap();
    for (number, uri) in [
        "file:///etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        file_uri(&dir.join("link.csv")).unwrap(),
        file_uri(&dir.join("../../../../secret.csv")).unwrap(),
        file_uri(&pages.folder.path().join("secret.csv")).unwrap(),
        file_uri(&home.index_dir().join("artifacts.sqlite")).unwrap(),
    ]
    .iter()
    .enumerate()
    {
        for format in ["csv", "text", "parquet"] {
            let id = format!("artifact_{number:015x}{}", format.len());
            let artifact = json!({
                "artifact_id": id, "run_id": run, "created_at": "2026-11-21T00:00:00Z", "type": "file", "uri": uri,
                "format": format, "row_count": null, "schema_json": null, "preview_json": null, "tags_json": ["<b>"],
            });
            let Value::Object(artifact) = artifact else { panic!("no object") };
            index.insert_artifact(&artifact).unwrap();
            for answer in [pages.get(&format!("/artifact/{id}")), pages.sql(&format!("SELECT * FROM {id}"))] {
                assert!((400..500).contains(&answer.status), "{uri} {format}: {} {}", answer.status, answer.body);
                assert!(!answer.body.contains("root:") && !answer.body.contains("planted"), "{uri} {format}");
            }
        }
    }
    let list = pages.get("/artifacts");
    assert!(list.status == 200 && list.body.contains("&lt;b&gt;") && !list.body.contains("<b>"), "{}", list.body);
}

#[test]
fn what_is_no_request_ends_nothing() {
    let pages = Pages::new(&[]);
    let own = format!("Host: {}\r\n{}Origin: http://{}\r\n", pages.address, pages.lines(), pages.address);
    let long = "a".repeat(1 << 20);
    for request in [
        String::new(),
        "\0\0\0\0".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\n{own}\r\n"),
        format!("GET / HTTP/1.1\r\nX: {long}\r\n{own}\r\n"),
        format!("GET / HTTP/1.1\r\n{}{own}\r\n", "X: y\r\n".repeat(5000)),
        format!("GET / HTTP/1.1\r\n{own}Cookie: \u{1}\r\n\r\n"),
        format!("POST /sql HTTP/1.1\r\n{own}{FORM}Content-Length: -1\r\n\r\n"),
        format!("POST /sql HTTP/1.1\r\n{own}{FORM}Content-Length: 99999999999999999999\r\n\r\n"),
        format!("POST /sql HTTP/1.1\r\n{own}{FORM}Content-Length: 100\r\n\r\nsql=SELECT"),
        format!("POST /sql HTTP/1.1\r\n{own}{FORM}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("POST /sql HTTP/1.1\r\n{own}{FORM}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let answer = pages.send_all(request.as_bytes());
        assert!(answer.status == 0 || answer.status >= 400, "{:.80}: {}", request, answer.status);
    }
    let body = format!("sql={long}");
    let lines = format!("{}Origin: http://{}\r\n", pages.lines(), pages.address);
    let large = pages.ask("POST", "/sql", &format!("{lines}{FORM}"), &body);
    assert!(matches!(large.status, 0 | 413), "{}", large.status);
    let json = pages.ask("POST", "/sql", &format!("{lines}Content-Type: application/json\r\n"), "{}");
    assert_eq!(json.status, 415);
    assert_eq!(pages.get("/").status, 200);
}

#[test]
fn a_query_ends_with_the_connection_that_asked_for_it() {
    let pages = Pages::new(&["--timeout", "1000"]);
    let body = format!("sql={}", escaped(ENDLESS));
    let lines = format!("{}Origin: http://{}\r\n{FORM}", pages.lines(), pages.address);
    let request =
        format!("POST /sql HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: {}\r\n\r\n{body}", pages.address, body.len());
    // As many as are answered at the same time: the page below has its turn when these have ended.
    let waiting: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = pages.connect();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    drop(waiting);
    assert_eq!(pages.get("/").status, 200);
}

#[test]
fn a_query_has_its_time() {
    let pages = Pages::new(&["--timeout", "0.2"]);
    let answer = pages.sql(ENDLESS);
    assert!(answer.status == 400 && answer.body.contains("VEL-8003"), "{} {}", answer.status, answer.body);
}

/// The next part of a page, which is one line.
fn part(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<Value> {
    let line = lines.map(Result::unwrap).find(|line| line.starts_with("data:"))?;
    Some(serde_json::from_str(line.strip_prefix("data:").unwrap().trim()).unwrap())
}

#[test]
fn a_page_is_told_of_what_its_run_does_until_it_ends() {
    let pages = Pages::new(&[]);
    let home = Home::at(pages.home()).unwrap();
    let new = NewRun { action: "stream-sql-once".to_owned(), args: Object::new(), ..NewRun::default() };
    let run = Run::create(&home, &new).unwrap();
    let page = pages.get(&format!("/run/{}", run.id()));
    assert!(page.body.contains(&format!("data-live=\"/run/{}/live\"", run.id())), "{}", page.body);

    let mut stream = pages.connect();
    let lines = format!("Host: {}\r\n{}Connection: close\r\n", pages.address, pages.lines());
    stream.write_all(format!("GET /run/{}/live HTTP/1.1\r\n{lines}\r\n", run.id()).as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    let first = part(&mut lines).unwrap();
    assert_eq!((&first["ended"], first["html"].as_str().unwrap().contains("running")), (&json!(false), true));
    run.append_stderr("a line of the log\n").unwrap();
    while !part(&mut lines).unwrap()["html"].as_str().unwrap().contains("a line of the log") {}
    run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap();
    let last = loop {
        let part = part(&mut lines).unwrap();
        if part["ended"] == json!(true) {
            break part;
        }
    };
    assert!(last["html"].as_str().unwrap().contains("succeeded"), "{last}");
    assert!(part(&mut lines).is_none());
    assert!(!pages.get(&format!("/run/{}", run.id())).body.contains("data-live"));
}

#[test]
fn a_run_is_cancelled_only_where_that_was_allowed() {
    let mut pages = Pages::new(&[]);
    let args = ["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", ENDLESS];
    let mut command = pages.command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let run = wait_for(|| {
        let run = fs::read_dir(pages.home().join("runs")).ok()?.next()?.ok()?;
        let owner: Value = serde_json::from_slice(&fs::read(run.path().join("_owner.json")).ok()?).ok()?;
        (owner["pid"].as_u64()? != u64::from(command.id())).then(|| run.file_name().to_string_lossy().into_owned())
    });
    let path = format!("/run/{run}/cancel");
    assert!(!pages.get(&format!("/run/{run}")).body.contains(&path));
    assert_eq!((pages.post(&path, "").status, pages.get(&path).status), (403, 405));
    assert_eq!(pages.post(&path, "x=1").status, 403);
    let mut before = pages.server.take().unwrap();
    before.kill().unwrap();
    before.wait().unwrap();

    pages.start(&["--allow-cancel"]);
    assert!(pages.get(&format!("/run/{run}")).body.contains(&path));
    let answer = pages.post(&path, "x=1");
    assert_eq!((answer.status, answer.header("location")), (303, format!("/run/{run}").as_str()), "{}", answer.body);
    command.wait().unwrap();
    assert!(pages.get(&format!("/run/{run}")).body.contains("cancelled"));
    assert_eq!(pages.post(&path, "x=1").status, 400);
}

#[cfg(unix)]
#[test]
fn an_interrupt_is_how_it_ends() {
    let mut pages = Pages::new(&[]);
    let mut server = pages.server.take().unwrap();
    let mut stream = pages.connect();
    let lines = format!("Host: {}\r\n{}", pages.address, pages.lines());
    stream.write_all(format!("GET /live HTTP/1.1\r\n{lines}\r\n").as_bytes()).unwrap();
    assert!(part(&mut BufReader::new(stream).lines()).is_some());
    assert!(Command::new("kill").args(["-INT", &server.id().to_string()]).status().unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let pages = Pages::new(&[]);
    let port = pages.address.rsplit(':').next().unwrap();
    let output = pages.command(&["ui", "--port", port]).output().unwrap();
    assert_eq!((output.status.code(), &document(&output)["ok"]), (Some(1), &json!(false)));
    for args in [&["ui", "--timeout", "0"][..], &["ui", "--max-rows", "0"], &["ui", "--port", "70000"]] {
        assert_eq!(document(&pages.command(args).output().unwrap())["error_type"], "usage_error", "{args:?}");
    }
}

//! The shell: typed into through a terminal, and fed by a pipe.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with two people, and a home that is not there yet.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("people.csv"), "name,score\nalice,10\nbob,22.5\n").unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
        command.arg("shell").args(args).current_dir(self.path());
        command
            .env_remove("CLICOLOR_FORCE")
            .env("VELARIA_HOME", self.home())
            .env("NO_COLOR", "1")
            .env("TERM", "xterm")
            .env("PAGER", "cat");
        command
    }

    /// What becomes of `script` on standard input.
    fn fed(&self, args: &[&str], script: &str) -> Output {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // A shell that has ended reads no more.
        let _ = input.write_all(script.as_bytes());
        drop(input);
        child.wait_with_output().unwrap()
    }

    fn fed_well(&self, args: &[&str], script: &str) -> String {
        let output = self.fed(args, script);
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
        out(&output)
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_script_shows_its_results_in_one_format() {
    let place = Place::new();
    let script =
        "\u{feff}-- people\nSELECT name\nFROM people\nORDER BY name;\n\nSELECT ';' AS semicolon; SELECT 2 AS two";
    assert_eq!(place.fed_well(&["people.csv", "-o", "csv"], script), "name\nalice\nbob\nsemicolon\n;\ntwo\n2\n");
    assert_eq!(
        place.fed_well(&["p=people.csv", "-o", "ndjson"], "SELECT score FROM p;"),
        "{\"score\":10.0}\n{\"score\":22.5}\n"
    );
    assert!(!place.home().exists());
}

#[test]
fn what_a_statement_did_is_told_to_people_only() {
    let place = Place::new();
    let script = "CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1), (2);\nSELECT COUNT(*) AS n FROM t;\n";
    assert_eq!(place.fed_well(&["-o", "csv"], script), "n\n2\n");
    let told = place.fed_well(&["-o", "table"], script);
    assert!(told.starts_with("create table done\ninsert done, 2 rows\n┌"), "{told}");
}

#[test]
fn a_script_ends_at_its_first_error_and_says_where() {
    let place = Place::new();
    let script = "SELECT 1 AS one;\n\nSELECT\n  nmae FROM people;\nSELECT 2 AS two;\n";
    let output = place.fed(&["people.csv", "-o", "csv"], script);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), "one\n1\n"));
    let err = err(&output);
    assert!(err.starts_with("error: column not found: nmae [VEL-2001]\nline 4:   nmae FROM people\n"), "{err}");
    assert!(err.contains("hint: did you mean") && err.ends_with("\nat line 3\n"), "{err}");

    let output = place.fed(&["people.csv", "-o", "csv", "--keep-going"], script);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), "one\n1\ntwo\n2\n"));
}

#[test]
fn a_script_reads_files_and_other_scripts() {
    let place = Place::new();
    fs::write(
        place.path().join("inner.sql"),
        ".open 'people.csv' AS folk header=true\nSELECT MAX(score) AS best FROM folk",
    )
    .unwrap();
    let output = place.fed(&["-o", "csv"], ".read inner.sql\nSELECT MIN(score) AS least FROM folk;\n");
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "best\n22.5\nleast\n10.0\n"));

    fs::write(place.path().join("loop.sql"), "SELECT 1;\n.read loop.sql\n").unwrap();
    let output = place.fed(&["-o", "csv"], ".read loop.sql\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("error: files read each other: loop.sql [VEL-7001]\n"), "{}", err(&output));
    assert!(err(&output).contains("\nat loop.sql:2\n"), "{}", err(&output));

    let output = place.fed(&[], ".read nosuch.sql\n");
    assert!(err(&output).starts_with("error: file not found: nosuch.sql [VEL-6001]\n"), "{}", err(&output));
}

#[test]
fn dot_commands_show_names_plans_and_settings() {
    let place = Place::new();
    let shown = place.fed_well(
        &["people.csv", "-o", "csv"],
        ".tables\n.schema people\n.schema\n.mode ndjson\n.explain SELECT name FROM people;\n",
    );
    let (csv, plan) = shown.split_at(shown.find("{\"plan\"").unwrap());
    assert_eq!(
        csv,
        "name,kind\npeople,view\ncolumn_name,column_type,null,key,default\nname,STRING,YES,,\nscore,DOUBLE,YES,,\n\
         table_name,column_name,column_type,null,key,default\npeople,name,STRING,YES,,\npeople,score,DOUBLE,YES,,\n"
    );
    assert!(plan.starts_with("{\"plan\":\"logical\"}\n"), "{plan}");
    for (wrong, message) in [
        (".nosuch", "no such command: .nosuch"),
        (".mode xml", "no such format: xml"),
        (".timer maybe", "neither on nor off: maybe"),
        (".maxrows -1", "not a number of rows: -1"),
        (".open", "write .open FILE [AS NAME] [KEY=VALUE …]"),
        (".read a b", "write .read FILE"),
        (".open 'x", "a quote is open: 'x"),
    ] {
        let output = place.fed(&[], &format!("{wrong}\n"));
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(err(&output).starts_with(&format!("error: {message} [VEL-7001]\n")), "{}", err(&output));
    }
}

#[test]
fn results_go_into_a_file_that_is_new_or_may_be_replaced() {
    let place = Place::new();
    let script = ".output out.csv\nSELECT 1 AS one;\nSELECT 2 AS two;\n.output\nSELECT 3 AS three;\n";
    assert_eq!(place.fed_well(&["-o", "csv"], script), "three\n3\n");
    assert_eq!(fs::read_to_string(place.path().join("out.csv")).unwrap(), "one\n1\ntwo\n2\n");
    let again = place.fed(&["-o", "csv"], script);
    assert!(err(&again).starts_with("error: the file exists already: out.csv [VEL-6003]\n"), "{}", err(&again));
    let forced = ".output --force out.csv\nSELECT 4 AS four;\n";
    assert_eq!(place.fed_well(&["-o", "csv"], forced), "");
    assert_eq!(fs::read_to_string(place.path().join("out.csv")).unwrap(), "four\n4\n");

    let whole = ".mode parquet\n.output out.parquet\nSELECT 5 AS five;\nSELECT 6 AS six;\n";
    let twice = place.fed(&[], whole);
    assert!(err(&twice).starts_with("error: a file of this format holds one result [VEL-7001]\n"), "{}", err(&twice));
    assert_eq!(place.fed_well(&["-o", "csv"], "SELECT * FROM 'out.parquet';"), "five\n5\n");
}

#[test]
fn limits_hold_for_what_the_shell_itself_opens() {
    let place = Place::new();
    let outside = place.path().parent().unwrap().join("velaria-nowhere.csv");
    let refused = [
        (&["--read-only"][..], ".output out.csv\n".to_owned()),
        (&["--allow-path", "people.csv"], ".output out.csv\n".to_owned()),
        (&["--allow-path", "."], format!(".output {}\n", outside.display())),
        (&["--allow-path", "people.csv"], ".read /etc/hostname\n".to_owned()),
        (&["--allow-path", "people.csv"], ".open /etc/hostname\n".to_owned()),
    ];
    for (args, script) in refused {
        let output = place.fed(args, &script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        assert!(err(&output).contains("[VEL-6004]"), "{script}: {}", err(&output));
    }
    assert!(!place.path().join("out.csv").exists() && !outside.exists());
    assert_eq!(place.fed_well(&["--allow-path", ".", "-o", "csv"], ".output out.csv\nSELECT 1 AS one;\n"), "");
}

#[test]
fn a_file_replaces_a_view_and_never_a_table() {
    let place = Place::new();
    let output =
        place.fed(&["people.csv", "-o", "csv"], "CREATE TABLE t (a INT);\n.open people.csv\n.open people.csv AS t\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).ends_with("at line 3\n") && err(&output).contains("table already exists: t [VEL-4002]"),
        "{}",
        err(&output)
    );
    let missing = place.fed(&["nosuch.csv"], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        err(&missing).starts_with("error: cannot stat source file: ")
            && err(&missing).contains("nosuch.csv [VEL-6001]"),
        "{}",
        err(&missing)
    );
}

#[test]
fn a_stream_runs_until_it_has_its_rows() {
    let place = Place::new();
    fs::create_dir(place.path().join("in")).unwrap();
    fs::copy(place.path().join("people.csv"), place.path().join("in/a.csv")).unwrap();
    let script = "CREATE SOURCE TABLE src (name STRING, score DOUBLE) USING csv OPTIONS (path: 'in/', settle_ms: 0);\n\
                  CREATE SINK TABLE best (name STRING) USING csv OPTIONS (path: 'best.csv');\n\
                  INSERT INTO best SELECT name FROM src WHERE score > 5 LIMIT 2 OPTIONS (trigger_interval_ms: 0);\n\
                  SELECT * FROM 'best.csv' ORDER BY name;\n";
    let output = place.fed(&["-o", "csv"], script);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "name\nalice\nbob\n"), "{}", err(&output));
    assert!(err(&output).starts_with("the stream ") && err(&output).contains("2 rows out"), "{}", err(&output));
}

#[cfg(unix)]
mod typed {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;
    use std::time::{Duration, Instant};

    use expectrl::process::unix::WaitStatus;
    use expectrl::session::OsSession;
    use expectrl::{Eof, Expect, Session};

    use super::*;

    const ENDLESS: &str = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9;";
    const PROMPT: &str = "velaria> ";
    const CTRL_C: &str = "\x03";
    const CTRL_D: &str = "\x04";
    const UP: &str = "\x1b[A";
    /// What has not happened by then does not happen.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A shell behind a terminal of 24 rows. It is so wide that no line is wrapped: each wrap shows the prompt once more.
    struct Terminal {
        session: OsSession,
    }

    impl Terminal {
        fn open(command: &Command) -> Self {
            let mut terminal = Self::begin(command);
            terminal.sees(PROMPT);
            terminal
        }

        fn begin(command: &Command) -> Self {
            let mut sized = Command::new("sh");
            sized.args(["-c", "stty cols 200 rows 24; exec \"$0\" \"$@\""]).arg(command.get_program());
            sized.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => sized.env(name, value),
                    None => sized.env_remove(name),
                };
            }
            let mut session = Session::spawn(sized).unwrap();
            session.set_expect_timeout(Some(PATIENCE));
            Self { session }
        }

        fn keys(&mut self, keys: &str) {
            self.session.send(keys).unwrap();
        }

        /// Types a line, and presses Enter.
        fn line(&mut self, text: &str) {
            self.keys(&format!("{text}\r"));
        }

        /// Waits for `text`; what came before it.
        fn sees(&mut self, text: &str) -> String {
            let found = self.session.expect(text).unwrap_or_else(|error| panic!("{text:?} is not seen: {error}"));
            String::from_utf8_lossy(found.before()).into_owned()
        }

        /// Waits for the end; the exit code.
        fn ends(mut self) -> i32 {
            self.session.expect(Eof).unwrap();
            let began = Instant::now();
            loop {
                match self.session.get_process().status().unwrap() {
                    WaitStatus::Exited(_, code) => return code,
                    WaitStatus::StillAlive => {}
                    other => panic!("it did not end by itself: {other:?}"),
                }
                assert!(began.elapsed() < PATIENCE, "it goes on");
                thread::sleep(Duration::from_millis(10));
            }
        }

        fn leaves(mut self) {
            self.keys(CTRL_D);
            assert_eq!(self.ends(), 0);
        }
    }

    #[test]
    fn a_statement_may_have_many_lines_and_ctrl_d_leaves() {
        let place = Place::new();
        let mut terminal = Terminal::open(&place.command(&["people.csv"]));
        terminal.line("SELECT upper(name)");
        terminal.line("AS loud FROM people");
        terminal.line("WHERE score > 20;");
        terminal.sees("BOB");
        terminal.sees("1 row");
        terminal.sees(PROMPT);
        terminal.line("SELECT nosuch FROM people;");
        terminal.sees("error: column not found: nosuch [VEL-2001]");
        terminal.sees(PROMPT);
        terminal.line("CREATE TABLE t AS SELECT 1 AS a; SELECT a + 41 AS answer FROM t;");
        terminal.sees("create table done");
        terminal.sees("42");
        terminal.sees(PROMPT);
        terminal.leaves();
    }

    #[test]
    fn tab_completes_names_keywords_commands_and_files() {
        let place = Place::new();
        let mut terminal = Terminal::open(&place.command(&["people.csv", "-o", "csv"]));
        terminal.keys("sele\t upper(nam\t) AS loud fro\t peo\t;\r");
        terminal.sees("ALICE");
        terminal.sees(PROMPT);
        terminal.keys("SELECT rever\t'cba') AS r;\r");
        terminal.sees("abc");
        terminal.sees(PROMPT);
        terminal.keys(".tab\t\r");
        terminal.sees("people,view");
        terminal.sees(PROMPT);
        terminal.keys("SELECT 40 + COUNT(*) AS n FROM 'peop\t;\r");
        terminal.sees("42");
        terminal.sees(PROMPT);
        // A name that a statement has just made.
        terminal.line("CREATE TABLE zebras (zigzags INT);");
        terminal.sees(PROMPT);
        terminal.keys("INSERT INTO zeb\t VALUES (77); SELECT 1 + zig\t AS s FROM zebras;\r");
        terminal.sees("78");
        terminal.sees(PROMPT);
        terminal.leaves();
    }

    #[test]
    fn ctrl_c_clears_what_is_typed_and_cancels_what_runs() {
        let place = Place::new();
        let mut terminal = Terminal::open(&place.command(&["people.csv"]));
        terminal.line("SELECT 'never closed");
        terminal.keys("and more");
        terminal.sees("and more");
        terminal.keys(CTRL_C);
        terminal.sees(PROMPT);
        terminal.line("CREATE TABLE kept AS SELECT 6 AS a;");
        terminal.sees("create table done");
        terminal.sees(PROMPT);
        for _ in 0..3 {
            terminal.line(&format!("SELECT a * 7 AS answer FROM kept; {ENDLESS}"));
            terminal.sees("42");
            terminal.sees("1 row");
            terminal.keys(CTRL_C);
            terminal.sees("cancelled");
            terminal.sees(PROMPT);
        }
        terminal.leaves();
    }

    #[test]
    fn what_was_typed_is_there_again_without_its_secrets() {
        let place = Place::new();
        let history = place.home().join("history");
        let mut command = place.command(&["-o", "csv"]);
        command.env("CANARY_TOKEN", "canary-in-the-environment");
        let mut terminal = Terminal::open(&command);
        terminal.line("SELECT 'canary-in-the-environment' AS a;");
        terminal.sees(PROMPT);
        terminal.line(".open people.csv AS p password=canary-on-the-line");
        terminal.sees(PROMPT);
        terminal.line("SELECT 40");
        terminal.line("+ 2 AS answer;");
        terminal.sees("42");
        terminal.sees(PROMPT);
        terminal.leaves();
        let kept = fs::read_to_string(&history).unwrap();
        assert!(kept.contains("AS p password=***") && !kept.contains("canary"), "{kept}");
        assert_eq!(fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);

        let mut terminal = Terminal::open(&place.command(&["-o", "csv"]));
        terminal.keys(UP);
        terminal.sees("AS answer;");
        terminal.keys("\r");
        terminal.sees("answer\r\n42");
        terminal.sees(PROMPT);
        terminal.leaves();

        fs::remove_file(&history).unwrap();
        let mut terminal = Terminal::open(&place.command(&["--no-history"]));
        terminal.line("SELECT 40 + 2 AS answer;");
        terminal.sees("42");
        terminal.sees(PROMPT);
        terminal.leaves();
        assert!(!history.exists());
    }

    #[test]
    fn a_home_that_cannot_be_costs_the_history_and_nothing_else() {
        let place = Place::new();
        fs::write(place.home(), "").unwrap();
        let mut terminal = Terminal::begin(&place.command(&[]));
        terminal.sees("warning: there is no history: ");
        terminal.sees(PROMPT);
        terminal.line("SELECT 40 + 2 AS answer;");
        terminal.sees("42");
        terminal.leaves();
    }

    #[test]
    fn settings_change_what_is_shown() {
        let place = Place::new();
        let mut terminal = Terminal::open(&place.command(&["people.csv"]));
        terminal.line(".help");
        terminal.sees(".explain QUERY");
        terminal.sees(PROMPT);
        terminal.line(".mode csv");
        terminal.sees(PROMPT);
        terminal.line("SELECT name, score FROM people ORDER BY name LIMIT 1;");
        terminal.sees("alice,10.0");
        terminal.sees(PROMPT);
        terminal.line(".timer on");
        terminal.sees(PROMPT);
        terminal.line("SELECT 40 + 2 AS answer;");
        terminal.sees("42");
        terminal.sees("time: ");
        terminal.sees(PROMPT);
        terminal.line(".mode table");
        terminal.sees(PROMPT);
        terminal.line(".explain SELECT name FROM people");
        terminal.sees("physical");
        terminal.sees(PROMPT);
        terminal.line("quit");
        assert_eq!(terminal.ends(), 0);
    }

    #[test]
    fn what_is_longer_than_the_screen_goes_through_the_pager() {
        let place = Place::new();
        let mut command = place.command(&[]);
        command.env("PAGER", "sed s/^/paged:/");
        let mut terminal = Terminal::open(&command);
        terminal.line("SELECT 40 + 2 AS short;");
        assert!(!terminal.sees("1 row").contains("paged:"));
        terminal.sees(PROMPT);
        terminal.line("SELECT * FROM range(30);");
        terminal.sees("paged:30 rows");
        terminal.sees(PROMPT);
        terminal.line(".pager off");
        terminal.sees(PROMPT);
        terminal.line("SELECT * FROM range(31);");
        assert!(!terminal.sees("31 rows").contains("paged:"));
        terminal.sees(PROMPT);
        terminal.leaves();
    }

    #[test]
    fn a_pager_that_is_not_there_is_not_missed() {
        let place = Place::new();
        let mut command = place.command(&[]);
        command.env("PAGER", "velaria-no-such-pager");
        let mut terminal = Terminal::open(&command);
        terminal.line("SELECT * FROM range(30);");
        terminal.sees("30 rows");
        terminal.sees(PROMPT);
        terminal.leaves();
    }

    #[test]
    fn a_signal_ends_a_shell_that_waits() {
        let signals = [("-TERM", 143), ("-HUP", 129)];
        for (signal, code) in signals.into_iter().filter(|(_, code)| !crate::is_ignored(code - 128)) {
            let place = Place::new();
            let mut terminal = Terminal::open(&place.command(&[]));
            terminal.line("SELECT 40 + 2 AS answer;");
            terminal.sees("42");
            terminal.sees(PROMPT);
            let pid = terminal.session.get_process().pid().to_string();
            assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
            assert_eq!(terminal.ends(), i32::try_from(code).unwrap());
        }
    }

    #[test]
    fn what_is_typed_while_a_statement_runs_is_not_lost() {
        let place = Place::new();
        let mut terminal = Terminal::open(&place.command(&["-o", "csv"]));
        terminal.line("SELECT 40 + 2 AS answer; SELECT COUNT(*) AS n FROM range(300000000) AS t(v) WHERE v % 7 = 1;");
        terminal.sees("42");
        terminal.keys("SELECT 6 * 6 AS first;\nSELECT 7 *\n7 AS second;\n");
        terminal.sees("first\r\n36");
        terminal.sees("second\r\n49");
        terminal.sees(PROMPT);
        terminal.leaves();
    }

    #[test]
    fn a_terminal_that_only_prints_is_enough() {
        let place = Place::new();
        let mut command = place.command(&["people.csv", "-o", "csv"]);
        command.env("TERM", "dumb");
        let mut terminal = Terminal::open(&command);
        terminal.line("SELECT upper(name) AS loud FROM people");
        terminal.sees("      -> ");
        terminal.line("WHERE score > 20;");
        terminal.sees("BOB");
        terminal.sees(PROMPT);
        terminal.line("SELECT 'never closed");
        terminal.sees("      -> ");
        terminal.keys(CTRL_C);
        terminal.sees(PROMPT);
        terminal.line(".tables");
        terminal.sees("people,view");
        terminal.sees(PROMPT);
        terminal.leaves();
    }
}

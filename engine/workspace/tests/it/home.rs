//! Where the home is, and who can see into it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use velaria_contract::ErrorCode;
use velaria_workspace::{ArtifactIndex, Home, Run};

use crate::support::{TestHome, artifact, new_run, process};

const ASKED: &str = "VELARIA_TEST_PRINT_HOME";

/// In a process of its own: the environment belongs to all tests.
#[test]
fn printed() {
    if std::env::var_os(ASKED).is_some() {
        println!("home={}", Home::from_env().unwrap().root().display());
    }
}

fn printed_home(home: &str, velaria_home: &str) -> String {
    let variables = [(ASKED, "1"), ("HOME", home), ("VELARIA_HOME", velaria_home)];
    let output = process("home::printed", &variables).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("home=")).unwrap_or_else(|| panic!("{text}"));
    line.1.to_owned()
}

#[test]
fn the_environment_names_the_home() {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    symlink(&root, root.join("link")).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let user = text(&root);
    assert_eq!(printed_home(&user, ""), text(&root.join(".velaria")));
    assert_eq!(printed_home(&user, "~/x"), text(&root.join("x")));
    assert_eq!(printed_home(&user, "~"), user);
    assert_eq!(printed_home(&user, &text(&root.join("link/new/../other"))), text(&root.join("other")));
}

#[test]
fn nobody_else_sees_into_a_home() {
    let test = TestHome::new();
    let run = test.run();
    run.append_stdout("x").unwrap();
    run.append_progress_snapshot("{}").unwrap();
    test.index().insert_artifact(&artifact(&test.home, run.id().as_str(), &[])).unwrap();
    let mut seen = 0;
    let mut dirs = vec![test.home.root().to_owned()];
    while let Some(dir) = dirs.pop() {
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                dirs.push(entry.path());
            } else {
                assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn a_home_that_is_a_file_is_a_named_error() {
    let test = TestHome::new();
    fs::write(test.dir.path().join("home"), "").unwrap();
    for error in [
        test.home.ensure_dirs().unwrap_err(),
        Run::create(&test.home, &new_run("csv-sql")).unwrap_err(),
        ArtifactIndex::open(&test.home).unwrap_err(),
    ] {
        assert!(matches!(error.code(), ErrorCode::Io | ErrorCode::NotAFile), "{error:?}");
        assert!(error.message().contains("home"), "{error}");
    }
}

#[test]
fn only_what_is_inside_is_inside() {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    let inside = test.home.root().join("runs/x");
    fs::write(&inside, "").unwrap();
    fs::write(test.dir.path().join("outside"), "").unwrap();
    symlink(test.dir.path().join("outside"), test.home.root().join("runs/link")).unwrap();
    assert!(test.home.contains(&inside));
    assert!(!test.home.contains(&test.home.root().join("runs/link")));
    assert!(!test.home.contains(&test.home.root().join("runs/../../outside")));
    assert!(!test.home.contains(&test.home.root().join("missing")));
}

//! What is left when the disk was not waited for.

use std::fs;

use serde_json::json;
use velaria_workspace::{ArtifactFilter, NewRun, Redactor, Run};

use crate::support::{TestHome, artifact, new_run, object};

#[test]
fn a_run_whose_owner_was_lost_in_a_power_cut_is_aborted() {
    let test = TestHome::new();
    let run = test.run();
    assert_eq!(run.record().unwrap()["status"], "running");
    fs::write(run.dir().join("_owner.json"), "").unwrap();
    assert_eq!(test.index().run(run.id().as_str()).unwrap().unwrap()["status"], "aborted");
    assert_eq!(run.record().unwrap()["status"], "aborted");
}

#[test]
fn artifacts_are_written_together_or_not_at_all() {
    let test = TestHome::new();
    let index = test.index();
    let good = artifact(&test.home, "run-a", &["result"]);
    let bad = object(json!({ "artifact_id": "artifact_0", "run_id": "run-a" }));
    assert!(index.insert_artifacts(&[good.clone(), bad]).is_err());
    assert!(index.list_artifacts(&ArtifactFilter::default()).unwrap().is_empty());
    index.insert_artifacts(&[good.clone(), artifact(&test.home, "run-a", &["explain"])]).unwrap();
    // The same again is the same.
    index.insert_artifacts(&[good]).unwrap();
    assert_eq!(index.list_artifacts(&ArtifactFilter::default()).unwrap().len(), 2);
}

#[test]
fn a_name_and_a_tag_are_no_place_for_a_secret() {
    let test = TestHome::new();
    let home = test.home.clone().with_redactor(Redactor::default().with_values(["canary-12345".to_owned()]));
    let new = NewRun {
        run_name: Some("of canary-12345".to_owned()),
        tags: vec!["canary-12345".to_owned(), "plain".to_owned()],
        ..new_run("csv-sql")
    };
    let record = Run::create(&home, &new).unwrap().record().unwrap();
    assert_eq!((&record["run_name"], &record["tags"]), (&json!("of ***"), &json!(["***", "plain"])));
}

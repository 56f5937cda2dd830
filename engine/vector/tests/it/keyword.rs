//! Keyword search against a plain reading of its formula, and the laws of rank fusion.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, LargeStringArray, StringArray, StringViewArray};
use proptest::prelude::*;
use velaria_vector::fusion::{fuse, reciprocal_rank};
use velaria_vector::keyword::tokenizer::Tokenizer;
use velaria_vector::{KeywordQuery, KeywordScanner, TextColumn};

type Texts = Vec<Option<String>>;

fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    Tokenizer::default().each(text, |token| found.push(token.to_owned()));
    found
}

fn column(texts: &[Option<String>], form: usize) -> TextColumn {
    let array: ArrayRef = match form % 3 {
        0 => Arc::new(texts.iter().cloned().collect::<StringArray>()),
        1 => Arc::new(texts.iter().cloned().collect::<LargeStringArray>()),
        _ => Arc::new(texts.iter().cloned().collect::<StringViewArray>()),
    };
    TextColumn::try_new(&array).unwrap()
}

/// The rows that are found, when they come in batches of `size` rows.
fn found(columns: &[Texts], query: &str, top_k: usize, size: usize) -> Vec<(u64, f64)> {
    let mut scanner = KeywordScanner::new(KeywordQuery::parse(query).unwrap());
    let rows = columns[0].len();
    for first in (0..rows).step_by(size) {
        let end = (first + size).min(rows);
        let parts: Vec<TextColumn> =
            columns.iter().enumerate().map(|(form, texts)| column(&texts[first..end], form)).collect();
        scanner.push(&parts, end - first, first as u64);
    }
    scanner.finish(top_k).into_iter().map(|hit| (hit.row_id, hit.score)).collect()
}

/// The formula, document by document and word by word.
fn expected(columns: &[Texts], query: &str) -> Vec<(u64, f64)> {
    let documents: Vec<Vec<String>> = (0..columns[0].len())
        .map(|row| columns.iter().filter_map(|texts| texts[row].as_deref()).flat_map(tokens).collect())
        .collect();
    let total: usize = documents.iter().map(Vec::len).sum();
    let (all, average) = (documents.len() as f64, total as f64 / documents.len() as f64);
    let words: BTreeSet<String> = tokens(query).into_iter().collect();
    let score = |document: &Vec<String>| -> f64 {
        let word = |word: &String| {
            let some = documents.iter().filter(|document| document.contains(word)).count() as f64;
            let count = document.iter().filter(|token| *token == word).count() as f64;
            let length = document.len() as f64 / average;
            (1.0 + (all - some + 0.5) / (some + 0.5)).ln() * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length))
        };
        words.iter().filter(|word| document.contains(word)).map(word).sum()
    };
    documents
        .iter()
        .enumerate()
        .map(|(row, document)| (row as u64, score(document)))
        .filter(|(_, score)| *score > 0.0)
        .collect()
}

fn texts(rows: usize) -> impl Strategy<Value = Texts> {
    prop::collection::vec(prop::option::weighted(0.8, "([abcxyz数据]{1,2}[ ,]){0,6}"), rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_best_rows_are_those_of_the_formula(
        columns in (1_usize..3, 1_usize..15).prop_flat_map(|(columns, rows)| prop::collection::vec(texts(rows), columns)),
        query in "[abcxyz数据]{1,2}( [abcxyz数据]{1,2}){0,3}",
        top_k in 1_usize..20,
        size in 1_usize..16,
    ) {
        let all = found(&columns, &query, usize::MAX, 100);
        let wanted = expected(&columns, &query);
        prop_assert_eq!(all.len(), wanted.len());
        for (row, score) in &wanted {
            let own = all.iter().find(|(id, _)| id == row).unwrap();
            prop_assert!((own.1 - score).abs() <= 1e-12 * score, "{own:?} {score}");
        }
        let mut sorted = all.clone();
        sorted.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        prop_assert_eq!(&all, &sorted);
        sorted.truncate(top_k);
        prop_assert_eq!(found(&columns, &query, top_k, size), sorted);
    }

    #[test]
    fn a_word_twice_in_the_query_counts_once(columns in prop::collection::vec(texts(8), 1..3)) {
        prop_assert_eq!(found(&columns, "a b", 8, 3), found(&columns, "a b a, B A", 8, 5));
    }

    #[test]
    fn fused_scores_are_the_sums_of_their_ranks(
        left in prop::collection::btree_set(0_u64..30, 0..20).prop_map(Vec::from_iter).prop_shuffle(),
        right in prop::collection::btree_set(0_u64..30, 0..20).prop_map(Vec::from_iter).prop_shuffle(),
        top_k in 1_usize..40,
    ) {
        let all = fuse(&[left.clone(), right.clone()], usize::MAX);
        prop_assert_eq!(&fuse(&[left.clone(), right.clone()], top_k), &all[..top_k.min(all.len())]);
        let union: BTreeSet<u64> = left.iter().chain(&right).copied().collect();
        prop_assert_eq!(all.iter().map(|row| row.row_id).collect::<BTreeSet<_>>(), union);
        for row in &all {
            let part = |ranking: &[u64]| ranking.iter().position(|id| *id == row.row_id).map_or(0.0, |at| reciprocal_rank(at as u64 + 1));
            prop_assert_eq!(row.score, part(&left) + part(&right));
        }
        prop_assert!(all.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.row_id < b.row_id)));
        // Two numbers have one sum: it does not matter which ranking is named first.
        let scores = |rows: &[velaria_vector::fusion::Fused]| rows.iter().map(|row| (row.row_id, row.score)).collect::<Vec<_>>();
        prop_assert_eq!(scores(&fuse(&[right, left], usize::MAX)), scores(&all));
    }
}

#[test]
fn a_query_without_words_is_refused() {
    for (text, message) in [
        ("", "keywordSearch query text cannot be empty"),
        (" \n", "keywordSearch query text cannot be empty"),
        ("—!?", "keywordSearch query must contain at least one token"),
    ] {
        let error = KeywordQuery::parse(text).unwrap_err();
        assert_eq!(error.message(), message);
        assert_eq!(error.code().as_str(), "VEL-7001");
    }
}

#[test]
fn numbers_are_no_texts() {
    let array: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1]));
    assert_eq!(TextColumn::try_new(&array).unwrap_err().code().as_str(), "VEL-2004");
    let words: arrow::array::DictionaryArray<arrow::datatypes::Int8Type> =
        vec![Some("a b"), None, Some("c")].into_iter().collect();
    let words = TextColumn::try_new(&(Arc::new(words) as ArrayRef)).unwrap();
    assert_eq!([words.text(0), words.text(1), words.text(2), words.text(3)], [Some("a b"), None, Some("c"), None]);
}

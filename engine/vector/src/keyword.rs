//! Keyword search: which rows have the words of a query, and how well they fit.
//!
//! The texts of a row are one document. All rows count, also those that have none of the words: the worth of a word and
//! the average length are known at the end only, so a [`KeywordScanner`] keeps a few numbers of each row that has a word,
//! and scores them when it is finished. Counts are whole numbers: scores do not depend on how the rows are cut into batches.

pub mod bm25;
mod text_column;
pub mod tokenizer;

use std::collections::HashMap;
use std::ops::Range;

use velaria_contract::{Error, ErrorCode, Result};

pub use text_column::TextColumn;

use crate::keyword::bm25::{inverse_frequency, saturation};
use crate::keyword::tokenizer::Tokenizer;
use crate::metric::Metric;
use crate::top_k::{Hit, TopK};

/// The words that are searched for, each once.
#[derive(Debug, Clone)]
pub struct KeywordQuery {
    terms: HashMap<String, u32>,
    /// What the first byte and the length of a term can be: most tokens are told apart without a look into the map.
    first_bytes: [bool; 256],
    lengths: u64,
}

impl KeywordQuery {
    /// The words of `text`.
    ///
    /// # Errors
    /// `VEL-7001` for a text that is empty or has no word.
    pub fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "keywordSearch query text cannot be empty"));
        }
        let mut query = Self { terms: HashMap::new(), first_bytes: [false; 256], lengths: 0 };
        Tokenizer::default().each(text, |token| query.add(token));
        if query.terms.is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "keywordSearch query must contain at least one token")
                .with_hint("a token has a letter or a digit"));
        }
        Ok(query)
    }

    /// The number of words.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.terms.len()
    }

    fn add(&mut self, token: &str) {
        let next = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        if self.terms.contains_key(token) || next == u32::MAX {
            return;
        }
        if let Some(first) = token.bytes().next().and_then(|first| self.first_bytes.get_mut(usize::from(first))) {
            *first = true;
        }
        self.lengths |= length_bit(token);
        self.terms.insert(token.to_owned(), next);
    }

    fn find(&self, token: &str) -> Option<u32> {
        let first = token.bytes().next().and_then(|first| self.first_bytes.get(usize::from(first)));
        if self.lengths & length_bit(token) == 0 || first != Some(&true) {
            return None;
        }
        self.terms.get(token).copied()
    }
}

fn length_bit(token: &str) -> u64 {
    1 << token.len().min(63)
}

/// One pass over texts that come batch by batch.
#[derive(Debug)]
pub struct KeywordScanner {
    query: KeywordQuery,
    tokenizer: Tokenizer,
    documents: u64,
    tokens: u64,
    /// In how many documents each term stands.
    containing: Vec<u64>,
    matches: Vec<Match>,
    /// How often a term stands in the document of a match, for one match after the other.
    postings: Vec<Posting>,
    /// The counts of the document that is being read, all zero between two documents.
    counts: Vec<u32>,
}

#[derive(Debug)]
struct Match {
    row_id: u64,
    length: u64,
    postings: Range<usize>,
}

#[derive(Debug)]
struct Posting {
    term: u32,
    count: u32,
}

impl KeywordScanner {
    /// No rows yet.
    #[must_use]
    pub fn new(query: KeywordQuery) -> Self {
        let terms = query.terms();
        Self {
            query,
            tokenizer: Tokenizer::default(),
            documents: 0,
            tokens: 0,
            containing: vec![0; terms],
            matches: Vec::new(),
            postings: Vec::new(),
            counts: vec![0; terms],
        }
    }

    /// Looks at `rows` rows, whose texts are in `columns` and the first of which is row `first_row`. Gives the positions of
    /// those that have a word of the query.
    pub fn push(&mut self, columns: &[TextColumn], rows: usize, first_row: u64) -> Vec<u32> {
        let mut found = Vec::new();
        for row in 0..rows {
            let before = self.postings.len();
            let length = self.read(columns.iter().filter_map(|column| column.text(row)));
            self.documents += 1;
            self.tokens += length;
            self.count(before);
            if self.postings.len() > before {
                let postings = before..self.postings.len();
                self.matches.push(Match { row_id: first_row + row as u64, length, postings });
                found.extend(u32::try_from(row));
            }
        }
        found
    }

    /// Adds a posting for each term of the document `texts`, and gives the number of its tokens.
    fn read<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> u64 {
        let Self { query, tokenizer, counts, postings, .. } = self;
        let mut length = 0;
        for text in texts {
            tokenizer.each(text, |token| {
                length += 1;
                let term = query.find(token);
                if let Some((term, count)) = term.and_then(|term| Some((term, counts.get_mut(term as usize)?))) {
                    if *count == 0 {
                        postings.push(Posting { term, count: 0 });
                    }
                    *count = count.saturating_add(1);
                }
            });
        }
        length
    }

    /// Moves the counts of a document into its postings, which start at `first`.
    fn count(&mut self, first: usize) {
        let Self { postings, counts, containing, .. } = self;
        let postings = postings.get_mut(first..).unwrap_or_default();
        // The order of the words in the query, so that the sum does not depend on that in the document.
        postings.sort_unstable_by_key(|posting| posting.term);
        for posting in postings {
            if let Some(count) = counts.get_mut(posting.term as usize) {
                posting.count = std::mem::take(count);
            }
            if let Some(containing) = containing.get_mut(posting.term as usize) {
                *containing += 1;
            }
        }
    }

    /// The memory that is held for the rows that were found.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.matches.capacity() * size_of::<Match>() + self.postings.capacity() * size_of::<Posting>()
    }

    /// The number of rows that have a word of the query.
    #[must_use]
    pub fn matches(&self) -> usize {
        self.matches.len()
    }

    /// The `top_k` rows that fit best, best first; of equal scores the earlier row.
    #[must_use]
    pub fn finish(self, top_k: usize) -> Vec<Hit> {
        let worth: Vec<f64> = self.containing.iter().map(|some| inverse_frequency(self.documents, *some)).collect();
        let average = self.tokens as f64 / self.documents.max(1) as f64;
        // Larger is better, as for inner products.
        let mut best = TopK::new(Metric::Dot, top_k);
        for found in self.matches {
            let postings = self.postings.get(found.postings).unwrap_or_default();
            let parts = postings.iter().map(|posting| {
                let worth = worth.get(posting.term as usize).copied().unwrap_or_default();
                worth * saturation(posting.count, found.length, average)
            });
            best.push(found.row_id, parts.sum());
        }
        best.into_sorted()
    }
}

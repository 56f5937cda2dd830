//! The score of a document for one word: BM25, by S. Robertson and H. Zaragoza, The Probabilistic Relevance Framework:
//! BM25 and Beyond, 2009, with the logarithm that is never negative.

/// How soon more of the same word stops counting.
pub const K1: f64 = 1.2;
/// How much a document that is longer than the average is worth less.
pub const B: f64 = 0.75;

/// What a word is worth that `containing` of `documents` have: `ln(1 + (N - n + 0.5) / (n + 0.5))`, which is above zero.
#[must_use]
pub fn inverse_frequency(documents: u64, containing: u64) -> f64 {
    let (all, some) = (documents as f64, containing as f64);
    (1.0 + (all - some + 0.5) / (some + 0.5)).ln()
}

/// The share of it that a document of `length` tokens gets in which the word stands `count` times.
#[must_use]
pub fn saturation(count: u32, length: u64, average: f64) -> f64 {
    let count = f64::from(count);
    count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length as f64 / average))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_known_score() {
        // Two of four documents, once in a document of average length: ln(2) * 2.2 / 2.2.
        assert_eq!(inverse_frequency(4, 2) * saturation(1, 5, 5.0), 2.0_f64.ln());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn a_word_is_worth_more_the_fewer_have_it_and_never_nothing(some in 1_u64..1_000_000, others in 0_u64..1_000_000) {
            let all = some + others;
            let worth = inverse_frequency(all, some);
            prop_assert!(worth > 0.0);
            prop_assert!(inverse_frequency(all + 1, some) > worth);
            prop_assert!(inverse_frequency(all + 1, some + 1) < inverse_frequency(all + 1, some));
        }

        #[test]
        fn more_words_count_more_and_longer_documents_less(
            count in 1_u32..1000, length in 1_u64..10_000, average in 0.5_f64..1000.0,
        ) {
            let share = saturation(count, length, average);
            prop_assert!(share > 0.0 && share < K1 + 1.0);
            prop_assert!(saturation(count + 1, length, average) > share);
            prop_assert!(saturation(count, length + 1, average) < share);
        }
    }
}

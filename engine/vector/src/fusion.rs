//! One ranking out of several: reciprocal rank fusion, by G. Cormack, C. Clarke and S. Büttcher, Reciprocal Rank Fusion
//! Outperforms Condorcet and Individual Rank Learning Methods, SIGIR 2009.
//!
//! A row gets `1 / (60 + rank)` from each ranking that it stands in. Only ranks count, so scores of different kinds need
//! not be comparable.

use std::collections::BTreeMap;

/// The constant of the paper: the larger, the less the first ranks stand out.
pub const RANK_OFFSET: f64 = 60.0;

/// What one ranking gives to the row on `rank`, which counts from 1.
#[must_use]
pub fn reciprocal_rank(rank: u64) -> f64 {
    1.0 / (RANK_OFFSET + rank as f64)
}

/// A row with its place in the common ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The row.
    pub row_id: u64,
    /// The sum of what each ranking gives, in the order of the rankings.
    pub score: f64,
    /// The rank in each ranking, from 1; `None` where the row does not stand.
    pub ranks: Vec<Option<u64>>,
}

/// The `top_k` best rows of `rankings`, each of which names rows from its best one on. Of equal scores the row with the
/// smaller number is first; a row that a ranking names twice has the better rank.
#[must_use]
pub fn fuse(rankings: &[Vec<u64>], top_k: usize) -> Vec<Fused> {
    let mut ranks: BTreeMap<u64, Vec<Option<u64>>> = BTreeMap::new();
    for (place, ranking) in rankings.iter().enumerate() {
        for (row_id, rank) in ranking.iter().zip(1_u64..) {
            let own = ranks.entry(*row_id).or_insert_with(|| vec![None; rankings.len()]);
            if let Some(own) = own.get_mut(place) {
                own.get_or_insert(rank);
            }
        }
    }
    let mut fused: Vec<Fused> = ranks.into_iter().map(|(row_id, ranks)| scored(row_id, ranks)).collect();
    // The sort is stable, and rows stand in the order of their numbers.
    fused.sort_by(|left, right| right.score.total_cmp(&left.score));
    fused.truncate(top_k);
    fused
}

fn scored(row_id: u64, ranks: Vec<Option<u64>>) -> Fused {
    let score = ranks.iter().flatten().map(|rank| reciprocal_rank(*rank)).sum();
    Fused { row_id, score, ranks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_both_rankings_like_wins_over_the_first_of_one() {
        let fused = fuse(&[vec![7, 3, 9], vec![4, 3]], 10);
        let rows: Vec<u64> = fused.iter().map(|row| row.row_id).collect();
        assert_eq!(rows, [3, 4, 7, 9]);
        assert_eq!(fused[0].score, 2.0 / 62.0);
        assert_eq!(fused[0].ranks, [Some(2), Some(2)]);
        assert_eq!(fused[1].ranks, [None, Some(1)]);
    }
}

//! Of several rounds, what to tell.

use serde_json::{Value, json};

/// The figures of one kind, one of each round.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    pub fn median(&self) -> f64 {
        self.of_a_hundred(50)
    }

    /// The figure below which so many of a hundred are.
    pub fn of_a_hundred(&self, which: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * which / 100).min(last)).copied().unwrap_or(f64::NAN)
    }

    /// The longest.
    pub fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// From the least to the most, as parts of the median.
    pub fn spread(&self) -> f64 {
        (self.most() - self.of_a_hundred(0)) / self.median()
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn to_json(&self) -> Value {
        json!({ "median": self.median(), "least": self.of_a_hundred(0), "most": self.most(), "rounds": self.count() })
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<T: IntoIterator<Item = f64>>(figures: T) -> Self {
        let mut all = Self(figures.into_iter().collect());
        all.0.sort_by(f64::total_cmp);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_of_the_sorted_figures() {
        let rounds: Rounds = [30.0, 10.0, 20.0].into_iter().collect();
        assert!((rounds.median() - 20.0).abs() < 1e-9 && (rounds.spread() - 1.0).abs() < 1e-9);
        assert!((rounds.most() - 30.0).abs() < 1e-9);
        assert!(Rounds::default().median().is_nan(), "nothing was measured");
    }
}

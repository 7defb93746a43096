//! Numbers to a table on standard output and raw rows to `target/bench/*.json`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

/// What a figure must be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Told, not judged.
    Told,
}

/// One line of the table.
pub(crate) struct Row {
    /// What was measured, with its unit.
    pub(crate) what: String,
    /// What came out.
    pub(crate) measured: f64,
    /// What must come out.
    pub(crate) goal: Goal,
    /// What stands beside it, and its value: a floor or a peer of the same run.
    pub(crate) beside: Option<(&'static str, f64)>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, measured: f64, goal: Goal) -> Self {
        Self { what: what.into(), measured, goal, beside: None }
    }

    pub(crate) fn beside(mut self, what: &'static str, value: f64) -> Self {
        self.beside = Some((what, value));
        self
    }

    fn holds(&self) -> Option<bool> {
        match self.goal {
            Goal::AtMost(limit) => Some(self.measured <= limit),
            Goal::AtLeast(limit) => Some(self.measured >= limit),
            Goal::Told => None,
        }
    }

    fn print(&self) {
        let goal = match self.goal {
            Goal::AtMost(limit) => format!("<= {limit:.2}"),
            Goal::AtLeast(limit) => format!(">= {limit:.2}"),
            Goal::Told => String::new(),
        };
        let verdict = match self.holds() {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        };
        let beside = self
            .beside
            .map_or_else(String::new, |(what, value)| format!("{:.2}x of {what}, {value:.2}", self.measured / value));
        println!("{:<44}{:>10.2}  {goal:<12}{verdict:<8}{beside}", self.what, self.measured);
    }
}

/// What one figure has to say.
pub(crate) struct Report {
    /// The lines of the table.
    pub(crate) rows: Vec<Row>,
    /// Every sample.
    pub(crate) raw: Value,
}

impl Report {
    /// Prints the table and keeps the samples. How many goals were missed.
    pub(crate) fn publish(&self, name: &str, folder: &Path) -> anyhow::Result<usize> {
        self.rows.iter().for_each(Row::print);
        let row = |row: &Row| {
            json!({"what": row.what, "measured": row.measured, "holds": row.holds(),
                   "beside": row.beside.map(|(what, value)| json!({"what": what, "value": value}))})
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        let document = json!({"figure": name, "rows": rows, "raw": self.raw});
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, format!("{document:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(self.rows.iter().filter(|row| row.holds() == Some(false)).count())
    }
}

/// The value below which a share of the samples lies, by nearest rank. NaN without samples.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_samples() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((quantile(&samples, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((quantile(&samples, 0.99) - 99.0).abs() < f64::EPSILON);
        assert!((quantile(&samples, 1.0) - 100.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 0.5).is_nan());
    }
}

//! Samples over time: the slope of a series, a table, and a picture of several.

use std::fmt::Write;

/// A series of samples at even distances.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is, with its unit.
    pub name: &'static str,
    /// The samples.
    pub values: Vec<f64>,
}

impl Series {
    /// The slope of the line that fits best, per sample; 0 for fewer than two.
    pub fn slope(&self, from: usize) -> f64 {
        let values = self.values.get(from..).unwrap_or_default();
        let count = values.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let mean = values.iter().sum::<f64>() / count;
        let middle = (count - 1.0) / 2.0;
        let at = |index: usize| index as f64 - middle;
        let rise: f64 = values
            .iter()
            .enumerate()
            .map(|(index, value)| at(index) * (value - mean))
            .sum();
        let run: f64 = (0..values.len()).map(|index| at(index).powi(2)).sum();
        rise / run
    }

    /// The median of the last quarter minus that of the first quarter after `from`.
    pub fn shift(&self, from: usize) -> f64 {
        let values = self.values.get(from..).unwrap_or_default();
        let quarter = values.len().div_ceil(4);
        let first = values.get(..quarter).map(median).unwrap_or_default();
        let last = values
            .get(values.len() - quarter..)
            .map(median)
            .unwrap_or_default();
        last - first
    }
}

/// The middle one of the values; 0 when there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The samples as CSV, the first column the seconds since the start.
pub fn csv(series: &[Series], every: u64) -> String {
    let names: Vec<&str> = series.iter().map(|one| one.name).collect();
    let mut out = format!("seconds,{}\n", names.join(","));
    let count = series.iter().map(|one| one.values.len()).max().unwrap_or(0);
    for index in 0..count {
        let row: Vec<String> = series
            .iter()
            .map(|one| {
                one.values
                    .get(index)
                    .map_or(String::new(), |value| format!("{value:.2}"))
            })
            .collect();
        let _ = writeln!(out, "{},{}", index as u64 * every, row.join(","));
    }
    out
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 130.0;

/// The series below each other, each from zero to its own most.
pub fn svg(series: &[Series], every: u64) -> String {
    let whole = HEIGHT * series.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + 20.0,
        whole + 20.0
    );
    for (place, one) in series.iter().enumerate() {
        let most = one.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let bottom = HEIGHT * (place as f64 + 1.0);
        let step = WIDTH / (one.values.len().max(2) - 1) as f64;
        let points: Vec<String> = one
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let height = value / most * (HEIGHT - 30.0);
                format!("{:.1},{:.1}", 10.0 + index as f64 * step, bottom - height)
            })
            .collect();
        let minutes = one.values.len() as u64 * every / 60;
        let _ = writeln!(
            out,
            "<text x=\"10\" y=\"{}\">{}: at most {most:.1}, {minutes} min</text>\n\
             <line x1=\"10\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\" stroke=\"#bbb\"/>\n\
             <polyline fill=\"none\" stroke=\"#2266aa\" points=\"{}\"/>",
            bottom - HEIGHT + 22.0,
            one.name,
            WIDTH + 10.0,
            points.join(" ")
        );
    }
    out += "</svg>\n";
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope_and_a_step_its_shift() {
        let line = Series {
            name: "line",
            values: (0..40).map(|at| 100.0 - f64::from(at) * 0.5).collect(),
        };
        assert!((line.slope(0) + 0.5).abs() < 1e-9);
        let step = Series {
            name: "step",
            values: [vec![50.0; 4], vec![1.0; 20], vec![3.0; 20]].concat(),
        };
        assert!((step.shift(4) - 2.0).abs() < 1e-9, "{}", step.shift(4));
        let text = csv(&[line.clone(), step.clone()], 10);
        assert!(
            text.starts_with("seconds,line,step\n0,100.00,50.00\n10,99.50,50.00\n"),
            "{text}"
        );
        assert_eq!(svg(&[line, step], 10).matches("<polyline").count(), 2);
    }
}

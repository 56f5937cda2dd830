//! Lines over time, as SVG that any browser draws by itself.

use std::fmt::Write;

use maud::{Markup, html};

use super::number::{Unit, step};
use super::progress::{Axis, Points};
use super::text::plain;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// More points than this have no mark of their own.
const MARKS_MAX: usize = 30;
/// Of more points than twice this, the smallest and the largest of each part are drawn.
const PARTS: usize = 90;

/// One chart.
pub(crate) struct Chart<'a> {
    /// What tells it from the others of its page: letters and dashes.
    pub(crate) id: &'a str,
    /// What it shows.
    pub(crate) title: &'a str,
    /// What its numbers count.
    pub(crate) unit: Unit,
    /// What its places are.
    pub(crate) axis: Axis,
    /// At most three lines, each with its name.
    pub(crate) lines: Vec<(&'a str, Points)>,
}

impl Chart<'_> {
    /// The chart, where it has at least two places and anything but zeros.
    pub(crate) fn draw(&self) -> Option<Markup> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let enough = self.lines.iter().any(|(_, points)| points.len() > 1) && points().any(|point| point.1 != 0.0);
        if !enough {
            return None;
        }
        let begin = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let end = points().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
        let most = points().map(|point| point.1).fold(0.0, f64::max);
        let frame = Frame { begin, end, top: most.max(f64::MIN_POSITIVE) * 1.05 };
        Some(self.figure(&frame))
    }

    fn figure(&self, frame: &Frame) -> Markup {
        html! {
            figure.chart {
                figcaption {
                    span.name { (self.title) }
                    span.legend {
                        @for (at, (name, points)) in self.lines.iter().enumerate() {
                            @if let Some((_, last)) = points.last() {
                                span.key.(series(at)) { (plain(name)) " " b { (self.unit.text(*last)) } }
                            }
                        }
                    }
                }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
                    aria-labelledby=(format!("{0}-title {0}-desc", self.id)) {
                    title id=(format!("{}-title", self.id)) { (self.title) }
                    desc id=(format!("{}-desc", self.id)) { (self.description()) }
                    (self.grid(frame))
                    @for (at, (name, points)) in self.lines.iter().enumerate() {
                        g.(series(at)) { (self.line(frame, name, points)) }
                    }
                }
            }
        }
    }

    /// What the lines say, for those who do not see them.
    fn description(&self) -> String {
        let line = |(name, points): &(&str, Points)| {
            let values = || points.iter().map(|point| point.1);
            let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
            let last = values().next_back()?;
            let text = |value| self.unit.text(value);
            Some(format!("{}: from {} to {}, at last {}", plain(name), text(least), text(most), text(last)))
        };
        self.lines.iter().filter_map(line).collect::<Vec<_>>().join("; ")
    }

    fn grid(&self, frame: &Frame) -> Markup {
        let scale = self.unit.scale(frame.top);
        let whole = self.unit == Unit::Count && scale.divisor == 1.0;
        let high =
            step(frame.top / scale.divisor, 4.0).max(if whole { f64::from(u8::from(frame.top > 1.0)) } else { 0.0 });
        let heights = ticks(0.0, frame.top, high * scale.divisor);
        let places = self.axis.scale(frame.end - frame.begin);
        let wide = step((frame.end - frame.begin) / places.0, 5.0);
        let wide = if self.axis == Axis::Batches { wide.max(1.0) } else { wide };
        let widths = ticks(frame.begin, frame.end, wide * places.0);
        html! {
            g.grid {
                @for value in heights {
                    line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(tenth(frame.y(value))) y2=(tenth(frame.y(value))) {}
                    text.high x=(LEFT - 7.0) y=(tenth(frame.y(value) + 3.5)) { @if value == 0.0 { "0" } @else { (scale.text(value)) } }
                }
                @for place in widths {
                    text.wide.last[frame.x(place) > WIDTH - RIGHT - 20.0] x=(tenth(frame.x(place))) y=(HEIGHT - 9.0) { (short(place / places.0)) (places.1) }
                }
            }
        }
    }

    fn line(&self, frame: &Frame, name: &str, points: &Points) -> Markup {
        let drawn = thinned(points);
        let marked = points.len() <= MARKS_MAX;
        html! {
            @if self.lines.len() == 1 { path.area d=(area(frame, &drawn)) {} }
            path.line d=(path(frame, &drawn)) {}
            @if marked {
                @for (place, value) in points {
                    circle cx=(tenth(frame.x(*place))) cy=(tenth(frame.y(*value))) r="2.6" {
                        title { (plain(name)) ": " (self.unit.text(*value)) }
                    }
                }
            }
        }
    }
}

impl Axis {
    /// What places are divided by where they are `span` apart, and the word behind.
    fn scale(self, span: f64) -> (f64, &'static str) {
        match self {
            Self::Batches => (1.0, ""),
            Self::Seconds if span >= 10_800.0 => (3600.0, " h"),
            Self::Seconds if span >= 180.0 => (60.0, " min"),
            Self::Seconds => (1.0, " s"),
        }
    }

    /// What the places are, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Seconds => "time since the start",
            Self::Batches => "micro-batches",
        }
    }
}

/// What a chart shows: from `begin` to `end`, from zero to `top`.
struct Frame {
    begin: f64,
    end: f64,
    top: f64,
}

impl Frame {
    fn x(&self, place: f64) -> f64 {
        let span = (self.end - self.begin).max(f64::MIN_POSITIVE);
        LEFT + (place - self.begin) / span * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value.max(0.0) / self.top) * (HEIGHT - TOP - BOTTOM)
    }
}

fn series(at: usize) -> &'static str {
    ["s1", "s2", "s3"].get(at).copied().unwrap_or("s3")
}

/// The multiples of `step` from `begin` to `end`, a few at the most.
fn ticks(begin: f64, end: f64, step: f64) -> Vec<f64> {
    let first = (begin / step).ceil();
    (0..12_u8).map(|at| (first + f64::from(at)) * step).take_while(|tick| *tick <= end).collect()
}

/// The smallest and the largest point of each part, so that no spike is lost.
fn thinned(points: &Points) -> Points {
    if points.len() <= PARTS * 2 {
        return points.clone();
    }
    let mut drawn = Points::new();
    for part in points.chunks(points.len().div_ceil(PARTS)) {
        let order = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [part.iter().min_by(order), part.iter().max_by(order)];
        let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.dedup();
        drawn.extend(ends);
    }
    drawn
}

fn path(frame: &Frame, points: &Points) -> String {
    let mut path = String::new();
    for (at, (place, value)) in points.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        // Writing into a string works.
        let _ = write!(path, "{command}{} {}", tenth(frame.x(*place)), tenth(frame.y(*value)));
    }
    path
}

fn area(frame: &Frame, points: &Points) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let ground = tenth(frame.y(0.0));
    format!("{}L{} {ground}L{} {ground}Z", path(frame, points), tenth(frame.x(last.0)), tenth(frame.x(first.0)))
}

/// A place in the picture, exact enough.
fn tenth(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

/// A number of the axis, with what a step between two of them needs.
fn short(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(lines: Vec<(&'static str, Points)>) -> Chart<'static> {
        Chart { id: "c", title: "Rows", unit: Unit::Count, axis: Axis::Seconds, lines }
    }

    #[test]
    fn a_chart_without_a_line_is_not_drawn() {
        for lines in
            [vec![], vec![("a", vec![])], vec![("a", vec![(0.0, 1.0)])], vec![("a", vec![(0.0, 0.0), (1.0, 0.0)])]]
        {
            assert!(chart(lines).draw().is_none());
        }
    }

    #[test]
    fn a_chart_has_a_title_a_description_and_only_numbers() {
        let drawn =
            chart(vec![("in", vec![(0.0, 0.0), (1.5, 10.0)]), ("out", vec![(0.0, 3.0)])]).draw().unwrap().into_string();
        assert!(drawn.contains("<title id=\"c-title\">Rows</title>"), "{drawn}");
        assert!(drawn.contains("in: from 0 to 10, at last 10; out: from 3 to 3, at last 3</desc>"), "{drawn}");
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }

    #[test]
    fn odd_numbers_are_drawn_inside_of_the_picture() {
        for value in [1e-300, 1e300, 5e-324, 1.0, -5.0] {
            let drawn = chart(vec![("a", vec![(1e9, value), (1e9 + 1e-3, 1.0)])]).draw().unwrap().into_string();
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{value}: {drawn}");
        }
    }

    #[test]
    fn spikes_survive_thinning() {
        let points: Points = (0..10_000_u16).map(|at| (f64::from(at), f64::from(u8::from(at == 7_777)))).collect();
        let drawn = thinned(&points);
        assert!(drawn.len() <= PARTS * 2);
        assert!(drawn.contains(&(7_777.0, 1.0)));
        assert!(drawn.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn ticks_are_few() {
        assert_eq!(ticks(0.0, 1.05, 0.25), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(ticks(3.0, 9.0, 2.0), [4.0, 6.0, 8.0]);
        assert_eq!(ticks(0.0, 1e9, 1.0).len(), 12);
    }
}

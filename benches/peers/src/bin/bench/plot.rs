//! Plots as SVG, by hand: lines over a logarithmic axis of people.

use std::fmt::Write as _;

/// One line of a plot: its name and a value per place on the axis.
pub struct Line {
    pub name: &'static str,
    pub values: Vec<f64>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;
const COLOURS: [&str; 4] = ["#0b6670", "#b4531a", "#5a4fcf", "#4a5a66"];

/// A plot with its title, the unit of its values, and a label per place on the axis.
pub fn lines(title: &str, unit: &str, labels: &[String], lines: &[Line]) -> String {
    let top = lines.iter().flat_map(|line| &line.values).fold(0.0_f64, |top, value| top.max(*value)).max(1e-9);
    let step = nice(top / 4.0);
    let top = (top / step).ceil() * step;
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x = |place: usize| LEFT + width * place as f64 / (labels.len().max(2) - 1) as f64;
    let y = |value: f64| TOP + height * (1.0 - value / top);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\" font-weight=\"600\">{title}</text>\n"
    );
    let mut value = 0.0;
    while value <= top + step / 2.0 {
        let at = y(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}h{width}\" stroke=\"#cfdae0\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            short(value)
        );
        value += step;
    }
    for (place, label) in labels.iter().enumerate() {
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", x(place), HEIGHT - 28.0);
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">people waiting; values: {unit}</text>",
        LEFT + width / 2.0,
        HEIGHT - 8.0
    );
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(f64, f64)> = line.values.iter().enumerate().map(|(at, value)| (x(at), y(*value))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in &points {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        if let (Some((x, y)), Some(last)) = (points.last(), line.values.last()) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}: {}</text>",
                x + 10.0,
                y + 4.0,
                line.name,
                short(*last)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// 1, 2 or 5 times a power of ten, at least this much.
fn nice(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|factor| factor * power).find(|step| *step >= least).unwrap_or(power)
}

fn short(value: f64) -> String {
    let digits = if value == 0.0 || value >= 20.0 {
        0
    } else if value >= 1.0 {
        1
    } else {
        3
    };
    format!("{value:.digits$}")
}

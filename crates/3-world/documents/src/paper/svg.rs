//! Drawing with vectors: the few shapes that charts need, as one SVG that PDF and HTML both show.

use std::fmt::Write as _;

/// Width of all drawings, in units: the page's text is as wide.
pub(crate) const WIDTH: f64 = 1_000.0;

pub(crate) const INK: &str = "#1d2733";
pub(crate) const FAINT: &str = "#667585";
pub(crate) const LINE: &str = "#d5dbe1";

/// A drawing in the making.
pub(crate) struct Svg {
    body: String,
    height: f64,
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(height: f64) -> Self {
        Self { body: String::new(), height }
    }

    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        // Writing to a text cannot fail.
        let _ = write!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"/>"#
        );
    }

    pub(crate) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), stroke: &str) {
        let _ = write!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{stroke}" stroke-width="1"/>"#
        );
    }

    pub(crate) fn text(
        &mut self,
        (x, y): (f64, f64),
        (anchor, size): (Anchor, f64),
        fill: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size:.1}" fill="{fill}">{}</text>"#,
            escape(text)
        );
    }

    /// The drawing.
    pub(crate) fn done(self) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {:.0}" font-family="Libertinus Serif" role="img">{}</svg>"#,
            self.height, self.body
        )
    }
}

/// Text for XML and HTML, inside elements and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A text that fits into so many units, with dots where it was cut: letters are about half as wide as high.
pub(crate) fn fitted(text: &str, width: f64, size: f64) -> String {
    let fits = (width / (size * 0.52)).max(1.0) as usize;
    if text.chars().count() <= fits {
        return text.to_owned();
    }
    let kept: String = text.chars().take(fits.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escape("<script>alert('1')</script>&\"\u{0}"),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot; "
        );
    }
}

//! The same blocks as one HTML page: no script, nothing loaded from elsewhere, ready to be printed.

use super::svg::escape;
use super::{Block, Cell, Column, Form, Paper, SignLine, Tone};
use std::fmt::Write as _;

/// Sets the paper as HTML. The same paper gives the same bytes.
#[must_use]
pub fn html(paper: &Paper) -> String {
    let mut out = String::with_capacity(64 << 10);
    // Writing to a text cannot fail.
    let _ = write_page(paper, &mut out);
    out
}

fn write_page(paper: &Paper, out: &mut String) -> std::fmt::Result {
    let (year, month, day) = paper.date;
    let title = escape(&format!("{}: {}", paper.kind, paper.title));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
         <title>{title}</title><style>{}{}</style></head>\n<body><header><p class=\"kind\">{}</p><p class=\"state {}\">{}</p>\
         <h1>{}</h1><p class=\"sub\">{}</p></header>\n",
        include_str!("paper.css"),
        page_margins(paper),
        escape(paper.kind),
        if paper.agreed { "good" } else { "warn" },
        escape(&paper.state),
        escape(&paper.title),
        escape(&paper.subtitle),
    )?;
    contents(paper, out)?;
    out.push_str("<main>\n");
    for block in &paper.blocks {
        write_block(block, out)?;
        out.push('\n');
    }
    write!(
        out,
        "</main>\n<footer><span>{}</span> <span class=\"hash\">plan {}</span> <span>{year:04}-{month:02}-{day:02}</span></footer></body></html>\n",
        escape(&paper.state),
        escape(&paper.plan)
    )
}

/// What stands at the foot of every printed page.
fn page_margins(paper: &Paper) -> String {
    // Letters that end a text or an element of a style sheet stay out.
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric() || " ,.:-".contains(*c)).collect()
    };
    let style = "font:6.5pt ui-monospace,'DejaVu Sans Mono',monospace;color:#5b6976";
    format!(
        "@media print{{@page{{size:A4 {};@bottom-left{{content:\"{}\";{style}}}@bottom-center{{content:\"plan {}\";{style}}}@bottom-right{{content:counter(page) \" / \" counter(pages);{style}}}}}}}",
        if paper.landscape { "landscape" } else { "portrait" },
        plain(&paper.short_state),
        plain(&paper.plan)
    )
}

fn contents(paper: &Paper, out: &mut String) -> std::fmt::Result {
    out.push_str("<nav><ol>");
    for block in &paper.blocks {
        if let Block::Section { number, text, level: 1 } = block {
            write!(out, "<li><a href=\"#s{number}\">{}</a></li>", escape(text))?;
        }
    }
    out.push_str("</ol></nav>\n");
    Ok(())
}

fn write_block(block: &Block, out: &mut String) -> std::fmt::Result {
    match block {
        Block::Section { number, text, level } => {
            let h = level + 1;
            write!(out, "<h{h} id=\"s{number}\"><span>{number}</span> {}</h{h}>", escape(text))
        }
        Block::Head { text } => write!(out, "<p><b>{}</b></p>", escape(text)),
        Block::Text { text } => write!(out, "<p>{}</p>", escape(text)),
        Block::Note { tone, text } => {
            write!(out, "<p class=\"note {}\">{}</p>", class(*tone), escape(text))
        }
        Block::Facts { facts } => {
            out.push_str("<dl>");
            for (what, value) in facts {
                write!(out, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(value))?;
            }
            out.push_str("</dl>");
            Ok(())
        }
        Block::Figures { figures } => {
            out.push_str("<div class=\"figures\">");
            for (value, what) in figures {
                write!(out, "<div><b>{}</b><span>{}</span></div>", escape(value), escape(what))?;
            }
            out.push_str("</div>");
            Ok(())
        }
        Block::List { items } if items.is_empty() => Ok(()),
        Block::List { items } => {
            out.push_str("<ul>");
            for item in items {
                write!(out, "<li>{}</li>", escape(item))?;
            }
            out.push_str("</ul>");
            Ok(())
        }
        Block::Table { rows, empty, .. } if rows.is_empty() => {
            write!(out, "<p class=\"empty\">{}</p>", escape(empty))
        }
        Block::Table { columns, rows, .. } => table(columns, rows, out),
        Block::Drawing { svg, wide, caption } => {
            let class = if *wide { "across" } else { "part" };
            write!(
                out,
                "<figure class=\"{class}\">{svg}<figcaption>{}</figcaption></figure>",
                escape(caption)
            )
        }
        Block::SignOff { lines } => sign_off(lines, out),
        Block::PageBreak => {
            out.push_str("<div class=\"break\"></div>");
            Ok(())
        }
    }
}

fn table(columns: &[Column], rows: &[Vec<Cell>], out: &mut String) -> std::fmt::Result {
    let all: f64 = columns.iter().map(|column| column.share).sum();
    out.push_str("<div class=\"wide\"><table><colgroup>");
    for column in columns {
        write!(out, "<col style=\"width:{:.1}%\">", column.share / all * 100.0)?;
    }
    out.push_str("</colgroup><thead><tr>");
    for column in columns {
        write!(out, "<th class=\"{}\">{}</th>", form(column.form), escape(column.head))?;
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            let (form, tone) = (form(column.form), class(cell.tone));
            write!(out, "<td class=\"{form} {tone}\">{}</td>", escape(&cell.text))?;
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    Ok(())
}

fn sign_off(lines: &[SignLine], out: &mut String) -> std::fmt::Result {
    out.push_str("<div class=\"wide\"><table class=\"sign\"><thead><tr><th>as</th><th>name</th><th>date</th><th>signature</th></tr></thead><tbody>");
    for line in lines {
        let mark = if line.done { "<span class=\"good\">agreed in Refit</span>" } else { "" };
        write!(
            out,
            "<tr><td>{}</td><td>{}</td><td></td><td>{mark}</td></tr>",
            escape(&line.function),
            escape(&line.name)
        )?;
    }
    out.push_str("</tbody></table></div>");
    Ok(())
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

const fn form(form: Form) -> &'static str {
    match form {
        Form::Plain => "text",
        Form::Number => "number",
        Form::Name => "name",
        Form::Faint => "faint",
    }
}

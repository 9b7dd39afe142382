//! Read-mes of packs: Markdown as headings, paragraphs and lists.
//!
//! Words of strangers in a document that people sign: no HTML, no pictures, and where a link leads stands behind it.

use super::Block;
use super::builder::{HEAD_CHARS_MAX, ITEM_CHARS_MAX, TEXT_CHARS_MAX};
use super::text::clean;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The blocks that a read-me makes.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut page = Page::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.blocks
}

#[derive(Default)]
struct Page {
    blocks: Vec<Block>,
    words: String,
    items: Vec<String>,
    /// The next number of each open list; none where it has bullets. Items of inner lists stand among those of the outermost.
    lists: Vec<Option<u64>>,
    /// Where the open link leads.
    link: Option<String>,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) => self.words.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.words.push(' '),
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::List(first) => {
                // What stands before an inner list is the outer item.
                if self.lists.is_empty() {
                    self.text()
                } else {
                    self.item()
                }
                self.lists.push(first);
            }
            Tag::Item => {
                let number = self.lists.last_mut().and_then(Option::as_mut);
                if let Some(number) = number {
                    self.words = format!("{number}. ");
                    *number += 1;
                }
            }
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.to_string()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let text = clean(&std::mem::take(&mut self.words), HEAD_CHARS_MAX);
                self.blocks.push(Block::Head { text });
            }
            TagEnd::Paragraph | TagEnd::CodeBlock if !self.lists.is_empty() => self.words.push(' '),
            TagEnd::Paragraph | TagEnd::CodeBlock => self.text(),
            TagEnd::Item => self.item(),
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() && !self.items.is_empty() {
                    let items = std::mem::take(&mut self.items);
                    self.blocks.push(Block::List { items });
                }
            }
            TagEnd::TableCell => self.words.push_str("; "),
            TagEnd::TableHead | TagEnd::TableRow => {
                let row = self.words.trim_end_matches("; ").to_owned();
                self.words = row;
                self.text();
            }
            TagEnd::Link => {
                if let Some(url) =
                    self.link.take().filter(|url| !self.words.ends_with(url.as_str()))
                {
                    self.words.push_str(&format!(" ({url})"));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self) {
        let text = clean(&std::mem::take(&mut self.words), TEXT_CHARS_MAX);
        if !text.is_empty() {
            self.blocks.push(Block::Text { text });
        }
    }

    fn item(&mut self) {
        let item = clean(&std::mem::take(&mut self.words), ITEM_CHARS_MAX);
        if !item.is_empty() {
            self.items.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_reads_as_a_page() {
        let told: Vec<String> = blocks(
            "# Ledger 1200\n\nStops **both** services;\n`ledgerd` first.\n\n1. back up\n2. see [the guide](https://example.org/g)\n   - twice\n\n| build | needs |\n|---|---|\n| 1100 | 2 GiB |\n\n<script>x</script>\n",
        )
        .iter()
        .map(|block| match block {
            Block::Head { text } => format!("head {text}"),
            Block::Text { text } => format!("text {text}"),
            Block::List { items } => format!("list {}", items.join(" | ")),
            other => panic!("{other:?}"),
        })
        .collect();
        assert_eq!(
            told,
            [
                "head Ledger 1200",
                "text Stops both services; ledgerd first.",
                "list 1. back up | 2. see the guide (https://example.org/g) | twice",
                "text build; needs",
                "text 1100; 2 GiB",
            ]
        );
    }
}

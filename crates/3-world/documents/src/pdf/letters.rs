//! Letters that the embedded fonts lack: empty boxes would hide what stands there, so they become their numbers.

use super::world::has_letter;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Letters that the note lists.
const LISTED_MAX: usize = 12;

/// The paper with every letter that cannot be printed as `[U+65E5]`, and a note in front when there is any.
pub(super) fn readable(mut paper: Value) -> Value {
    let mut known = BTreeMap::new();
    replace(&mut paper, &mut known);
    let missing: BTreeSet<char> =
        known.into_iter().filter(|(_, printed)| !printed).map(|(letter, _)| letter).collect();
    if missing.is_empty() {
        return paper;
    }
    let numbers: Vec<String> =
        missing.iter().take(LISTED_MAX).map(|letter| number(*letter)).collect();
    let more = if missing.len() > LISTED_MAX { ", …" } else { "" };
    let text = format!(
        "{} letters of this plan's texts cannot be printed with the fonts at hand and stand as their Unicode numbers: {}{more}. The HTML page shows them.",
        missing.len(),
        numbers.join(", ")
    );
    if let Some(blocks) = paper.get_mut("blocks").and_then(Value::as_array_mut) {
        blocks.insert(0, json!({ "block": "note", "tone": "warn", "text": text }));
    }
    paper
}

/// Replaces letters in every text; `known`: whether a letter can be printed.
fn replace(value: &mut Value, known: &mut BTreeMap<char, bool>) {
    match value {
        Value::String(text) => {
            let mut prints =
                |letter: char| *known.entry(letter).or_insert_with(|| has_letter(letter));
            if text.chars().all(&mut prints) {
                return;
            }
            let letters = text.chars();
            *text = letters
                .map(|letter| if prints(letter) { letter.to_string() } else { number(letter) })
                .collect();
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, known)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, known)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn number(letter: char) -> String {
    format!("[U+{:04X}]", u32::from(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_without_a_font_become_numbers_and_a_note_says_so() {
        let paper =
            json!({ "title": "日 Ä Я ok", "blocks": [{ "block": "text", "text": "plain" }] });
        let page = readable(paper);
        assert_eq!(page["title"], "[U+65E5] Ä Я ok");
        assert!(page["blocks"][0]["text"].as_str().is_some_and(|text| text.contains("[U+65E5]")));
        let plain = json!({ "title": "Ä", "blocks": [] });
        assert_eq!(readable(plain.clone()), plain);
    }
}

//! Keeps texts away from the parser that it would not survive, and gives it a stack on which it survives the rest.

use crate::{ExpressionError, Place};

/// Longest text: pages of conditions.
pub(crate) const BYTES_MAX: usize = 4096;
/// Deepest nesting of brackets: the parser needs about 100 KiB of stack for each level in a debug build.
const BRACKETS_MAX: usize = 32;
/// Deepest tree: a chain of `||` over all that fits into the text is below it.
pub(crate) const TREE_MAX: usize = 200;
/// Clean errors were measured on it down to 5,000 nested brackets; 2 MiB, the default, dies at 16.
const STACK_BYTES: usize = 16 << 20;

/// Refuses by length and brackets, before anything recursive looks at the text.
pub(crate) fn scan(text: &str) -> Result<(), ExpressionError> {
    if text.len() > BYTES_MAX {
        return Err(ExpressionError::TooLong { found: text.len(), most: BYTES_MAX });
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            // Brackets in texts count too: nobody needs 32 of them, and no second reader of quotes can be wrong.
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > BRACKETS_MAX {
            return Err(ExpressionError::TooDeep { place: place_of(text, at), most: BRACKETS_MAX });
        }
    }
    Ok(())
}

/// Runs on a stack of its own and waits for the end.
pub(crate) fn on_large_stack<T: Send>(
    work: impl FnOnce() -> Result<T, ExpressionError> + Send,
) -> Result<T, ExpressionError> {
    let no_room = |what: String| ExpressionError::NoRoom { what };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("expression".to_owned());
        let thread = builder.stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| no_room(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(no_room("its reader stopped".to_owned())))
    })
}

/// Line and character of a byte.
pub(crate) fn place_of(text: &str, byte: usize) -> Place {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    Place { line, column: before[begin..].chars().count() + 1 }
}

/// Line and character of a character.
pub(crate) fn place_of_char(text: &str, at: usize) -> Place {
    let byte = text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    place_of(text, byte)
}

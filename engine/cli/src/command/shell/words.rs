//! The words of a dot command.

use velaria::{Error, ErrorCode, Result};

/// The words of `text`: between blanks, or in single or double quotes, where a doubled quote is one.
pub(super) fn split(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(first) = letters.next_if(|_| true) {
        if first.is_whitespace() {
            continue;
        }
        let mut word = String::new();
        let mut next = Some(first);
        while let Some(letter) = next {
            if letter == '\'' || letter == '"' {
                quoted(letter, &mut letters, &mut word)?;
            } else {
                word.push(letter);
            }
            next = letters.next_if(|letter| !letter.is_whitespace());
        }
        words.push(word);
    }
    Ok(words)
}

fn quoted(quote: char, letters: &mut std::iter::Peekable<impl Iterator<Item = char>>, word: &mut String) -> Result<()> {
    while let Some(letter) = letters.next() {
        if letter != quote {
            word.push(letter);
        } else if letters.next_if_eq(&quote).is_some() {
            word.push(quote);
        } else {
            return Ok(());
        }
    }
    Err(Error::new(ErrorCode::InvalidArgument, format!("a quote is open: {quote}{word}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_blanks_or_in_quotes() {
        assert_eq!(split("a  'b c' \"it's\" d='e f' ''").unwrap(), ["a", "b c", "it's", "d=e f", ""]);
        assert_eq!(split("'it''s'").unwrap(), ["it's"]);
        assert!(split("  ").unwrap().is_empty());
        assert_eq!(split("'a").unwrap_err().message(), "a quote is open: 'a");
    }
}

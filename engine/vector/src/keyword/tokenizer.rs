//! Texts to tokens, without a dictionary: the same text has the same tokens on every machine and in every version.
//!
//! - A run of letters, digits and the marks on them is one token, in lower case. Everything else separates.
//! - Scripts that put no space between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) are cut into every
//!   one, two and three characters that follow each other; a run of four to eight characters is a token as well. A run of
//!   two or three characters is one of its own pieces already, and is not counted twice.
//! - Full-width letters and digits are read as the usual ones, a final sigma as a sigma. Invisible characters (joiners,
//!   soft hyphens, variation selectors) are left out.
//!
//! Accents are kept, and composed and decomposed letters are different: texts should be in one form of Unicode.

/// The longest piece of a run without spaces.
const GRAM_MAX: usize = 3;
/// The longest run without spaces that is a token in whole.
const RUN_MAX: usize = 8;

/// Cuts texts; its memory is used again for the next one.
#[derive(Debug, Default)]
pub struct Tokenizer {
    /// The run that is being read, as it will be compared.
    run: String,
    /// Where each character of a run without spaces begins.
    starts: Vec<usize>,
}

/// What a character does to the run before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It belongs to a word.
    Word,
    /// It belongs to a run without spaces.
    Dense,
    /// It stands on the character before it.
    Mark,
    /// It is not seen.
    Invisible,
    /// It separates.
    Gap,
}

impl Tokenizer {
    /// Hands every token of `text` to `token`, in the order in which they end, the shorter first.
    pub fn each(&mut self, text: &str, mut token: impl FnMut(&str)) {
        let mut reading = Role::Gap;
        for character in text.chars() {
            let character = narrowed(character);
            match role(character) {
                Role::Invisible => {}
                Role::Mark if reading == Role::Gap => {}
                Role::Mark => self.run.push(character),
                Role::Gap => self.end(&mut reading, Role::Gap, &mut token),
                next => {
                    if next != reading {
                        self.end(&mut reading, next, &mut token);
                    }
                    self.add(next, character);
                }
            }
        }
        self.end(&mut reading, Role::Gap, &mut token);
    }

    fn add(&mut self, role: Role, character: char) {
        if role == Role::Dense {
            self.starts.push(self.run.len());
            self.run.push(character);
        } else if character.is_ascii() {
            self.run.push(character.to_ascii_lowercase());
        } else {
            self.run.extend(character.to_lowercase().map(|lower| if lower == 'ς' { 'σ' } else { lower }));
        }
    }

    /// Hands out the run that was read; what comes next is `next`.
    fn end(&mut self, reading: &mut Role, next: Role, token: &mut impl FnMut(&str)) {
        match *reading {
            Role::Word => token(&self.run),
            Role::Dense => self.grams(token),
            Role::Mark | Role::Invisible | Role::Gap => {}
        }
        self.run.clear();
        self.starts.clear();
        *reading = next;
    }

    fn grams(&mut self, token: &mut impl FnMut(&str)) {
        let count = self.starts.len();
        self.starts.push(self.run.len());
        let mut hand_out = |first: usize, end: usize| {
            if let (Some(first), Some(end)) = (self.starts.get(first), self.starts.get(end)) {
                token(self.run.get(*first..*end).unwrap_or_default());
            }
        };
        for end in 1..=count {
            (1..=GRAM_MAX.min(end)).for_each(|length| hand_out(end - length, end));
        }
        if (GRAM_MAX + 1..=RUN_MAX).contains(&count) {
            hand_out(0, count);
        }
    }
}

/// The usual character for a full-width one.
fn narrowed(character: char) -> char {
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character),
        _ => character,
    }
}

fn role(character: char) -> Role {
    if character.is_ascii() {
        return if character.is_ascii_alphanumeric() { Role::Word } else { Role::Gap };
    }
    if is_dense(character) {
        Role::Dense
    } else if is_invisible(character) {
        Role::Invisible
    } else if character.is_alphanumeric() {
        Role::Word
    } else if is_mark(character) {
        Role::Mark
    } else {
        Role::Gap
    }
}

/// Whether the character is of a script without spaces between words.
fn is_dense(character: char) -> bool {
    matches!(character,
        '\u{0E01}'..='\u{0E3A}' | '\u{0E40}'..='\u{0E46}' // Thai
        | '\u{0E81}'..='\u{0EBD}' | '\u{0EC0}'..='\u{0EC6}' | '\u{0EDC}'..='\u{0EDF}' // Lao
        | '\u{1000}'..='\u{102A}' | '\u{103F}' | '\u{1050}'..='\u{1055}' // Burmese
        | '\u{1100}'..='\u{11FF}' // Hangul, in parts
        | '\u{1780}'..='\u{17B3}' // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}' | '\u{3038}'..='\u{303C}'
        | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}' // Hiragana
        | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' // Katakana
        | '\u{3105}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' // Bopomofo
        | '\u{3131}'..='\u{318E}' | '\u{A960}'..='\u{A97C}' | '\u{AC00}'..='\u{D7A3}' | '\u{D7B0}'..='\u{D7FB}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' // Han
        | '\u{FF66}'..='\u{FFDC}' // half-width Katakana and Hangul
        | '\u{1AFF0}'..='\u{1B16F}' | '\u{20000}'..='\u{3FFFD}')
}

fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0100}'..='\u{E01EF}')
}

/// Marks that Unicode does not count as letters: accents, points, signs that take a vowel away.
fn is_mark(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}' | '\u{05BF}'
        | '\u{05C1}'..='\u{05C2}' | '\u{05C4}'..='\u{05C5}' | '\u{05C7}' | '\u{0610}'..='\u{061A}'
        | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{06D6}'..='\u{06DC}' | '\u{06DF}'..='\u{06E8}'
        | '\u{06EA}'..='\u{06ED}' | '\u{0711}' | '\u{0730}'..='\u{074A}' | '\u{093C}' | '\u{094D}'
        | '\u{0951}'..='\u{0954}' | '\u{09BC}' | '\u{09CD}' | '\u{0A3C}' | '\u{0A4D}' | '\u{0ABC}' | '\u{0ACD}'
        | '\u{0B3C}' | '\u{0B4D}' | '\u{0BCD}' | '\u{0C3C}' | '\u{0C4D}' | '\u{0CBC}' | '\u{0CCD}'
        | '\u{0D3B}'..='\u{0D3C}' | '\u{0D4D}' | '\u{0DCA}' | '\u{0E47}'..='\u{0E4E}' | '\u{0EC8}'..='\u{0ECE}'
        | '\u{0F18}'..='\u{0F19}' | '\u{0F35}' | '\u{0F37}' | '\u{0F39}' | '\u{0F71}'..='\u{0F84}'
        | '\u{0F86}'..='\u{0F87}' | '\u{0F8D}'..='\u{0FBC}' | '\u{102B}'..='\u{103E}' | '\u{1056}'..='\u{1059}'
        | '\u{135D}'..='\u{135F}' | '\u{17B4}'..='\u{17D3}' | '\u{17DD}' | '\u{1AB0}'..='\u{1ACE}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20F0}' | '\u{3099}'..='\u{309A}' | '\u{A8C4}' | '\u{A8E0}'..='\u{A8F1}'
        | '\u{FE20}'..='\u{FE2F}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Tokenizer::default().each(text, |token| found.push(token.to_owned()));
        found
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(
            tokens("The QUICK-brown fox's 3.14, v2_x"),
            ["the", "quick", "brown", "fox", "s", "3", "14", "v2", "x"]
        );
        assert_eq!(
            tokens("Ärger ÉCOLE Привет ΟΔΟΣ ｖｅｌａｒｉａ５"),
            ["ärger", "école", "привет", "οδοσ", "velaria5"]
        );
        assert_eq!(tokens(" \t–…!\u{301} "), [] as [&str; 0]);
    }

    #[test]
    fn marks_stay_with_their_letters_and_invisible_characters_do_not_count() {
        assert_eq!(tokens("e\u{301}cole हिन्दी שָׁלוֹם"), ["e\u{301}cole", "हिन्दी", "שָׁלוֹם"]);
        assert_eq!(tokens("co\u{AD}op\u{FEFF} \u{FE0F}a\u{200D}b"), ["coop", "ab"]);
    }

    #[test]
    fn runs_without_spaces_become_grams_and_short_runs_stay_whole_too() {
        assert_eq!(tokens("数"), ["数"]);
        assert_eq!(tokens("数据"), ["数", "据", "数据"]);
        assert_eq!(
            tokens("全文搜索"),
            ["全", "文", "全文", "搜", "文搜", "全文搜", "索", "搜索", "文搜索", "全文搜索"]
        );
        assert_eq!(tokens("用Rust写"), ["用", "rust", "写"]);
        assert_eq!(tokens("カ\u{3099}"), ["カ\u{3099}"]);
    }

    #[test]
    fn a_run_of_n_characters_has_a_known_number_of_tokens() {
        for count in 1_usize..30 {
            let run: String =
                "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕".chars().take(count).collect();
            let whole = usize::from((4..=8).contains(&count));
            let expected = count + count.saturating_sub(1) + count.saturating_sub(2) + whole;
            assert_eq!(tokens(&run).len(), expected, "{count}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,20}",
            "[ -~]{0,30}",
            "[a-zA-Z0-9 ,.\u{4e00}-\u{4e10}\u{30a1}-\u{30b0}\u{e01}-\u{e4e}\u{300}-\u{303}\u{200d}]{0,30}"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn texts_with_a_space_between_have_the_tokens_of_both(left in text(), right in text()) {
            let both = [tokens(&left), tokens(&right)].concat();
            prop_assert_eq!(tokens(&format!("{left} {right}")), both);
        }

        #[test]
        fn a_token_is_a_token_of_itself(text in text()) {
            for token in tokens(&text) {
                prop_assert!(tokens(&token).contains(&token), "{token:?} of {text:?}");
            }
        }

        #[test]
        fn the_case_of_plain_letters_does_not_matter(text in "[ -~]{0,40}") {
            prop_assert_eq!(tokens(&text.to_ascii_uppercase()), tokens(&text));
        }
    }
}

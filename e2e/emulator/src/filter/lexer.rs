//! Text to tokens.

use super::error::FilterError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: a keyword or an attribute key, the parser knows which.
    Word(String),
    Text(String),
    Dot,
    Colon,
    Comma,
    Equal,
    NotEqual,
    Minus,
    Open,
    Close,
}

impl Token {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Text(_) => "a string".to_owned(),
            Self::Dot => "'.'".to_owned(),
            Self::Colon => "':'".to_owned(),
            Self::Comma => "','".to_owned(),
            Self::Equal => "'='".to_owned(),
            Self::NotEqual => "'!='".to_owned(),
            Self::Minus => "'-'".to_owned(),
            Self::Open => "'('".to_owned(),
            Self::Close => "')'".to_owned(),
        }
    }
}

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, FilterError> {
    let mut lexer = Lexer {
        rest: text.chars().peekable(),
        at: 0,
    };
    let mut out = Vec::new();
    while let Some(token) = lexer.next_token()? {
        out.push(token);
    }
    Ok(out)
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    at: usize,
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn next_token(&mut self) -> Result<Option<(Token, usize)>, FilterError> {
        while self.rest.peek().is_some_and(char::is_ascii_whitespace) {
            self.bump();
        }
        let at = self.at;
        let Some(c) = self.bump() else { return Ok(None) };
        let token = match c {
            '.' => Token::Dot,
            ':' => Token::Colon,
            ',' => Token::Comma,
            '(' => Token::Open,
            ')' => Token::Close,
            '-' => Token::Minus,
            '=' => Token::Equal,
            '!' if self.rest.peek() == Some(&'=') => {
                self.bump();
                Token::NotEqual
            }
            '"' => Token::Text(self.text(at)?),
            c if c.is_ascii_alphanumeric() || c == '_' => Token::Word(self.word(c)),
            found => return Err(FilterError::Character { found, at }),
        };
        Ok(Some((token, at)))
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(&c) = self.rest.peek() {
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                break;
            }
            word.push(c);
            self.bump();
        }
        word
    }

    fn text(&mut self, begin: usize) -> Result<String, FilterError> {
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.bump() {
                None => return Err(FilterError::Unterminated { at: begin }),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape().ok_or(FilterError::Escape { at })?),
                Some(c) => text.push(c),
            }
        }
    }

    /// `\"`, `\\`, `\u307F`, `\U0001F600`, `\x3F`, `\077`.
    fn escape(&mut self) -> Option<char> {
        match self.bump()? {
            c @ ('"' | '\\') => Some(c),
            'x' => self.digits(16, 2, 0),
            'u' => self.digits(16, 4, 0),
            'U' => self.digits(16, 8, 0),
            c @ '0'..='3' => self.digits(8, 2, c.to_digit(8)?),
            _ => None,
        }
    }

    fn digits(&mut self, radix: u32, count: usize, first: u32) -> Option<char> {
        let mut value = first;
        for _ in 0..count {
            let digit = self.bump()?.to_digit(radix)?;
            value = value.checked_mul(radix)?.checked_add(digit)?;
        }
        char::from_u32(value)
    }
}

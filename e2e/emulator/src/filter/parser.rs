//! Tokens to a [`Filter`]: recursive descent, one function per rule of the grammar.
//!
//! ```text
//! filter     = term { "AND" term } | term { "OR" term }
//! term       = [ "NOT" | "-" ] ( comparison | "(" filter ")" )
//! comparison = "attributes" ":" key
//!            | "attributes" "." key ( "=" | "!=" ) string
//!            | "hasPrefix" "(" "attributes" "." key "," string ")"
//! ```

use super::{
    MAX_BYTES,
    ast::Filter,
    error::FilterError,
    lexer::{Token, tokens},
};

impl std::str::FromStr for Filter {
    type Err = FilterError;

    /// The length limit comes first: it also bounds the recursion below.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_BYTES {
            return Err(FilterError::TooLong { bytes: text.len() });
        }
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            end: text.len(),
        };
        let filter = parser.filter()?;
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(parser.expected("AND, OR or the end")),
        }
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    fn peek_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found == word)
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        let found = self.peek().map_or_else(|| "the end".to_owned(), Token::describe);
        FilterError::Expected {
            expected,
            found,
            at: self.at(),
        }
    }

    fn take(&mut self, token: &Token, expected: &'static str) -> Result<(), FilterError> {
        if self.peek() == Some(token) {
            self.next += 1;
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    fn filter(&mut self) -> Result<Filter, FilterError> {
        let first = self.term()?;
        let (word, other) = if self.peek_word("AND") {
            ("AND", "OR")
        } else if self.peek_word("OR") {
            ("OR", "AND")
        } else {
            return Ok(first);
        };
        let mut parts = vec![first];
        while self.peek_word(word) {
            self.next += 1;
            parts.push(self.term()?);
        }
        if self.peek_word(other) {
            return Err(FilterError::Mixed { at: self.at() });
        }
        Ok(if word == "AND" {
            Filter::And(parts)
        } else {
            Filter::Or(parts)
        })
    }

    fn term(&mut self) -> Result<Filter, FilterError> {
        let negated = self.peek_word("NOT") || self.peek() == Some(&Token::Minus);
        if negated {
            self.next += 1;
        }
        let inner = if self.peek() == Some(&Token::Open) {
            self.next += 1;
            let inner = self.filter()?;
            self.take(&Token::Close, "')'")?;
            inner
        } else {
            self.comparison()?
        };
        Ok(if negated {
            Filter::Not(Box::new(inner))
        } else {
            inner
        })
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        if self.peek_word("hasPrefix") {
            self.next += 1;
            self.take(&Token::Open, "'('")?;
            self.attributes()?;
            self.take(&Token::Dot, "'.'")?;
            let key = self.key()?;
            self.take(&Token::Comma, "','")?;
            let prefix = self.text()?;
            self.take(&Token::Close, "')'")?;
            return Ok(Filter::HasPrefix(key, prefix));
        }
        self.attributes()?;
        if self.peek() == Some(&Token::Colon) {
            self.next += 1;
            return self.key().map(Filter::Has);
        }
        self.take(&Token::Dot, "':' or '.'")?;
        let key = self.key()?;
        if self.peek() == Some(&Token::NotEqual) {
            self.next += 1;
            return Ok(Filter::NotEquals(key, self.text()?));
        }
        self.take(&Token::Equal, "'=' or '!='")?;
        Ok(Filter::Equals(key, self.text()?))
    }

    fn attributes(&mut self) -> Result<(), FilterError> {
        if !self.peek_word("attributes") {
            return Err(self.expected("attributes, hasPrefix, NOT or '('"));
        }
        self.next += 1;
        Ok(())
    }

    /// A key may be any word, keywords included: after `attributes.` nothing else can stand there.
    fn key(&mut self) -> Result<String, FilterError> {
        let Some(Token::Word(key) | Token::Text(key)) = self.peek() else {
            return Err(self.expected("an attribute key"));
        };
        let key = key.clone();
        self.next += 1;
        Ok(key)
    }

    fn text(&mut self) -> Result<String, FilterError> {
        let Some(Token::Text(text)) = self.peek() else {
            return Err(self.expected("a string in double quotes"));
        };
        let text = text.clone();
        self.next += 1;
        Ok(text)
    }
}

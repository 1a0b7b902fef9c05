use vestibule::models::InvalidInput;

/// How many items of a list one asks for: 1 to 100, 20 unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u8);

impl PageSize {
    /// As many as one can ask for.
    pub const LARGEST: Self = Self(100);

    /// Reads a number from 1 to 100.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        text.parse()
            .ok()
            .filter(|size| (1..=100).contains(size))
            .map(Self)
            .ok_or_else(|| InvalidInput::one("limit", "out_of_range", "The limit is a number from 1 to 100."))
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0.into()
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_from_1_to_100_items() {
        assert_eq!(PageSize::parse("1").unwrap().get(), 1);
        assert_eq!(PageSize::parse("100").unwrap().get(), 100);
        for text in ["0", "101", "-1", "", "many", "1e1"] {
            assert!(PageSize::parse(text).is_err(), "{text:?}");
        }
    }
}

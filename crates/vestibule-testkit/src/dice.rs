/// Chance that can be repeated: a small generator (xorshift) for simulations, which print its seed when they fail.
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// True once in `sides` times.
    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// An index into a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        let length = u64::try_from(length).expect("lists of tests are short");
        usize::try_from(self.roll(length)).expect("an index below the length fits")
    }
}

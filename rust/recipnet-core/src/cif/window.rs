//! Where words start and end: white space looked for in many bytes at a time.

use wide::u8x16;

/// Whether a byte separates tokens. Control characters do too; the decoder has reported them.
#[inline]
pub(super) const fn is_space(byte: u8) -> bool {
    byte <= b' '
}

/// Offset of the first white space at or after `at`, or the end of the text.
#[inline]
pub(super) fn word_end(text: &[u8], mut at: usize) -> usize {
    // Eight bytes at a time.
    while let Some((chunk, _)) = text.get(at..).and_then(|rest| rest.split_first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let low = word.wrapping_sub(0x2121_2121_2121_2121) & !word & 0x8080_8080_8080_8080;
        if low == 0 {
            at += 8;
            continue;
        }
        // Borrows reach only bytes behind the first white space.
        return at + low.trailing_zeros() as usize / 8;
    }
    while text.get(at).is_some_and(|&byte| !is_space(byte)) {
        at += 1;
    }
    at
}

/// Where white space is among 64 bytes of a text: one bit for each, so that a word is found without looking at letters.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Offset of the first byte, a multiple of 64; of no byte before anything was looked at.
    base: usize,
    space: u64,
}

impl Window {
    pub const SIZE: usize = 64;

    #[inline]
    pub fn new() -> Self {
        Self {
            base: usize::MAX,
            space: 0,
        }
    }

    /// The bits of the bytes from `at` on; what lies behind the text counts as white space.
    #[inline]
    pub fn from(&mut self, text: &[u8], at: usize) -> u64 {
        let base = at & !(Self::SIZE - 1);
        if base != self.base {
            self.move_to(text, base);
        }
        self.space >> (at % Self::SIZE)
    }

    fn move_to(&mut self, text: &[u8], base: usize) {
        self.base = base;
        let rest = text.get(base..).unwrap_or_default();
        self.space = if let Some((bytes, _)) = rest.split_first_chunk() {
            spaces(bytes)
        } else {
            let mut bytes = [b' '; Self::SIZE];
            bytes[..rest.len()].copy_from_slice(rest);
            spaces(&bytes)
        };
    }

    /// Offset of the first white space at or after `at`, or the end of the text.
    #[inline]
    pub fn word_end(&mut self, text: &[u8], mut at: usize) -> usize {
        loop {
            let space = self.from(text, at);
            if space != 0 {
                return at + space.trailing_zeros() as usize;
            }
            at = (at | (Self::SIZE - 1)) + 1;
        }
    }

    /// Offset of the first byte at or after `at` that is no white space, or one behind the text.
    #[inline]
    pub fn word_start(&mut self, text: &[u8], mut at: usize) -> usize {
        while at < text.len() {
            // The bits that the shift moved in are zero: they only make this window look again.
            let word = !self.from(text, at);
            let next = (at | (Self::SIZE - 1)) + 1;
            let start = at + word.trailing_zeros() as usize;
            if start < next {
                return start;
            }
            at = next;
        }
        at
    }
}

/// The white space among 64 bytes, the first in the lowest bit.
#[inline]
fn spaces(bytes: &[u8; Window::SIZE]) -> u64 {
    let most = u8x16::splat(b' ');
    let (chunks, _) = bytes.as_chunks::<16>();
    chunks.iter().enumerate().fold(0, |mask, (place, chunk)| {
        let some = u8x16::new(*chunk);
        mask | u64::from(some.min(most).simd_eq(some).to_bitmask()) << (16 * place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_a_plain_loop_ends_them() {
        let text = "abcdefgh ijklmnopqrstuvwxyz\t\u{1}x\u{1}yzabcdefg\u{1f}h\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{1a}z\rq"
            .as_bytes();
        for at in 0..=text.len() {
            let slow = (at..text.len())
                .find(|&place| is_space(text[place]))
                .unwrap_or(text.len());
            assert_eq!(word_end(text, at), slow, "{at}");
        }
    }

    #[test]
    fn white_space_is_seen_among_all_bytes() {
        let mut state = 7u64;
        for _ in 0..2000 {
            let bytes: [u8; Window::SIZE] = std::array::from_fn(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                // Mostly around the border, some of every byte.
                (state >> 56) as u8 & if (state >> 40).is_multiple_of(4) { 0xff } else { 0x3f }
            });
            let expected = (0..Window::SIZE)
                .filter(|&place| is_space(bytes[place]))
                .fold(0, |mask, place| mask | 1 << place);
            assert_eq!(spaces(&bytes), expected);
        }
    }
}

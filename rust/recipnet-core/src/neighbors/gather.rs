//! Points near another one, out of columns of coordinates.

/// Numbers that are gathered without a branch for each.
#[derive(Debug, Default)]
pub struct Pending {
    items: Vec<u64>,
    count: usize,
    squares: Vec<f64>,
}

impl Pending {
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// What was gathered.
    pub fn items(&self) -> &[u64] {
        &self.items[..self.count]
    }

    /// Gather `start` plus the place of each point whose square distance to `-to` is not above the second bound; tells
    /// whether one of them is above the first.
    #[inline(always)]
    pub fn gather(&mut self, [x, y, z]: [&[f64]; 3], to: [f64; 3], bounds: (f64, f64), start: u64) -> bool {
        let length = x.len();
        let (y, z) = (&y[..length], &z[..length]);
        if self.squares.len() < length || self.items.len() < self.count + length + 8 {
            self.grow(length);
        }
        let squares = &mut self.squares[..length];
        let mut doubtful = 0u64;
        for at in 0..length {
            let (x, y, z) = (x[at] + to[0], y[at] + to[1], z[at] + to[2]);
            let square = x * x + y * y + z * z;
            squares[at] = square;
            doubtful |= u64::from(square > bounds.0 && square <= bounds.1);
        }
        let mut found = self.count;
        let (eights, rest) = squares.as_chunks::<8>();
        for (at, eight) in eights.iter().enumerate() {
            let Some(room) = self.items[found..].first_chunk_mut::<8>() else {
                break;
            };
            let mut more = 0;
            for lane in 0..8 {
                room[more & 7] = start + (8 * at + lane) as u64;
                more += usize::from(eight[lane] <= bounds.1);
            }
            found += more;
        }
        for (at, &square) in rest.iter().enumerate() {
            self.items[found] = start + (8 * eights.len() + at) as u64;
            found += usize::from(square <= bounds.1);
        }
        self.count = found;
        doubtful != 0
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        self.squares.resize(length.max(self.squares.len()), 0.0);
        self.items.resize(2 * (self.items.len() + length) + 256, 0);
    }
}

//! Which weights of a block evolve: pieces of its parameter vector, each a stack of kernels.

use std::ops::Range;

use super::EvolutionError;

/// A stretch of a block's parameters that holds kernels of one size, one behind the other: the weights of a
/// convolution, `[out, in, height, width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Place in the block's parameters.
    pub range: Range<usize>,
    /// Height and width of a kernel: the grid of the PDE.
    pub grid: [usize; 2],
    /// Number of sets of coefficients: 1 for one set per layer, the number of output channels for one set per channel.
    /// Each set applies to an equal share of the kernels, in their order.
    pub groups: usize,
}

impl Piece {
    /// Numbers of one kernel.
    pub fn points(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// What is wrong with this piece of a vector of `len` numbers.
    fn fault(&self, len: usize) -> Option<String> {
        let (Range { start, end }, points, groups) = (self.range.clone(), self.points(), self.groups);
        if start >= end || end > len {
            return Some(format!("the range {start}..{end}; allowed: stretches that are not empty inside 0..{len}"));
        }
        if points == 0 || (end - start) % points != 0 {
            let [h, w] = self.grid;
            return Some(format!("{} numbers are no whole number of {h} x {w} kernels", end - start));
        }
        let kernels = (end - start) / points;
        if groups == 0 || kernels % groups != 0 {
            return Some(format!(
                "{groups} sets of coefficients for {kernels} kernels; allowed: divisors of {kernels}"
            ));
        }
        None
    }
}

/// Refuses pieces that do not fit a vector of `len` numbers, or that share numbers.
pub(super) fn check(pieces: &[Piece], len: usize) -> Result<(), EvolutionError> {
    for (piece, one) in pieces.iter().enumerate() {
        if let Some(why) = one.fault(len) {
            return Err(EvolutionError::Piece { piece, why });
        }
        let meets = |other: &&Piece| other.range.start < one.range.end && one.range.start < other.range.end;
        if let Some(other) = pieces[..piece].iter().find(meets) {
            let why = format!("the range {:?} meets {:?}; a weight evolves by one law", one.range, other.range);
            return Err(EvolutionError::Piece { piece, why });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_do_not_fit_say_why() {
        let piece = |range, grid, groups| Piece { range, grid, groups };
        let why = |pieces: &[Piece]| check(pieces, 36).unwrap_err().to_string();
        assert_eq!(check(&[piece(0..18, [3, 3], 2), piece(18..36, [3, 3], 1)], 36), Ok(()));
        assert!(why(&[piece(0..37, [1, 1], 1)]).contains("inside 0..36"));
        assert!(why(&[piece(9..9, [3, 3], 1)]).contains("9..9"));
        assert!(why(&[piece(0..20, [3, 3], 1)]).contains("3 x 3 kernels"));
        assert!(why(&[piece(0..20, [0, 3], 1)]).contains("0 x 3 kernels"));
        assert!(why(&[piece(0..36, [3, 3], 3)]).contains("divisors of 4"));
        assert!(why(&[piece(0..36, [3, 3], 0)]).contains("divisors of 4"));
        assert!(why(&[piece(0..18, [3, 3], 1), piece(9..27, [3, 3], 1)]).starts_with("piece 1"));
    }
}

//! The fewest plain steps that m snapshots allow: by formula and, independently, by dynamic programming.

/// The binomial coefficient C(n, k), saturating; 0 if k > n.
pub fn binomial(n: usize, k: usize) -> usize {
    if k > n {
        return 0;
    }
    let k = k.min(n - k);
    // The product before the division may not fit although the quotient does.
    let next = |c: usize, i: usize| usize::try_from(c as u128 * (n - i) as u128 / (i + 1) as u128).ok();
    (0..k).try_fold(1usize, next).unwrap_or(usize::MAX)
}

/// The smallest r for which Nt <= C(m + r, m), by bisection; r is at most Nt.
pub(super) fn least_repeats(steps: usize, snapshots: usize) -> usize {
    let enough = |r: usize| binomial(snapshots.saturating_add(r), snapshots) >= steps;
    let mut high = 1;
    while high < steps && !enough(high) {
        high = high.saturating_mul(2);
    }
    let mut low = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Plain steps that Revolve takes in all (forward sweep and replays, taped steps apart) to reverse `steps` steps with
/// `snapshots` snapshots: r Nt - C(m + r, r - 1), with r the smallest number for which Nt <= C(m + r, m)
/// (Griewank & Walther 2000, eq. 3).
///
/// More snapshots than steps change nothing, and 0 count as 1. Returns `usize::MAX` if r Nt overflows.
pub fn revolve_optimum(steps: usize, snapshots: usize) -> usize {
    let snapshots = snapshots.clamp(1, steps.max(1));
    let repeats = least_repeats(steps, snapshots);
    match repeats.checked_sub(1) {
        None => 0,
        Some(before) => match repeats.checked_mul(steps) {
            Some(most) => most.saturating_sub(binomial(snapshots + repeats, before)),
            None => usize::MAX,
        },
    }
}

/// The same number found without the formula: entry `[m][l]` is the least number of plain steps that reverse l steps
/// with m snapshots, F(l, m) = min_k [k + F(l - k, m - 1) + F(k, m)] with F(1, m) = 0 and F(l, 1) = l (l - 1) / 2; row
/// 0 is unused.
///
/// Costs O(m l^2).
pub fn fewest_plain_steps(steps: usize, snapshots: usize) -> Vec<Vec<usize>> {
    let mut f = vec![vec![0; steps + 1]; snapshots + 1];
    f[snapshots.min(1)] = (0..=steps).map(|l| l * l.saturating_sub(1) / 2).collect();
    for m in 2..=snapshots {
        for l in 2..=steps {
            f[m][l] = (1..l).map(|k| k + f[m - 1][l - k] + f[m][k]).min().unwrap_or(0);
        }
    }
    f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sweeps_do_not_overflow() {
        for steps in [1usize, 10, 4_000_000_000] {
            assert_eq!(revolve_optimum(steps, 1), steps * (steps - 1) / 2);
        }
        assert_eq!(revolve_optimum(10_000_000_000, 1), usize::MAX);
        assert!(revolve_optimum(usize::MAX, usize::MAX) >= usize::MAX - 1);
        assert_eq!((binomial(66, 33), binomial(70, 35)), (7_219_428_434_016_265_740, usize::MAX));
    }

    #[test]
    fn binomial_coefficients_are_those_of_pascals_triangle() {
        for (n, k, expected) in [(0, 0, 1), (2, 3, 0), (0, 1, 0), (5, 2, 10), (5, 5, 1), (1, usize::MAX, 0)] {
            assert_eq!(binomial(n, k), expected, "C({n}, {k})");
        }
    }
}

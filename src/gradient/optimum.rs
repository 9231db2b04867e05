//! The fewest plain steps that m snapshots allow: by formula and, independently, by dynamic programming.

/// The binomial coefficient, saturating.
pub fn binomial(n: usize, k: usize) -> usize {
    let k = k.min(n.saturating_sub(k));
    (0..k).try_fold(1usize, |c, i| Some(c.checked_mul(n - i)? / (i + 1))).unwrap_or(usize::MAX)
}

/// Plain steps that Revolve takes in all (forward sweep and replays, taped steps apart) to reverse `steps` steps with
/// `snapshots` snapshots: r Nt - C(m + r, r - 1), with r the smallest number for which Nt <= C(m + r, m)
/// (Griewank & Walther 2000, eq. 3).
pub fn revolve_optimum(steps: usize, snapshots: usize) -> usize {
    let repeats = (0..).find(|&r| binomial(snapshots + r, snapshots) >= steps).unwrap_or(steps);
    if repeats == 0 { 0 } else { repeats * steps - binomial(snapshots + repeats, repeats - 1) }
}

/// The same number found without the formula: entry `[m][l]` is the least number of plain steps that reverse l steps with m
/// snapshots, F(l, m) = min_k [k + F(l - k, m - 1) + F(k, m)] with F(1, m) = 0 and F(l, 1) = l (l - 1) / 2; row 0 is unused.
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

//! Channels side by side: NCHW keeps the numbers of a channel together, transforms want a number of every channel in a
//! register.

/// Columns that are moved at a time, so that their lines stay in the nearest cache.
const COLUMNS: usize = 64;

/// Sets lines side by side: `to[i * lanes + l] = from[l * pitch + i]`.
pub(super) fn gather(from: &[f32], pitch: usize, lanes: usize, to: &mut [f32]) {
    match lanes {
        16 => gather_by::<16>(from, pitch, to),
        8 => gather_by::<8>(from, pitch, to),
        4 => gather_by::<4>(from, pitch, to),
        _ => unreachable!("registers of {lanes} numbers have no plan"),
    }
}

fn gather_by<const L: usize>(from: &[f32], pitch: usize, to: &mut [f32]) {
    for (part, to) in to.as_chunks_mut::<L>().0.chunks_mut(COLUMNS).enumerate() {
        for l in 0..L {
            let line = &from[l * pitch + part * COLUMNS..][..to.len()];
            for (to, &from) in to.iter_mut().zip(line) {
                to[l] = from;
            }
        }
    }
}

/// Takes lines apart again: `f(l, place i of line l of to, from[i * lanes + l])`, number by number.
pub(super) fn scatter<T>(from: &[f32], lanes: usize, to: &mut [T], pitch: usize, f: impl Fn(usize, &mut T, f32)) {
    match lanes {
        16 => scatter_by::<16, T>(from, to, pitch, f),
        8 => scatter_by::<8, T>(from, to, pitch, f),
        4 => scatter_by::<4, T>(from, to, pitch, f),
        _ => unreachable!("registers of {lanes} numbers have no plan"),
    }
}

fn scatter_by<const L: usize, T>(from: &[f32], to: &mut [T], pitch: usize, f: impl Fn(usize, &mut T, f32)) {
    for (part, from) in from.as_chunks::<L>().0.chunks(COLUMNS).enumerate() {
        for l in 0..L {
            let line = &mut to[l * pitch + part * COLUMNS..][..from.len()];
            for (to, from) in line.iter_mut().zip(from) {
                f(l, to, from[l]);
            }
        }
    }
}

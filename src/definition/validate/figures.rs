//! Faults of figures.

use std::collections::HashSet;

use super::Faults;
use crate::definition::{Definition, FigureKind, Lines, Scale, Schedules, Share, Source, SourceTag, is_name};
use crate::gradient::{Method, timeline};

/// Faults of the figures of a definition.
pub(super) fn figures(definition: &Definition, faults: &mut Faults) {
    const MOST: usize = 50;
    let mut seen = HashSet::new();
    for (i, figure) in definition.figures.iter().enumerate() {
        if !is_name(&figure.id) || figure.id.len() > MOST || !seen.insert(&figure.id) {
            let why =
                format!("`{}`; allowed: at most {MOST} lower-case letters, digits and `-`, each id once", figure.id);
            faults.add(format!("figures[{i}].id"), why);
        }
        if let FigureKind::Images(images) = &figure.draw
            && images.columns.is_empty()
        {
            faults.add(format!("figures[{i}].draw.images.columns"), "empty; name at least one image");
        }
        if let FigureKind::Lines(lines) = &figure.draw {
            if let Some(share) = &lines.share {
                shares(lines, share, &format!("figures[{i}].draw.lines"), faults);
            }
            if let Some([from, to]) = lines.slope_over
                && !(0.0 < from && from < to)
            {
                let why = format!("from {from} to {to}; the slope is fitted to logarithms: allowed: 0 < from < to");
                faults.add(format!("figures[{i}].draw.lines.slope_over"), why);
            }
            for (n, point) in lines.reference.iter().enumerate() {
                if !matches!(point.source, SourceTag::S | SourceTag::F) {
                    let why = format!(
                        "{:?}; a published point comes from a source that was read (S) or a figure (F)",
                        point.source
                    );
                    faults.add(format!("figures[{i}].draw.lines.reference[{n}].source"), why);
                }
            }
        }
        if let FigureKind::Schedules(schedules) = &figure.draw {
            schedule_figure(schedules, &format!("figures[{i}].draw.schedules"), faults);
        }
    }
}

fn shares(lines: &Lines, share: &Share, at: &str, faults: &mut Faults) {
    match (share.min, share.max) {
        (None, None) => faults.add(format!("{at}.share"), "neither `min` nor `max`; name at least one"),
        (Some(min), Some(max)) if min > max => {
            faults.add(format!("{at}.share"), format!("min {min} is above max {max}"));
        }
        _ => {}
    }
    if lines.source == Source::Steps {
        faults.add(format!("{at}.source"), "`steps`; a share of seeds is drawn from rows");
    }
    if lines.y.scale == Scale::Log {
        faults.add(format!("{at}.y.scale"), "`log`; a share may be 0, so its axis is linear");
    }
    let label = match lines.y.label.as_deref() {
        None => Some("absent"),
        Some(label) if label.trim().is_empty() => Some("empty"),
        Some(_) => None,
    };
    if let Some(found) = label {
        faults.add(format!("{at}.y.label"), format!("{found}; say of what the share is, in percent"));
    }
    for (n, threshold) in lines.thresholds.iter().enumerate() {
        if !(0.0..=100.0).contains(&threshold.y) {
            let why = format!("{}; allowed: 0 to 100, as a share is in percent", threshold.y);
            faults.add(format!("{at}.thresholds[{n}].y"), why);
        }
    }
    let odd = [
        ("theory", lines.theory.is_some()),
        ("slope_over", lines.slope_over.is_some()),
        ("reference", !lines.reference.is_empty()),
    ];
    for (name, _) in odd.iter().filter(|(_, present)| *present) {
        faults.add(format!("{at}.{name}"), "stated beside `share`, which it does not fit; remove one of them");
    }
}

fn schedule_figure(drawn: &Schedules, at: &str, faults: &mut Faults) {
    const MOST: usize = 100;
    if !(1..=MOST).contains(&drawn.steps) {
        faults.add(format!("{at}.steps"), format!("{}; allowed: 1 to {MOST}", drawn.steps));
    }
    if drawn.methods.is_empty() {
        faults.add(format!("{at}.methods"), "empty; name at least one schedule");
    }
    for (i, name) in drawn.methods.iter().enumerate() {
        let method = name.as_str().parse::<Method>().ok();
        if method.and_then(|method| timeline(method, 1)).is_none() {
            let why =
                format!("`{}` has no schedule; allowed: full, anode, uniform:M, revolve:M, online:M", name.as_str());
            faults.add(format!("{at}.methods[{i}]"), why);
        }
    }
}

//! The points of a definition under a profile: which settings its runs have.

use serde_json::{Map, Value};

use super::{Definition, Profile, SettingsGrid};

/// One point of a grid: settings, and where in the file they were named.
#[derive(Clone, Debug)]
pub struct Point {
    /// The settings as the file gives them.
    pub settings: Map<String, Value>,
    /// JSON path of each setting.
    pub origin: Map<String, Value>,
    /// JSON path of its grid.
    pub grid: String,
    /// Master seeds: those of its grid, else the definition's.
    pub seeds: Vec<u64>,
}

/// The axis of a grid that is not a setting: it replaces the seeds of the definition for this grid.
pub const SEED_AXIS: &str = "seed";

/// The grid, its path and the fixed settings that hold under a profile.
pub struct Resolved<'a> {
    /// The grids whose union is run.
    pub grid: &'a [SettingsGrid],
    /// JSON path of the grids.
    pub grid_path: String,
    /// Fixed settings, the profile's laid over the definition's, each with its path.
    pub fixed: Vec<(&'a String, &'a Value, String)>,
    /// Master seeds of grids that name none.
    pub seeds: &'a [u64],
}

impl Definition {
    /// What holds under `profile`; `None` where the definition has no such profile.
    pub fn resolve(&self, profile: Profile) -> Option<Resolved<'_>> {
        let over = self.profiles.get(&profile)?;
        let name = profile.name();
        let mut fixed: Vec<_> = self
            .fixed
            .iter()
            .filter(|(key, _)| !over.fixed.contains_key(*key))
            .map(|(k, v)| (k, v, format!("fixed.{k}")))
            .collect();
        fixed.extend(over.fixed.iter().map(|(k, v)| (k, v, format!("profiles.{name}.fixed.{k}"))));
        let (grid, grid_path) = match &over.grid {
            Some(grid) => (grid, format!("profiles.{name}.grid")),
            None => (&self.grid, "grid".to_owned()),
        };
        Some(Resolved { grid, grid_path, fixed, seeds: over.seeds.as_ref().unwrap_or(&self.seeds) })
    }
}

impl Resolved<'_> {
    /// Every point, grid by grid, the last axis fastest. A point is made when it is asked for, so that a large grid
    /// takes no memory.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.grid.iter().enumerate().flat_map(move |(number, grid)| {
            let axes: Vec<(&String, &Vec<Value>)> = grid.iter().filter(|(axis, _)| *axis != SEED_AXIS).collect();
            let count = axes.iter().map(|(_, values)| values.len()).product::<usize>();
            (0..count).map(move |index| self.point(number, grid, &axes, index))
        })
    }

    /// Number of points; saturates.
    pub fn point_count(&self) -> usize {
        self.grid.iter().map(|grid| points_of(grid).unwrap_or(usize::MAX)).fold(0, usize::saturating_add)
    }

    /// Number of runs, a run for each point and seed; saturates.
    pub fn run_count(&self) -> usize {
        let runs = |grid: &SettingsGrid| points_of(grid)?.checked_mul(self.seeds_of(grid));
        self.grid.iter().map(|grid| runs(grid).unwrap_or(usize::MAX)).fold(0, usize::saturating_add)
    }

    /// JSON values in the settings of all runs together, which bounds the memory of a plan; saturates.
    pub fn value_count(&self) -> usize {
        let fixed: usize = self.fixed.iter().map(|(_, value, _)| values_in(value)).sum();
        let of = |grid: &SettingsGrid| -> Option<usize> {
            let points = points_of(grid)?;
            let mut all = points.checked_mul(fixed)?;
            for values in grid.iter().filter(|(axis, _)| *axis != SEED_AXIS).map(|(_, values)| values) {
                let own: usize = values.iter().map(values_in).sum();
                all = all.checked_add((points / values.len().max(1)).checked_mul(own)?)?;
            }
            all.checked_mul(self.seeds_of(grid))
        };
        self.grid.iter().map(|grid| of(grid).unwrap_or(usize::MAX)).fold(0, usize::saturating_add)
    }

    /// Whether a point has several seeds.
    pub fn several_seeds(&self) -> bool {
        self.grid.iter().any(|grid| points_of(grid) != Some(0) && self.seeds_of(grid) > 1)
    }

    fn seeds_of(&self, grid: &SettingsGrid) -> usize {
        grid.get(SEED_AXIS).map_or(self.seeds.len(), Vec::len)
    }

    /// Point `index` of a grid, whose axes but the seed are `axes`.
    fn point(&self, number: usize, grid: &SettingsGrid, axes: &[(&String, &Vec<Value>)], mut index: usize) -> Point {
        let mut point = self.base(number, grid);
        let mut chosen = vec![0; axes.len()];
        for (place, (_, values)) in chosen.iter_mut().zip(axes).rev() {
            *place = index % values.len();
            index /= values.len();
        }
        for ((axis, values), i) in axes.iter().zip(chosen) {
            point.settings.insert((*axis).clone(), values[i].clone());
            point.origin.insert((*axis).clone(), format!("{}[{number}].{axis}[{i}]", self.grid_path).into());
        }
        point
    }

    fn base(&self, number: usize, grid: &SettingsGrid) -> Point {
        let own = grid.get(SEED_AXIS).map(|seeds| seeds.iter().filter_map(Value::as_u64).collect());
        Point {
            seeds: own.unwrap_or_else(|| self.seeds.to_vec()),
            grid: format!("{}[{number}]", self.grid_path),
            settings: self.fixed.iter().map(|(k, v, _)| ((*k).clone(), (*v).clone())).collect(),
            origin: self.fixed.iter().map(|(k, _, path)| ((*k).clone(), path.clone().into())).collect(),
        }
    }
}

/// Points of a grid; `None` where they are too many to count.
fn points_of(grid: &SettingsGrid) -> Option<usize> {
    let axes = grid.iter().filter(|(axis, _)| *axis != SEED_AXIS);
    axes.map(|(_, values)| values.len()).try_fold(1usize, usize::checked_mul)
}

/// The values inside a JSON value, itself among them.
fn values_in(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(values_in).sum(),
        Value::Object(map) => map.values().map(values_in).sum(),
        _ => 0,
    }
}

impl Profile {
    /// Every profile, smallest first.
    pub const ALL: [Profile; 3] = [Profile::Quick, Profile::Standard, Profile::Paper];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Standard => "standard",
            Profile::Paper => "paper",
        }
    }
}

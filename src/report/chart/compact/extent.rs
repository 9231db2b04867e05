//! The place of a shape in a drawing: a rectangle around it, in the units of the drawing.

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Extent {
    /// The place of what may be anywhere.
    pub const EVERYWHERE: Self =
        Self { left: f64::NEG_INFINITY, right: f64::INFINITY, top: f64::NEG_INFINITY, bottom: f64::INFINITY };

    /// The rectangle around points, larger by `margin` on each side; `None` without points.
    pub fn of(points: &[(i32, i32)], margin: f64) -> Option<Self> {
        let one = |&(x, y): &(i32, i32)| Self::around(f64::from(x), f64::from(y), margin);
        points.iter().map(one).reduce(|all, point| all.and(&point))
    }

    /// The square around a point.
    pub fn around(x: f64, y: f64, margin: f64) -> Self {
        Self { left: x - margin, right: x + margin, top: y - margin, bottom: y + margin }
    }

    /// The rectangle around both.
    pub fn and(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            top: self.top.min(other.top),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Whether they have a point in common.
    pub fn touches(&self, other: &Self) -> bool {
        self.left <= other.right && other.left <= self.right && self.top <= other.bottom && other.top <= self.bottom
    }
}

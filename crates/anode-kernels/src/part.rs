//! A stretch of a buffer: a layer's parameters among all parameters, say. A device's memory has no slices.

use std::ops::Range;

use anode_core::ode::Vector;

/// Some of the numbers of a buffer.
#[derive(Debug)]
pub struct Part<'a, B> {
    whole: &'a B,
    start: usize,
    len: usize,
}

impl<B> Clone for Part<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Part<'_, B> {}

impl<'a, B> Part<'a, B> {
    /// The numbers of `whole` at `range`.
    pub fn new(whole: &'a B, range: Range<usize>) -> Self {
        Self { whole, start: range.start, len: range.len() }
    }

    /// Those of these numbers at `range`, counted from the first of these.
    pub fn part(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "a part that is not in the whole");
        Self::new(self.whole, self.start + range.start..self.start + range.end)
    }

    /// The first `at` numbers, and the others.
    pub fn split(self, at: usize) -> (Self, Self) {
        (self.part(0..at), self.part(at..self.len))
    }

    /// How many numbers.
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The buffer, and where the numbers begin in it.
    pub fn place(self) -> (&'a B, usize) {
        (self.whole, self.start)
    }
}

impl<'a, B: Vector> Part<'a, B> {
    /// All numbers of `whole`.
    pub fn all(whole: &'a B) -> Self {
        Self::new(whole, 0..whole.len())
    }
}

impl<'a, R> Part<'a, Vec<R>> {
    /// The numbers, in host memory.
    pub fn slice(self) -> &'a [R] {
        &self.whole[self.start..][..self.len]
    }
}

/// Some of the numbers of a buffer, to be changed.
#[derive(Debug)]
pub struct PartMut<'a, B> {
    whole: &'a mut B,
    start: usize,
    len: usize,
}

impl<'a, B> PartMut<'a, B> {
    /// The numbers of `whole` at `range`.
    pub fn new(whole: &'a mut B, range: Range<usize>) -> Self {
        Self { whole, start: range.start, len: range.len() }
    }

    /// Those of these numbers at `range`, counted from the first of these.
    pub fn part(&mut self, range: Range<usize>) -> PartMut<'_, B> {
        assert!(range.start <= range.end && range.end <= self.len, "a part that is not in the whole");
        PartMut { whole: &mut *self.whole, start: self.start + range.start, len: range.len() }
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The buffer, and where the numbers begin in it.
    pub fn place(&mut self) -> (&mut B, usize) {
        (&mut *self.whole, self.start)
    }
}

impl<'a, B: Vector> PartMut<'a, B> {
    /// All numbers of `whole`.
    pub fn all(whole: &'a mut B) -> Self {
        let len = whole.len();
        Self::new(whole, 0..len)
    }
}

impl<R> PartMut<'_, Vec<R>> {
    /// The numbers, in host memory.
    pub fn slice(&mut self) -> &mut [R] {
        &mut self.whole[self.start..][..self.len]
    }
}

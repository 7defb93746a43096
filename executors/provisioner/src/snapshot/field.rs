//! A value of a payload together with the place where it stands there, so that a refusal can point at it.

use std::ops::RangeInclusive;

use executor_api::ExecutorError;

/// What may be given in more than one place.
pub(super) trait Given {
    /// Whether it is as good as missing.
    fn is_nothing(&self) -> bool {
        false
    }
}

impl Given for bool {}
impl Given for i64 {}
impl Given for f64 {}
impl Given for String {
    /// User interfaces send an empty text for a field that nobody filled in.
    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}
impl<T> Given for Vec<T> {
    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

/// A field of the payload, filled in or not.
pub(super) struct Field<T> {
    pointer: String,
    value: Option<T>,
}

impl<T: Given> Field<T> {
    pub(super) fn at(pointer: impl Into<String>, value: Option<T>) -> Self {
        Self { pointer: pointer.into(), value: value.filter(|value| !value.is_nothing()) }
    }

    /// The same fact under its other name. Both may be there if they agree.
    pub(super) fn or_at(self, pointer: impl Into<String>, value: Option<T>) -> Result<Self, ExecutorError>
    where
        T: PartialEq,
    {
        let other = Self::at(pointer, value);
        match (&self.value, &other.value) {
            (Some(one), Some(two)) if one != two => {
                Err(self.refuse(format!("says something else than {}; give one of the two", other.pointer)))
            }
            (None, Some(_)) => Ok(other),
            _ => Ok(self),
        }
    }
}

impl<T> Field<T> {
    /// `check` says what is wrong and what would be right.
    pub(super) fn check<U>(self, check: impl FnOnce(T) -> Result<U, String>) -> Result<Field<U>, ExecutorError> {
        let checked = self.value.map(check).transpose();
        let value = checked.map_err(|why| ExecutorError::invalid(&self.pointer, why))?;
        Ok(Field { pointer: self.pointer, value })
    }

    /// A refusal that points here.
    pub(super) fn refuse(&self, why: impl Into<String>) -> ExecutorError {
        ExecutorError::invalid(&self.pointer, why)
    }

    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(super) fn or(self, default: T) -> T {
        self.value.unwrap_or(default)
    }

    pub(super) fn optional(self) -> Option<T> {
        self.value
    }

    pub(super) fn required(self, remedy: &str) -> Result<T, ExecutorError> {
        self.value.ok_or_else(|| ExecutorError::invalid(&self.pointer, format!("is missing; {remedy}")))
    }
}

impl Field<String> {
    /// `check` hands the text back in its one spelling, or says what would be right.
    pub(super) fn text<U>(self, check: impl FnOnce(&str) -> Result<U, String>) -> Result<Field<U>, ExecutorError> {
        self.check(|text| check(&text))
    }
}

impl Field<Vec<String>> {
    /// The texts of a list; an empty one is refused like any other that does not fit.
    pub(super) fn texts(self, check: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, ExecutorError> {
        self.each(|at, text| check(&text).map_err(|why| ExecutorError::invalid(at, why)))
    }
}

impl Field<i64> {
    pub(super) fn within(self, range: RangeInclusive<u32>) -> Result<Field<u32>, ExecutorError> {
        self.check(|number| {
            let fits = u32::try_from(number).ok().filter(|number| range.contains(number));
            fits.ok_or_else(|| format!("give a whole number from {} to {}", range.start(), range.end()))
        })
    }
}

impl Field<f64> {
    pub(super) fn within(self, range: RangeInclusive<f64>) -> Result<Self, ExecutorError> {
        self.check(|number| {
            let why = || format!("give a number from {} to {}", range.start(), range.end());
            if range.contains(&number) { Ok(number) } else { Err(why()) }
        })
    }
}

impl<T> Field<Vec<T>> {
    pub(super) fn at_most(self, most: usize) -> Result<Self, ExecutorError> {
        self.check(|items| {
            let why = format!("give at most {most}; there are {}", items.len());
            if items.len() <= most { Ok(items) } else { Err(why) }
        })
    }

    /// Reads each item, which is told its place.
    pub(super) fn each<U>(
        self,
        mut read: impl FnMut(&str, T) -> Result<U, ExecutorError>,
    ) -> Result<Vec<U>, ExecutorError> {
        let place = |at| format!("{}/{at}", self.pointer);
        self.value.into_iter().flatten().enumerate().map(|(at, item)| read(&place(at), item)).collect()
    }
}

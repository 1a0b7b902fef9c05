/// What a person typed and we cannot take, field by field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("some of what was sent is not valid: {}", list(.fields))]
pub struct InvalidInput {
    /// At least one field, in the order of the form.
    pub fields: Vec<InvalidField>,
}

/// One field that has to be typed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// The field's name in forms and in JSON.
    pub field: &'static str,
    /// A stable word for programs, such as `too_short`.
    pub code: &'static str,
    /// A sentence for the person, which says the way out.
    pub message: String,
}

impl InvalidInput {
    /// One invalid field.
    pub fn one(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { fields: vec![InvalidField { field, code, message: message.into() }] }
    }

    /// Nothing when no field is invalid.
    pub fn unless_empty(fields: Vec<InvalidField>) -> Option<Self> {
        (!fields.is_empty()).then_some(Self { fields })
    }
}

fn list(fields: &[InvalidField]) -> String {
    fields
        .iter()
        .map(|invalid| format!("{} ({})", invalid.field, invalid.code))
        .collect::<Vec<_>>()
        .join(", ")
}

/// An error of one field: what a model says when it refuses to be parsed.
pub(crate) trait FieldError: std::fmt::Display {
    fn code(&self) -> &'static str;
}

/// Takes the value, or notes what is wrong with the field and goes on, so that a form names all its
/// mistakes at once.
pub(crate) fn take<T, E: FieldError>(
    field: &'static str,
    parsed: Result<T, E>,
    invalid: &mut Vec<InvalidField>,
) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(error) => {
            invalid.push(InvalidField { field, code: error.code(), message: error.to_string() });
            None
        }
    }
}

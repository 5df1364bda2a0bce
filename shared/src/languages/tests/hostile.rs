//! Texts made to be slow or deep.

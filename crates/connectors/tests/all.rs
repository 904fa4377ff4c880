//! Tests of every connector of the list. No test names a connector, so a new one needs only its
//! fixtures.

#[cfg(test)]
mod descriptions;
#[cfg(test)]
mod dot_segments;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod reply_members;
#[cfg(test)]
mod specs;
#[cfg(test)]
mod support;

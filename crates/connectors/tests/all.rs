//! What holds for every connector of the list. A new connector is covered by its fixtures alone: nothing here names one.

#[cfg(test)]
mod descriptions;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod specs;
#[cfg(test)]
mod support;

//! A slab with generations: an ack id is a place and a generation, so an ack needs no search.

use super::Entry;
use crate::store::{Kind, Store, backlog_key};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Slots {
    cells: Vec<Cell>,
    free: Vec<u32>,
    /// Where the backlog is kept, and the subscription's number there.
    pub(super) store: Option<(Arc<Store>, u32)>,
}

#[derive(Debug)]
struct Cell {
    generation: u32,
    entry: Option<Entry>,
}

impl Slots {
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        if let Some((store, incarnation)) = &self.store {
            store.put(
                Kind::Backlog,
                &backlog_key(*incarnation, entry.message.id),
                Vec::new(),
            );
        }
        while let Some(slot) = self.free.pop() {
            if let Some(cell) = self.cell(slot) {
                cell.entry = Some(entry);
                return slot;
            }
        }
        self.cells.push(Cell {
            generation: 0,
            entry: Some(entry),
        });
        u32::try_from(self.cells.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Entry> {
        let cell = self.cell(slot)?;
        let entry = cell.entry.take()?;
        cell.generation = cell.generation.wrapping_add(1);
        self.free.push(slot);
        if let Some((store, incarnation)) = &self.store {
            store.delete(Kind::Backlog, &backlog_key(*incarnation, entry.message.id));
        }
        Some(entry)
    }

    /// Makes the ids given out so far for this slot invalid.
    pub(super) fn renew(&mut self, slot: u32) -> u32 {
        self.cell(slot).map_or(0, |cell| {
            cell.generation = cell.generation.wrapping_add(1);
            cell.generation
        })
    }

    pub(super) fn generation(&self, slot: u32) -> u32 {
        self.cells.get(slot as usize).map_or(0, |cell| cell.generation)
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Entry> {
        self.cells.get(slot as usize)?.entry.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.cell(slot)?.entry.as_mut()
    }

    /// The entry, if the slot still holds this generation of it.
    pub(super) fn current(&self, slot: u32, generation: u32) -> Option<&Entry> {
        let cell = self.cells.get(slot as usize)?;
        if cell.generation == generation {
            cell.entry.as_ref()
        } else {
            None
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.cells.iter().filter_map(|cell| cell.entry.as_ref())
    }

    pub(super) fn occupied(&self) -> Vec<u32> {
        (0u32..)
            .zip(&self.cells)
            .filter(|(_, cell)| cell.entry.is_some())
            .map(|(slot, _)| slot)
            .collect()
    }

    fn cell(&mut self, slot: u32) -> Option<&mut Cell> {
        self.cells.get_mut(slot as usize)
    }
}

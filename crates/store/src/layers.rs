//! What is below the object keys of one object: boxes and layout tags, one a layer.

use coffer_crypto::Key32;
use coffer_seal::{Checksums, Kind, Layout, LayoutPart, ObjectKeys, PartKeys};

use crate::error::StoreError;
use crate::records::{ByteRecord, PartRecord};

/// The keys below the object key of each layer, the inner one first.
pub(crate) struct LayerKeys(Vec<ObjectKeys>);

impl LayerKeys {
    /// Derives them from the object key of each layer, of which there is one at least.
    pub(crate) fn derive(object_keys: &[Key32]) -> Self {
        assert!(!object_keys.is_empty(), "an object has a layer");
        Self(object_keys.iter().map(ObjectKeys::derive).collect())
    }

    /// The keys of each layer, the inner one first, of which there is one at least.
    pub(crate) fn of(layers: Vec<ObjectKeys>) -> Self {
        assert!(!layers.is_empty(), "an object has a layer");
        Self(layers)
    }

    /// Those of the first layer, which has the head box and the sums box.
    pub(crate) fn first(&self) -> &ObjectKeys {
        &self.0[0]
    }

    /// How many layers there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Seals the part box of each layer. The checksums are in the first one only: who opens the other alone must not
    /// learn anything of the plaintext.
    ///
    /// # Panics
    /// When the part is sealed in another number of layers.
    pub(crate) fn seal_part_boxes(
        &self,
        number: u32,
        part_keys: &PartKeys,
        plain_len: u64,
        flags: u8,
        checksums: &Checksums,
    ) -> Vec<ByteRecord> {
        assert_eq!(part_keys.layers(), self.count(), "a part is sealed in the layers of its object");
        let none = Checksums::new();
        let checksums = std::iter::once(checksums).chain(std::iter::repeat(&none));
        let layers = self.0.iter().zip(part_keys.iter()).zip(checksums);
        layers
            .map(|((keys, part_key), checksums)| {
                ByteRecord(keys.seal_part_box(number, part_key, plain_len, flags, checksums))
            })
            .collect()
    }

    /// The checksums of a part.
    pub(crate) fn checksums_of(&self, part: &PartRecord) -> Result<Checksums, StoreError> {
        let first = part.boxes.first().ok_or_else(|| StoreError::Damaged("a part has no box".to_owned()))?;
        Ok(self.first().open_part_box(part.number, &first.0)?.checksums)
    }

    /// The keys of a part, its flags and its checksums.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it was not sealed under these keys, or is of another length.
    pub(crate) fn open_part(&self, part: &PartRecord) -> Result<(PartKeys, u8, Checksums), StoreError> {
        if part.boxes.len() != self.count() {
            return Err(StoreError::Damaged("a part has other layers than its object".to_owned()));
        }
        let mut opened = Vec::with_capacity(self.count());
        for (keys, sealed) in self.0.iter().zip(&part.boxes) {
            let part_box = keys.open_part_box(part.number, &sealed.0)?;
            if part_box.plain_len != part.plain_len {
                return Err(StoreError::Damaged("a part has another length than its box says".to_owned()));
            }
            opened.push(part_box);
        }
        let mut layers = opened.into_iter();
        let inner = layers.next().expect("there is a box for each layer, of which there is one at least");
        Ok((PartKeys::new(inner.key, layers.next().map(|outer| outer.key)), inner.flags, inner.checksums))
    }

    /// The layout tag of each layer.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a part has another number of layers.
    pub(crate) fn layout_tags<'a>(
        &self,
        kind: Kind,
        head_box: &[u8],
        sums_box: &[u8],
        parts: impl Iterator<Item = &'a PartRecord> + Clone,
    ) -> Result<Vec<ByteRecord>, StoreError> {
        let tag = |(layer, keys): (usize, &ObjectKeys)| {
            let mut layout_parts = Vec::new();
            for PartRecord { number, plain_len, boxes, .. } in parts.clone() {
                let part_box = boxes.get(layer).filter(|_| boxes.len() == self.count());
                let part_box = part_box
                    .ok_or_else(|| StoreError::Damaged("a part has other layers than its object".to_owned()))?;
                layout_parts.push(LayoutPart { number: *number, plain_len: *plain_len, part_box: &part_box.0 });
            }
            let layout = Layout { kind, head_box, sums_box, parts: &layout_parts };
            Ok(ByteRecord(keys.layout_tag(&layout).to_vec()))
        };
        self.0.iter().enumerate().map(tag).collect()
    }
}

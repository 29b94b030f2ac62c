//! Cipher block chaining over the block cipher.

use aes::Aes128;
use aes::cipher::consts::U16;
use aes::cipher::{BlockBackend, BlockClosure, BlockEncrypt, BlockSizeUser};

/// Bytes of a block.
pub(super) const BLOCK: usize = 16;

/// Encrypts `blocks` in place, each mixed with the one before it; `last` is the IV first, and the last block in the end.
///
/// All blocks go through the processor's own instructions in one loop, as fast as one block can follow the other.
pub(super) fn encrypt(cipher: &Aes128, last: &mut [u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
    cipher.encrypt_with_backend(Chain { last, blocks });
}

struct Chain<'a> {
    last: &'a mut [u8; BLOCK],
    blocks: &'a mut [[u8; BLOCK]],
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = U16;
}

impl BlockClosure for Chain<'_> {
    #[inline(always)]
    fn call<B: BlockBackend<BlockSize = U16>>(self, backend: &mut B) {
        let mut last = *self.last;
        for block in self.blocks {
            // In an array of its own, and byte by byte: that becomes one instruction on a register of the right kind.
            for (last, byte) in last.iter_mut().zip(block.iter()) {
                *last ^= *byte;
            }
            backend.proc_block_inplace((&mut last).into());
            *block = last;
        }
        *self.last = last;
    }
}

/** Pieces of bytes that belong behind each other. */
export type Batch = readonly Uint8Array[]

/** The length of a batch, in bytes. */
export function lengthOf(batch: Batch): number {
  let bytes = 0
  for (const piece of batch) bytes += piece.byteLength
  return bytes
}

/** A batch in two, the first with at most `length` bytes; nothing is copied. */
export function cut(batch: Batch, length: number): [Batch, Batch] {
  let left = length
  for (const [index, piece] of batch.entries()) {
    if (piece.byteLength <= left) {
      left -= piece.byteLength
      continue
    }
    const head = batch.slice(0, index)
    if (left > 0) head.push(piece.subarray(0, left))
    return [head, [piece.subarray(left), ...batch.slice(index + 1)]]
  }
  return [batch, []]
}

const LEAST_BYTES = 4_096

/** Bytes written one after the other, in the forms of Kafka's protocol. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(LEAST_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was written. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Leaves so many bytes out, to be written later; answers where they are. */
  skip(count: number): number {
    const at = this.#length
    this.#ensure(count)
    this.#length += count
    return at
  }

  int8(value: number) {
    this.#ensure(1)
    this.#length = this.#bytes.writeInt8(value, this.#length)
  }

  int16(value: number) {
    this.#ensure(2)
    this.#length = this.#bytes.writeInt16BE(value, this.#length)
  }

  int32(value: number, at = this.skip(4)) {
    this.#bytes.writeInt32BE(value, at)
  }

  uint32(value: number, at = this.skip(4)) {
    this.#bytes.writeUInt32BE(value, at)
  }

  int64(value: number) {
    this.#ensure(8)
    this.#length = this.#bytes.writeBigInt64BE(BigInt(value), this.#length)
  }

  /** Zigzag, seven bits a byte; of up to 52 bits. */
  varint(value: number) {
    this.#ensure(8)
    this.#length = this.#varintAt(value, this.#length)
  }

  /** With its length as 16 bits; null is a length of -1. */
  string(text: string | null) {
    if (text === null) return this.int16(-1)
    this.int16(Buffer.byteLength(text))
    this.#text(text)
  }

  /** With its length as a varint; null is a length of -1. */
  varbytes(value: string | Uint8Array | null | undefined) {
    if (value === null || value === undefined) return this.varint(-1)
    if (typeof value !== 'string') {
      this.varint(value.length)
      this.#ensure(value.length)
      this.#bytes.set(value, this.#length)
      this.#length += value.length
    } else {
      this.varint(Buffer.byteLength(value))
      this.#text(value)
    }
  }

  /** What `write` writes, with its length as a varint before it. */
  sized(write: () => void) {
    const start = this.skip(1) // of a length below 64; more is made room for
    write()
    const length = this.#length - start - 1
    const extra = sizeOfVarint(length) - 1
    if (extra > 0) {
      this.#ensure(extra)
      this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#length)
      this.#length += extra
    }
    this.#varintAt(length, start)
  }

  #text(text: string) {
    this.#ensure(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length)
  }

  #varintAt(value: number, at: number): number {
    let rest = value < 0 ? -2 * value - 1 : 2 * value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) at = this.#bytes.writeUInt8((rest % 0x80) | 0x80, at)
    return this.#bytes.writeUInt8(rest, at)
  }

  #ensure(more: number) {
    if (this.#length + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.#length + more))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

function sizeOfVarint(value: number): number {
  let size = 1
  for (let rest = 2 * value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
  return size
}

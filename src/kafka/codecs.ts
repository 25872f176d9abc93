import { promisify } from 'node:util'
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs from 'kafkajs'

// Node sees only some of the names that this CommonJS package exports; these two are among the others.
const { CompressionCodecs, CompressionTypes } = kafkajs

/** No batch may expand to more than this. */
export const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024

interface Codec {
  name: string
  decompress(bytes: Buffer): Promise<Buffer>
  compress(bytes: Buffer): Promise<Buffer>
}

/** By the number that a batch's attributes have for them. */
const CODECS: Readonly<Record<number, Codec>> = {
  [CompressionTypes.GZIP]: {
    name: 'gzip',
    decompress: (bytes) => promisify(gunzip)(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES }),
    compress: (bytes) => promisify(gzip)(bytes),
  },
  [CompressionTypes.Snappy]: {
    name: 'snappy',
    decompress: async (bytes) => expandSnappy(bytes),
    compress: readOnly,
  },
  [CompressionTypes.LZ4]: {
    name: 'lz4',
    decompress: async (bytes) => expandLz4(bytes),
    compress: readOnly,
  },
  [CompressionTypes.ZSTD]: {
    name: 'zstd',
    decompress: (bytes) => promisify(zstdDecompress)(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES }),
    compress: (bytes) => promisify(zstdCompress)(bytes),
  },
}

/** Undoes a compression that a batch of records may have. Throws on what is broken, unknown or too large. */
export async function decompress(type: number, bytes: Buffer): Promise<Buffer> {
  const codec = CODECS[type]
  if (!codec) throw new Error(`compression type ${type} is unknown`)
  try {
    return await codec.decompress(bytes)
  } catch (error) {
    throw new Error(`${codec.name}: ${(error as Error).message}`, { cause: error })
  }
}

/** Gives kafkajs the compressions it lacks, and a bound for the one it has. We send without any. */
export function registerCodecs(): void {
  for (const [type, { compress }] of Object.entries(CODECS)) {
    const codec = {
      compress: (encoder: { buffer: Buffer }) => compress(encoder.buffer),
      decompress: (bytes: Buffer) => decompress(Number(type), bytes),
    }
    CompressionCodecs[Number(type) as keyof typeof CompressionCodecs] = () => codec
  }
}

async function readOnly(): Promise<never> {
  throw new Error('this compression can be read only')
}

/** What snappy-java writes before its blocks, each of which has its length before it. Others write one bare block. */
const SNAPPY_JAVA = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const SNAPPY_JAVA_HEADER_BYTES = 16

function expandSnappy(input: Buffer): Buffer {
  if (!input.subarray(0, SNAPPY_JAVA.length).equals(SNAPPY_JAVA)) {
    return expandSnappyBlock(input, MAX_DECOMPRESSED_BYTES)
  }
  const blocks: Buffer[] = []
  let room = MAX_DECOMPRESSED_BYTES
  for (let at = SNAPPY_JAVA_HEADER_BYTES; at < input.length; ) {
    const start = at + 4
    at = start + input.readUInt32BE(at)
    if (at > input.length) throw new Error('a block is cut off')
    const block = expandSnappyBlock(input.subarray(start, at), room)
    room -= block.length
    blocks.push(block)
  }
  return Buffer.concat(blocks)
}

/** The length, then literals and copies of what is there already. */
function expandSnappyBlock(input: Buffer, limit: number): Buffer {
  let at = 0
  let length = 0
  for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
    if (shift > 28) throw new Error('no length')
    byte = input.readUInt8(at++)
    length += (byte & 0x7f) * 2 ** shift
  }
  if (length > limit) throw tooLarge()
  const output = Buffer.allocUnsafe(length)
  let end = 0
  while (at < input.length) {
    const tag = input[at++]!
    const kind = tag & 3
    let size = (tag >>> 2) + 1
    if (kind === 0) {
      if (size > 60) {
        const bytes = size - 60
        size = input.readUIntLE(at, bytes) + 1
        at += bytes
      }
      copyLiteral(input, at, output, end, size)
      at += size
    } else if (kind === 1) {
      size = ((tag >>> 2) & 7) + 4
      copyEarlier(output, end, ((tag >>> 5) << 8) | input.readUInt8(at), size)
      at += 1
    } else {
      const bytes = kind === 2 ? 2 : 4
      copyEarlier(output, end, input.readUIntLE(at, bytes), size)
      at += bytes
    }
    end += size
  }
  if (end !== length) throw new Error('less than its length says')
  return output
}

const LZ4_MAGIC = 0x184d2204
const LZ4_BLOCK_BYTES: Readonly<Record<number, number>> = { 4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22 }
const LZ4_STORED = 0x8000_0000

/** One LZ4 frame. Its checksums are passed over: the batch around it has one of its own. */
function expandLz4(input: Buffer): Buffer {
  if (input.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('not a frame')
  const flags = input.readUInt8(4)
  const blockBytes = LZ4_BLOCK_BYTES[(input.readUInt8(5) >>> 4) & 7]
  if (flags >>> 6 !== 1 || blockBytes === undefined) throw new Error('not a frame of version 1')
  if (flags & 0x01) throw new Error('needs a dictionary')
  const blockChecksumBytes = flags & 0x10 ? 4 : 0
  const contentSizeBytes = flags & 0x08 ? 8 : 0

  let output = Buffer.alloc(0)
  let end = 0
  for (let at = 7 + contentSizeBytes; ; ) {
    const word = input.readUInt32LE(at)
    if (word === 0) return output.subarray(0, end)
    const stored = word >= LZ4_STORED
    const size = stored ? word - LZ4_STORED : word
    at += 4
    if (at + size > input.length) throw new Error('a block is cut off')
    output = withRoom(output, end, end + (stored ? size : blockBytes))
    if (stored) {
      copyLiteral(input, at, output, end, size)
      end += size
    } else {
      end = expandLz4Block(input.subarray(at, at + size), output, end)
    }
    at += size + blockChecksumBytes
  }
}

/** Writes a block at `end`, and answers where it ends. It may refer to the blocks before. */
function expandLz4Block(block: Buffer, output: Buffer, end: number): number {
  let at = 0
  while (at < block.length) {
    const token = block[at++]!
    const literal = sizeFrom(token >>> 4)
    copyLiteral(block, at, output, end, literal)
    at += literal
    end += literal
    if (at === block.length) break
    const distance = block.readUInt16LE(at)
    at += 2
    const size = sizeFrom(token & 15) + 4
    copyEarlier(output, end, distance, size)
    end += size
  }
  return end

  function sizeFrom(nibble: number): number {
    let size = nibble
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; ) {
      byte = block.readUInt8(at++)
      size += byte
    }
    return size
  }
}

/** The same bytes in a buffer that goes to `wanted`, or to the limit where that is less. */
function withRoom(output: Buffer<ArrayBuffer>, end: number, wanted: number): Buffer<ArrayBuffer> {
  const length = Math.min(wanted, MAX_DECOMPRESSED_BYTES)
  if (length <= output.length) return output
  const larger = Buffer.allocUnsafe(Math.min(Math.max(length, 2 * output.length), MAX_DECOMPRESSED_BYTES))
  output.copy(larger, 0, 0, end)
  return larger
}

function copyLiteral(input: Buffer, at: number, output: Buffer, end: number, size: number): void {
  if (at + size > input.length) throw new Error('a literal is cut off')
  if (end + size > output.length) throw tooLarge()
  if (size > 32) input.copy(output, end, at, at + size)
  else for (let i = 0; i < size; i++) output[end + i] = input[at + i]!
}

/** Repeats what was written `distance` before; where that is less than `size`, also what it is writing. */
function copyEarlier(output: Buffer, end: number, distance: number, size: number): void {
  if (distance === 0 || distance > end) throw new Error('a copy from before the beginning')
  if (end + size > output.length) throw tooLarge()
  if (size > 32 && distance >= size) output.copyWithin(end, end - distance, end - distance + size)
  else for (let i = end; i < end + size; i++) output[i] = output[i - distance]!
}

function tooLarge(): Error {
  return new Error('expands to more than it may')
}

import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'
import { CompressionTypes } from 'kafkajs'
import lz4 from 'lz4js'
import snappy from 'snappyjs'

export interface Compressor {
  name: string
  type: CompressionTypes
  compress(bytes: Buffer<ArrayBuffer>): Promise<Buffer>
}

/** Each compression of Kafka, written by code that is none of ours. */
export const COMPRESSORS: readonly Compressor[] = [
  { name: 'gzip', type: CompressionTypes.GZIP, compress: (bytes) => promisify(gzip)(bytes) },
  {
    name: 'snappy, a bare block',
    type: CompressionTypes.Snappy,
    compress: async (bytes) => snappy.compress(bytes),
  },
  {
    name: 'snappy, in the blocks of snappy-java',
    type: CompressionTypes.Snappy,
    compress: async (bytes) => inSnappyJavaBlocks(bytes),
  },
  { name: 'lz4', type: CompressionTypes.LZ4, compress: async (bytes) => Buffer.from(lz4.compress(bytes)) },
  { name: 'zstd', type: CompressionTypes.ZSTD, compress: (bytes) => promisify(zstdCompress)(bytes) },
]

export function inSnappyJavaBlocks(bytes: Buffer<ArrayBuffer>, blockBytes = 32 * 1024): Buffer {
  const header = Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex')
  const parts: Buffer[] = [header]
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = snappy.compress(bytes.subarray(at, at + blockBytes))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}
